"""What stands in the way of masking a table, found from the catalog before anything is changed: one sentence each.

Holds: `obstacles`, which refuse a plan, and `notices`, which are told with it.
Add here: a shape of a table, or a type, that a mask would fail on or spoil.
Keep out: tables and columns that the inventory does not know (`erasure/stores/sql.py`), and values.
"""

import re
from collections.abc import Iterator, Sequence

from erasure.inventory import InventoryObject
from erasure.rules import MASK, NEEDS_SUBJECT, Rule
from erasure.stores.clickhouse.catalog import Column, Table, read_tables
from erasure.stores.clickhouse.connection import Server
from erasure.stores.clickhouse.dictionaries import dictionaries_of

NAME = "clickhouse"
_ID_LENGTH = 36
# What a rule writes at most, where it is text; `truncate_ip` never makes a value longer than the mask or an address.
_LONGEST = {
    Rule.CONSTANT: len(MASK),
    Rule.UNIQUE: len(MASK) + 1 + _ID_LENGTH,
    Rule.TRUNCATE_IP: len(MASK),
    Rule.COARSEN_DATE: len(MASK),
}
_WRAPPERS = re.compile(r"^(?:Nullable|LowCardinality)\((.*)\)$")


def obstacles(server: Server, items: Sequence[InventoryObject]) -> list[str]:
    """One sentence for each thing that would make a mask fail, or make it change what it must not.

    `items` are the registered ones, the waived too: these are named by nobody, and their dictionaries neither.
    """
    found: list[str] = []
    for table in read_tables(server, [item for item in items if item.waived is None and item.is_masked]):
        file = _file(table.item)
        found += [f"{NAME}: {sentence} in {file}" for sentence in _of_table(table, server.cluster)]
    return found + list(_of_dictionaries(server, items)) + list(_of_views(server, items))


def notices(server: Server, items: Sequence[InventoryObject]) -> list[str]:
    """One sentence for each thing that a mask can do only so well, and that whoever reviews the plan should know."""
    found: list[str] = []
    for table in read_tables(server, [item for item in items if item.waived is None and item.ruled_fields]):
        file = _file(table.item)
        found += [
            f"{NAME}: column {table.where}.{column.name} is kept, and was filled from a ruled column when its row was "
            f"written; give it a rule in {file} where that is personal"
            for column in table.columns
            if column.default_kind == "DEFAULT"
            and column.name not in table.ruled
            and column.derives_from(frozenset(table.ruled))
        ]
        if table.masked_keys and _last_row_counts(table):
            found.append(
                f"{NAME}: table {table.where} is copied and exchanged; its engine {table.storage_engine} goes by the "
                "order of writing; of a record written twice within that moment the older version may stay"
            )
    return found


def _last_row_counts(table: Table) -> bool:
    bare = table.storage_engine.removeprefix("Replicated").removeprefix("Shared")
    return bare == "CollapsingMergeTree" or (bare == "ReplacingMergeTree" and not table.engine_columns)


def _of_table(table: Table, cluster: str) -> Iterator[str]:
    engine = table.storage_engine
    if not table.has_parts and engine != "Memory":
        yield f"table {table.where} has the engine {engine}, which updates no rows; waive it with a reason"
        return
    by_name = {column.name: column for column in table.columns}
    for field in table.item.ruled_fields:
        # What is within an array or a document is for the rules themselves.
        if field.name in by_name and not (field.elements or field.path):
            yield from _of_column(table, by_name[field.name], field.rule)
    if cluster and NEEDS_SUBJECT & set(table.ruled.values()):
        yield (
            f"table {table.where} has a rule that must know the subject ({', '.join(sorted(NEEDS_SUBJECT))}), which a "
            "node of a cluster cannot look up; choose constant or clear"
        )
    yield from _of_keys(table, cluster)


def _of_column(table: Table, column: Column, rule: Rule) -> Iterator[str]:
    where = f"column {table.where}.{column.name}"
    bare = _bare(column.type)
    if column.is_computed:
        yield (
            f"{where} is {column.default_kind}, which is computed and never written; "
            "rule the columns it is computed from, and keep this one with a reason"
        )
        return
    if column.type.startswith(("AggregateFunction", "SimpleAggregateFunction")):
        yield (
            f"{where} is an aggregate ({column.type.partition('(')[0]}), of which no single value can be masked; "
            "rebuild the table without the person, and keep or waive it"
        )
        return
    if column.name in _summed(table):
        yield (
            f"{where} is summed by the engine {table.storage_engine}, where a mask would be added up; "
            "keep it with a reason"
        )
    elif column.name in table.engine_columns and _counts_or_replaces(table):
        yield (
            f"{where} is the version or sign of the engine {table.storage_engine}, which tells rows apart; "
            "keep it with a reason"
        )
    if bare.startswith("Enum"):
        yield f"{where} is an {bare.partition('(')[0]} and has no member for a mask; keep it with a reason, or alter it"
    if rule is Rule.HASH and bare.startswith("FixedString"):
        yield f"{where} is a {bare}, which pads a hash so that it is not known again; alter the column to String"
        return
    length = re.fullmatch(r"FixedString\((\d+)\)", bare)
    longest = _LONGEST.get(rule)
    if length and longest and int(length.group(1)) < longest:
        yield (
            f"{where} holds {length.group(1)} bytes and the rule {rule} writes up to {longest}; "
            "alter the column, or choose another rule"
        )
    if (
        rule is Rule.CLEAR
        and "Nullable(" not in column.type
        and not column.type.startswith(("Array(", "Map("))
    ):
        yield (
            f"{where} is {bare.partition('(')[0]}, not Nullable, and cannot be cleared; "
            "alter the column, or choose another rule"
        )


