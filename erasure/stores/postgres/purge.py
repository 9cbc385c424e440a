"""What PostgreSQL keeps under masked rows, and how it goes: VACUUM, or a rewrite of tables and indexes.

`vacuum` removes dead rows and the statistics of old values; index pages may still hold copies. `rewrite` (VACUUM FULL)
makes new files of table, TOAST and indexes, under an ACCESS EXCLUSIVE lock: nobody reads or writes the table meanwhile,
and the disk needs room for a second copy. It then does the same to the catalogs of statistics, in whose files the old
common values stand: every planner waits for that moment. WAL, replicas and backups are out of reach of both.
Add here: another physical copy within the database.
Keep out: masking, and which tables have rules (`postgres.py`).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.ledger.database import Connection
from erasure.store_settings import DatabaseSettings
from erasure.stores.base import Progress

# Setting -> what the state is called afterwards.
STATES: Mapping[str, str] = {"vacuum": "vacuumed", "rewrite": "purged"}
_STATEMENTS: Mapping[str, str] = {"vacuum": "vacuum (analyze) {}", "rewrite": "vacuum (full, analyze) {}"}
_STATISTICS = ("pg_statistic", "pg_statistic_ext_data")
_HORIZON_SECONDS = 60.0
_POLL_SECONDS = 0.25


def purge(
    connection: Connection,
    settings: DatabaseSettings,
    objects: Sequence[InventoryObject],
    *,
    batch_id: str,
    progress: Progress,
) -> None:
    """Purges the tables that the batch has changed, one at a time; `connection` commits by itself.

    Raises Incomplete where an older transaction may still see what was masked: such rows survive VACUUM and rewrite
    alike. Raises StoreRefused where a table stays locked, a time-out ends the work, or a right is missing.
    """
    changed = _changed(connection, batch_id)
    # Where the rights are missing PostgreSQL skips the table with a warning and reports success.
    warnings: list[str] = []
    connection.add_notice_handler(lambda notice: warnings.append(str(notice.severity_nonlocalized)))
    if not any(item.name in changed for item in objects):
        return
    _await_horizon(connection, batch_id)
    _set_timeouts(connection, settings)

    def vacuum(relation: sql.Composable, name: str) -> None:
        with _refusals(name, settings):
            connection.execute(sql.SQL(_STATEMENTS[settings.purge]).format(relation))
        if "WARNING" in warnings:
            raise StoreRefused(
                store="postgres",
                object_name=name,
                what="VACUUM skipped the table",
                remedy="make [database] username its owner or grant it MAINTAIN, then resume",
            )

    for done, item in enumerate(objects):
        progress(item.name, done, len(objects))
        if item.name in changed:
            for relation in _relations(connection, item):
                vacuum(relation, item.name)
    if settings.purge == "rewrite":
        # ANALYZE has replaced the old values, which leaves them in the file until it is rewritten too.
        for catalog in _STATISTICS:
            vacuum(sql.Identifier("pg_catalog", catalog), catalog)


def statistics_problems(connection: Connection, settings: DatabaseSettings) -> list[str]:
    """Whether a rewrite could be brought to its end: the catalogs of statistics are the database owner's to vacuum."""
    if settings.purge != "rewrite":
        return []
    row = connection.execute(
        "select pg_has_role(datdba, 'USAGE') or case"
        " when current_setting('server_version_num')::integer >= 170000"
        " then has_table_privilege('pg_catalog.pg_statistic', 'MAINTAIN')"
        " and has_table_privilege('pg_catalog.pg_statistic_ext_data', 'MAINTAIN') else false end as allowed"
        " from pg_catalog.pg_database where datname = current_database()"
    ).fetchone()
    if row and row["allowed"]:
        return []
    return [
        "postgres: [database] purge is rewrite, and the user may not rewrite the statistics, whose files hold old "
        "values; make [database] username the owner of the database, grant it MAINTAIN on pg_catalog.pg_statistic and "
        "pg_catalog.pg_statistic_ext_data, or set purge to vacuum"
    ]


