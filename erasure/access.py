"""Revoking access: the status in PostgreSQL, with eligibility evaluated again in the same transaction.

Add here: what ends or restores a contributor's access in the source of truth.
Keep out: sessions (the Redis store) and the proof (`job_api/`).
"""

from collections.abc import Collection
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from erasure.errors import Inconclusive, Refused
from erasure.inventory import InventoryObject
from erasure.ledger.database import connect
from erasure.ledger.freezing import TargetQueries, differences
from erasure.settings import Settings
from erasure.stores.postgres.store import refused


def revoke_status(
    settings: Settings, *, batch_id: str, contributors: InventoryObject, queries: TargetQueries, fence: int
) -> int:
    """Sets the targets' status to revoked and keeps the former one; returns how many were changed.

    The first time, eligibility is evaluated in this transaction: whoever has come under a hold since the plan makes
    it refuse, and nothing is changed. Once access has ended the plan stands, whatever changes afterwards.
    """
    access = contributors.access
    if access is None:
        raise ValueError("the table of the contributors declares access")
    names = {
        "table": sql.Identifier(contributors.schema, contributors.location),
        "id": sql.Identifier(contributors.subject.contributor_id or ""),
        "status": sql.Identifier(access.column),
    }
    mine = "(select contributor_id from erasure.targets where batch_id = %(batch)s and kind = 'contributor')"
    values = {"batch": batch_id, "revoked": access.revoked, "fence": fence}
    try:
        with connect(settings.database) as connection:
            connection.execute("select erasure.require_lease(%(batch)s, %(fence)s)", values)
            row = connection.execute(
                "select watermark is null as first from erasure.batches where batch_id = %(batch)s for update",
                values,
            ).fetchone()
            # Locked before eligibility is read, so that nobody changes a status in between.
            connection.execute(
                sql.SQL("select 1 from {table} where {id}::text in " + mine + " for update").format(**names),
                values,
            )
            if row and row["first"]:
                _require_unchanged(differences(connection, batch_id=batch_id, queries=queries))
            connection.execute(
                sql.SQL(
                    "insert into erasure.targets (batch_id, contributor_id, kind, value)"
                    " select %(batch)s, {id}::text, 'former_status', {status} from {table}"
                    " where {id}::text in "
                    + mine
                    + " and {status} is distinct from %(revoked)s and {status} is not null"
                ).format(**names),
                values,
            )
            changed = connection.execute(
                sql.SQL(
                    "update {table} set {status} = %(revoked)s"
                    " where {id}::text in " + mine + " and {status} is distinct from %(revoked)s"
                ).format(**names),
                values,
            )
            connection.execute(
                "update erasure.batches set watermark = coalesce(watermark, now()) where batch_id = %(batch)s",
                values,
            )
            return changed.rowcount
    except psycopg.Error as error:
        raise refused(error) from None


def not_revoked(settings: Settings, *, batch_id: str, contributors: InventoryObject) -> int:
    """How many of the targets have another status than revoked, as anybody else sees it who reads now."""
    access = contributors.access
    if access is None:
        raise ValueError("the table of the contributors declares access")
    query = sql.SQL(
        "select count(*) as number from {table} where {id}::text in (select contributor_id from erasure.targets"
        " where batch_id = %(batch)s and kind = 'contributor') and {status} is distinct from %(revoked)s"
    ).format(
        table=sql.Identifier(contributors.schema, contributors.location),
        id=sql.Identifier(contributors.subject.contributor_id or ""),
        status=sql.Identifier(access.column),
    )
    with connect(settings.database) as connection:
        row = connection.execute(query, {"batch": batch_id, "revoked": access.revoked}).fetchone()
    return int(row["number"]) if row else 0


def control_of(settings: Settings, *, batch_id: str, contributors: InventoryObject) -> str:
    """Somebody who may work and stays: the control of the proof, the same one each time a batch is resumed.

    Raises Inconclusive where there is nobody, since a denial proves nothing then.
    """
    among = "{id}::text not in (select contributor_id from erasure.targets where batch_id = %(seed)s)"
    return _control(settings, contributors, among, {"seed": batch_id})


def control_beside(
    settings: Settings, *, contributor_ids: Collection[str], seed: str, contributors: InventoryObject
) -> str:
    """Somebody who may work and is none of these, the same one for the same seed. Raises Inconclusive."""
    values = {"seed": seed, "ids": list(contributor_ids)}
    return _control(settings, contributors, "not {id}::text = any(%(ids)s)", values)


def _control(
    settings: Settings, contributors: InventoryObject, among: LiteralString, values: dict[str, Any]
) -> str:
    access = contributors.access
    if access is None:
        raise ValueError("the table of the contributors declares access")
    query = sql.SQL(
        "select {id}::text as contributor_id from {table} where {status} = %(active)s and "
        + among
        + " order by md5({id}::text || %(seed)s) limit 1"
    ).format(
        table=sql.Identifier(contributors.schema, contributors.location),
        id=sql.Identifier(contributors.subject.contributor_id or ""),
        status=sql.Identifier(access.column),
    )
    try:
        with connect(settings.database) as connection:
            row = connection.execute(query, {"active": access.active, **values}).fetchone()
    except psycopg.Error as error:
        raise refused(error) from None
    if row is None:
        raise Inconclusive("There is no active contributor outside the target set to serve as a control.")
    return str(row["contributor_id"])


def _require_unchanged(found: dict[str, int]) -> None:
    if found:
        raise Refused(
            "Who may be erased has changed since the plan; nothing was changed. Give this batch up by "
            "`contributor-deletion cancel BATCH`, then plan again.",
            [
                f"{number} entries of kind {kind} differ from the frozen target set"
                for kind, number in found.items()
            ],
        )
