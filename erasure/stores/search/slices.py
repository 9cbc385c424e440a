"""How many slices a pass over indices is cut into: an engine works on them at once.

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


def slices_over(shards: Sequence[int]) -> int:
    """How many, over indices with so many shards each."""
    wanted = min(max(min(shards, default=1), _AT_LEAST), MOST_SLICES)
    return max(1, min(wanted, _SCROLLS // max(1, sum(shards))))
