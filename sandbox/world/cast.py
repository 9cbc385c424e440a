"""Who plays which part: the inactive share, and the edge people that every world has.

Holds: the parts, and how they are given to places in the world's list of people.
Add here: another kind of person that the product must treat in its own way.
Keep out: the records that make a part true (see contributors.py and tables.py).
"""

from dataclasses import dataclass

from sandbox.world.chance import dice

FEWEST_WITH_PARTS = 20  # fewer people are all left without a part
_INACTIVE_PARTS = 8
_INACTIVE_SHARE = 5  # one in five


@dataclass(frozen=True, kw_only=True)
class Parts:
    """One place each; the first eight are inactive accounts, the others recently active ones."""

    on_hold: int
    payment_pending: int
    dispute_open: int
    old_half: int  # merged into `active_half`, so the person is active
    twin: int  # one person, two accounts, both inactive
    twin_merged: int
    aliased: int  # further emails, an orphaned judgment and message, a released hold
    namesake: int
    active_half: int
    active_namesake: int
    active_aliased: int
    active_on_hold: int


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Places of the inactive accounts in a fixed order, and the parts among all."""

    inactive: tuple[int, ...]
    recent: tuple[int, ...]
    parts: Parts | None

    def merged_into(self) -> dict[int, int]:
        """Place of an account → place of the account it was merged into."""
        if self.parts is None:
            return {}
        return {self.parts.old_half: self.parts.active_half, self.parts.twin_merged: self.parts.twin}


def cast_people(seed: int, people: int) -> Cast:
    """One in five inactive, rounded down so that erasing all of them stays below a cap of 20 %.

    The parts need eight inactive people, so a world of fewer than forty has a larger share.
    """
    places = list(range(people))
    dice(seed, "cast").shuffle(places)
    with_parts = people >= FEWEST_WITH_PARTS
    gone = max(people // _INACTIVE_SHARE, _INACTIVE_PARTS if with_parts else min(people - 1, 1))
    inactive, recent = tuple(places[:gone]), tuple(places[gone:])
    return Cast(inactive=inactive, recent=recent, parts=_parts(inactive, recent) if with_parts else None)


def _parts(inactive: tuple[int, ...], recent: tuple[int, ...]) -> Parts:
    return Parts(
        on_hold=inactive[0],
        payment_pending=inactive[1],
        dispute_open=inactive[2],
        old_half=inactive[3],
        twin=inactive[4],
        twin_merged=inactive[5],
        aliased=inactive[6],
        namesake=inactive[7],
        active_half=recent[0],
        active_namesake=recent[1],
        active_aliased=recent[2],
        active_on_hold=recent[3],
    )
