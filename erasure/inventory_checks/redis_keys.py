"""What keys and members of Redis must fulfil.

Holds: `problems_of_redis_keys`.
Add here: a condition without which a key would be counted as masked and not be.
Keep out: forms and keys of the YAML (`inventory_reading.py`), and what only the server can say.
"""

from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.inventory_checks.templates import PLACEHOLDER, problems_of_templates, problems_of_whole_records


def problems_of_redis_keys(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a key template; each begins as it goes on behind its name."""
    yield from problems_of_whole_records(item)
    yield from problems_of_templates(item)
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
