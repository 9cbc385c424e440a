"""Objects of the inventory as places in Redis: what of the keys that pass by is the targets', and how it changes.

Holds: `Place` and its kinds, `Found`, `Hit`.
Add here: another way in which a key or member can belong to a contributor.
Keep out: how all keys are passed (`passes.py`), and what a store promises (`store.py`).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from erasure.counts import Count
from erasure.errors import BadInput
from erasure.inventory import InventoryObject
from erasure.inventory_checks.redis_keys import WHOLE, is_shared, problems_of_redis_keys
from erasure.rules import Rule, apply
from erasure.stores.redis.content import Member, begin, change, contents, members_of, size_of, types
from erasure.stores.redis.failures import refused
from erasure.stores.redis.json_text import Unreadable
from erasure.stores.redis.scripts import sha1
from erasure.stores.redis.shared import masked_shared
from erasure.stores.redis.templates import KeyTemplate, Wanted
from erasure.stores.redis.values import masked_fields, masked_value, owner_in, unknown_in

# Members that one script changes: the server answers nobody else meanwhile.
_MEMBERS_AT_ONCE = 500
_NO_SUBJECT = {"string", "hash"}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Hit:
    """A key of a target, how many records of it, and the call of the script that changes them."""

    key: bytes
    records: int = 1
    call: tuple[str, bytes, Sequence[bytes | str]]


@dataclass(kw_only=True, repr=False)
class Found:
    """What an object has of the targets on one server; `names` are keys that go by their name alone."""

    names: set[bytes] = field(default_factory=set)
    hits: dict[bytes, list[Hit]] = field(default_factory=dict)
    index: set[bytes] = field(default_factory=set)
    expiring: set[bytes] = field(default_factory=set)
    seen: set[bytes] = field(default_factory=set)
    elements: int = 0
    total: int = 0
    total_elements: int = 0
    conflicts: int = 0
    unknown: int = 0
    unreadable: int = 0
    immutable: int = 0

    @property
    def records(self) -> int:
        return len(self.names) + sum(hit.records for hits in self.hits.values() for hit in hits)

    @property
    def count(self) -> Count:
        expiring = len(self.expiring & self.names)
        expiring += sum(hit.records for key in self.expiring for hit in self.hits.get(key, ()))
        return Count(
            records=self.records,
            elements=len(self.index) + self.elements,
            expiring=expiring,
            total=self.total,
            total_elements=self.total_elements,
            conflicts=self.conflicts,
        )


class Place(ABC):
    """An object of the inventory. `together`: several keys may be asked for in one command."""

    def __init__(self, item: InventoryObject) -> None:
        self.item = item
        self.template = KeyTemplate(item.location)
        self.index = KeyTemplate(item.index) if item.index else None

    @abstractmethod
    def look(self, client: Any, keys: list[bytes], wanted: Wanted, found: Found, *, together: bool) -> None:
        """Adds what of the keys is the targets'."""

    def require_told_apart(self, wanted: Wanted) -> None:
        """Raises StoreRefused where a target's id or email could not be found in the names of keys."""
        for template in filter(None, (self.template, self.index)):
            if not template.tells_apart(wanted):
                raise refused(
                    self.item.name,
                    f"ids or emails of targets hold the sign behind {template.placeholder}, where they should end",
                    "mend the object's key or index in the inventory file redis.yml",
                )

    def require_readable(self, found: Found) -> None:
        """Raises StoreRefused where somebody's record cannot be told or changed: unknown is not clean."""
        where = self.item.location
        if found.unreadable:
            raise refused(
                self.item.name,
                f"{found.unreadable} keys of {where} do not say whose they are",
                "remove them, or mend the object's key and subject in the inventory file redis.yml",
            )
        if found.unknown:
            raise refused(
                self.item.name,
                f"{found.unknown} keys within values of targets are not in the inventory",
                "add them as columns in redis.yml, with keep and a reason where they are not personal",
            )
        if found.immutable:
            raise refused(
                self.item.name,
                f"{found.immutable} entries are of a stream, where none can be changed",
                "say rule: delete in the inventory file redis.yml",
            )


class _KeysThatGo(Place):
    """Keys such as `profile:{contributor_id}` or `draft:{email}:*`, which go by their name."""

    def look(self, client: Any, keys: list[bytes], wanted: Wanted, found: Found, *, together: bool) -> None:
        found.names.update(self.template.names(keys, wanted))


class _Values(Place):
    """Strings and hashes: whose they are, their name or their value says; they go, or fields of them change."""

    def look(self, client: Any, keys: list[bytes], wanted: Wanted, found: Found, *, together: bool) -> None:
        by_name = dict(self.template.owned(keys, wanted)) if self.template.placeholder else None
        mine = self.template.fitting(keys) if by_name is None else list(by_name)
        if not mine:
            return
        for key, kind, content in contents(client, mine, together=together):
            try:
                if kind not in _NO_SUBJECT:
                    raise Unreadable
                if by_name is None:
                    who, conflict = owner_in(content, self.item, wanted)
                    # A pass may show a key twice.
                    if conflict and key not in found.seen:
                        found.seen.add(key)
                        found.conflicts += 1
                else:
                    who = by_name[key]
                if who is not None:
                    self._add(key, kind, content, who, wanted, found)
            except Unreadable:
                found.unreadable += 1

    def _add(self, key: bytes, kind: str, content: Any, who: str, wanted: Wanted, found: Found) -> None:
        call: list[bytes | str] = []
        if self.item.rule is Rule.DELETE:
            if kind == "string":
                call = [sha1(content), "d", ""]
            else:
                # Whose it is must not have changed; anything else in it may.
                name = self._owner_field(content)
                call = [name, sha1(content[name]), "k", name, ""]
        else:
            found.unknown += unknown_in(content, self.item)
            person = wanted.person(who)
            if kind == "string":
                new = masked_value(content, self.item.ruled_fields, person)
                call = [] if new == content else [sha1(content), "s", new]
            else:
                for name, value in masked_fields(content, self.item.ruled_fields, person).items():
                    call += [name, sha1(content[name]), "d" if value is None else "s", name, value or b""]
        if call:
            found.hits[key] = [Hit(key=key, call=(kind, key, call))]

    def _owner_field(self, content: Any) -> bytes:
        for path in (self.item.subject.contributor_id, self.item.subject.email):
            steps = (path or "").split(".")
            for length in range(len(steps), 0, -1):
                name = ".".join(steps[:length]).encode()
                if name in content:
                    return name
        raise Unreadable


