"""Foreign keys of ruled columns, and of tables whose records are deleted whole.

Add here: another way in which one table's rows hold another's.
Keep out: parents by which a record finds its person (`via` of the inventory): they change nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from erasure.ledger.database import Connection
from erasure.rules import Rule
from erasure.stores.postgres.survey.catalog import Table, Told


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each foreign key that masking or deleting would violate, or would pass on to another table."""
    for row in connection.execute(_FOREIGN_KEYS, {"relations": list(table.relations)}).fetchall():
        if row["from_here"]:
            yield from _referring(table, row)
        if row["to_here"]:
            yield from _referred_to(table, row)
            if table.item.rule is Rule.DELETE:
                yield _deleted(table, row)


def _referring(table: Table, key: Mapping[str, Any]) -> Iterator[Told]:
    for name in key["columns"]:
        rule = table.rules.get(name)
        # NULL refers to nothing; only MATCH FULL wants all columns of the key to be NULL together.
        if rule is None or (rule == "clear" and (not key["is_full"] or len(key["columns"]) == 1)):
            continue
        yield Told(
            text=(
                f"{table.about(name)}: foreign key {key['name']} has it refer to {_side(key, 'referred')}, where the "
                f"value of its rule {rule} does not stand; choose clear, or keep with a reason, in {table.file}"
            )
        )


def _referred_to(table: Table, key: Mapping[str, Any]) -> Iterator[Told]:
    for name in key["referred_columns"]:
        if name in table.rules:
            yield Told(
                text=(
                    f"{table.about(name)}: foreign key {key['name']} of {_side(key, 'referring')} refers to it, so "
                    f"its rule {table.rules[name]} would break the reference or change that table; choose keep with "
                    f"a reason in {table.file}, or refer to another column"
                )
            )


def _deleted(table: Table, key: Mapping[str, Any]) -> Told:
    other, what = key["referring_table"], _ON_DELETE[key["on_delete"]]
    if key["on_delete"] in _FOLLOWS:
        return Told(
            text=(
                f"postgres: table {table.name} has the rule delete, and foreign key {key['name']} of {other} is "
                f"{what}: {_FOLLOWS[key['on_delete']]}"
            ),
            refuses=False,
        )
    return Told(
        text=(
            f"postgres: table {table.name} has the rule delete, and foreign key {key['name']} of {other} is {what}, "
            f"which keeps its rows; make it ON DELETE CASCADE or SET NULL, or choose rules for its columns in "
            f"{table.file}"
        )
    )


def _side(key: Mapping[str, Any], side: str) -> str:
    columns = key["columns"] if side == "referring" else key["referred_columns"]
    return f"{key[f'{side}_table']} ({', '.join(columns)})"


_ON_DELETE: Mapping[str, str] = {
    "a": "ON DELETE NO ACTION",
    "r": "ON DELETE RESTRICT",
    "c": "ON DELETE CASCADE",
    "n": "ON DELETE SET NULL",
    "d": "ON DELETE SET DEFAULT",
}
_FOLLOWS: Mapping[str, str] = {
    "c": "its rows that refer to a deleted one are deleted too, and are not counted",
    "n": "its rows that refer to a deleted one lose their reference",
}

# The copies that PostgreSQL keeps for each partition have a parent, and say the same.
_FOREIGN_KEYS = """
select
    constraints.conname as name,
    constraints.confmatchtype = 'f' as is_full,
    constraints.confdeltype::text as on_delete,
    constraints.conrelid = any(%(relations)s::oid[]) as from_here,
    constraints.confrelid = any(%(relations)s::oid[]) as to_here,
    referring_schemas.nspname || '.' || referring.relname as referring_table,
    referred_schemas.nspname || '.' || referred.relname as referred_table,
    array(
        select columns.attname::text
        from unnest(constraints.conkey) with ordinality as keys (number, position)
        inner join pg_catalog.pg_attribute as columns
            on constraints.conrelid = columns.attrelid and keys.number = columns.attnum
        order by keys.position
    ) as columns,
    array(
        select columns.attname::text
        from unnest(constraints.confkey) with ordinality as keys (number, position)
        inner join pg_catalog.pg_attribute as columns
            on constraints.confrelid = columns.attrelid and keys.number = columns.attnum
        order by keys.position
    ) as referred_columns
from pg_catalog.pg_constraint as constraints
inner join pg_catalog.pg_class as referring on constraints.conrelid = referring.oid
inner join pg_catalog.pg_namespace as referring_schemas on referring.relnamespace = referring_schemas.oid
inner join pg_catalog.pg_class as referred on constraints.confrelid = referred.oid
inner join pg_catalog.pg_namespace as referred_schemas on referred.relnamespace = referred_schemas.oid
where
    constraints.contype = 'f' and constraints.conparentid = 0
    and (constraints.conrelid = any(%(relations)s::oid[]) or constraints.confrelid = any(%(relations)s::oid[]))
order by constraints.conname, constraints.oid
"""
