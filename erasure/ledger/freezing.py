"""Freezing a target set: the request goes in, dbt's queries decide, one INSERT keeps what they found.

Add here: what is checked before a set is frozen.
Keep out: the queries themselves (`dbt_project/models/targets/`, for any world) and values of a person in any error.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from erasure.errors import BadInput, Refused, StoreRefused, safe_reason
from erasure.ledger.database import Connection, connect
from erasure.rules import normalise_email
from erasure.settings import Settings
from erasure.targets import Needle, Request, TargetSet, require_batch_id

_LINES_SHOWN = 20
_SENTENCES = {
    "unknown": "contributor_id is unknown in PostgreSQL",
    "other email": "email_address is not that contributor's in PostgreSQL",
}


@dataclass(frozen=True, kw_only=True)
class TargetQueries:
    """The compiled models of `models/targets/` for one batch."""

    requested_contributors: str
    deletion_targets: str
    shared_emails: str


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What became of a request, in numbers."""

    contributors: int
    already_erased: int
    skipped_unknown: int
    excluded: Mapping[str, int]


def freeze(
    settings: Settings, *, batch_id: str, request: Request, queries: TargetQueries, skip_unknown: bool = False
) -> Frozen:
    """Mints the batch and freezes its target set in one transaction; a refused request leaves nothing behind.

    Raises BadInput that lists the lines PostgreSQL disagrees with, and Refused where an email is used by a target
    and by somebody else.
    """
    require_batch_id(batch_id)
    try:
        with connect(settings.database) as connection:
            connection.execute(
                "insert into erasure.batches (batch_id, state, world, csv_sha256) values (%s, 'planned', %s, %s)",
                (batch_id, settings.erasure.world, request.sha256),
            )
            _copy_request(connection, batch_id, request)
            erased, skipped = _check_outcomes(connection, batch_id, queries, skip_unknown=skip_unknown)
            connection.execute(
                "insert into erasure.targets (batch_id, contributor_id, person_id, kind, value, reason)"
                f" select '{batch_id}', contributor_id, person_id, kind, value, reason"
                f" from ({queries.deletion_targets}) as deletion_targets"
            )
            connection.execute("analyze erasure.targets")
            _check_shared_emails(connection, queries)
            return Frozen(
                contributors=_number(connection, batch_id, "contributor"),
                already_erased=erased,
                skipped_unknown=skipped,
                excluded=_excluded(connection, batch_id),
            )
    except psycopg.Error as error:
        raise StoreRefused(
            store="postgres",
            object_name="erasure.targets",
            what=f"the target set could not be frozen ({safe_reason(error)})",
            remedy="check the rights of [database] username on the world's tables and on schema erasure",
        ) from None


def differences(connection: Connection, *, batch_id: str, queries: TargetQueries) -> dict[str, int]:
    """How many rows of each kind would be frozen otherwise now: eligibility, members and needles are part of it."""
    frozen = (
        "select contributor_id, person_id, kind, value, reason from erasure.targets"
        f" where batch_id = '{batch_id}' and kind in ('contributor', 'excluded', 'email', 'name', 'phone')"
    )
    rows = connection.execute(
        f"with planned as ({frozen}), current as ({queries.deletion_targets})"
        " select kind, count(*) as number from ("
        " (select * from planned except select * from current)"
        " union all (select * from current except select * from planned)) as differing group by kind order by kind"
    ).fetchall()
    return {row["kind"]: row["number"] for row in rows}


