"""How writers go through many items and tell how far they are.

Holds: the callback's type, a generator that calls it in steps, and one that makes blocks.
Add here: another way of going through items that several writers share.
Keep out: printing; the callback belongs to the caller.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

Progress = Callable[[str, int, int], None]  # object, done, total; the total is sure at the last call only
Counts = Mapping[str, int]

Item = TypeVar("Item")

_STEP = 2_000


def steps(name: str, items: Iterable[Item], expected: int, progress: Progress) -> Iterator[Item]:
    """The items, reported now and then and once at the end."""
    done = 0
    for item in items:
        yield item
        done += 1
        if done % _STEP == 0:
            progress(name, done, max(done, expected))
    progress(name, done, done)


def blocks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most this size."""
    rest = iter(items)
    while block := list(islice(rest, size)):
        yield block
