"""The world in Postgres: schema public dropped, created and filled by COPY.

Holds: the DDL's execution and one COPY a table, in one transaction.
Add here: what the tables need after loading (sequences, statistics).
Keep out: the rows (sandbox/world/tables.py) and the DDL (ddl_postgres.sql).
"""

from importlib.resources import files

import psycopg
from psycopg import sql

from sandbox.world.generate import World
from sandbox.world.stores import WorldStores
from sandbox.world.tables import Table, postgres_tables
from sandbox.world.writers.progress import Counts, Progress, steps


def write_postgres(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Rows by table. A failure leaves what was there before."""
    ddl = files("sandbox.world").joinpath("ddl_postgres.sql").read_text(encoding="utf-8")
    with psycopg.connect(stores.postgres_dsn) as connection:
        connection.execute(ddl)
        counts = {table.name: _copy(connection, table, world, progress) for table in postgres_tables(world)}
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as connection:
        connection.execute("analyze")
    return counts


def _copy(connection: psycopg.Connection, table: Table, world: World, progress: Progress) -> int:
    statement = sql.SQL("copy public.{} ({}) from stdin").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    expected = round(table.expected * len(world.contributors))
    done = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in steps(f"postgres/{table.name}", table.rows(world), expected, progress):
            copy.write_row(row)
            done += 1
    return done
