"""What a table of PostgreSQL or ClickHouse must fulfil.

Holds: `problems_of_table`.
Add here: a condition without which rows would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only the engine can say (`survey` of the stores).
"""

from collections.abc import Iterator

from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import NEEDS_SUBJECT, Rule


def problems_of_table(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a table; each begins as it goes on behind the table's name."""
    if not item.primary_key:
        yield ": needs primary_key, the columns that tell its records apart"
    subject = item.subject
    if subject == Subject():
        yield ": needs a subject: contributor_id, email or via, to say whose a record is"
    yield from _of_whole_records(item)
    for name in sorted(item.known_fields):
        if not name.isprintable():
            yield f": {name!r} is no name of a column"
    for field in item.fields:
        yield from (f".{field.label}: {what}" for what in _of_column(item, field))
    paths = [(field.name, field.path) for field in item.fields if field.path]
    for name, path in paths:
        if any(name == other and path != longer and longer[: len(path)] == path for other, longer in paths):
            yield f".{'.'.join((name, *path))}: another key lies within it"
    if item.access is not None:
        if item.subject.contributor_id is None:
            yield ": the table that declares access needs a subject with a contributor_id"
        if item.access.column not in {field.name for field in item.fields if field.rule is Rule.KEEP}:
            yield f": access.column {item.access.column} is none of its columns with the rule keep"
        if item.access.active == item.access.revoked:
            yield ": access.active and access.revoked are the same"


def _of_whole_records(item: InventoryObject) -> Iterator[str]:
    if item.rule is not None and item.rule is not Rule.DELETE:
        yield f": rule {item.rule} is for columns; a table as a whole knows delete"
    if item.rule is Rule.DELETE and item.ruled_fields:
        yield ": has the rule delete, so that no column of it needs a rule"
    if item.rule is Rule.DELETE and item.access is not None:
        yield ": declares access, so its records must stay; give its columns rules instead of delete"


def _of_column(item: InventoryObject, field: Field) -> Iterator[str]:
    subject = item.subject
    if field.owner is not None or field.email is not None:
        yield "owner and email are for documents; whose a row is says its subject"
    if field.path and (item.store != "postgres" or field.elements):
        yield "keys are for jsonb columns of postgres, and an array within is seen by itself"
    if field.volatile and field.rule is not Rule.KEEP:
        yield "volatile is for columns with the rule keep, which a trigger sets"
    if field.rule not in NEEDS_SUBJECT or subject == Subject():
        return
    if not (subject.contributor_id or subject.email or (subject.via and item.store == "postgres")):
        yield f"the rule {field.rule} needs a subject with a contributor_id or an email"
