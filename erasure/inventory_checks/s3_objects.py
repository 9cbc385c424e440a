"""What the objects of S3 must fulfil: those that belong to one person as a whole, and those with rows of many people.

Holds: `problems_of_s3_objects`.
Add here: a condition without which an object would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), paths and columns of rows (`rows.py`), and what only the bucket can
say (`survey` of the store).
"""

from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.inventory_checks.rows import problems_of_rows
from erasure.inventory_checks.templates import PLACEHOLDER, problems_of_templates, problems_of_whole_records
from erasure.rules import Rule


def problems_of_s3_objects(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a key template or a glob; each begins as it goes on behind its name."""
    if item.rows is not None:
        yield from problems_of_rows(item, item.rows)
        return
    yield from problems_of_whole_records(item)
    if item.rule not in (None, Rule.DELETE):
        yield f": rule {item.rule} is for columns of rows; an object as a whole knows delete"
    yield from problems_of_templates(item)
    if PLACEHOLDER not in item.location:
        yield f": needs a key with {PLACEHOLDER}, such as contributors/{PLACEHOLDER}/"
    if "*" in item.location:
        yield ": key has a *, which S3 takes as it is; a key that ends with / means everything below"
