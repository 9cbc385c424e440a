"""What ClickHouse's catalog says of the inventory's tables: where their rows lie, which columns are keys or computed.

Holds: `Table`, `Column`, `read_tables`, `listed`.
Add here: another fact of the catalog that a step needs.
Keep out: what follows from the facts (`obstacles.py`), and changing anything.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erasure.inventory import InventoryObject
from erasure.rules import Rule
from erasure.stores.clickhouse.cluster import engine_arguments, local_table, quoted
from erasure.stores.clickhouse.connection import Server
from erasure.stores.sql import Catalog

# In these, rows of one sorting key become one row when parts are merged.
_MERGING = ("Replacing", "Summing", "Aggregating", "Collapsing", "VersionedCollapsing", "Graphite")
_COMPUTED = frozenset({"MATERIALIZED", "ALIAS", "EPHEMERAL"})


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column: its type, how it gets a value where none is given, and the keys that it is part of."""

    name: str
    type: str
    default_kind: str
    default_expression: str
    in_sorting_key: bool
    in_partition_key: bool
    in_any_key: bool

    @property
    def is_computed(self) -> bool:
        """Whether nobody can write it."""
        return self.default_kind in _COMPUTED

    def derives_from(self, names: frozenset[str]) -> bool:
        """Whether its expression names one of these columns."""
        return any(
            re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", self.default_expression) for name in names
        )


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the inventory as the catalog has it.

    database, storage: the table that holds its rows: itself, the inner table of a materialized view, or the local table
    behind a Distributed one.
    """

    item: InventoryObject
    uuid: str
    engine: str
    database: str
    storage: str
    storage_engine: str
    storage_engine_full: str
    columns: tuple[Column, ...]

    @property
    def relation(self) -> str:
        """Where its rows are read."""
        return f"{quoted(self.item.schema)}.{quoted(self.item.location)}"

    @property
    def storage_relation(self) -> str:
        """Where its parts and mutations are."""
        return f"{quoted(self.database)}.{quoted(self.storage)}"

    @property
    def where(self) -> str:
        """How sentences name it."""
        return f"{self.item.schema}.{self.item.location}"

    @property
    def has_parts(self) -> bool:
        return self.storage_engine.endswith("MergeTree")

    @property
    def is_replicated(self) -> bool:
        return self.storage_engine.startswith(("Replicated", "Shared"))

    @property
    def merges_rows(self) -> bool:
        """Whether the engine makes one row of several."""
        return self.has_parts and _bare(self.storage_engine).startswith(_MERGING)

    @property
    def final(self) -> str:
        """How its rows are read as if all parts had been merged, so that merges do not change what is read."""
        return " final" if self.merges_rows else ""

    @property
    def engine_columns(self) -> tuple[str, ...]:
        """The columns among the engine's own arguments: a version, a sign, what is summed."""
        _, arguments = engine_arguments(self.storage_engine_full)
        names = re.findall(r"\w+", " ".join(a for a in arguments if not a.startswith("'")))
        return tuple(column.name for column in self.columns if column.name in names)

    @property
    def ruled(self) -> Mapping[str, Rule]:
        """Column -> rule, without those that are kept."""
        return {field.name: field.rule for field in self.item.ruled_fields}

    @property
    def following(self) -> tuple[Column, ...]:
        """The MATERIALIZED columns whose value follows from a ruled column, at whatever remove."""
        names, found = frozenset(self.ruled), list[Column]()
        candidates = [column for column in self.columns if column.default_kind == "MATERIALIZED"]
        while more := [c for c in candidates if c not in found and c.derives_from(names)]:
            found += more
            names |= {column.name for column in more}
        return tuple(found)

    @property
    def masked_keys(self) -> tuple[Column, ...]:
        """The key columns that masking would change; ALTER ... UPDATE refuses these (420)."""
        followers = {column.name for column in self.following}
        changing = self.ruled.keys() | followers
        return tuple(column for column in self.columns if column.in_any_key and column.name in changing)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that are copied with a row: those written, and those computed from nothing that is ruled."""
        followers = self.following
        return tuple(
            column
            for column in self.columns
            if column.default_kind not in {"ALIAS", "EPHEMERAL"} and column not in followers
        )

    @property
    def untouched(self) -> tuple[Column, ...]:
        """The stored columns that masking must not change, as far as they compare: a state has many forms of bytes."""
        sums = "Float" if self.merges_rows else "AggregateFunction"
        return tuple(
            column
            for column in self.stored
            if column.name not in self.ruled
            and not column.type.startswith("AggregateFunction")
            and not column.type.startswith(sums)
        )


def read_tables(server: Server, items: Sequence[InventoryObject]) -> list[Table]:
    """The tables that exist, in the order of the inventory."""
    found = []
    for item in items:
        table = _read(server, item)
        if table is not None:
            found.append(table)
    return found


def listed(server: Server, schema: str, registered: frozenset[str]) -> Catalog:
    """The tables of a database with their columns: what may hold rows of its own.

    A view holds none, nor does a materialized view with a table TO which it writes. One without has an inner table, and
    stands here for it. A dictionary stands here where the inventory speaks of it; else `obstacles` tells of it.
    """
    rows = server.rows(
        "select table, groupArray(name) from system.columns where database = {schema:String}"
        " and table not like '.inner%'"
        " and (database, table) in (select database, name from system.tables where database = {schema:String}"
        " and engine != 'View' and (engine != 'Dictionary' or name in {registered:Array(String)})"
        " and (engine != 'MaterializedView' or target_table like '.inner%')) group by table",
        schema=schema,
        registered=sorted(registered),
    )
    return {str(table): frozenset(columns) for table, columns in rows}


def _read(server: Server, item: InventoryObject) -> Table | None:
    found = _facts(server, item.schema, item.location)
    if found is None:
        return None
    uuid, engine, engine_full, target_database, target = found
    database, storage, storage_engine, storage_full = item.schema, item.location, engine, engine_full
    behind = local_table(engine_full)
    if engine == "MaterializedView" and target.startswith(".inner"):
        behind = (target_database, target)
    if behind is not None and (inner := _facts(server, *behind)) is not None:
        database, storage = behind
        _, storage_engine, storage_full, _, _ = inner
    return Table(
        item=item,
        uuid=uuid,
        engine=engine,
        database=database,
        storage=storage,
        storage_engine=storage_engine,
        storage_engine_full=storage_full,
        columns=_columns(server, database, storage),
    )


def _facts(server: Server, database: str, name: str) -> tuple[str, str, str, str, str] | None:
    rows = server.rows(
        "select toString(uuid), engine, engine_full, target_database, target_table from system.tables"
        " where database = {database:String} and name = {name:String}",
        database=database,
        name=name,
    )
    if not rows:
        return None
    uuid, engine, engine_full, target_database, target = (str(value) for value in rows[0])
    return uuid, engine, engine_full, target_database, target


def _columns(server: Server, database: str, table: str) -> tuple[Column, ...]:
    rows = server.rows(
        "select name, type, default_kind, default_expression, is_in_sorting_key, is_in_partition_key,"
        " is_in_sorting_key or is_in_partition_key or is_in_primary_key or is_in_sampling_key"
        " from system.columns where database = {database:String} and table = {table:String} order by position",
        database=database,
        table=table,
    )
    return tuple(
        Column(
            name=str(name),
            type=str(kind),
            default_kind=str(default_kind),
            default_expression=str(expression),
            in_sorting_key=bool(sorting),
            in_partition_key=bool(partition),
            in_any_key=bool(key),
        )
        for name, kind, default_kind, expression, sorting, partition, key in rows
    )


def _bare(engine: str) -> str:
    return re.sub(r"^(Replicated|Shared)", "", engine)