def _of_keys(table: Table, cluster: str) -> Iterator[str]:
    keys = table.masked_keys
    if not keys:
        return
    names = ", ".join(column.name for column in keys)
    if table.engine == "MaterializedView":
        yield (
            f"materialized view {table.where} keeps its rows in an inner table keyed by {names}, which cannot be "
            "exchanged; create the view with TO a table, and register that table"
        )
    elif table.is_replicated or table.engine == "Distributed" or cluster:
        yield (
            f"table {table.where} is keyed by {names} and replicated or distributed, and a masked copy can be "
            "exchanged on a single server only; take the columns out of its keys, or waive it with a reason"
        )
    if not table.merges_rows:
        return
    followers = {column.name for column in table.following}
    for column in keys:
        rule = table.ruled.get(column.name)
        if not (column.in_sorting_key or column.in_partition_key) or rule == Rule.HASH:
            continue
        if column.name in followers and set(table.ruled.values()) <= {Rule.HASH}:
            continue
        yield (
            f"column {table.where}.{column.name} is a key of the engine {table.storage_engine}, which would make one "
            f"record of all that the rule {rule or 'of its source'} gives one value; choose the rule {Rule.HASH}"
        )


def _of_dictionaries(server: Server, items: Sequence[InventoryObject]) -> Iterator[str]:
    known = {(item.schema, item.location) for item in items}
    for dictionary in dictionaries_of(server, frozenset(item.schema for item in items)):
        if (dictionary.database, dictionary.name) in known:
            continue
        if not dictionary.sources or not dictionary.sources <= known:
            yield (
                f"{NAME}: dictionary {dictionary.where} is loaded from something that the inventory does not name; "
                f"register its table, or waive the dictionary by its name in {_file(items[0])}"
            )


def _of_views(server: Server, items: Sequence[InventoryObject]) -> Iterator[str]:
    """Copies that materialized views make of ruled tables, in databases that the inventory does not speak of."""
    databases = sorted({item.schema for item in items})
    known = {(item.schema, item.location) for item in items}
    rows = server.rows(
        "select view.database, view.name, view.target_database, view.target_table from system.tables as view"
        " where view.engine = 'MaterializedView' and (view.database, view.name) in"
        " (select arrayJoin(arrayZip(dependencies_database, dependencies_table)) from system.tables"
        " where (database, name) in {ruled:Array(Tuple(String, String))}) order by 1, 2",
        ruled=sorted(
            (item.schema, item.location) for item in items if item.waived is None and item.ruled_fields
        ),
    )
    for database, view, target_database, target in rows:
        place = (database, view) if str(target).startswith(".inner") else (target_database, target)
        # In these databases whatever is not in the inventory is told of anyway.
        if place not in known and place[0] not in databases:
            yield (
                f"{NAME}: materialized view {database}.{view} copies a ruled table into {place[0]}.{place[1]}, which "
                f"the inventory does not name; register or waive it in {_file(items[0])}"
            )


def _summed(table: Table) -> frozenset[str]:
    """The columns that a Summing table adds up: those named, or every number outside of its key."""
    if "Summing" not in table.storage_engine:
        return frozenset()
    if table.engine_columns:
        return frozenset(table.engine_columns)
    return frozenset(
        column.name
        for column in table.columns
        if not column.in_any_key and re.match(r"U?Int|Float|Decimal", _bare(column.type))
    )


def _counts_or_replaces(table: Table) -> bool:
    return "Replacing" in table.storage_engine or "Collapsing" in table.storage_engine


def _bare(kind: str) -> str:
    """A type without Nullable and LowCardinality around it."""
    while found := _WRAPPERS.match(kind):
        kind = found.group(1)
    return kind


def _file(item: InventoryObject) -> str:
    return f"dbt_project/models/{item.source.removesuffix(f'_{NAME}')}/inventory/{NAME}.yml"
