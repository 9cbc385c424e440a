"""What the objects of S3 must fulfil: those that belong to one person as a whole, and those with rows of many people.

Holds: `problems_of_s3_objects`.
Add here: a condition without which an object would be counted as masked and not be.
Keep out: forms and keys (`inventory_reading.py`), paths and columns of rows (`rows.py`), and what only the bucket can
say (`survey` of the store).
"""

import re
from collections.abc import Iterator

from erasure.inventory import InventoryObject
from erasure.inventory_checks.rows import problems_of_rows
from erasure.inventory_checks.templates import EMAIL, PLACEHOLDER, problems_of_whole_records
from erasure.rules import Rule

# Amazon's own: 3 to 63 characters.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def problems_of_s3_objects(item: InventoryObject) -> Iterator[str]:
    """What is wrong with a key or a glob; each begins as it goes on behind its name."""
    if item.bucket is not None and not _BUCKET.fullmatch(item.bucket):
        yield ": bucket is no name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens"
    if item.rows is not None:
        yield from problems_of_rows(item, item.rows)
        if item.tag is not None or item.metadata is not None:
            yield ": tag and metadata name whose an object with a key is, and a glob has rows of many people"
        return
    yield from problems_of_whole_records(item)
    if item.rule not in (None, Rule.DELETE):
        yield f": rule {item.rule} is for columns of rows; an object as a whole knows delete"
    if "*" in item.location:
        yield ": key has a *, which S3 takes as it is; a key that ends with / means everything below"
    if item.tag is not None or item.metadata is not None:
        yield from _problems_of_looks(item)
    else:
        yield from _problems_of_names(item)


def _problems_of_names(item: InventoryObject) -> Iterator[str]:
    found = [name for name in (PLACEHOLDER, EMAIL) if name in item.location]
    rest = item.location.replace(found[0], "", 1) if found else item.location
    if re.search(r"[{}]", rest):
        yield f": key has braces for something other than one {PLACEHOLDER} or one {EMAIL}"
    if not found:
        yield (
            f": needs a key with {PLACEHOLDER} or {EMAIL}, such as contributors/{PLACEHOLDER}/, or a tag or metadata "
            "that names the contributor of each object below the key"
        )


def _problems_of_looks(item: InventoryObject) -> Iterator[str]:
    if item.tag is not None and item.metadata is not None:
        yield ": has both tag and metadata; one of them names the contributor"
    if re.search(r"[{}]", item.location):
        yield ": key has braces, and tag or metadata; one of them names the contributor"
    if not item.location.endswith("/"):
        yield ": key must end with / where tag or metadata names the contributor of each object below it"
    if item.metadata is not None and not _TOKEN.fullmatch(item.metadata):
        yield ": metadata is the name behind x-amz-meta-, such as contributor-id"
