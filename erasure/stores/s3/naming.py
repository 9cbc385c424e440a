"""How a version is named where people read it: by its key only where that can name nobody, else by its ETag.

A key may name somebody who is no target, whom nothing here knows. So a key is told only where each of its words is one
that the inventory itself has, or a short number or a date; whatever else there is stays untold.
Holds: `shown`, `names_nobody`.
Add here: another kind of word that names nobody, whoever writes it.
Keep out: why a version is told of (`obstacles.py`).
"""

import re
from urllib.parse import unquote

from erasure.inventory import COMPRESSIONS, ROW_FORMATS, InventoryObject
from erasure.stores.s3.listing import Version
from erasure.targets import TargetSet

_WORD = re.compile(r"[^\W_]+")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
_SUFFIXES = frozenset(
    end.strip(".") for ends in (*ROW_FORMATS.values(), *COMPRESSIONS.values()) for end in ends
)
# In one part of a key, between slashes: with more digits it could be a phone, however they are grouped.
_DIGITS_AT_MOST = 6


def shown(version: Version, item: InventoryObject, targets: TargetSet) -> str:
    """The key, or what leads to it for whoever may list the bucket: `aws s3api list-object-versions` shows ETags."""
    if names_nobody(version.key, item, targets):
        return version.key
    return f"ETag {version.etag.strip(chr(34))}"


def names_nobody(key: str, item: InventoryObject, targets: TargetSet) -> bool:
    """Whether a key is of words of the inventory, short numbers and dates alone, and of nothing that a target has."""
    plain = unquote(key)
    words = _words(plain)
    if "@" in plain or words & _words(" ".join(targets.contributor_ids)):
        return False
    # Where ids are numbers, any number may be somebody's.
    takes_numbers = not any(one.isdigit() for one in targets.contributor_ids)
    known = _words(" ".join((item.location, item.name, *item.known_fields))) | _SUFFIXES
    return (
        all(word in known or (takes_numbers and word.isdigit()) for word in words)
        and all(_digits(part) <= _DIGITS_AT_MOST for part in plain.split("/"))
        and not any(_is_in(needle.value, plain) for needle in targets.needles)
    )


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.lower()))


def _digits(part: str) -> int:
    return sum(sign.isdigit() for sign in _DATE.sub("", part))


def _is_in(value: str, text: str) -> bool:
    """Whether the words of a value stand in a text, however they are joined."""
    wanted = " ".join(_WORD.findall(value.lower()))
    return bool(wanted) and f" {wanted} " in f" {' '.join(_WORD.findall(text.lower()))} "
