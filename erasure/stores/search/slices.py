"""How a pass over indices is cut: into slices, which an engine works on at once, and each of these into pages.

Add here: another reason for more of them, or for fewer.
Keep out: the passes (`looking.py`, `tasks.py`).
"""

from collections.abc import Sequence

# What `slices=auto` takes is a slice a shard, by the index that has the fewest. An index of one shard, which is what
# engines make by themselves, would be worked on by one core, however many are idle.
_AT_LEAST = 2
MOST_SLICES = 20
# Each slice opens a scroll on every shard; a node keeps 500 of them open at most, for everybody together.
_SCROLLS = 200
# A task writes a page, has it on disk, and fetches the next. Pages of 5,000 small documents took 0.7 of the time that
# an engine's own 1,000 took; documents that are large are written in smaller ones, since a page is held in memory.
LARGEST_PAGE, _SMALLEST_PAGE = 5_000, 100
_PAGE_BYTES = 4_000_000


def slices_over(shards: Sequence[int]) -> int:
    """How many, over indices with so many shards each."""
    wanted = min(max(min(shards, default=1), _AT_LEAST), MOST_SLICES)
    return max(1, min(wanted, _SCROLLS // max(1, sum(shards))))


def page_over(documents: int, size: int, *, window: int) -> int:
    """How many documents a page has, where so many take up so many bytes; no more than an index gives out at once."""
    fitting = _PAGE_BYTES * documents // size if size else LARGEST_PAGE
    return min(max(fitting, _SMALLEST_PAGE), LARGEST_PAGE, window)
