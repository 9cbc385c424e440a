"""What a well-formed object of the inventory must still fulfil, store by store, and all of them together.

Add here: a condition without which an object would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only a store can say (`survey` of the stores).
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from erasure.inventory import SQL_STORES, Field, InventoryObject, Subject
from erasure.rules import CAPABILITIES, NEEDS_SUBJECT, Rule

PLACEHOLDER = "{contributor_id}"
# `a.b`, `list[].a`, `list[].inner[].a`: an array is marked where its elements are meant.
_PATH = re.compile(r"[^.\[\]\s]+(?:\[\])?(?:\.[^.\[\]\s]+(?:\[\])?)*(?<!\])")


def problems_of(item: InventoryObject) -> Iterator[str]:
    """What is wrong with one object; each begins as it goes on behind the object's name."""
    if item.waived is not None:
        return
    if item.store in SQL_STORES:
        yield from _of_table(item)
    elif item.store == "elasticsearch":
        yield from _of_documents(item)
    else:
        yield from _of_keys(item)


def problems_among(
    objects: Sequence[InventoryObject], places: Mapping[tuple[str, str], str], *, world: str
) -> Iterator[str]:
    """What is wrong between the objects of a world; `places` says where each is declared."""
    seen: dict[tuple[str, ...], InventoryObject] = {}
    for item in objects:
        for key in ((item.store, item.name), (item.store, item.schema, item.location)):
            other = seen.setdefault(key, item)
            if other is not item:
                twin = places[other.store, other.name]
                yield f"{places[item.store, item.name]}: {key[-1]} is declared by {twin} already"
    by_name = {(item.store, item.name): item for item in objects}
    for item in objects:
        if item.subject.via and item.waived is None:
            yield from (f"{places[item.store, item.name]}: {what}" for what in _of_parents(item, by_name))
    gates = [item for item in objects if item.access is not None]
    if len(gates) != 1:
        names = f" ({', '.join(item.name for item in gates)})" if gates else ""
        yield (
            f"{world}: exactly one table declares access, found {len(gates)}{names}; "
            f"say it in models/{world}/inventory/postgres.yml at the table of the contributors"
        )


def _of_table(item: InventoryObject) -> Iterator[str]:
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
    if field.owner is not None:
        yield "owner is for documents; whose a row is says its subject"
    if field.path and (item.store != "postgres" or field.elements):
        yield "keys are for jsonb columns of postgres, and an array within is seen by itself"
    if field.volatile and field.rule is not Rule.KEEP:
        yield "volatile is for columns with the rule keep, which a trigger sets"
    if field.rule not in NEEDS_SUBJECT or subject == Subject():
        return
    if not (subject.contributor_id or subject.email or (subject.via and item.store == "postgres")):
        yield f"the rule {field.rule} needs a subject with a contributor_id or an email"


def _of_documents(item: InventoryObject) -> Iterator[str]:
    seen: dict[str, str] = {}
    for field in item.fields:
        for path in filter(None, (field.name, field.owner)):
            if not _PATH.fullmatch(path):
                yield f".{field.name}: {path!r} is no path such as latest.email or list[].email"
        plain = field.name.replace("[]", "")
        if seen.setdefault(plain, field.name) != field.name:
            yield f".{field.name}: is the same field as {seen[plain]}"
        if field.rule is Rule.KEEP:
            continue
        if field.owner is None:
            yield f".{field.name}: needs owner, the path of the contributor id it belongs to"
        elif field.owner.rpartition(".")[0] != field.name.rpartition(".")[0]:
            yield f".{field.name}: its owner must stand in the same object or element"


def _of_keys(item: InventoryObject) -> Iterator[str]:
    for field in item.fields:
        yield f".{field.name}: {item.store} has no columns; the rule is for whole records and stands in meta"
    if item.rule is None:
        yield f": needs rule; {item.store} can do {', '.join(sorted(CAPABILITIES[item.store]))}"
    for what, template in (("key", item.location), ("index", item.index)):
        rest = (template or "").replace(PLACEHOLDER, "", 1)
        if re.search(r"[{}]", rest):
            yield f": {what} has braces for something other than one {PLACEHOLDER}"
    if item.store == "s3":
        if PLACEHOLDER not in item.location:
            yield f": needs a key with {PLACEHOLDER}, such as contributors/{PLACEHOLDER}/"
        if "*" in item.location:
            yield ": key has a *, which S3 takes as it is; a key that ends with / means everything below"
        return
    yield from _of_redis_keys(item)


def _of_redis_keys(item: InventoryObject) -> Iterator[str]:
    key, in_key = item.location, PLACEHOLDER in item.location
    if item.members is not None and (item.members != "contributor_id" or in_key or "*" in key):
        yield ": members are contributor_id, of one key without pattern"
    if not in_key and not item.members and not (item.subject.contributor_id or item.subject.email):
        yield f": needs {PLACEHOLDER} in its key, members, or a subject"
    if item.subject.via is not None:
        yield ": via is for tables"
    if f"{PLACEHOLDER}*" in key:
        yield f": key has a * right behind {PLACEHOLDER}, where an id would have no end"
    if item.index is not None and (PLACEHOLDER not in item.index or in_key or key.count("*") != 1):
        yield f": an index needs {PLACEHOLDER}, and its key one *"


def _of_parents(item: InventoryObject, by_name: Mapping[tuple[str, str], InventoryObject]) -> Iterator[str]:
    passed, at = {item.name}, item
    while at.subject.via:
        parent = by_name.get((item.store, at.subject.via.table))
        if parent is None or parent.waived is not None:
            yield f"via.table {at.subject.via.table} is no table of {item.source} that is masked"
            return
        if parent.name in passed:
            yield f"via leads in a circle, back to {parent.name}"
            return
        if at is item and item.subject.via and item.subject.via.parent_column not in parent.known_fields:
            yield f"via.parent_column {item.subject.via.parent_column} is no column of {parent.name}"
        passed.add(parent.name)
        at = parent
