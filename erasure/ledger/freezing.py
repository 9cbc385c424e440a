"""Freezing a target set: the request goes in, dbt's queries decide, one INSERT keeps what they found.

Add here: what is checked before a set is frozen.
Keep out: the queries themselves (`dbt_project/models/targets/`, for any world) and values of a person in any error.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from erasure.errors import Refused
from erasure.ledger.database import Connection, connect
from erasure.ledger.outcomes import ERASED, FOUND, UNKNOWN, enter, judge, require_agreement, unfrozen
from erasure.request import Request
from erasure.settings import Settings
from erasure.targets import Needle, TargetSet, require_batch_id

# So many times the cap on contributors is the wrong CSV, whoever may have to be left out of it.
_FAR_BEYOND = 10
# For the rule `hash`: 244 random bits a target, which nobody can guess and `expire` destroys with the other rows.
_SALTS = (
    "insert into erasure.targets (batch_id, contributor_id, person_id, kind, value)"
    " select batch_id, contributor_id, person_id, 'salt',"
    " replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
    " from erasure.targets where batch_id = %(batch)s and kind = 'contributor'"
)


@dataclass(frozen=True, kw_only=True)
class TargetQueries:
    """The compiled models of `models/targets/` for one batch."""

    requested_contributors: str
    deletion_targets: str
    shared_emails: str


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What became of a request, in numbers; `members` and `excluded` by reason."""

    members: Mapping[str, int]
    already_erased: int
    skipped_unknown: int
    excluded: Mapping[str, int]

    @property
    def contributors(self) -> int:
        """How many are to be erased."""
        return sum(self.members.values())


def freeze(
    settings: Settings,
    *,
    batch_id: str,
    request: Request,
    queries: TargetQueries,
    skip_unknown: bool = False,
    cap_reason: str = "",
) -> Frozen:
    """Mints the batch and freezes its target set in one transaction; a refused request leaves nothing behind.

    Raises BadInput that lists the lines PostgreSQL disagrees with, and Refused where an email is used by a target
    and by somebody else, or where far more contributors are asked for than the cap allows and no reason is given.
    """
    require_batch_id(batch_id)
    try:
        with connect(settings.database) as connection:
            most = settings.erasure.max_contributors if not cap_reason else None
            # Anybody who was ever erased may be among them, and is skipped.
            _check_number(len(request.rows) - _erased_in_all(connection), most)
            enter(connection, batch_id=batch_id, world=settings.erasure.world, request=request)
            outcomes = judge(connection, query=queries.requested_contributors, skip_unknown=skip_unknown)
            require_agreement(outcomes)
            _check_number(outcomes.numbers.get(FOUND, 0), most)
            connection.execute(
                "insert into erasure.targets (batch_id, contributor_id, person_id, kind, value, reason)"
                f" select '{batch_id}', contributor_id, person_id, kind, value, reason"
                f" from ({queries.deletion_targets}) as deletion_targets"
            )
            connection.execute(_SALTS, {"batch": batch_id})
            connection.execute("analyze erasure.targets")
            _check_shared_emails(connection, queries)
            return Frozen(
                members=_by_reason(connection, batch_id, "contributor"),
                already_erased=outcomes.numbers.get(ERASED, 0),
                skipped_unknown=outcomes.numbers.get(UNKNOWN, 0),
                excluded=_by_reason(connection, batch_id, "excluded"),
            )
    except psycopg.Error as error:
        raise unfrozen(error) from None


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
            "select contributor_id, coalesce(person_id, contributor_id) as person_id, kind, value"
            " from erasure.targets where batch_id = %s and kind in ('contributor', 'salt', 'email', 'name', 'phone')",
            (batch_id,),
        ).fetchall()
        if not rows:
            rows = connection.execute(
                "select distinct contributor_id, contributor_id as person_id, 'contributor' as kind, '' as value"
                " from erasure.erased where batch_id = %s and restored_at is null",
                (batch_id,),
            ).fetchall()
    return TargetSet(
        batch_id=batch_id,
        contributor_ids=frozenset(row["contributor_id"] for row in rows if row["kind"] == "contributor"),
        persons={row["contributor_id"]: row["person_id"] for row in rows if row["kind"] == "contributor"},
        salts={row["contributor_id"]: row["value"] for row in rows if row["kind"] == "salt"},
        needles=tuple(
            Needle(contributor_id=row["contributor_id"], kind=row["kind"], value=row["value"])
            for row in rows
            if row["kind"] not in {"contributor", "salt"}
        ),
    )


def members(settings: Settings, *, batch_id: str) -> dict[str, int]:
    """Why the contributors of a batch are in it -> how many: asked for, or another account of somebody who was."""
    with connect(settings.database) as connection:
        return _by_reason(connection, batch_id, "contributor")


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
            excluded=_by_reason(connection, batch_id, "excluded"),
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


def _check_number(asked_for: int, most: int | None) -> None:
    """Refuses what is far beyond the cap before it is copied, frozen and counted in all five stores for nothing.

    Some of those asked for may be unknown or on hold. The exact number, with all accounts, the plan's summary judges.
    """
    if most is not None and asked_for > _FAR_BEYOND * most:
        raise Refused(
            "The batch exceeds a cap; nothing was changed. If it is meant, say why by --exceed-caps REASON.",
            [f"{asked_for} contributors are asked for; [erasure] max_contributors is {most}"],
        )


def _erased_in_all(connection: Connection) -> int:
    row = connection.execute(
        "select count(distinct contributor_id) as number from erasure.erased where restored_at is null"
    ).fetchone()
    return int(row["number"]) if row else 0


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


def _by_reason(connection: Connection, batch_id: str, kind: str) -> dict[str, int]:
    rows = connection.execute(
        "select reason, count(*) as number from erasure.targets where batch_id = %s and kind = %s"
        " group by reason order by reason",
        (batch_id, kind),
    ).fetchall()
    return {row["reason"]: row["number"] for row in rows}
