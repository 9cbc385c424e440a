"""What the objects of S3 must fulfil.

Holds: `problems_of_s3_objects`.
Add here: a condition without which an object would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), and what only the bucket can say (`survey` of the store).
"""

from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.inventory_checks.templates import PLACEHOLDER, problems_of_templates, problems_of_whole_records


def problems_of_s3_objects(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a key template; each begins as it goes on behind its name."""
    yield from problems_of_whole_records(item)
    yield from problems_of_templates(item)
    if PLACEHOLDER not in item.location:
        yield f": needs a key with {PLACEHOLDER}, such as contributors/{PLACEHOLDER}/"
    if "*" in item.location:
        yield ": key has a *, which S3 takes as it is; a key that ends with / means everything below"
