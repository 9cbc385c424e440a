"""Columns that masking could not write: the type, its length, NOT NULL, what PostgreSQL writes itself, rights.

Add here: a property of a single column that its rule needs.
Keep out: constraints, which are evaluated (`checks.py`) or weighed (`uniqueness.py`, `references.py`).
"""

from collections.abc import Iterator, Mapping

from psycopg import sql

from erasure.inventory import Field
from erasure.ledger.database import Connection
from erasure.rules import HASH_DIGITS, MASK
from erasure.stores.postgres.survey.catalog import Column, Table

# The types within which a rule may have a key; there every rule writes text, or null.
_WITH_KEYS = frozenset({"json", "jsonb"})
# Rule -> the types it can write beside text; `clear` writes none and takes any.
_BESIDE_TEXT: Mapping[str, frozenset[str]] = {
    "constant": frozenset(),
    "unique": frozenset(),
    "hash": frozenset(),
    "scrub_text": frozenset(),
    "truncate_ip": frozenset({"inet", "cidr"}),
    "coarsen_date": frozenset({"date", "timestamp", "timestamptz"}),
}
# The longest text of an id of these types; a varchar has its own limit, all others are measured.
_LONGEST_ID: Mapping[str, int] = {"uuid": 36, "int2": 6, "int4": 11, "int8": 20}


def problems(connection: Connection, table: Table) -> Iterator[str]:
    """One sentence for each ruled column that cannot be read, cannot be written, or not with what its rule makes."""
    if not table.facts["may_enter"]:
        yield (
            f"postgres: the user may not enter schema {table.item.schema}; "
            "grant [database] username USAGE on it"
        )
    for name in sorted(table.item.known_fields & table.columns.keys()):
        if not table.columns[name].may_select:
            yield f"{table.about(name)} may not be read; grant [database] username SELECT on it"
    if table.item.rule is not None and not table.facts["may_delete"]:
        yield f"postgres: table {table.name} may not be deleted from; grant [database] username DELETE on it"
    if table.item.access is not None and table.item.access.column in table.columns:
        yield from _rights(table, table.columns[table.item.access.column])
    for field, column in table.ruled:
        yield from _rights(table, column)
        yield from _of_column(connection, table, field, column)


def notices(table: Table) -> Iterator[str]:
    """What may go wrong with a text that grows."""
    for field, column in table.ruled:
        if field.rule == "scrub_text" and column.length is not None and column.length >= len(MASK):
            yield (
                f"{table.about(column.name)} is {column.declared}, and scrub_text may make a text longer, by up to "
                f"{len(MASK)} characters for each value it replaces; a text that no longer fits stops masking"
            )


def is_writable(field: Field, column: Column) -> bool:
    """Whether the column's type takes what its rule makes, length aside."""
    rule = str(field.rule)
    if field.path:
        return column.base in _WITH_KEYS and not column.is_array
    if field.elements != column.is_array and (rule != "clear" or field.elements):
        return False
    return rule == "clear" or column.is_text or column.base in _BESIDE_TEXT.get(rule, frozenset())


def _rights(table: Table, column: Column) -> Iterator[str]:
    if not column.may_update:
        yield f"{table.about(column.name)} may not be changed; grant [database] username UPDATE on it"


def _of_column(connection: Connection, table: Table, field: Field, column: Column) -> Iterator[str]:
    where, rule = table.about(column.name), str(field.rule)
    if column.generated is not None or column.is_identity:
        how = "generated" if column.generated is not None else "GENERATED ALWAYS AS IDENTITY"
        yield (
            f"{where} is {how}, so PostgreSQL alone writes it; it follows the columns it is made from: "
            f"give it keep with that reason in {table.file}"
        )
        return
    if rule == "clear" and column.not_null and not field.path and not field.elements:
        yield f"{where} is NOT NULL, and its rule clear writes NULL; allow NULL, or choose another rule in {table.file}"
    if not is_writable(field, column):
        yield f"{where} is {column.declared}, {_reason(field, column)} in {table.file}"
    elif column.length is not None and rule != "clear":
        needed = _longest(connection, table, rule)
        if column.length < needed:
            yield (
                f"{where} is {column.declared}, and its rule {rule} writes {needed} characters; "
                f"widen it, or choose another rule in {table.file}"
            )


def _reason(field: Field, column: Column) -> str:
    rule = str(field.rule)
    able = ", ".join(["text", *sorted(_BESIDE_TEXT.get(rule, frozenset()))])
    if field.path:
        within = ", ".join(sorted(_WITH_KEYS))
        return f"within which there is no key {'.'.join(field.path)} (there is in {within}); correct it"
    if field.elements and not column.is_array:
        return "and no array, so that there are no elements; leave `elements` out"
    if column.is_array and not field.elements:
        return (
            f"an array, which its rule {rule} cannot write as a whole; say `elements: true`, or choose clear"
        )
    return f"which its rule {rule} cannot write (it can {able}); choose another rule"


def _longest(connection: Connection, table: Table, rule: str) -> int:
    """How many characters a rule may write; of the other rules only the mask can be longer than what was there."""
    if rule == "hash":
        return len(MASK) + 1 + HASH_DIGITS
    if rule == "unique":
        return len(MASK) + 1 + _longest_id(connection, table)
    return len(MASK)


def _longest_id(connection: Connection, table: Table) -> int:
    column = table.columns.get(table.item.subject.contributor_id or "")
    if column is None:
        return 0
    known = column.length or _LONGEST_ID.get(column.base)
    if known is not None or not column.may_select:
        return known or 0
    row = connection.execute(
        sql.SQL("select coalesce(max(length({}::text)), 0) as longest from {}").format(
            sql.Identifier(column.name), sql.Identifier(table.item.schema, table.item.location)
        )
    ).fetchone()
    return int(row["longest"]) if row else 0