class _Members(Place):
    """Members of sets, sorted sets, hashes and lists, and entries of streams."""

    def look(self, client: Any, keys: list[bytes], wanted: Wanted, found: Found, *, together: bool) -> None:
        by_name = dict(self.template.owned(keys, wanted)) if self.template.placeholder else None
        mine = self.template.fitting(keys) if by_name is None else list(by_name)
        for key, kind in types(client, mine).items() if mine else ():
            if kind == "none" or key in found.seen:
                continue
            found.seen.add(key)
            if kind == "string":
                found.unreadable += 1
                continue
            calls: dict[bytes, list[bytes | str]] = {}
            for member in members_of(client, key, kind):
                try:
                    who = by_name[key] if by_name is not None else self._owner(member, wanted, found)
                    if who is not None and (told := self._change(kind, member, who, wanted, found)):
                        calls[member.place] = told
                except Unreadable:
                    found.unreadable += 1
            found.total += size_of(client, key, kind)
            found.hits[key] = list(_hits(kind, key, list(calls.values())))
            if not found.hits[key]:
                del found.hits[key]

    def _owner(self, member: Member, wanted: Wanted, found: Found) -> str | None:
        if self.item.members == "value":
            if member.value is None:
                raise Unreadable
            who, conflict = owner_in(member.value, self.item, wanted)
            found.conflicts += conflict
            return who
        if member.name is None:
            raise Unreadable
        text = member.name.decode("utf-8", "surrogateescape")
        return wanted.by_id(text) if self.item.members == "contributor_id" else wanted.by_email(text)

    def _change(
        self, kind: str, member: Member, who: str, wanted: Wanted, found: Found
    ) -> list[bytes | str] | None:
        if self.item.rule is Rule.DELETE:
            return change(kind, member)
        if kind == "stream":
            found.immutable += 1
            return None
        person, fields = wanted.person(who), self.item.ruled_fields
        name: bytes | None = None
        value = member.value if isinstance(member.value, bytes) else b""
        if kind == "hash" and self.item.members != "value":
            # The name of the field is the member; paths lead into the value under it.
            for whole in (each for each in fields if each.name == WHOLE):
                text = (name or member.place).decode("utf-8", "surrogateescape")
                name = (apply(whole.rule, text, person) or "").encode("utf-8", "surrogateescape")
            fields = tuple(each for each in fields if each.name != WHOLE)
        if fields:
            found.unknown += unknown_in(value, self.item)
        new = masked_value(value, fields, person)
        name = None if name == member.place else name
        if new == value and name is None:
            return None
        return change(kind, member, name=name, value=None if new == value else new)


class _Shared(Place):
    """Strings with JSON that lists many people: only the objects of targets change."""

    def look(self, client: Any, keys: list[bytes], wanted: Wanted, found: Found, *, together: bool) -> None:
        mine = [key for key in self.template.fitting(keys) if key not in found.seen]
        for key, kind, content in contents(client, mine, together=together) if mine else ():
            found.seen.add(key)
            try:
                if kind != "string":
                    raise Unreadable
                shared = masked_shared(content, self.item, wanted)
            except Unreadable:
                found.unreadable += 1
                continue
            found.unknown += shared.unknown
            found.conflicts += shared.conflicts
            found.elements += shared.elements
            found.total_elements += shared.total
            if shared.elements:
                found.hits[key] = [Hit(key=key, call=("string", key, [sha1(content), "s", shared.value]))]


def _hits(kind: str, key: bytes, calls: list[list[bytes | str]]) -> Iterator[Hit]:
    for start in range(0, len(calls), _MEMBERS_AT_ONCE):
        some = calls[start : start + _MEMBERS_AT_ONCE]
        arguments = [*begin(kind), *(argument for call in some for argument in call)]
        yield Hit(key=key, records=len(some), call=(kind, key, arguments))


def place_of(item: InventoryObject) -> Place:
    """Raises BadInput for an object that cannot be told apart."""
    problems = list(problems_of_redis_keys(item))
    if problems:
        raise BadInput(f"redis: {item.name}{problems[0]}; mend it in redis.yml.")
    kinds: Sequence[tuple[bool, Callable[[InventoryObject], Place]]] = (
        (item.members is not None, _Members),
        (is_shared(item), _Shared),
        (item.rule is Rule.DELETE and KeyTemplate(item.location).placeholder is not None, _KeysThatGo),
        (True, _Values),
    )
    return next(kind for fits, kind in kinds if fits)(item)
