"""What a glob of files with rows of many people must fulfil.

Holds: `problems_of_rows`.
Add here: a condition without which rows would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only a file can say (`erasure/stores/s3/rows/`).
"""

import re
from collections.abc import Iterator

from erasure.inventory import ROW_FORMATS, Field, InventoryObject, Rows
from erasure.rules import Rule

# `a.b`, `list[].a`, `list[].inner[].a`: an array is marked where its elements are meant. Names may have blanks.
_PATH = re.compile(r"[^.\[\]]+(?:\[\])?(?:\.[^.\[\]]+(?:\[\])?)*(?<!\])")

# Formats whose rows are flat: a name is a column's, whatever is in it.
_FLAT = frozenset({"csv", "tsv"})


def problems_of_rows(item: InventoryObject, rows: Rows) -> Iterator[str]:
    """What is wrong with a glob; each begins as it goes on behind its name."""
    told, packed = rows.format_of(item.location)
    if "{" in item.location or "}" in item.location:
        yield ": glob has braces, which it takes as they are; whose a row is says its subject"
    if told is None:
        yield f": needs format, one of {', '.join(ROW_FORMATS)}, since its glob ends with the suffix of none"
    if told == "parquet" and packed:
        yield ": compression is not for parquet, which packs its own pages"
    if rows.delimiter != "," and told != "csv":
        yield ": delimiter is for csv"
    if rows.encoding != "utf-8" and told not in _FLAT:
        yield ": encoding is for csv and tsv; other formats are utf-8"
    if item.subject.via is not None:
        yield ": via is for tables; whose a row is says contributor_id or email"
    by_owner = [field for field in item.ruled_fields if field.owner is not None]
    whole_row = item.subject.contributor_id or item.subject.email
    if not whole_row and (item.rule is Rule.DELETE or len(by_owner) < len(item.ruled_fields) or not by_owner):
        yield ": needs a subject: contributor_id or email, to say whose a row is"
    if item.rule is not None and item.rule is not Rule.DELETE:
        yield f": rule {item.rule} is for columns; rows as a whole know delete"
    if item.rule is Rule.DELETE and item.ruled_fields:
        yield ": has the rule delete, so that no column of it needs a rule"
    if item.rule is None and not item.ruled_fields:
        yield ": needs rule delete, or columns with rules"
    yield from _of_paths(item, flat=told in _FLAT)


def _of_paths(item: InventoryObject, *, flat: bool) -> Iterator[str]:
    seen: dict[str, str] = {}
    for field in item.fields:
        if field.email is not None:
            yield (
                f".{field.name}: email is for documents of search and Redis; of rows, the subject says it, and of"
                " elements of arrays their own values"
            )
        plain = field.name.replace("[]", "")
        if seen.setdefault(plain, field.name) != field.name:
            yield f".{field.name}: is the same field as {seen[plain]}"
        if field.rule is Rule.DELETE:
            yield f".{field.name}: delete is for whole rows and stands in the meta of the glob"
        yield from (f".{field.name}: {what}" for what in (_of_column(field) if flat else _of_path(field)))
    ruled = {field.name.replace("[]", "") for field in item.ruled_fields}
    for name in () if flat else seen:
        yield from (
            f".{name}: lies within {out}, which has a rule itself"
            for out in sorted(ruled)
            if name.startswith(f"{out}.")
        )
    for name in filter(None, (item.subject.contributor_id, item.subject.email)):
        if not flat and ("[]" in name or not _PATH.fullmatch(name)):
            yield f": subject {name!r} is no path within the row; elements of arrays name theirs by owner"


def _of_column(field: Field) -> Iterator[str]:
    if field.owner is not None:
        yield "owner is for paths in documents; whose a row is says its subject"


def _of_path(field: Field) -> Iterator[str]:
    for path in filter(None, (field.name, field.owner)):
        if not _PATH.fullmatch(path):
            yield f"{path!r} is no path such as latest.email or list[].email"
    if field.owner is None or field.rule is Rule.KEEP:
        return
    element = field.owner[: field.owner.rindex("[]") + 2] if "[]" in field.owner else ""
    if element and not field.name.startswith(f"{element}."):
        yield "its owner must stand in the same element, or in one around it"