def _changed(connection: Connection, batch_id: str) -> frozenset[str]:
    """The objects of which the batch has changed a row, or may have: an interrupted attempt leaves `pending` alone."""
    rows = connection.execute(
        "select object from erasure.steps where batch_id = %s and store = 'postgres' and stage = 'mask'"
        " and coalesce(done, pending, 0) > 0",
        (batch_id,),
    ).fetchall()
    return frozenset(row["object"] for row in rows)


def _relations(connection: Connection, item: InventoryObject) -> Iterator[sql.Composable]:
    """The table, whose partitions VACUUM reaches through it, and its heirs, which it reaches since PostgreSQL 18."""
    table = sql.Identifier(item.schema, item.location)
    yield table
    heirs = connection.execute(
        "with recursive heirs as ("
        "select inhrelid as oid from pg_catalog.pg_inherits where inhparent = %(table)s::regclass"
        " union select inhrelid from heirs inner join pg_catalog.pg_inherits on inhparent = heirs.oid)"
        " select schemas.nspname as schema_name, tables.relname as table_name from heirs"
        " inner join pg_catalog.pg_class as tables on heirs.oid = tables.oid and not tables.relispartition"
        " inner join pg_catalog.pg_namespace as schemas on tables.relnamespace = schemas.oid"
        " where current_setting('server_version_num')::integer < 180000",
        {"table": table.as_string(connection)},
    ).fetchall()
    for row in heirs:
        yield sql.Identifier(row["schema_name"], row["table_name"])


def _set_timeouts(connection: Connection, settings: DatabaseSettings) -> None:
    for name, seconds in (
        ("lock_timeout", settings.lock_timeout_seconds),
        ("statement_timeout", settings.statement_timeout_seconds),
    ):
        connection.execute("select set_config(%s, %s, false)", (name, f"{seconds}s"))


@contextmanager
def _refusals(name: str, settings: DatabaseSettings) -> Iterator[None]:
    """Time-outs as sentences that name the setting."""
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise StoreRefused(
            store="postgres",
            object_name=name,
            what=f"the table stayed locked for {settings.lock_timeout_seconds} s, so it is masked and not purged",
            remedy="resume when nobody holds it, or raise [database] lock_timeout_seconds",
        ) from None
    except psycopg.errors.QueryCanceled:
        raise StoreRefused(
            store="postgres",
            object_name=name,
            what=f"VACUUM did not end within {settings.statement_timeout_seconds} s, so it is masked and not purged",
            remedy="raise [database] statement_timeout_seconds, then resume",
        ) from None


def _await_horizon(connection: Connection, batch_id: str) -> None:
    """Waits until no transaction is left that may see what was masked.

    Who holds old rows is shown to privileged roles alone. So a row of our own is deleted, which is younger than
    everything the batch has changed: once VACUUM can truncate its table to nothing, the older rows can go as well.
    """
    canary = sql.Identifier("erasure", f"horizon_{batch_id}")
    connection.execute(sql.SQL("create table if not exists {} (seen boolean)").format(canary))
    try:
        connection.execute(sql.SQL("insert into {} values (true)").format(canary))
        connection.execute(sql.SQL("delete from {}").format(canary))
        deadline = time.monotonic() + _HORIZON_SECONDS
        while True:
            connection.execute(sql.SQL("vacuum (truncate) {}").format(canary))
            row = connection.execute(
                sql.SQL("select pg_relation_size({}::regclass) as size").format(
                    sql.Literal(canary.as_string(connection))
                )
            ).fetchone()
            if row and row["size"] == 0:
                return
            if time.monotonic() > deadline:
                raise Incomplete(
                    store="postgres",
                    what="a transaction older than the masking is still open, so its rows cannot be removed",
                    remedy=(
                        "end it (pg_stat_activity, pg_prepared_xacts and pg_replication_slots show what holds "
                        "xmin back), then resume"
                    ),
                )
            time.sleep(_POLL_SECONDS)
    finally:
        connection.execute(sql.SQL("drop table if exists {}").format(canary))
