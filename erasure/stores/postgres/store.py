"""PostgreSQL, the source of truth: counts and masks through the dbt models, ends access.

Add here: what only PostgreSQL needs.
Keep out: rules and predicates (dbt macros), surveying and purging (`survey/`, `purge.py`), and the
ledger, which lives in the same database.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from erasure.counts import Count, Counts
from erasure.errors import StoreError, StoreRefused, safe_reason
from erasure.inventory import InventoryObject
from erasure.inventory_draft.facts import TableFacts
from erasure.ledger.database import Connection, connect
from erasure.store_settings import DatabaseSettings
from erasure.stores import sql as shared
from erasure.stores.base import COUNTED_AT_MOST, Health, Holdings, Progress, Survey
from erasure.stores.postgres import facts, purge
from erasure.stores.postgres.conflicts import conflicts
from erasure.stores.postgres.survey.catalog import READ_ONLY
from erasure.stores.postgres.survey.survey import surveyed
from erasure.targets import TargetSet

NAME = "postgres"


class PostgresStore(shared.SqlStore[DatabaseSettings]):
    """The world's tables in PostgreSQL."""

    name = NAME

    def health(self) -> Health:
        """Asks for the server's version."""
        with self._connect() as connection:
            row = connection.execute("select current_setting('server_version') as version").fetchone()
        return Health(engine="PostgreSQL", version=str(row["version"]) if row else "unknown")

    def survey(self) -> Survey:
        """Tables and columns that only one of inventory and catalog knows; what the catalog says against the rules."""
        found: list[str] = []
        with self._connect() as connection:
            connection.execute(READ_ONLY)
            for schema in sorted({item.schema for item in self._registered}):
                mine = tuple(item for item in self._registered if item.schema == schema)
                found += shared.unregistered(
                    store=NAME,
                    world=self._world,
                    schema=schema,
                    catalog=_catalog(connection, schema, mine),
                    objects=mine,
                    elsewhere="check [database] database",
                )
            found += purge.statistics_problems(connection, self._settings)
            beside = surveyed(connection, self._registered, world=self._world)
        return Survey(problems=(*found, *beside.problems), notices=beside.notices)

    def holdings(self) -> Holdings:
        """The rows of each table, up to a thousand."""
        with self._connect() as connection:
            return {item.name: _held(connection, item) for item in self._objects}

    def count(self, targets: TargetSet) -> Counts:
        """The rows that each mask would change, among how many; conflicts beside."""
        selects = self._models.masked_rows(NAME, targets.batch_id)
        with self._connect() as connection:
            return {
                item.name: replace(
                    _count(connection, item, selects[item.name]),
                    conflicts=conflicts(connection, item, self._registered, targets.batch_id),
                )
                for item in self._objects
            }

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """One UPDATE a table, with the ledger's row in the same transaction; then a recount."""
        for item in self._objects:
            progress(item.name, 0, 0)
        changed = self._models.mask(NAME, targets.batch_id, self._fence)
        return shared.recounted(store=NAME, changed=changed, left=self.count(targets), progress=progress)

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """VACUUM of the tables that the batch has changed, or their rewrite, as [database] purge says."""
        with self._connect() as connection:
            connection.commit()
            connection.autocommit = True
            purge.purge(
                connection,
                self._settings,
                self._objects,
                batch_id=targets.batch_id,
                progress=progress,
            )
        return {item.name: Count(records=0) for item in self._objects}

    @property
    def purge_state(self) -> str:
        """`vacuumed`, where index pages may still hold old values, or `purged`."""
        return purge.STATES[self._settings.purge]

    def facts(self, schema: str) -> list[TableFacts]:
        """What the catalogs tell of a schema's tables, described or not, for a draft of the inventory."""
        with self._connect() as connection:
            return facts.read(connection, schema)

    def contributors_in_all(self, contributors: InventoryObject) -> int:
        """How many contributors the platform has, erased ones left out: what the batch is a share of."""
        if contributors.access is None:
            raise ValueError("the table of the contributors declares access")
        with self._connect() as connection:
            row = connection.execute(
                sql.SQL("select count(*) as number from {} where {} is distinct from %s").format(
                    sql.Identifier(contributors.schema, contributors.location),
                    sql.Identifier(contributors.access.column),
                ),
                (contributors.access.revoked,),
            ).fetchone()
        return int(row["number"]) if row else 0

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with connect(self._settings) as connection:
                # As in the materialization `mask`: without it 100,000 targets were counted for many minutes.
                connection.execute("set work_mem = '256MB'")
                yield connection
        except psycopg.Error as error:
            raise refused(error) from None


def refused(error: psycopg.Error) -> StoreError:
    """PostgreSQL answered with an error; its text may hold whole rows, so only its code is told."""
    table = error.diag.table_name
    return StoreRefused(
        store=NAME,
        object_name=table,
        what=f"refused a statement ({safe_reason(error)})",
        remedy="look the SQLSTATE up, and check the rights of [database] username on the world's tables",
    )


def _catalog(connection: Connection, schema: str, registered: Sequence[InventoryObject]) -> shared.Catalog:
    rows: list[dict[str, Any]] = connection.execute(
        "select tables.relname as table_name,"
        " array_agg(columns.attname::text) filter (where columns.attname is not null) as columns"
        " from pg_catalog.pg_class as tables"
        " inner join pg_catalog.pg_namespace as schemas on tables.relnamespace = schemas.oid"
        " left join pg_catalog.pg_attribute as columns"
        " on columns.attrelid = tables.oid and columns.attnum > 0 and not columns.attisdropped"
        # Partitions are reached through their parent; materialized views hold copies, so they have to be registered.
        " where schemas.nspname = %s and not tables.relispartition and (tables.relkind in ('r', 'p', 'm', 'f')"
        # A view has no rows of its own; one that somebody has registered is there all the same.
        " or (tables.relkind = 'v' and tables.relname = any(%s)))"
        " group by tables.relname",
        (schema, [item.location for item in registered]),
    ).fetchall()
    return {row["table_name"]: frozenset(row["columns"] or ()) for row in rows}


def _held(connection: Connection, item: InventoryObject) -> int:
    row = connection.execute(
        sql.SQL("select count(*) as number from (select 1 from {} limit {}) as glance").format(
            sql.Identifier(item.schema, item.location), sql.Literal(COUNTED_AT_MOST)
        )
    ).fetchone()
    return int(row["number"]) if row else 0


def _count(connection: Connection, item: InventoryObject, select: str) -> Count:
    table = sql.Identifier(item.schema, item.location)
    records = connection.execute(f"select count(*) as number from ({select}) as masked_rows").fetchone()
    total = connection.execute(sql.SQL("select count(*) as number from {}").format(table)).fetchone()
    return Count(records=records["number"] if records else 0, total=total["number"] if total else 0)
