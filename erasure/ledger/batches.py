"""The batches: their states, their plan, and how each ends.

Add here: a transition of a batch's state.
Keep out: the target set (`freezing`), the counts of steps (`steps`), who executes (`lease`).
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from erasure.errors import BadInput, Refused, StoreUnavailable
from erasure.ledger.database import Connection, connect, exists
from erasure.settings import Settings

IN_WORK = frozenset({"executing", "failed"})
# Ten years. What PostgreSQL cannot add to a date would come out at closing, when everything is masked.
MOST_UNDO_DAYS = 3_650


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One row of `erasure.batches`."""

    batch_id: str
    state: str
    csv_sha256: str | None
    fingerprint: str | None
    plan: dict[str, Any] | None
    reviewed: bool
    undo_days: int | None
    accepts_not_erasable: bool
    access_proof: dict[str, Any] | None
    planned_at: datetime
    executed_at: datetime | None
    closed_at: datetime | None
    due_at: datetime | None


_COLUMNS = ", ".join(Batch.__dataclass_fields__)


def get(settings: Settings, batch_id: str) -> Batch:
    """A batch by its id. Raises BadInput where there is none."""
    with connect(settings.database) as connection:
        row = (
            connection.execute(
                f"select {_COLUMNS} from erasure.batches where batch_id = %s", (batch_id,)
            ).fetchone()
            if exists(connection)
            else None
        )
    if row is None:
        raise BadInput(f"There is no batch {batch_id}; `contributor-deletion status` lists them.")
    return Batch(**row)


def everyone(settings: Settings) -> list[Batch]:
    """All batches, newest first."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return []
        rows = connection.execute(
            f"select {_COLUMNS} from erasure.batches order by planned_at desc"
        ).fetchall()
    return [Batch(**row) for row in rows]


def newest_plan(settings: Settings, *, csv_sha256: str) -> Batch | None:
    """The newest plan in force of the same CSV, by the hash of its content."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return None
        row = connection.execute(
            f"select {_COLUMNS} from erasure.batches where state = 'planned' and fingerprint is not null"
            " and csv_sha256 = %s and planned_at > now() - make_interval(hours => 1) * %s"
            " order by planned_at desc limit 1",
            (csv_sha256, settings.erasure.plan_hours),
        ).fetchone()
    return Batch(**row) if row else None


def in_force(settings: Settings) -> frozenset[str]:
    """The batches whose needles may still be needed: planned, or in work."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return frozenset()
        rows = connection.execute(
            "select batch_id from erasure.batches where state in ('planned', 'executing', 'failed')"
        ).fetchall()
    return frozenset(row["batch_id"] for row in rows)


def ended_among(settings: Settings, batch_ids: Sequence[str]) -> list[str]:
    """Those of the batches that nobody executes or undoes any more."""
    with connect(settings.database) as connection:
        if not batch_ids or not exists(connection):
            return []
        rows = connection.execute(
            "select batch_id from erasure.batches where batch_id = any(%s)"
            " and state in ('lapsed', 'cancelled', 'erased', 'restored')",
            (list(batch_ids),),
        ).fetchall()
    return [row["batch_id"] for row in rows]


def unfinished(settings: Settings) -> list[str]:
    """The batches whose planning has not come to its end: it goes on, or was cut off and left its needles."""
    with connect(settings.database) as connection:
        rows = connection.execute(
            "select batch_id from erasure.batches where state = 'planned' and fingerprint is null"
        ).fetchall()
    return [row["batch_id"] for row in rows]


def keep_plan(
    settings: Settings, *, batch_id: str, fingerprint: str, plan: dict[str, Any], cap_reason: str = ""
) -> None:
    """Stores the plan, and why it may exceed a cap; from now on it is in force.

    Raises Refused where the batch is no longer being planned.
    """
    with connect(settings.database) as connection:
        kept = connection.execute(
            "update erasure.batches set fingerprint = %s, plan = %s, cap_reason = nullif(%s, '')"
            " where batch_id = %s and state = 'planned'",
            (fingerprint, Jsonb(plan), cap_reason, batch_id),
        )
    if kept.rowcount != 1:
        raise Refused(f"Batch {batch_id} is no longer being planned; plan again.")


def lapse_old_plans(settings: Settings) -> int:
    """Plans out of force lose their needles. Returns how many there were."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return 0
        rows = connection.execute(
            "update erasure.batches set state = 'lapsed' where state = 'planned'"
            " and planned_at <= now() - make_interval(hours => 1) * %s returning batch_id",
            (settings.erasure.plan_hours,),
        ).fetchall()
        for row in rows:
            _forget(connection, row["batch_id"])
    return len(rows)


def cancel(settings: Settings, *, batch_id: str) -> None:
    """Ends a plan that nobody will execute, and forgets its needles. Raises Refused where it has been executed.

    A batch that failed before access ended has changed nothing, and can be given up as well.
    """
    with connect(settings.database) as connection:
        cancelled = connection.execute(
            "update erasure.batches set state = 'cancelled' where batch_id = %s"
            " and (state = 'planned' or (state = 'failed' and watermark is null))",
            (batch_id,),
        )
        if cancelled.rowcount != 1:
            raise Refused(f"Batch {batch_id} is not planned any more; only a plan can be cancelled.")
        _forget(connection, batch_id)


