"""What key templates of S3 and Redis have in common.

Holds: `PLACEHOLDER`, `problems_of_whole_records`, `problems_of_templates`.
Add here: a condition for the keys of both.
Keep out: what only one of them knows (`s3_objects.py`, `redis_keys.py`).
"""

import re
from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.rules import Rule

PLACEHOLDER = "{contributor_id}"
EMAIL = "{email}"


def problems_of_whole_records(item: InventoryObject) -> Iterator[str]:
    """An object whose records go as a whole has a rule of its own, and no fields."""
    for field in item.fields:
        yield f".{field.name}: {item.store} has no columns; the rule is for whole records and stands in meta"
    if item.rule is None:
        yield f": needs rule; {item.store} can do {Rule.DELETE} with whole records"


def problems_of_templates(item: InventoryObject) -> Iterator[str]:
    """A key, or the key of an index, names the contributor once, and nothing else in braces."""
    for what, template in (("key", item.location), ("index", item.index)):
        rest = (template or "").replace(PLACEHOLDER, "", 1)
        if re.search(r"[{}]", rest):
            yield f": {what} has braces for something other than one {PLACEHOLDER}"
