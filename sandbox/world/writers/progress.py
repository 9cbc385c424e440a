"""How writers go through many items and tell how far they are.

Holds: the callback's type, the counts' type, and a generator that makes blocks.
Add here: another way of going through items that several writers share.
Keep out: printing; the callback belongs to the caller.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

Progress = Callable[[str, int, int], None]  # object, done, total
Counts = Mapping[str, int]

Item = TypeVar("Item")


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most this size."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block
