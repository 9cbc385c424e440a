"""What an index pattern of the search store must fulfil.

Holds: `problems_of_documents`, and `problems_of_whose`, which other stores with JSON ask too.
Add here: a condition without which documents would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only a mapping can say (`survey` of the store).
"""

import re
from collections.abc import Iterator

from erasure.document_paths import common_depth, plain, steps_of
from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import Rule

# `a.b`, `list[].a`, `list[].inner[].a`: an array is marked where its elements are meant.
_PATH = re.compile(r"[^.\[\]\s]+(?:\[\])?(?:\.[^.\[\]\s]+(?:\[\])?)*(?<!\])")


def problems_of_documents(item: InventoryObject) -> Iterator[str]:
    """What is wrong with an index pattern; each begins as it goes on behind its name."""
    yield from _of_subject(item.subject)
    yield from _of_whole_documents(item)
    seen: dict[str, str] = {}
    for field in item.fields:
        for path in filter(None, (field.name, field.owner, field.email)):
            yield from (f".{field.name}: {what}" for what in _of_path(path))
        if seen.setdefault(plain(field.name), field.name) != field.name:
            yield f".{field.name}: is the same field as {seen[plain(field.name)]}"
        if field.rule is not Rule.KEEP:
            yield from (f".{field.name}: {what}" for what in _of_ruled_field(item, field))


def problems_of_whose(field: Field) -> Iterator[str]:
    """What is wrong with a field that names its owner, its paths and theirs; a value may be a list itself (`[].id`)."""
    paths = [path for path in (field.owner, field.email) if path]
    for path in (field.name, *paths):
        yield from _of_path(path.removeprefix("[]."))
    for path in paths:
        if path != field.name:
            yield from _of_whose(field.name, path, "owner" if path == field.owner else "email")
    shared = [common_depth(steps_of(field.name), steps_of(path)) for path in paths]
    for path in paths:
        if any(step.endswith("[]") for step in path.split(".")[min(shared) :]):
            yield f"{path} leads into another list than its owner stands in"


def _of_path(path: str) -> Iterator[str]:
    if not _PATH.fullmatch(path):
        yield f"{path!r} is no path such as latest.email or list[].email"


def _of_subject(subject: Subject) -> Iterator[str]:
    if subject.via is not None:
        yield ": via is for tables"
    for path in filter(None, (subject.contributor_id, subject.email)):
        yield from (f": subject: {what}" for what in _of_path(path))
        if "[]" in path:
            yield f": subject: {path} leads into an array, where many people may stand; give its fields owner instead"


def _of_whole_documents(item: InventoryObject) -> Iterator[str]:
    if item.rule is None:
        return
    if item.rule is not Rule.DELETE:
        yield f": rule {item.rule} is for fields; documents as a whole know delete"
    if not (item.subject.contributor_id or item.subject.email):
        yield ": has the rule delete, and so needs a subject: the paths of contributor_id or email in its documents"
    if item.ruled_fields:
        yield ": has the rule delete, so that no field of it needs a rule"


def _of_ruled_field(item: InventoryObject, field: Field) -> Iterator[str]:
    if field.rule is Rule.DELETE:
        yield "delete is for whole documents and stands in the meta of the index pattern"
    whose = item.whose(field)
    if not whose.owner and not whose.email:
        yield (
            "needs owner, the path of the contributor id it belongs to, or email, the path of the email that decides "
            "(its own where it is one)"
        )
    for path in filter(None, (whose.owner, whose.email)):
        if path != field.name:
            yield from _of_whose(field.name, path, "owner" if path == whose.owner else "email")


def _of_whose(name: str, path: str, what: str) -> Iterator[str]:
    shared = common_depth(steps_of(name), steps_of(path))
    if path.split(".")[:shared] != name.split(".")[:shared]:
        yield f"its {what} {path} marks other arrays with [] than the field itself"
    elif any(step.endswith("[]") for step in path.split(".")[shared:]):
        yield (
            f"its {what} must stand in the same object or element, or in one around it; "
            f"{path} leads into another array"
        )
