"""Who plays which part: the inactive share, and the edge people that every world has.

Holds: the parts, how many of them a small world has, and how they are given to places in the world's order of people.
Add here: another kind of person that the product must treat in its own way.
Keep out: the records that make a part true (see contributors.py and tables.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from sandbox.world.chance import Die, Permutation
from sandbox.world.sizes import FEWEST_CONTRIBUTORS

_ALL_PARTS = 20  # so many people have room for all of them
_INACTIVE_SHARE = 5  # one in five


class Part(StrEnum):
    """What somebody is in the world for; `active_…` are recently active, the others inactive."""

    ON_HOLD = "on_hold"
    PAYMENT_PENDING = "payment_pending"
    DISPUTE_OPEN = "dispute_open"
    OLD_HALF = "old_half"  # merged into `active_half`, so the person is active
    TWIN = "twin"  # one person, two accounts, both inactive
    TWIN_MERGED = "twin_merged"
    ALIASED = "aliased"  # further emails, an orphaned judgment and message, a released hold
    NAMESAKE = "namesake"
    ACTIVE_HALF = "active_half"
    ACTIVE_NAMESAKE = "active_namesake"
    ACTIVE_ALIASED = "active_aliased"
    ACTIVE_ON_HOLD = "active_on_hold"


MERGED: Mapping[Part, Part] = {Part.OLD_HALF: Part.ACTIVE_HALF, Part.TWIN_MERGED: Part.TWIN}
# Parts that mean nothing without one another, the inactive ones first; a small world has those from the top that fit.
_GROUPS: tuple[tuple[tuple[Part, ...], tuple[Part, ...]], ...] = (
    ((Part.ON_HOLD,), ()),
    ((Part.NAMESAKE,), (Part.ACTIVE_NAMESAKE,)),
    ((Part.ALIASED,), (Part.ACTIVE_ALIASED,)),
    ((Part.PAYMENT_PENDING,), ()),
    ((Part.DISPUTE_OPEN,), ()),
    ((Part.OLD_HALF,), (Part.ACTIVE_HALF,)),
    ((Part.TWIN, Part.TWIN_MERGED), ()),
    ((), (Part.ACTIVE_ON_HOLD,)),
)
_INACTIVE_PARTS = sum(len(inactive) for inactive, _ in _GROUPS)
_RECENT_PARTS = sum(len(recent) for _, recent in _GROUPS)


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Everybody in one order, the inactive accounts first, and the places of those with a part."""

    order: Permutation
    inactive: int
    places: Mapping[Part, int]
    parts: Mapping[int, Part]  # the same the other way round

    def is_inactive(self, place: int) -> bool:
        return self.order.rank(place) < self.inactive

    def inactive_places(self, most: int) -> list[int]:
        """Up to so many places of inactive accounts, those with a part first."""
        return [self.order.at(rank) for rank in range(min(most, self.inactive))]

    def recent_places(self, most: int) -> list[int]:
        """Up to so many places of recently active accounts, those with a part first."""
        return [
            self.order.at(rank) for rank in range(self.inactive, min(self.order.size, self.inactive + most))
        ]


def cast_people(seed: int, people: int) -> Cast:
    """One in five inactive, rounded down so that erasing all of them stays below a cap of 20 %.

    All parts need eight inactive people, so a world of fewer than forty has a larger share; a world of fewer than
    twenty has fewer parts, and one of fewer than ten, which only a file of labels makes, has none.
    """
    order = Permutation.drawn(Die(seed, "cast"), people)
    inactive, recent = _parts(people)
    gone = max(people // _INACTIVE_SHARE, len(inactive) or min(people - 1, 1))
    places = {part: order.at(rank) for rank, part in enumerate(inactive)}
    places |= {part: order.at(rank) for rank, part in enumerate(recent, start=gone)}
    parts = {place: part for part, place in places.items()}
    return Cast(order=order, inactive=gone, places=places, parts=parts)


def _parts(people: int) -> tuple[list[Part], list[Part]]:
    """The inactive and the recently active parts of a world of this size."""
    if people < FEWEST_CONTRIBUTORS:
        return [], []
    room_inactive = _INACTIVE_PARTS * min(people, _ALL_PARTS) // _ALL_PARTS
    room_recent = _RECENT_PARTS * min(people, _ALL_PARTS) // _ALL_PARTS
    inactive: list[Part] = []
    recent: list[Part] = []
    for some_inactive, some_recent in _GROUPS:
        fits = len(inactive) + len(some_inactive) <= room_inactive
        if fits and len(recent) + len(some_recent) <= room_recent:
            inactive += some_inactive
            recent += some_recent
    return inactive, recent
