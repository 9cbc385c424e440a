"""What PostgreSQL's catalogs and a bounded sample tell of tables that nobody has described yet, for a draft.

Add here: another fact of a table, of its columns or keys.
Keep out: what follows from it (`inventory_draft/`), and values: the server counts what they look like.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql

from erasure.inventory import InventoryObject, Subject
from erasure.inventory_draft.facts import (
    PATTERNS,
    SAMPLED_ROWS,
    ColumnFacts,
    Kind,
    Reference,
    Shape,
    TableFacts,
)
from erasure.ledger.database import Connection
from erasure.stores.postgres.survey import catalog
from erasure.stores.postgres.survey.catalog import Column, Table

_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(("inet", "cidr"), Kind.ADDRESS),
    "date": Kind.DATE,
    **dict.fromkeys(("timestamp", "timestamptz"), Kind.MOMENT),
    "bool": Kind.FLAG,
    **dict.fromkeys(("int2", "int4", "int8", "numeric", "float4", "float8", "money"), Kind.NUMBER),
    "uuid": Kind.UUID,
    **dict.fromkeys(("json", "jsonb"), Kind.JSON),
}
# Of a long text its beginning tells enough; patterns over megabytes would take the server's time.
_LOOKED_AT = 1_000


def read(connection: Connection, schema: str) -> list[TableFacts]:
    """The tables of a schema, without views and partitions; empty where there is no such schema."""
    connection.execute(catalog.READ_ONLY)
    names = [row["name"] for row in connection.execute(_TABLES, {"schema": schema}).fetchall()]
    objects = [
        InventoryObject(
            store="postgres", name=name, source="", schema=schema, location=name, subject=Subject()
        )
        for name in names
    ]
    tables = catalog.read(connection, objects, world="")
    oids = {"tables": [table.oid for table in tables], "schema": schema}
    enums = {row["name"] for row in connection.execute(_ENUMS).fetchall()}
    keys = connection.execute(_KEYS, oids).fetchall()
    references = connection.execute(_REFERENCES, oids).fetchall()
    return [_facts(connection, table, keys, references, enums) for table in tables]


def _facts(
    connection: Connection,
    table: Table,
    keys: Sequence[Mapping[str, Any]],
    references: Sequence[Mapping[str, Any]],
    enums: set[str],
) -> TableFacts:
    mine = [key for key in keys if key["table"] == table.oid]
    unique = {key["columns"][0] for key in mine if len(key["columns"]) == 1}
    sample = _sampled(connection, table)
    return TableFacts(
        name=table.item.location,
        primary_key=tuple(next((key["columns"] for key in mine if key["is_primary"]), ())),
        columns=tuple(
            _column(column, unique, enums, sample.get(column.name, {})) for column in table.columns.values()
        ),
        references=tuple(
            Reference(column=row["column"], table=row["referred"], parent_column=row["parent_column"])
            for row in references
            if row["table"] == table.oid
        ),
    )


def _column(column: Column, unique: set[str], enums: set[str], sample: Mapping[str, int]) -> ColumnFacts:
    return ColumnFacts(
        name=column.name,
        declared=column.declared,
        kind=_kind(column, enums),
        nullable=not column.not_null,
        length=column.length,
        unique=column.name in unique,
        generated=column.generated is not None or column.is_identity,
        sampled=sample.get("filled", 0),
        shapes={shape: sample[shape.name] for shape in Shape if sample.get(shape.name)},
    )


def _kind(column: Column, enums: set[str]) -> Kind:
    if column.is_array:
        return Kind.TEXTS if column.is_text else Kind.OTHER
    if column.is_text:
        return Kind.TEXT
    return Kind.CHOICE if column.base in enums else _KINDS.get(column.base, Kind.OTHER)


def _sampled(connection: Connection, table: Table) -> Mapping[str, Mapping[str, int]]:
    """Text column -> how many of its sampled values are filled, and of each shape."""
    columns = [
        column
        for column in table.columns.values()
        if column.is_text and not column.is_array and column.may_select
    ]
    if not columns or table.kind == "f":
        return {}
    taken = [
        sql.SQL("left({}::text, {}) as {}").format(
            sql.Identifier(column.name), sql.Literal(_LOOKED_AT), sql.Identifier(f"c{number}")
        )
        for number, column in enumerate(columns)
    ]
    counted = [
        sql.SQL("count(*) filter (where {} ~ {}) as {}").format(
            sql.Identifier(f"c{number}"), sql.Literal(pattern), sql.Identifier(f"c{number}_{shape.name}")
        )
        for number in range(len(columns))
        for shape, pattern in PATTERNS.items()
    ]
    filled = [
        sql.SQL("count({}) as {}").format(sql.Identifier(f"c{number}"), sql.Identifier(f"c{number}_filled"))
        for number in range(len(columns))
    ]
    row = connection.execute(
        sql.SQL("select {counted} from (select {taken} from {table} limit {limit}) as sample").format(
            counted=sql.SQL(", ").join([*filled, *counted]),
            taken=sql.SQL(", ").join(taken),
            table=sql.Identifier(table.item.schema, table.item.location),
            limit=sql.Literal(SAMPLED_ROWS),
        )
    ).fetchone()
    return {
        column.name: {
            name: int(row[f"c{number}_{name}"]) for name in ("filled", *(shape.name for shape in Shape))
        }
        for number, column in enumerate(columns)
        if row is not None
    }


_TABLES = """
select tables.relname as name
from pg_catalog.pg_class as tables
inner join pg_catalog.pg_namespace as schemas on tables.relnamespace = schemas.oid
where schemas.nspname = %(schema)s and tables.relkind in ('r', 'p', 'm', 'f') and not tables.relispartition
order by tables.relname
"""

_ENUMS = "select distinct typname as name from pg_catalog.pg_type where typtype = 'e'"

_KEYS = """
select
    indexes.indrelid as table,
    indexes.indisprimary as is_primary,
    array(
        select columns.attname::text
        from unnest(indexes.indkey::int2[]) with ordinality as keys (number, position)
        inner join pg_catalog.pg_attribute as columns
            on indexes.indrelid = columns.attrelid and keys.number = columns.attnum
        where keys.position <= indexes.indnkeyatts
        order by keys.position
    ) as columns
from pg_catalog.pg_index as indexes
where
    indexes.indrelid = any(%(tables)s::oid[]) and indexes.indisunique and indexes.indpred is null
    and indexes.indexprs is null
"""

_REFERENCES = """
select
    constraints.conrelid as table,
    columns.attname::text as column,
    referred.relname::text as referred,
    parent_columns.attname::text as parent_column
from pg_catalog.pg_constraint as constraints
inner join pg_catalog.pg_class as referred on constraints.confrelid = referred.oid
inner join pg_catalog.pg_namespace as schemas on referred.relnamespace = schemas.oid
inner join pg_catalog.pg_attribute as columns
    on constraints.conrelid = columns.attrelid and constraints.conkey[1] = columns.attnum
inner join pg_catalog.pg_attribute as parent_columns
    on constraints.confrelid = parent_columns.attrelid and constraints.confkey[1] = parent_columns.attnum
where
    constraints.contype = 'f' and constraints.conparentid = 0 and array_length(constraints.conkey, 1) = 1
    and constraints.conrelid = any(%(tables)s::oid[]) and schemas.nspname = %(schema)s
order by constraints.conname
"""
