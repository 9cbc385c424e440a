"""The closed form in SQL, for PostgreSQL and ClickHouse: one count of survivors and masked values per table.

Written otherwise than the macros that mask, on purpose: memberships instead of joins, one pattern instead of
arithmetic on addresses. Values of persons never stand in the text: they are rows of two tables beside.
Add here: a rule's masked form, where a SQL store can do that rule.
Keep out: connections, and rules that are judged in Python (`free_text.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from erasure.errors import BadInput
from erasure.inventory import Field, Inventory, InventoryObject
from erasure.rules import HASH_DIGITS, MASK, Rule
from expectations.readers.base import RECORD, FieldReading

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP = "[1-9a-f][0-9a-f]{0,3}"
# A /24 or /48 network as Python writes it, or the mask. A last group of 0 is part of the zeros behind it.
# Of a type of addresses the text may end in the length of a network.
TRUNCATED_IP = f"^((({_OCTET}[.]){{3}}0|(((0|{_GROUP}):){{0,2}}{_GROUP})?::)(/[0-9]{{1,3}})?|{MASK})$"
# The year stays, whatever it is; of a moment the first of its year begins.
FIRST_OF_YEAR = f"^([0-9]{{4,}}-01-01([ T]00:00:00([.]0+)?([+]00(:00)?)?)?( BC)?|-?infinity|{MASK})$"
HASHED = f"^{MASK}(-[0-9a-f]{{{HASH_DIGITS}}})?$"


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """In what the two engines differ.

    ids, emails: tables with one column each, `id` and `email`, that hold the batch.
    joined: an array as one text; every: whether each element of an array is in a form.
    within, every_within: the same for a value at a path within JSON.
    """

    ids: str
    emails: str
    quoted: Callable[[str], str]
    text: Callable[[str], str]
    normalised: Callable[[str], str]
    matches: Callable[[str, str], str]
    joined: Callable[[str], str]
    every: Callable[[str, Callable[[str], str]], str]
    within: Callable[[str, Sequence[str]], str]
    every_within: Callable[[str, Sequence[str], Callable[[str], str]], str]


def count_statement(
    item: InventoryObject, fields: Sequence[Field], inventory: Inventory, dialect: Dialect
) -> str:
    """One pass over a table: records of targets, then survivors and masked values of each field."""
    counts = ["count(*)"]
    for field in fields:
        value, masked = _value(field, dialect), _masked(field, item, dialect)
        counts.append(f"count(*) filter (where {value} is not null and not ({masked}))")
        counts.append(f"count(*) filter (where {masked})")
    source = table(item, dialect)
    return f"select {', '.join(counts)} from {source} r where {closed_form(item, inventory, dialect)}"


def record_statement(item: InventoryObject, inventory: Inventory, dialect: Dialect) -> str:
    """How many records of targets there are in a table whose records are deleted."""
    return f"select count(*) from {table(item, dialect)} r where {closed_form(item, inventory, dialect)}"


def record_reading(item: InventoryObject, records: int) -> FieldReading:
    """Each of them is a survivor."""
    return FieldReading(
        object=item.name, field=RECORD, survivors=int(records), masked=0, records=int(records)
    )


def readings_of(item: InventoryObject, fields: Sequence[Field], row: Sequence[int]) -> list[FieldReading]:
    """The readings in the one row that `count_statement` returns."""
    records, *pairs = row
    return [
        FieldReading(
            object=item.name,
            field=field.label,
            survivors=int(pairs[2 * position]),
            masked=int(pairs[2 * position + 1]),
            records=int(records),
        )
        for position, field in enumerate(fields)
    ]


def table(item: InventoryObject, dialect: Dialect) -> str:
    """The table's full name."""
    return f"{dialect.quoted(item.schema)}.{dialect.quoted(item.location)}"


