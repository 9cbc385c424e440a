"""PostgreSQL and ClickHouse for the tests of the SQL half: kepler's tables, the ledger, and the product over both.

Holds: `SqlWorld`, one module's database with raw connections beside the product's own, and the fixtures that make and
empty it.
Add here: a default of a table's row, or a step of the product that several test modules take.
Keep out: people (each test says who is in its world) and what must hold afterwards.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

import clickhouse_connect
import psycopg
import pytest
from clickhouse_connect.driver.client import Client
from psycopg import sql
from pydantic import SecretStr

from dagster_defs import dbt_runner
from dagster_defs.dbt_models import DbtProject, environment_of
from dagster_defs.worlds import inventory_of
from erasure import execution
from erasure.counts import Count
from erasure.inventory import Inventory
from erasure.ledger import batches
from erasure.ledger import lease as leases
from erasure.ledger.database import migrate
from erasure.ledger.freezing import Frozen, TargetQueries, freeze, load_targets
from erasure.ledger.lease import Lease
from erasure.request import Request, RequestedContributor
from erasure.settings import PROJECT_ROOT, Settings
from erasure.stores.base import no_progress
from erasure.stores.clickhouse.store import ClickHouseStore
from erasure.stores.postgres.store import PostgresStore
from erasure.targets import TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox

BATCH = "b20260101T000000Z-a1b2c3"
RUN = "run-of-the-test"
DDL = PROJECT_ROOT / "sandbox" / "world"
PROJECT, JOB, UNIT = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
LONG_AGO = "2001-02-03T04:05:06Z"
WORLD_TABLES = (
    "contributors",
    "contributor_aliases",
    "judgments",
    "payments",
    "disputes",
    "support_messages",
    "login_events",
    "legal_holds",
)
LEDGER_TABLES = ("batches", "lease", "targets", "steps", "erased")
# What a row has unless a test says otherwise; numbers are counted up.
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "contributors": {"full_name": "Nobody Inparticular", "country": "DE", "created_at": LONG_AGO},
    "contributor_aliases": {},
    "judgments": {"unit_id": UNIT, "job_id": JOB, "label": "cat", "created_at": LONG_AGO},
    "payments": {"amount": 5, "currency": "EUR", "status": "paid", "created_at": LONG_AGO},
    "disputes": {"status": "closed", "claimant_email": "x@example.com", "created_at": LONG_AGO},
    "support_messages": {"subject": "hello", "body": "made up", "created_at": LONG_AGO},
    "login_events": {"created_at": LONG_AGO},
    "legal_holds": {"reason": "made up", "placed_at": LONG_AGO},
}
_NUMBERED = {
    "judgments": "judgment_id",
    "payments": "payment_id",
    "disputes": "dispute_id",
    "support_messages": "message_id",
    "login_events": "login_event_id",
}


def person_id(number: int) -> str:
    """The id of the so-manieth contributor: ids sort as their numbers do."""
    return str(uuid.UUID(int=0xC0000000_0000_4000_8000_000000000000 + number))


@dataclass(frozen=True, kw_only=True)
class SqlWorld:
    """A database with kepler's tables and the ledger; `raw` and `analytics` use none of the product's code."""

    config: SandboxConfig
    settings: Settings
    raw: psycopg.Connection[tuple[Any, ...]]
    analytics: Client
    _numbers: Iterator[int] = field(default_factory=lambda: count(1), repr=False)

    @cached_property
    def project(self) -> DbtProject:
        return DbtProject(self.settings)

    @cached_property
    def inventory(self) -> Inventory:
        return inventory_of("kepler")

    @cached_property
    def queries(self) -> TargetQueries:
        """Compiled once: every test of a module uses the same batch."""
        return self.project.target_queries(BATCH)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.raw.execute(query.encode(), values).fetchall()

    def value(self, query: str, *values: Any) -> Any:
        ((found,),) = self.rows(query, *values)
        return found

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.raw.execute(statement.encode())

    @contextmanager
    def altered(self, do: str, undo: str) -> Iterator[None]:
        """Something in the database is otherwise for as long as the block runs."""
        self.run(do)
        try:
            yield
        finally:
            self.run(undo)

    def add(self, table: str, **values: Any) -> None:
        """A row of a table of the world."""
        row = dict(_DEFAULTS[table]) | values
        if table in _NUMBERED:
            row.setdefault(_NUMBERED[table], next(self._numbers))
        self.raw.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(sql.Placeholder() * len(row)),
            ),
            list(row.values()),
        )

    def person(self, number: int, email: str = "", **values: Any) -> str:
        """A contributor; returns the id."""
        contributor_id = person_id(number)
        email = email or f"person{number}@example.com"
        self.add("contributors", contributor_id=contributor_id, email=email, **values)
        return contributor_id

    def freeze(self, *asked: tuple[str, str], skip_unknown: bool = False) -> Frozen:
        """Freezes the set of a CSV with these (contributor_id, email), the first of them in line 2."""
        request = Request(
            rows=tuple(
                RequestedContributor(line=line, contributor_id=contributor_id, email=email)
                for line, (contributor_id, email) in enumerate(asked, start=2)
            ),
            sha256="0" * 64,
        )
        return freeze(
            self.settings, batch_id=BATCH, request=request, queries=self.queries, skip_unknown=skip_unknown
        )

    def targets(self) -> TargetSet:
        return load_targets(self.settings, batch_id=BATCH)

    def execute(self) -> Lease:
        """The frozen batch executes from here on, in a run that holds the lease."""
        batches.start(self.settings, batch_id=BATCH, reviewed=True, undo_days=7)
        return leases.take(self.settings, batch_id=BATCH, run_id=RUN, run_ended=lambda run_id: False)

    def postgres(self, lease: Lease | None = None) -> PostgresStore:
        return PostgresStore(
            settings=self.settings.database,
            world="kepler",
            registered=self.inventory.registered("postgres"),
            objects=self.inventory.of("postgres"),
            models=self.project,
            fence=lease.fence if lease else 0,
        )

    def clickhouse(self, lease: Lease | None = None) -> ClickHouseStore:
        return ClickHouseStore(
            settings=self.settings.clickhouse,
            world="kepler",
            registered=self.inventory.registered("clickhouse"),
            objects=self.inventory.of("clickhouse"),
            models=self.project,
            fence=lease.fence if lease else 0,
        )

    def mask(self, store: PostgresStore | ClickHouseStore) -> Mapping[str, Count]:
        """Masks as a recorded step; returns what the ledger says was done."""
        return execution.mask(
            self.settings, store=store, targets=self.targets(), check=lambda: None, progress=no_progress
        )

    def empty(self) -> None:
        """As it was made: kepler's tables and the ledger, and nobody in them."""
        ledger = [f"erasure.{table}" for table in LEDGER_TABLES]
        self.run(f"truncate {', '.join([*WORLD_TABLES, *ledger])} restart identity cascade")


