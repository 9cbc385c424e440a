"""The world in Postgres: schema public dropped, created and filled by COPY, its keys added behind the rows.

Holds: the order of loading, in one transaction: tables, each crew's rows, rows derived from rows, keys.
Add here: what the tables need after loading (sequences, statistics).
Keep out: the rows (tables.py, derive_postgres.sql) and the DDL (ddl_postgres.sql).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files

import psycopg
from psycopg import sql

from sandbox.world.contributors import Contributor
from sandbox.world.crews import Crew
from sandbox.world.generate import World
from sandbox.world.stores import WorldStores
from sandbox.world.tables import TABLES, Table
from sandbox.world.writers.progress import Counts, Progress, blocks

_KEYS = "alter table "  # what the second part of the DDL begins with
_LINES_AT_ONCE = 2_000


def write_postgres(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Rows by table. A failure leaves what was there before."""
    tables, begins, keys = _text("ddl_postgres.sql").partition(_KEYS)
    counts = Counter({table.name: 0 for table in TABLES})
    with psycopg.connect(stores.postgres_dsn) as connection:
        connection.execute("set local timezone = 'UTC'; set local maintenance_work_mem = '256MB'")
        connection.execute(tables.encode())
        for crew in world.crews:
            _copy_crew(connection, world, crew, counts, progress)
        counts["login_events"] += connection.execute(_text("derive_postgres.sql").encode()).rowcount
        progress("postgres/keys", 0, 1)
        connection.execute((begins + keys).encode())
    with psycopg.connect(stores.postgres_dsn, autocommit=True) as connection:
        connection.execute("analyze")
    progress("postgres/keys", 1, 1)
    return dict(counts)


def _copy_crew(
    connection: psycopg.Connection, world: World, crew: Crew, counts: Counter[str], progress: Progress
) -> None:
    people = world.people(crew)
    totals = {"contributors": len(world.contributors), "judgments": world.judgments}
    for table in TABLES:
        before = counts[table.name]
        for done in _copy(connection, table, world, crew, people):
            counts[table.name] = before + done
            if table.name in totals:
                progress(f"postgres/{table.name}", before + done, totals[table.name])


def _copy(
    connection: psycopg.Connection, table: Table, world: World, crew: Crew, people: Sequence[Contributor]
) -> Iterator[int]:
    """Copies a crew's rows; yields how many it has sent, now and then."""
    statement = sql.SQL("copy public.{} ({}) from stdin").format(
        sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    done = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for lines in blocks(table.lines(world, crew, people), _LINES_AT_ONCE):
            copy.write("".join(lines))
            done += len(lines)
            yield done


def _text(name: str) -> str:
    return files("sandbox.world").joinpath(name).read_text(encoding="utf-8")