def parent_of(item: InventoryObject, inventory: Inventory) -> InventoryObject:
    """The object that a record without an id of its own is reached through."""
    via = item.subject.via
    for other in inventory.registered(item.store):
        if via is not None and other.name == via.table:
            return other
    raise BadInput(f"{item.store}: {item.name} is reached through a table that the inventory does not name.")


def closed_form(item: InventoryObject, inventory: Inventory, dialect: Dialect, alias: str = "r") -> str:
    """Whether a record is a target's: by id; by email where there is no id; masked; or its parent is."""
    subject, ways = item.subject, []
    owner = f"{alias}.{dialect.quoted(subject.contributor_id)}" if subject.contributor_id else None
    if owner:
        ways.append(f"lower({dialect.text(owner)}) in (select id from {dialect.ids})")
    if subject.email:
        email = dialect.text(f"{alias}.{dialect.quoted(subject.email)}")
        known = f"{dialect.normalised(email)} in (select email from {dialect.emails})"
        ways.append(f"({owner} is null and {known})" if owner else known)
        if item.rule is not Rule.DELETE:
            ways.append(f"{email} = '{MASK}'")
            ways.append(f"substring({email}, 1, {len(MASK) + 1}) = '{MASK}-'")
    if subject.via:
        parent = parent_of(item, inventory)
        above = f"{alias}p"
        inner = closed_form(parent, inventory, dialect, above)
        column = f"{above}.{dialect.quoted(subject.via.parent_column)}"
        members = f"select {column} from {table(parent, dialect)} {above} where {inner}"
        ways.append(f"{alias}.{dialect.quoted(subject.via.column)} in ({members})")
    return f"({' or '.join(ways)})"


def control_statement(item: InventoryObject, inventory: Inventory, dialect: Dialect, digest: str) -> str:
    """The digest of every record of nobody in the batch; `digest` is that of a whole record `r`."""
    everything = f"select {digest} as digest from {table(item, dialect)} r"
    if item.waived is not None:
        return everything
    # A condition that is NULL, for want of an email, holds nobody either.
    return f"{everything} where not coalesce({closed_form(item, inventory, dialect)}, false)"


def text_of(field: Field, dialect: Dialect) -> str:
    """The text of a field, for those that are judged in Python."""
    if field.elements:
        return dialect.joined(f"r.{dialect.quoted(field.name)}")
    return dialect.text(_value(field, dialect))


def _value(field: Field, dialect: Dialect) -> str:
    column = f"r.{dialect.quoted(field.name)}"
    return dialect.within(column, field.path) if field.path else column


def _masked(field: Field, item: InventoryObject, dialect: Dialect) -> str:
    column = f"r.{dialect.quoted(field.name)}"

    def form(value: str) -> str:
        return _form(field.rule, value, item, dialect)

    def form_or_null(value: str) -> str:
        return f"{value} is null or {form(value)}"

    if field.path:
        return dialect.every_within(column, field.path, form_or_null if field.rule is Rule.CLEAR else form)
    if field.elements:
        return dialect.every(column, form_or_null)
    return form(column)


def _form(rule: Rule, value: str, item: InventoryObject, dialect: Dialect) -> str:
    text = dialect.text(value)
    owner_column = item.subject.contributor_id
    unique = f"substring({text}, 1, {len(MASK) + 1}) = '{MASK}-'"
    if owner_column:
        owner = f"r.{dialect.quoted(owner_column)}"
        unique = f"case when {owner} is null then {unique} else {text} = concat('{MASK}-', {dialect.text(owner)}) end"
    forms: Mapping[Rule, str] = {
        Rule.CONSTANT: f"{text} = '{MASK}'",
        Rule.UNIQUE: unique,
        Rule.CLEAR: f"{value} is null",
        Rule.HASH: dialect.matches(text, HASHED),
        Rule.TRUNCATE_IP: dialect.matches(text, TRUNCATED_IP),
        Rule.COARSEN_DATE: dialect.matches(text, FIRST_OF_YEAR),
    }
    return forms[rule]