def abandon(settings: Settings, *, batch_id: str) -> None:
    """A plan that could not be made keeps no needle; where PostgreSQL is away, the next planning gives it up."""
    try:
        cancel(settings, batch_id=batch_id)
    except (Refused, StoreUnavailable):
        return


def start(
    settings: Settings, *, batch_id: str, reviewed: bool, undo_days: int, accepts_not_erasable: bool = False
) -> None:
    """The batch executes from here on. Raises Refused where it can't, since it has ended meanwhile."""
    if not 0 <= undo_days <= MOST_UNDO_DAYS:
        raise BadInput(f"An undo window has 0 to {MOST_UNDO_DAYS} days; set undo_days or --undo-days.")
    with connect(settings.database) as connection:
        started = connection.execute(
            "update erasure.batches set state = 'executing', executed_at = coalesce(executed_at, now()),"
            " reviewed = reviewed or %s, undo_days = coalesce(undo_days, %s),"
            " accepts_not_erasable = accepts_not_erasable or %s"
            " where batch_id = %s and state in ('planned', 'executing', 'failed')",
            (reviewed, undo_days, accepts_not_erasable, batch_id),
        )
    if started.rowcount != 1:
        raise Refused(f"Batch {batch_id} has ended meanwhile; plan again.")


def fail(settings: Settings, *, batch_id: str) -> None:
    """The run has ended before the batch was done; `resume` goes on from here.

    Nothing happens while somebody holds the lease: another run has taken over by then.
    """
    with connect(settings.database) as connection:
        connection.execute(
            "update erasure.batches set state = 'failed' where batch_id = %(batch)s and state = 'executing'"
            " and not exists (select 1 from erasure.lease where batch_id = %(batch)s and released_at is null)",
            {"batch": batch_id},
        )


def keep_access_proof(settings: Settings, *, batch_id: str, proof: dict[str, Any]) -> None:
    """Stores how it was proven that access has ended."""
    with connect(settings.database) as connection:
        connection.execute(
            "update erasure.batches set access_proof = %s where batch_id = %s", (Jsonb(proof), batch_id)
        )


def remember_erased(settings: Settings, *, batch_id: str) -> int:
    """Enters the batch's contributors into the permanent list, with keyed hashes of their emails.

    Computed here and not in SQL, so that the key is in no statement. Returns the number of contributors.
    """
    key = settings.erasure.hash_key
    if key is None:
        raise BadInput("[erasure] hash_key is not set; without it a returning identity can't be noticed.")
    with connect(settings.database) as connection:
        rows = connection.execute(
            "select people.contributor_id, coalesce(emails.value, '') as email from erasure.targets as people"
            " left join erasure.targets as emails on emails.batch_id = people.batch_id"
            " and emails.contributor_id = people.contributor_id and emails.kind = 'email'"
            " where people.batch_id = %s and people.kind = 'contributor'",
            (batch_id,),
        ).fetchall()
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into erasure.erased (contributor_id, email_hash, batch_id) values (%s, %s, %s)"
                " on conflict (contributor_id, email_hash, batch_id) do nothing",
                [
                    (r["contributor_id"], email_hash(r["email"], key=key.get_secret_value()), batch_id)
                    for r in rows
                ],
            )
    return len({row["contributor_id"] for row in rows})


def email_hash(normalised: str, *, key: str) -> str:
    """The keyed hash of a normalised email (HMAC-SHA-256, RFC 2104); empty for none."""
    if not normalised:
        return ""
    return hmac.new(key.encode(), normalised.encode(), hashlib.sha256).hexdigest()


def close(settings: Settings, *, batch_id: str) -> None:
    """Everything is masked, verified and purged; the undo window begins. Raises Refused for a batch not executing.

    Where something could not be erased, the batch is closed with exceptions.
    """
    with connect(settings.database) as connection:
        closed = connection.execute(
            "update erasure.batches set closed_at = now(),"
            " state = case when exists (select from erasure.steps where steps.batch_id = batches.batch_id"
            " and steps.state = 'not_erasable') then 'closed_with_exceptions' else 'closed' end,"
            " due_at = now() + make_interval(days => coalesce(undo_days, 0))"
            " where batch_id = %s and state = 'executing'",
            (batch_id,),
        )
        if closed.rowcount != 1:
            raise Refused(f"Batch {batch_id} is not executing, so it can't be closed; resume it.")
        # The digests of other people's records have served; how many were compared stays.
        connection.execute(
            "update erasure.steps set detail = detail - 'before' where batch_id = %s and stage = 'controls'",
            (batch_id,),
        )


def expire_due(settings: Settings) -> list[str]:
    """Ends the undo window of the batches that are due: their needles are destroyed. Returns their ids."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return []
        rows = connection.execute(
            "update erasure.batches set state = 'erased'"
            " where state in ('closed', 'closed_with_exceptions') and due_at <= now() returning batch_id"
        ).fetchall()
        for row in rows:
            _forget(connection, row["batch_id"])
    if rows:
        _vacuum_targets(settings)
    return [row["batch_id"] for row in rows]


def _forget(connection: Connection, batch_id: str) -> None:
    connection.execute("delete from erasure.targets where batch_id = %s", (batch_id,))


def _vacuum_targets(settings: Settings) -> None:
    # Deleted rows stay in the file until it is rewritten. (Statistics of the values are never collected.)
    with connect(settings.database) as connection:
        connection.commit()
        connection.autocommit = True
        connection.execute("vacuum (full, analyze) erasure.targets")
