"""Unique constraints, unique indexes, primary keys and exclusion constraints that masking would break.

Rules that make one value of many (`constant`, `truncate_ip`, ...) let two rows of different people collide; `unique`
makes one value of all rows of a person. Where other columns keep the rows apart nothing collides; where that cannot be
shown, the plan is refused: a violation in the middle of masking would roll all of it back.
Add here: a rule's effect on the values of a column, as `Effect`.
Keep out: constraints of single rows (`checks.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from erasure.inventory import Field
from erasure.ledger.database import Connection
from erasure.stores.postgres.survey.catalog import Table, Told
from erasure.stores.postgres.survey.samples import Unknown, evaluated, samples


class Effect(Enum):
    """What masking does to the values of one part of a key, over all rows."""

    STAYS = "as different as before"
    PERSON = "one value for all rows of a person"
    NOTHING = "NULL"
    SAME = "one value for different people"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One part of an index: a column, or an expression over columns; `column` is the ruled one, if there is one."""

    names: frozenset[str]
    is_column: bool
    effect: Effect
    column: str | None = None


def offender(
    keys: Sequence[Key],
    *,
    person: str | None,
    apart: Sequence[frozenset[str]],
    nulls_are_equal: bool,
) -> Key | None:
    """The part of a unique index by which masked rows collide, or None where they are kept apart.

    `person` is the column of the contributor id; `apart` are sets of columns by which the rows of the table differ.
    """
    if not nulls_are_equal and any(key.effect is Effect.NOTHING for key in keys):
        return None
    wrong = [key for key in keys if key.effect is not Effect.STAYS]
    if not wrong:
        return None
    kept = {name for key in keys if key.effect is Effect.STAYS and key.is_column for name in key.names}
    if person is not None and any(key.effect is Effect.PERSON for key in keys):
        kept.add(person)
    if any(columns <= kept for columns in apart):
        return None
    order = (Effect.SAME, Effect.NOTHING, Effect.PERSON)
    return min(wrong, key=lambda key: order.index(key.effect))


def survey(connection: Connection, table: Table) -> Iterator[Told]:
    """One sentence for each index that masked rows would violate."""
    if not table.ruled:
        return
    indexes = connection.execute(_INDEXES, {"relations": list(table.relations)}).fetchall()
    parts: dict[int, list[Mapping[str, Any]]] = {}
    for part in connection.execute(_PARTS, {"indexes": [row["oid"] for row in indexes]}).fetchall():
        parts.setdefault(part["index"], []).append(part)
    for row in indexes:
        keys = [key for part in parts.get(row["oid"], []) for key in [_key(connection, table, row, part)]]
        if row["is_exclusion"]:
            yield from _excluded(table, row, keys)
            continue
        found = offender(
            keys,
            person=table.item.subject.contributor_id,
            apart=_apart(table, indexes, parts, row),
            nulls_are_equal=row["nulls_are_equal"],
        )
        if found is not None:
            yield _collision(table, row, keys, found, indexes, parts)


def _key(connection: Connection, table: Table, index: Mapping[str, Any], part: Mapping[str, Any]) -> Key:
    column = table.columns.get(part["column"] or "")
    if column is not None and column.generated is None:
        if column.name not in table.rules:
            return Key(names=frozenset({column.name}), is_column=True, effect=Effect.STAYS)
        effect = _effect_of(table.field(column.name))
        return Key(names=frozenset({column.name}), is_column=True, effect=effect, column=column.name)
    generated = column is not None and column.generated is not None
    names = frozenset(column.sources if column is not None and generated else index["used"])
    ruled = sorted(names & set(table.rules))
    if not ruled:
        # It follows columns that stay; as evidence that rows differ it is not taken.
        return Key(names=names, is_column=False, effect=Effect.STAYS)
    expression = column.generated if column is not None and generated else part["expression"]
    effects = {_effect_through(connection, table, name, str(expression)) for name in ruled}
    effect = effects.pop() if len(effects) == 1 else Effect.SAME
    return Key(names=names, is_column=False, effect=effect, column=ruled[0])


def _effect_of(field: Field) -> Effect:
    # What stands beside a key of JSON nobody knows; an array of NULLs equals another one.
    if field.path or (field.elements and field.rule == "clear"):
        return Effect.SAME
    return _EFFECTS.get(str(field.rule), Effect.SAME)


def _stays_apart(table: Table, name: str) -> bool:
    return name not in table.rules or _effect_of(table.field(name)) is Effect.STAYS


def _effect_through(connection: Connection, table: Table, name: str, expression: str) -> Effect:
    """What an expression over a masked column does: `lower(email)` keeps people apart, `left(email, 3)` does not."""
    column, plain = table.columns[name], _effect_of(table.field(name))
    if plain is Effect.SAME:
        return plain
    values = [sample.after for sample in samples(table, column)]
    found = evaluated(connection, expression, name=name, type_name=column.base_declared, values=values)
    if any(isinstance(answer, Unknown) for answer in found):
        return Effect.SAME
    if plain is Effect.NOTHING:
        return plain if found == [None] else Effect.SAME
    return plain if len(set(found)) == len(values) and None not in found else Effect.SAME