def load_targets(settings: Settings, *, batch_id: str) -> TargetSet:
    """The frozen set with its needles; after `expire` the ids alone, from the permanent list."""
    with connect(settings.database) as connection:
        rows = connection.execute(
            "select contributor_id::text, kind, value from erasure.targets"
            " where batch_id = %s and kind in ('contributor', 'email', 'name', 'phone')",
            (batch_id,),
        ).fetchall()
        if not rows:
            rows = connection.execute(
                "select distinct contributor_id::text, 'contributor' as kind, '' as value"
                " from erasure.erased where batch_id = %s and restored_at is null",
                (batch_id,),
            ).fetchall()
    return TargetSet(
        batch_id=batch_id,
        contributor_ids=frozenset(row["contributor_id"] for row in rows if row["kind"] == "contributor"),
        needles=tuple(
            Needle(contributor_id=row["contributor_id"], kind=row["kind"], value=row["value"])
            for row in rows
            if row["kind"] != "contributor"
        ),
    )


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Who was asked for and is not in the target set, in numbers; `excluded` by reason."""

    already_erased: int
    skipped_unknown: int
    excluded: Mapping[str, int]


def left_out(settings: Settings, *, batch_id: str) -> LeftOut:
    """What became of those who were asked for and are no targets."""
    with connect(settings.database) as connection:
        row = connection.execute(
            "select count(*) filter (where erased) as erased, count(*) filter (where not erased) as unknown from ("
            " select exists (select 1 from erasure.erased where erased.contributor_id = requested.contributor_id"
            " and restored_at is null) as erased from erasure.targets as requested"
            " where requested.batch_id = %(batch)s and requested.kind = 'requested' and not exists ("
            " select 1 from erasure.targets as found where found.batch_id = %(batch)s"
            " and found.kind in ('contributor', 'excluded')"
            " and found.contributor_id = requested.contributor_id)) as missing",
            {"batch": batch_id},
        ).fetchone()
        return LeftOut(
            already_erased=row["erased"] if row else 0,
            skipped_unknown=row["unknown"] if row else 0,
            excluded=_excluded(connection, batch_id),
        )


def targets_digest(settings: Settings, *, batch_id: str) -> str:
    """Names the frozen set and the reasons in it: 64 hexadecimal digits, of use only beside the same batch id."""
    with connect(settings.database) as connection:
        row = connection.execute(
            "select encode(sha256(convert_to(batch_id || string_agg("
            "concat_ws('|', contributor_id, person_id, kind, value, reason), chr(10)"
            " order by contributor_id, kind, value), 'UTF8')), 'hex') as digest"
            " from erasure.targets"
            " where batch_id = %s and kind in ('contributor', 'excluded', 'email', 'name', 'phone')"
            " group by batch_id",
            (batch_id,),
        ).fetchone()
    return str(row["digest"]) if row else ""


def _copy_request(connection: Connection, batch_id: str, request: Request) -> None:
    columns = "batch_id, contributor_id, kind, value, line"
    with connection.cursor() as cursor, cursor.copy(f"copy erasure.targets ({columns}) from stdin") as copy:
        for row in request.rows:
            copy.write_row((batch_id, row.contributor_id, "requested", normalise_email(row.email), row.line))


def _check_outcomes(
    connection: Connection, batch_id: str, queries: TargetQueries, *, skip_unknown: bool
) -> tuple[int, int]:
    outcomes = connection.execute(
        f"select outcome, line from ({queries.requested_contributors}) as requested"
        " where outcome <> 'found' order by line"
    ).fetchall()
    tolerated = {"already erased"} | ({"unknown"} if skip_unknown else set())
    wrong = [row for row in outcomes if row["outcome"] not in tolerated]
    if wrong:
        shown = [f"line {row['line']}: {_SENTENCES[row['outcome']]}" for row in wrong[:_LINES_SHOWN]]
        rest = [f"and {len(wrong) - _LINES_SHOWN} more"] if len(wrong) > _LINES_SHOWN else []
        hint = (
            ["--skip-unknown leaves the unknown ones out"]
            if any(r["outcome"] == "unknown" for r in wrong)
            else []
        )
        raise BadInput(
            f"The CSV disagrees with PostgreSQL in {len(wrong)} lines; nothing was changed.",
            shown + rest + hint,
        )
    erased = sum(row["outcome"] == "already erased" for row in outcomes)
    return erased, len(outcomes) - erased


def _check_shared_emails(connection: Connection, queries: TargetQueries) -> None:
    row = connection.execute(f"select count(*) as number from ({queries.shared_emails}) as shared").fetchone()
    if row and row["number"]:
        raise Refused(
            f"{row['number']} contributors outside the target set use an email of it: erasing the one would touch the "
            "other. Merge or correct these accounts in PostgreSQL, then plan again."
        )


def _number(connection: Connection, batch_id: str, kind: str) -> int:
    row = connection.execute(
        "select count(*) as number from erasure.targets where batch_id = %s and kind = %s", (batch_id, kind)
    ).fetchone()
    return int(row["number"]) if row else 0


def _excluded(connection: Connection, batch_id: str) -> dict[str, int]:
    rows = connection.execute(
        "select reason, count(*) as number from erasure.targets where batch_id = %s and kind = 'excluded'"
        " group by reason order by reason",
        (batch_id,),
    ).fetchall()
    return {row["reason"]: row["number"] for row in rows}
