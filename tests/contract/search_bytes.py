"""What search servers have on disk, byte for byte: an email is there in several forms, or in none.

Holds: `canary`, an email that a byte search finds, and `forms`, in which kinds of files it stands.
Add here: another form in which an engine keeps a value.
Keep out: what is done with the documents.
"""

import random
import string
import uuid
from collections.abc import Iterable
from pathlib import Path

from tests.contract.search_support import Worker

# Stored documents, the inverted index, and the values by document. Where segments are kept in one file each, that
# file alone is found: `SEPARATE_FILES` are the settings of an index that is merged into several.
FORMS = frozenset({".fdt", ".tim", ".dvd"})
SEPARATE_FILES = {"compound_format": False}


def canary() -> Worker:
    """A made-up person whose email no compression shortens.

    Capitals at random: lower-case letters are packed into six bits in an index of terms, and of a longer text, or
    one of fewer different letters, a part would be written as a reference to where it stood before.
    """
    chance = random.SystemRandom()
    middle = "".join(chance.choices(string.ascii_uppercase, k=14))
    return Worker(id=str(uuid.uuid4()), email=f"x{middle}@example.net")


def forms(worker: Worker, directories: Iterable[Path]) -> set[str]:
    """The kinds of files below the directories in which the person's email stands."""
    needle = worker.email.partition("@")[0][1:].encode()
    files = (path for directory in directories for path in directory.rglob("*") if path.is_file())
    return {path.suffix for path in files if needle in _content(path)}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # A running server deletes files while they are looked through; what is deleted is on disk no longer.
        return b""
