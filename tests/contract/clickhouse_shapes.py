"""Tables of any shape in ClickHouse, and the store's modules over them, without a world.

Holds: the fixture `shapes` (a database of its own, emptied for each test), inventory objects made by hand, and
expressions as the macros render them, for a target set of one email.
Add here: what several modules of tests for shapes of tables need.
Keep out: the macros themselves (`test_sql_rules.py`), and assertions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr

from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.store_settings import ClickHouseSettings
from erasure.stores.clickhouse.catalog import Table, read_tables
from erasure.stores.clickhouse.connection import Server, connected
from erasure.stores.clickhouse.obstacles import obstacles
from erasure.stores.clickhouse.shadow import Shadow
from erasure.stores.sql import MaskExpressions
from sandbox.supervisor import Sandbox

DATABASE = "shapes"
ANN, CONTROL = "ann.shapes@example.com", "bob.shapes@example.org"
FILE = "dbt_project/models/shapes/inventory/clickhouse.yml"
# As `is_subject` and `not_yet_masked` are, for a table that knows people by email alone.
IS_SUBJECT = f"(email in (select value from shapes_targets.targets) or email = '{MASK}')"
NOT_YET_MASKED = f"(email is not null and not (email <=> '{MASK}'))"


def ours() -> None:
    """The lease is ours all the time."""


def item(name: str, **rules: str) -> InventoryObject:
    """A table of which these columns have these rules; whose a row is says its email."""
    return InventoryObject(
        store="clickhouse",
        name=name,
        source="shapes_clickhouse",
        schema=DATABASE,
        location=name,
        subject=Subject(email="email"),
        primary_key=("id",),
        fields=tuple(Field(name=column, rule=Rule(rule)) for column, rule in rules.items()),
    )


def masks(**values: str) -> MaskExpressions:
    """The mask of a table whose `email` becomes the mask, and other columns what `values` says."""
    return MaskExpressions(
        is_subject=IS_SUBJECT,
        not_yet_masked=NOT_YET_MASKED,
        values={"email": f"if(email is null, email, '{MASK}')"} | values,
    )


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """The database of the test; `server` is the product's own connection."""

    server: Server
    settings: ClickHouseSettings

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.server.run(statement)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.server.rows(query)]

    def value(self, query: str) -> Any:
        ((found,),) = self.rows(query)
        return found

    def table(self, name: str = "t", **rules: str) -> Table:
        """The table as the catalog has it now."""
        return read_tables(self.server, [item(name, **(rules or {"email": "constant"}))])[0]

    def shadow(
        self,
        name: str = "t",
        *,
        still_ours: Callable[[], None] = ours,
        expressions: MaskExpressions | None = None,
        **rules: str,
    ) -> Shadow:
        """The masking of a table by exchange."""
        return Shadow(
            server=self.server,
            table=self.table(name, **rules),
            expressions=expressions or masks(),
            still_ours=still_ours,
        )

    def obstacles(self, *items: InventoryObject) -> list[str]:
        return obstacles(self.server, items)

    def uuid(self, name: str = "t") -> str:
        query = f"select toString(uuid) from system.tables where database = '{DATABASE}' and name = '{name}'"
        return str(self.value(query))

    def leftovers(self) -> list[str]:
        """What the product has left in its own database."""
        return [name for (name,) in self.rows("select name from system.tables where database = 'erasure'")]

    def merges_are_on(self, name: str = "t") -> bool:
        """Whether parts are merged when they are asked to be."""
        self.run(f"optimize table {DATABASE}.{name} final")
        query = f"select uniqExact(partition_id) = count() from system.parts where active and database = '{DATABASE}'"
        return bool(self.value(f"{query} and table = '{name}'"))


COLUMNS = (
    "id UInt64, email String, n UInt32, at DateTime default now(), computed String materialized upper(email),"
    " made_at DateTime materialized now(), digest UInt64 materialized cityHash64(email),"
    " alias String alias lower(email)"
)
FILL = (
    f"insert into {DATABASE}.t (id, email, n, at) select number, if(number % 10 = 0, '{ANN}', '{CONTROL}'),"
    " number * 2, toDateTime(1000000000 + number) from numbers({first}, {rows})"
)


def made(shapes: Shapes, clause: str = "order by (email, id)", engine: str = "MergeTree") -> None:
    """A table of a hundred rows in two parts, ten of them Ann's."""
    shapes.run(
        f"create table {DATABASE}.t ({COLUMNS}) engine = {engine} {clause}",
        FILL.format(first=0, rows=60),
        FILL.format(first=60, rows=40),
    )


def controls(shapes: Shapes) -> list[tuple[object, ...]]:
    query = (
        f"select id, email, n, at, computed, made_at, digest from {DATABASE}.t where id % 10 != 0 order by id"
    )
    return shapes.rows(query)


def settings_for(config: Mapping[str, Any]) -> ClickHouseSettings:
    return ClickHouseSettings(
        host=config["host"],
        port=config["port"],
        username=config["username"],
        password=SecretStr(config["password"]),
    )


@pytest.fixture
def shapes(sandbox: Sandbox) -> Iterator[Shapes]:
    """An empty database, and a target set of Ann."""
    config = sandbox.config
    settings = settings_for(
        {
            "host": config.host,
            "port": config.clickhouse_port,
            "username": config.clickhouse_user,
            "password": config.clickhouse_password,
        }
    )
    with connected(settings) as server:
        made = Shapes(server=server, settings=settings)
        for database in (DATABASE, "shapes_targets", "erasure"):
            made.run(f"drop database if exists {database} sync")
        made.run(
            f"create database {DATABASE}",
            "create database shapes_targets",
            "create table shapes_targets.targets (value String) engine = MergeTree order by value",
            f"insert into shapes_targets.targets values ('{ANN}')",
        )
        yield made
        for database in (DATABASE, "shapes_targets", "erasure"):
            made.run(f"drop database if exists {database} sync")