def settings_of(config: SandboxConfig, database: str, /, **changes: Mapping[str, Any]) -> Settings:
    """The product's settings for one database; `changes` are keys by section."""
    sections: dict[str, dict[str, Any]] = {
        "database": {
            "host": config.host,
            "port": config.postgres_port,
            "database": database,
            "username": config.postgres_user,
            "password": config.postgres_password,
        },
        "clickhouse": {
            "host": config.host,
            "port": config.clickhouse_port,
            "username": config.clickhouse_user,
            "password": config.clickhouse_password,
        },
        "elasticsearch": {"url": config.search_url},
        "s3": {"bucket_name": "not-used-here"},
        "redis": {},
        "erasure": {"hash_key": SecretStr("made-up-key-of-the-tests")},
    }
    for section, keys in changes.items():
        sections[section] |= keys
    return Settings.model_validate(sections)


def make_analytics(client: Client) -> None:
    """Kepler's tables in ClickHouse, empty."""
    for database in ("kepler", "erasure"):
        client.command(f"drop database if exists {database} sync")
    client.command("create database kepler")
    former, client.database = client.database, "kepler"
    for statement in filter(str.strip, (DDL / "ddl_clickhouse.sql").read_text().split(";")):
        client.command(statement)
    client.database = former


def render_inline(world: SqlWorld, engine: str, text: str) -> str:
    """A piece of Jinja as dbt renders it for an engine, with the project's own macros."""
    manifest = dbt_runner.fresh_manifest(engine, "kepler")
    arguments = ["compile", "--no-populate-cache", "--inline", text, "--vars", f"{{batch_id: {BATCH}}}"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment_of(world.settings).items():
            patch.setenv(name, value)
        outcome = dbt_runner.invoke(
            arguments,
            target=engine,
            world="kepler",
            folder=dbt_runner.folder_of(engine, "kepler"),
            manifest=manifest,
        )
    assert outcome.success, outcome.exception
    return str(outcome.result.results[0].node.compiled_code)


@contextmanager
def made_world(config: SandboxConfig) -> Iterator[SqlWorld]:
    """A database of its own, gone at the end."""
    database = f"sql_{uuid.uuid4().hex[:12]}"
    settings = settings_of(config, database)
    with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {database} owner {config.postgres_user}".encode())
        try:
            with (
                psycopg.connect(
                    config.postgres_dsn.replace(f"dbname={config.postgres_database}", f"dbname={database}"),
                    autocommit=True,
                ) as raw,
                clickhouse_connect.get_client(
                    host=config.host,
                    port=config.clickhouse_port,
                    username=config.clickhouse_user,
                    password=config.clickhouse_password,
                    autogenerate_session_id=False,
                ) as analytics,
            ):
                raw.execute((DDL / "ddl_postgres.sql").read_bytes())
                migrate(settings.database)
                world = SqlWorld(config=config, settings=settings, raw=raw, analytics=analytics)
                world.rows("insert into projects values (%s, 'p') returning 1", PROJECT)
                world.rows("insert into jobs values (%s, %s, 'j') returning 1", JOB, PROJECT)
                world.rows("insert into units values (%s, %s, 'https://example.com') returning 1", UNIT, JOB)
                yield world
        finally:
            admin.execute(f"drop database {database} with (force)".encode())


@pytest.fixture(scope="module")
def _sql_database(sandbox: Sandbox) -> Iterator[SqlWorld]:
    with made_world(sandbox.config) as world:
        yield world


@pytest.fixture
def sql_world(_sql_database: SqlWorld) -> SqlWorld:
    """The module's database, with nobody in it."""
    _sql_database.empty()
    return _sql_database
