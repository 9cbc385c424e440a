"""What an index pattern of the search store must fulfil.

Holds: `problems_of_documents`.
Add here: a condition without which documents would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only a mapping can say (`survey` of the store).
"""

import re
from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.rules import Rule

# `a.b`, `list[].a`, `list[].inner[].a`: an array is marked where its elements are meant.
_PATH = re.compile(r"[^.\[\]\s]+(?:\[\])?(?:\.[^.\[\]\s]+(?:\[\])?)*(?<!\])")


def problems_of_documents(item: InventoryObject) -> Iterator[str]:
    """What is wrong with an index pattern; each begins as it goes on behind its name."""
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