def _apart(
    table: Table,
    indexes: Sequence[Mapping[str, Any]],
    parts: Mapping[int, Sequence[Mapping[str, Any]]],
    but: Mapping[str, Any],
) -> list[frozenset[str]]:
    """The sets of columns by which all rows of the table differ, now and after masking, as other indexes ensure it."""
    found = []
    for row in indexes:
        names = [part["column"] for part in parts.get(row["oid"], [])]
        covers = row["relation"] == but["relation"] or (row["relation"] == table.oid and row["spans"])
        whole = covers and not row["is_partial"] and not row["is_exclusion"]
        if row["oid"] == but["oid"] or not whole or None in names:
            continue
        columns = [table.columns.get(str(name)) for name in names]
        stays = all(
            column is not None and column.generated is None and _stays_apart(table, column.name)
            for column in columns
        )
        # Rows with NULL in a key differ from nothing, which helps only where NULL equals nothing here as well.
        filled = all(column is not None and column.not_null for column in columns)
        if stays and (filled or not but["nulls_are_equal"]):
            found.append(frozenset(str(name) for name in names))
    return found


def _collision(
    table: Table,
    index: Mapping[str, Any],
    keys: Sequence[Key],
    found: Key,
    indexes: Sequence[Mapping[str, Any]],
    parts: Mapping[int, Sequence[Mapping[str, Any]]],
) -> Told:
    name = found.column or ""
    rule, column = table.rules[name], table.columns[name]
    beside = sorted({other for key in keys for other in key.names} - {name})
    rest = f", and {', '.join(beside)} beside it {'do' if len(beside) > 1 else 'does'} not keep them apart"
    what = f"{_kind(index)} {index['name']}"
    of_a_person = offender(
        [
            Key(names=key.names, is_column=key.is_column, effect=Effect.PERSON) if key is found else key
            for key in keys
        ],
        person=table.item.subject.contributor_id,
        apart=_apart(table, indexes, parts, index),
        nulls_are_equal=index["nulls_are_equal"],
    )
    can_be_unique = found.is_column and table.item.subject.contributor_id is not None and of_a_person is None
    if not column.is_text:
        remedy = "clear" if not index["nulls_are_equal"] else "keep with a reason"
    else:
        remedy = "unique" if can_be_unique else "hash"
    why = (
        f"gives all rows of a person one value ({table.item.subject.contributor_id} is not unique there)"
        if found.effect is Effect.PERSON
        else "gives rows of different people one value"
    )
    return Told(
        text=(
            f"{table.about(name)}: its rule {rule} {why}, which {what} refuses{rest if beside else ''}; "
            f"choose the rule {remedy} in {table.file}"
        )
    )


def _excluded(table: Table, index: Mapping[str, Any], keys: Sequence[Key]) -> Iterator[Told]:
    if any(key.effect is Effect.NOTHING for key in keys):
        return
    for key in keys:
        if key.column is not None:
            yield Told(
                text=(
                    f"{table.about(key.column)}: exclusion constraint {index['name']} compares it with other rows, so "
                    f"nobody can say that it takes what the rule {table.rules[key.column]} writes; drop the "
                    f"constraint, or choose clear or keep in {table.file}"
                )
            )
            return


def _kind(index: Mapping[str, Any]) -> str:
    if index["is_primary"]:
        return "primary key"
    return "unique constraint" if index["is_constraint"] else "unique index"


# `hash` makes different values of different values; what is not listed makes one value of many.
_EFFECTS: Mapping[str, Effect] = {
    "hash": Effect.STAYS,
    "unique": Effect.PERSON,
    "clear": Effect.NOTHING,
}

# Indexes of partitions that belong to one of the parent are the parent's; `spans`: it holds over all that lies below.
_INDEXES = """
select
    indexes.indexrelid as oid,
    indexes.indrelid as relation,
    coalesce(constraints.conname, names.relname) as name,
    constraints.oid is not null as is_constraint,
    indexes.indisprimary as is_primary,
    indexes.indisexclusion as is_exclusion,
    indexes.indnullsnotdistinct as nulls_are_equal,
    indexes.indpred is not null as is_partial,
    names.relkind = 'I' as spans,
    array(
        select distinct columns.attname::text
        from pg_catalog.pg_depend as uses
        inner join pg_catalog.pg_attribute as columns
            on uses.refobjid = columns.attrelid and uses.refobjsubid = columns.attnum
        where
            uses.classid = 'pg_class'::regclass and uses.objid = indexes.indexrelid
            and uses.refclassid = 'pg_class'::regclass and uses.refobjid = indexes.indrelid
        order by columns.attname::text
    ) as used
from pg_catalog.pg_index as indexes
inner join pg_catalog.pg_class as names on indexes.indexrelid = names.oid
left join pg_catalog.pg_constraint as constraints
    on indexes.indexrelid = constraints.conindid and constraints.contype in ('p', 'u', 'x')
where
    indexes.indrelid = any(%(relations)s::oid[]) and (indexes.indisunique or indexes.indisexclusion)
    and indexes.indisready
    and not exists (select 1 from pg_catalog.pg_inherits as heirs where heirs.inhrelid = indexes.indexrelid)
order by coalesce(constraints.conname, names.relname), indexes.indexrelid
"""

_PARTS = """
select
    indexes.indexrelid as index,
    columns.attname::text as column,
    case when columns.attname is null then pg_get_indexdef(indexes.indexrelid, keys.position::integer, false) end
        as expression
from pg_catalog.pg_index as indexes
cross join unnest(indexes.indkey::int2[]) with ordinality as keys (number, position)
left join pg_catalog.pg_attribute as columns
    on indexes.indrelid = columns.attrelid and keys.number = columns.attnum
where indexes.indexrelid = any(%(indexes)s::oid[]) and keys.position <= indexes.indnkeyatts
order by indexes.indexrelid, keys.position
"""
