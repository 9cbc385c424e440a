"""The judgments of a world as records, and the few that other records hang on.

Holds: a judgment with its contributor, time and written email; orphans; the judgments of given people.
Add here: another trait of single judgments.
Keep out: tables and documents (see tables.py and writers/).
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sandbox.world.chance import scatter
from sandbox.world.contributors import Contributor
from sandbox.world.generate import Unit, World

_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")  # set aside for documentation, so nobody's


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgment:
    """`email` is what the platform wrote down at the time: an alias or another case at times."""

    judgment_id: int
    unit: Unit
    contributor: Contributor
    email: str
    label: str
    draw: int
    created_at: datetime

    @property
    def email_missing(self) -> bool:
        """Whether Postgres has no email for it; the other stores always have one."""
        return self.draw % 23 == 0


def judgments(world: World) -> Iterator[Judgment]:
    """All of them, a unit's together."""
    unit: Unit | None = None
    place = -1
    for slot in world.slots:
        if unit is None or slot.unit != place:
            unit, place = world.unit(slot.unit), slot.unit
        contributor = world.contributors[slot.contributor]
        draw = scatter(world.seed, slot.judgment_id)
        yield Judgment(
            judgment_id=slot.judgment_id,
            unit=unit,
            contributor=contributor,
            email=_written(contributor, draw),
            label=slot.label,
            draw=draw,
            created_at=contributor.moment(draw >> 8),
        )


def first_judgments(world: World, places: Collection[int]) -> dict[int, int]:
    """Place of a contributor → their lowest judgment, for those places that have one."""
    wanted = frozenset(places)
    found: dict[int, int] = {}
    for slot in world.slots:
        if slot.contributor in wanted:
            found[slot.contributor] = min(slot.judgment_id, found.get(slot.contributor, slot.judgment_id))
    return found


def orphans(world: World) -> frozenset[int]:
    """Judgments whose contributor id was lost; only the email, in another case, says whose they are.

    One is an inactive contributor's, one an active one's.
    """
    parts = world.cast.parts
    if parts is None:
        return frozenset()
    return frozenset(first_judgments(world, (parts.aliased, parts.active_aliased)).values())


def address_of_network(draw: int) -> str | None:
    """An address, of either family, or none."""
    match draw % 16:
        case 0:
            return None
        case 1 | 2:
            return f"2001:db8:{draw >> 8 & 0xFFFF:x}:{draw >> 24 & 0xFFFF:x}::{(draw >> 40 & 0xFFF) + 1:x}"
        case _:
            return f"{_NETWORKS[(draw >> 8) % 3]}{(draw >> 16) % 254 + 1}"


def _written(contributor: Contributor, draw: int) -> str:
    form = (draw >> 4) % 16
    if form == 0:
        return contributor.email.upper()
    if form == 1 and contributor.aliases:
        return contributor.aliases[0]
    return contributor.email
