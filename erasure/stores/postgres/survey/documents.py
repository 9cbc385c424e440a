"""Values within JSON that the inventory's keys do not reach: keys it does not name, arrays that a path leads through.

What is found here would be left as it is, and the judge, who follows the same keys, would not see it either. Keys can
be values of persons themselves, so they are counted and not named.
Add here: another form of JSON that a key does not reach.
Keep out: the column's type (`columns.py`).
"""

from collections.abc import Iterator

from psycopg import sql

from erasure.ledger.database import Connection
from erasure.stores.postgres.survey.catalog import Table, Told

# Beneath `path` (empty for the whole): how many rows hold what no key leads into, and how many keys that are not among
# `known` stand in its objects.
_QUERY = """
    with found as (
        select cast({column} as jsonb) #> cast({path} as text[]) as value
        from {table}
        where {column} is not null
    )
    select
        (select count(*) from found where jsonb_typeof(value) {wrong}) as wrong,
        (
            select count(distinct keys.key)
            from found
            cross join lateral jsonb_object_keys(
                case when jsonb_typeof(value) = 'object' then value else '{{}}'::jsonb end
            ) as keys (key)
            where keys.key <> all (cast({known} as text[]))
        ) as unknown
"""
# Anything but an object has no keys at all; below that, an array is what a path does not follow.
_WRONG_AT_THE_TOP, _WRONG_BELOW = sql.SQL("not in ('object', 'null')"), sql.SQL("= 'array'")


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each place within JSON whose values nobody has ruled."""
    paths: dict[str, list[tuple[str, ...]]] = {}
    for field in table.item.fields:
        column = table.columns.get(field.name)
        if field.path and column is not None and column.may_select and column.base in {"json", "jsonb"}:
            paths.setdefault(field.name, []).append(field.path)
    for column_name, declared in sorted(paths.items()):
        for prefix in sorted({path[:length] for path in declared for length in range(len(path))}):
            within = [path for path in declared if path[: len(prefix)] == prefix]
            known = sorted({path[len(prefix)] for path in within})
            yield from _beneath(connection, table, column_name, prefix, known)


def _beneath(
    connection: Connection, table: Table, column: str, prefix: tuple[str, ...], known: list[str]
) -> Iterator[Told]:
    query = sql.SQL(_QUERY).format(
        column=sql.Identifier(column),
        table=sql.Identifier(table.item.schema, table.item.location),
        # As literals: a percent sign in a name would be taken for a placeholder.
        path=sql.Literal(list(prefix)),
        known=sql.Literal(known),
        wrong=_WRONG_BELOW if prefix else _WRONG_AT_THE_TOP,
    )
    row = connection.execute(query).fetchone() or {}
    place = f" beneath {'.'.join(prefix)}" if prefix else ""
    if row.get("wrong"):
        what = "an array, through which no key leads" if prefix else "no object, in which keys could be"
        yield Told(
            text=f"{table.about(column)} holds in {row['wrong']} rows{place} {what}; "
            f"rule the whole column in {table.file}"
        )
    if row.get("unknown"):
        yield Told(
            text=f"{table.about(column)} has {row['unknown']} keys{place} that are not in the inventory; "
            f"give each a rule, see jsonb_object_keys, in {table.file}"
        )
