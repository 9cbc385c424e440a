"""What ClickHouse's catalogs and a bounded sample tell of tables that nobody has described yet, for a draft.

Add here: another fact of a table, of its columns or keys.
Keep out: what follows from it (`inventory_draft/`), and values: the server counts what they look like.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from erasure.inventory_draft.facts import PATTERNS, SAMPLED_ROWS, ColumnFacts, Kind, Shape, TableFacts

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("String", Kind.TEXT),
    ("FixedString", Kind.TEXT),
    ("IPv", Kind.ADDRESS),
    ("DateTime", Kind.MOMENT),
    ("Date", Kind.DATE),
    ("Bool", Kind.FLAG),
    ("UUID", Kind.UUID),
    ("Enum", Kind.CHOICE),
    ("Array(String)", Kind.TEXTS),
    ("JSON", Kind.JSON),
    ("UInt", Kind.NUMBER),
    ("Int", Kind.NUMBER),
    ("Float", Kind.NUMBER),
    ("Decimal", Kind.NUMBER),
)
_MADE = frozenset({"MATERIALIZED", "ALIAS", "EPHEMERAL"})
_LOOKED_AT = 1_000


def read(client: "Client", database: str) -> list[TableFacts]:
    """The tables of a database, without views; empty where there is no such database."""
    rows = client.query(
        "select table, name, type, default_kind"
        " from system.columns where database = {database:String} and (database, table) in"
        " (select database, name from system.tables where engine not in ('View', 'MaterializedView'))"
        " order by table, position",
        parameters={"database": database},
    ).result_rows
    keys = {
        str(name): str(key)
        for name, key in client.query(
            "select name, sorting_key from system.tables where database = {database:String}",
            parameters={"database": database},
        ).result_rows
    }
    by_table: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        by_table.setdefault(str(row[0]), []).append(row)
    return [_facts(client, database, table, found, keys[table]) for table, found in by_table.items()]


def _facts(
    client: "Client", database: str, table: str, rows: list[Sequence[Any]], sorting_key: str
) -> TableFacts:
    # Columns alone: what an expression of a key makes does not tell rows apart by name.
    names = {str(row[1]) for row in rows}
    key = [part.strip().strip("`") for part in sorting_key.split(",")] if sorting_key else []
    texts = [str(name) for _, name, declared, kind in rows if _is_text(declared) and kind not in _MADE]
    sample = _sampled(client, database, table, texts)
    return TableFacts(
        name=table,
        primary_key=tuple(key) if set(key) <= names else (),
        columns=tuple(_column(row, sample.get(str(row[1]), {})) for row in rows),
    )


def _column(row: Sequence[Any], sample: Mapping[str, int]) -> ColumnFacts:
    _, name, declared, default_kind = row
    plain = _plain(declared)
    fixed_length = re.fullmatch(r"FixedString\((\d+)\)", plain)
    return ColumnFacts(
        name=str(name),
        declared=str(declared),
        kind=next((kind for start, kind in _KINDS if plain.startswith(start)), Kind.OTHER),
        nullable="Nullable(" in declared,
        length=int(fixed_length.group(1)) if fixed_length else None,
        generated=default_kind in _MADE,
        sampled=sample.get("filled", 0),
        shapes={shape: sample[shape.name] for shape in Shape if sample.get(shape.name)},
    )


def _plain(declared: str) -> str:
    """The type without LowCardinality and Nullable around it."""
    while found := re.fullmatch(r"(?:LowCardinality|Nullable)\((.*)\)", declared):
        declared = found.group(1)
    return declared


def _is_text(declared: str) -> bool:
    return _plain(declared).startswith(("String", "FixedString"))


def _sampled(
    client: "Client", database: str, table: str, columns: Sequence[str]
) -> Mapping[str, Mapping[str, int]]:
    """Text column -> how many of its sampled values are filled, and of each shape."""
    if not columns:
        return {}
    taken = [
        f"substringUTF8(toString({_quoted(name)}), 1, {_LOOKED_AT}) as c{number}"
        for number, name in enumerate(columns)
    ]
    # A column of texts that may not be NULL has empty ones instead.
    counted = [
        f"countIf({condition})"
        for number in range(len(columns))
        for condition in (
            f"c{number} != ''",
            *(f"match(ifNull(c{number}, ''), {{{shape.name}:String}})" for shape in Shape),
        )
    ]
    row = client.query(
        f"select {', '.join(counted)} from (select {', '.join(taken)}"
        f" from {_quoted(database)}.{_quoted(table)} limit {SAMPLED_ROWS})",
        parameters={shape.name: PATTERNS[shape] for shape in Shape},
    ).result_rows[0]
    names = ("filled", *(shape.name for shape in Shape))
    return {
        column: dict(zip(names, map(int, row[number * len(names) : (number + 1) * len(names)]), strict=True))
        for number, column in enumerate(columns)
    }


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
