"""The contributors of a world: people with an account, a past and an end of activity.

Holds: the account of a person, worked out when asked for, so that a large world need not fit in memory.
Add here: what every record of a contributor depends on (dates, status, written form of the email).
Keep out: who a person is (people.py) and the records themselves (tables.py, judgments.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from random import Random
from typing import overload
from uuid import UUID

from sandbox.world.cast import Cast
from sandbox.world.chance import dice, happens, identifier
from sandbox.world.people import Person, alias_email, mixed_case, numbers, person

INACTIVE_AFTER_DAYS = 400
RECENT_WITHIN_DAYS = 300
_OLDEST_WORK_DAYS = 100  # before the last activity; the account is older than that
_REMEMBERED = 50_000


@dataclass(frozen=True, kw_only=True)
class Contributor:
    """An account. `email` is as the platform stores it; `person.email` is its lower case."""

    place: int
    person: Person
    email: str
    aliases: tuple[str, ...]
    phone: str | None
    address: str | None
    merged_into: UUID | None
    status: str
    created_at: datetime
    last_active: datetime
    inactive: bool

    @property
    def contributor_id(self) -> UUID:
        return self.person.contributor_id

    def moment(self, draw: int) -> datetime:
        """A time at which this contributor worked, chosen by any number."""
        return self.last_active - timedelta(seconds=draw % (_OLDEST_WORK_DAYS * 86_400))


class Contributors(Sequence[Contributor]):
    """All accounts by place. The same place always gives the same account."""

    def __init__(self, *, seed: int, keys: Sequence[str], cast: Cast, as_of: datetime) -> None:
        self._seed = seed
        self._keys = keys
        self._numbers = numbers(seed, keys)
        self._cast = cast
        self._inactive = frozenset(cast.inactive)
        self._merged = cast.merged_into()
        self._as_of = as_of
        self._at = lru_cache(maxsize=_REMEMBERED)(self._make)

    def __len__(self) -> int:
        return len(self._keys)

    @overload
    def __getitem__(self, place: int) -> Contributor: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Contributor]: ...
    def __getitem__(self, place: int | slice) -> Contributor | Sequence[Contributor]:
        if isinstance(place, slice):
            return [self._at(each) for each in range(len(self))[place]]
        return self._at(range(len(self))[place])

    def _make(self, place: int) -> Contributor:
        who = self._person(place)
        die = dice(self._seed, "account", self._keys[place])
        inactive = place in self._inactive
        last_active = self._as_of - timedelta(seconds=_idle_seconds(die, inactive=inactive))
        merged = self._merged.get(place)
        has_part = self._has_part(place)
        return Contributor(
            place=place,
            person=who,
            email=mixed_case(who.email) if happens(die, percent=12) else who.email,
            aliases=self._aliases(place, who, likely=happens(die, percent=5)),
            phone=who.phone if has_part or happens(die, percent=96) else None,
            address=who.address if has_part or happens(die, percent=90) else None,
            merged_into=None if merged is None else identifier(self._seed, "contributor", self._keys[merged]),
            status="suspended" if happens(die, percent=3) and not inactive and not has_part else "active",
            created_at=last_active - timedelta(days=die.randrange(_OLDEST_WORK_DAYS + 1, 1_500)),
            last_active=last_active,
            inactive=inactive,
        )

    def _person(self, place: int) -> Person:
        parts = self._cast.parts
        namesake = parts.namesake if parts is not None and place == parts.active_namesake else None
        return person(
            self._seed,
            self._keys[place],
            self._numbers[place],
            name_number=None if namesake is None else self._numbers[namesake],
        )

    def _has_part(self, place: int) -> bool:
        parts = self._cast.parts
        return parts is not None and place in vars(parts).values()

    def _aliases(self, place: int, who: Person, *, likely: bool) -> tuple[str, ...]:
        parts = self._cast.parts
        alias = alias_email(who.number)
        if parts is not None and place == parts.aliased:
            return (alias, f"{alias.replace('_', '-').upper()}")
        if likely or (parts is not None and place in (parts.active_aliased, parts.twin)):
            return (alias,)
        return ()


def _idle_seconds(die: Random, *, inactive: bool) -> int:
    """Since the last activity. Most of the active people were here within the last weeks."""
    if inactive:
        days = die.randrange(INACTIVE_AFTER_DAYS + 10, 1_300)
    elif happens(die, percent=75):
        days = die.randrange(0, 25)
    else:
        days = die.randrange(25, RECENT_WITHIN_DAYS - 1)
    return days * 86_400 + die.randrange(3_600, 86_400)
