"""What keys and members of Redis must fulfil.

Holds: `problems_of_redis_keys`.
Add here: a condition without which a key would be counted as masked and not be.
Keep out: forms and keys of the YAML (`inventory_reading.py`), and what only the server can say.
"""

import re
from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.inventory_checks.documents import problems_of_whose
from erasure.rules import Rule

PLACEHOLDERS = ("{contributor_id}", "{email}")
# The whole of a value or member, where a path would lead into it.
WHOLE = "$"
MEMBERS = ("contributor_id", "email", "value")


def problems_of_redis_keys(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a key template; each begins as it goes on behind its name."""
    yield from _of_rules(item)
    yield from _of_owner(item)
    yield from _of_shared(item)
    yield from _of_template(item)
    yield from _of_index(item)
    if item.subject.via is not None:
        yield ": via is for tables"


def is_shared(item: InventoryObject) -> bool:
    """Whether a value lists many people, so that each of its fields has an owner of its own."""
    return any(field.owner or field.email for field in item.fields)


def placeholder_in(template: str) -> str | None:
    """Which of the placeholders a template has; None where it has none."""
    return next((each for each in PLACEHOLDERS if each in template), None)


def _of_rules(item: InventoryObject) -> Iterator[str]:
    if item.rule not in (None, Rule.DELETE):
        yield f": the rule for whole keys or members is delete; {item.rule} stands at a column"
    if item.rule is None and not item.fields:
        yield ": needs rule: delete, or columns with rules"
    if item.rule is not None and item.fields:
        yield ": has both a rule for whole records and columns"
    if item.ends_access and (item.rule is not Rule.DELETE or item.members is not None):
        yield ": what ends access is a key with rule: delete"
    for field in item.fields:
        if field.rule is Rule.DELETE:
            yield f".{field.name}: delete is for whole records and stands in meta; a value is emptied by clear"
        if field.name == WHOLE and field.rule is Rule.CLEAR:
            yield f".{field.name}: a whole value cannot be cleared; say rule: delete in meta"
        if field.name == item.subject.contributor_id != WHOLE and field.rule is not Rule.KEEP:
            yield f".{field.name}: says whose the record is, and stays; its rule is keep"


def _of_owner(item: InventoryObject) -> Iterator[str]:
    in_key = placeholder_in(item.location) is not None
    by_value = bool(item.subject.contributor_id or item.subject.email)
    if item.members is not None and item.members not in MEMBERS:
        yield f": members are one of {', '.join(MEMBERS)}"
    ways = [in_key, by_value, item.members in ("contributor_id", "email"), is_shared(item)]
    if sum(ways) == 0:
        yield f": needs {' or '.join(PLACEHOLDERS)} in its key, members, or a subject, or an owner at each column"
    if sum(ways) > 1:
        yield ": key, members, subject and the owner of columns name the owner twice; leave one"
    for path in (item.subject.contributor_id, item.subject.email):
        if path is not None and "[" in path:
            yield f": subject {path} leads into a list of many people; give the columns owner instead"


def _of_shared(item: InventoryObject) -> Iterator[str]:
    if not is_shared(item):
        return
    if item.members is not None:
        yield ": members have one owner each; owner at columns is for a string whose JSON lists many people"
    for field in item.ruled_fields:
        if field.name == WHOLE:
            yield f".{field.name}: is the whole value, which many people share"
        elif not (field.owner or field.email):
            yield f".{field.name}: needs owner or email, as the other columns have"
        else:
            yield from (f".{field.name}: {what}" for what in problems_of_whose(field))


def _of_template(item: InventoryObject) -> Iterator[str]:
    key = item.location
    for what, template in (("key", key), ("index", item.index)):
        rest = template or ""
        for each in PLACEHOLDERS:
            # In a cluster, braces around it choose the slot.
            rest = rest.replace(f"{{{each}}}", "", 1) if f"{{{each}}}" in rest else rest.replace(each, "", 1)
        if re.search(r"[{}]", rest) or all(each in (template or "") for each in PLACEHOLDERS):
            yield f": {what} has braces for something other than one {' or '.join(PLACEHOLDERS)}"
    for each in PLACEHOLDERS:
        if f"{each}*" in key:
            yield f": key has a * right behind {each}, where an id would have no end"
        if f"*{each}" in key:
            yield f": key has a * right before {each}, where an id would have no beginning"


def _of_index(item: InventoryObject) -> Iterator[str]:
    if item.index is None:
        return
    in_key = placeholder_in(item.location) is not None
    if PLACEHOLDERS[0] not in item.index or in_key or item.location.count("*") != 1:
        yield f": an index needs {PLACEHOLDERS[0]}, and its key one *"
    if item.members is not None or item.rule is not Rule.DELETE:
        yield ": an index is of keys that go, by rule: delete"
