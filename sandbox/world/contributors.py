"""The contributors of a world: people with an account, a past and an end of activity.

Holds: the account of a person, worked out whenever it is asked for, so that a large world need not fit in memory.
Add here: what every record of a contributor depends on (dates, status, written form of the email).
Keep out: who a person is (people.py) and the records themselves (tables.py, judgments.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import overload

from sandbox.world.cast import MERGED, Cast, Part
from sandbox.world.chance import Die, identifier
from sandbox.world.people import Person, alias_email, mixed_case, person

INACTIVE_AFTER_DAYS = 400
RECENT_WITHIN_DAYS = 300
WORKING_SECONDS = 100 * 86_400  # before the last activity; the account is older than that
_HARD_TO_WRITE = (Part.ALIASED, Part.ACTIVE_ALIASED)
_IN_MIXED_CASE = (Part.NAMESAKE, Part.ACTIVE_NAMESAKE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contributor:
    """An account. `email` is as the platform stores it; `person.email` is its lower case."""

    place: int
    part: Part | None
    person: Person
    email: str
    aliases: tuple[str, ...]
    phone: str | None
    address: str | None
    merged_into: str | None
    status: str
    created_at: datetime
    last_active: datetime
    inactive: bool

    @property
    def contributor_id(self) -> str:
        return self.person.contributor_id

    def moment(self, draw: int) -> datetime:
        """A time at which this contributor worked, chosen by any number."""
        return self.last_active - timedelta(seconds=draw % WORKING_SECONDS)


class Contributors(Sequence[Contributor]):
    """All accounts by place. The same place always gives the same account, made anew."""

    def __init__(
        self,
        *,
        seed: int,
        key: Callable[[int], str],
        number: Callable[[int], int],
        cast: Cast,
        as_of: datetime,
    ) -> None:
        """`key` and `number` are those of the person at a place."""
        self._seed = seed
        self._key = key
        self._number = number
        self._cast = cast
        self._as_of = as_of

    def __len__(self) -> int:
        return self._cast.order.size

    @overload
    def __getitem__(self, place: int) -> Contributor: ...
    @overload
    def __getitem__(self, place: slice) -> list[Contributor]: ...
    def __getitem__(self, place: int | slice) -> Contributor | list[Contributor]:
        if isinstance(place, slice):
            return [self._at(each) for each in range(len(self))[place]]
        return self._at(range(len(self))[place])

    def _at(self, place: int) -> Contributor:
        part = self._cast.parts.get(place)
        who = self._person(place, part)
        die = Die(self._seed, "account", self._key(place))
        inactive = self._cast.is_inactive(place)
        last_active = self._as_of - timedelta(seconds=_idle_seconds(die, inactive=inactive))
        in_mixed_case = die.happens(percent=12) or part in _IN_MIXED_CASE
        aliases = _aliases(part, who, likely=die.happens(percent=5))
        has_phone = die.happens(percent=96) or part is not None
        has_address = die.happens(percent=90) or part is not None
        suspended = die.happens(percent=3) and not inactive and part is None
        merged = MERGED.get(part) if part is not None else None
        return Contributor(
            place=place,
            part=part,
            person=who,
            email=mixed_case(who.email) if in_mixed_case else who.email,
            aliases=aliases,
            phone=who.phone if has_phone else None,
            address=who.address if has_address else None,
            merged_into=None if merged is None else self._id_of(merged),
            status="suspended" if suspended else "active",
            created_at=last_active - timedelta(days=die.between(WORKING_SECONDS // 86_400 + 1, 1_499)),
            last_active=last_active,
            inactive=inactive,
        )

    def _person(self, place: int, part: Part | None) -> Person:
        name = None
        if part is Part.ACTIVE_NAMESAKE:
            name = self._person(self._cast.places[Part.NAMESAKE], Part.NAMESAKE).full_name
        return person(
            self._seed,
            self._key(place),
            self._number(place),
            name=name,
            hard_to_write=part in _HARD_TO_WRITE,
        )

    def _id_of(self, part: Part) -> str:
        return identifier(self._seed, "contributor", self._key(self._cast.places[part]))


def _aliases(part: Part | None, who: Person, *, likely: bool) -> tuple[str, ...]:
    alias = alias_email(who.number)
    if part is Part.ALIASED:
        return (alias, f"{alias.replace('_', '-').upper()}")
    return (alias,) if likely or part in (Part.ACTIVE_ALIASED, Part.TWIN) else ()


def _idle_seconds(die: Die, *, inactive: bool) -> int:
    """Since the last activity. Most of the active people were here within the last weeks."""
    if inactive:
        days = die.between(INACTIVE_AFTER_DAYS + 10, 1_299)
    elif die.happens(percent=75):
        days = die.below(25)
    else:
        days = die.between(25, RECENT_WITHIN_DAYS - 2)
    return days * 86_400 + die.between(3_600, 86_399)
