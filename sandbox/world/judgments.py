"""The judgments of a crew as records, and the few that have lost whose they are.

Holds: judgments in columns with their time and written email; orphans; made-up addresses of networks.
Add here: another trait of single judgments.
Keep out: tables and documents (see tables.py and writers/), who judged what (crews.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sandbox.world.cast import Part
from sandbox.world.contributors import WORKING_SECONDS, Contributor
from sandbox.world.crews import Crew, scattered
from sandbox.world.generate import World

_NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")  # set aside for documentation, so nobody's
_CAPITALS, _ALIAS, _AS_STORED = range(3)
_FORMS = 3


@dataclass(frozen=True, kw_only=True)
class Judgments:
    """Some judgments, a unit's together, in columns of one length.

    `contributor` is a position within the crew's people. `email` is what the platform wrote down at the time: an
    alias or another case at times. `draw` is any number, for whatever else is made up. `at` is in UTC.
    """

    judgment_id: list[int]
    unit: list[int]
    contributor: list[int]
    email: list[str]
    label: list[str]
    draw: list[int]
    at: list[str]


def judgments(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[Judgments]:
    """All of a crew's, in blocks; `people` are the crew's contributors."""
    emails = [form for each in people for form in _written_forms(each)]
    last_active = np.array([int(each.last_active.timestamp()) for each in people], dtype=np.int64)
    for slots in crew.slots():
        draw = scattered(world.seed, slots.judgment_id)
        chosen = (draw >> np.uint64(4)) % np.uint64(16)
        form = np.where(chosen == 0, _CAPITALS, np.where(chosen == 1, _ALIAS, _AS_STORED))
        before = ((draw >> np.uint64(8)) % np.uint64(WORKING_SECONDS)).astype(np.int64)
        at = (last_active[slots.contributor] - before).astype("datetime64[s]")
        yield Judgments(
            judgment_id=slots.judgment_id.tolist(),
            unit=slots.unit.tolist(),
            contributor=slots.contributor.tolist(),
            email=[emails[each] for each in (slots.contributor * _FORMS + form).tolist()],
            label=[world.label_texts[each] for each in slots.label.tolist()],
            draw=draw.tolist(),
            at=np.datetime_as_string(at).tolist(),
        )


def has_no_email(draw: int) -> bool:
    """Whether Postgres has no email for a judgment; the other stores always have one."""
    return draw % 23 == 0


def orphans(crew: Crew, people: Sequence[Contributor]) -> frozenset[int]:
    """Judgments whose contributor id was lost; only the email, in another case, says whose they are.

    One is an inactive contributor's, one an active one's.
    """
    aliased = [
        position for position, each in enumerate(people) if each.part in (Part.ALIASED, Part.ACTIVE_ALIASED)
    ]
    first = crew.first_judgments() if aliased else ()
    return frozenset(int(first[position]) for position in aliased if first[position])


def address_of_network(draw: int) -> str | None:
    """An address, of either family, or none."""
    match draw % 16:
        case 0:
            return None
        case 1 | 2:
            return f"2001:db8:{draw >> 8 & 0xFFFF:x}:{draw >> 24 & 0xFFFF:x}::{(draw >> 40 & 0xFFF) + 1:x}"
        case _:
            return f"{_NETWORKS[(draw >> 8) % 3]}{(draw >> 16) % 254 + 1}"


def _written_forms(each: Contributor) -> tuple[str, str, str]:
    return each.email.upper(), each.aliases[0] if each.aliases else each.email, each.email
