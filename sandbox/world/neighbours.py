"""Records beside those of contributors, under names that begin with a contributor's id and go on.

Holds: whose names they begin with, and how they go on.
Add here: another way in which a name can begin with an id and be somebody else's.
Keep out: keys of single stores (writers/).

They are nobody's: whatever looks for a contributor by a prefix alone would find them as well, and take them along.
"""

from collections.abc import Iterator

from sandbox.world.contributors import Contributor

# Neither is an id of this world: one digit more, and a word behind a hyphen, which ids hold too.
_TAILS = ("0", "-old")
NOTE = "kept by the platform; belongs to no contributor"


def neighbours(each: Contributor) -> Iterator[str]:
    """Names that begin with the id of this contributor; only people with a part have such neighbours."""
    if each.part is not None:
        yield from (f"{each.contributor_id}{tail}" for tail in _TAILS)
