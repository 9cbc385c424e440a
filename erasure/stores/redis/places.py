"""Whose a key is in Redis: one class for each way in which the inventory can say it.

Holds: `Place` and its kinds, which find and remove keys, members and index keys in exchanges of thousands.
Add here: another way in which a key can belong to a contributor.
Keep out: what a store promises and how errors are told (`store.py`).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from erasure.counts import Count
from erasure.errors import BadInput, StoreRefused
from erasure.inventory import InventoryObject
from erasure.rules import normalise_email
from erasure.targets import TargetSet

PLACEHOLDER = "{contributor_id}"
# Commands or keys in one exchange with the server: a contributor a round trip would take minutes.
AT_ONCE = 1_000
_ABSENT = -2
_Item = TypeVar("_Item")


class _Commands(NamedTuple):
    ask: str
    remove: str
    size: str


_MEMBER_COMMANDS = {
    "set": _Commands("sismember", "srem", "scard"),
    "zset": _Commands("zscore", "zrem", "zcard"),
    "hash": _Commands("hexists", "hdel", "hlen"),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Found:
    """What an object holds of the targets: keys, or members of its one key, and the index keys."""

    items: tuple[bytes, ...] = ()
    index: tuple[bytes, ...] = ()
    expiring: int = 0
    total: int = 0

    @property
    def count(self) -> Count:
        return Count(
            records=len(self.items), elements=len(self.index), expiring=self.expiring, total=self.total
        )


class Place(ABC):
    """An object of the inventory, able to find and remove what is the targets'."""

    def __init__(self, client: Any, item: InventoryObject) -> None:
        self.client = client
        self.item = item

    @abstractmethod
    def find(self, targets: TargetSet) -> Found: ...

    def held(self, at_most: int) -> int:
        """How many keys or members there are of anybody; whoever counts may stop at so many."""
        keys = self.scanned(_glob(self.item.location.replace(PLACEHOLDER, "*")))
        return len(set(islice(keys, at_most)))

    def remove(self, items: Sequence[bytes]) -> int:
        """How many were there to be removed."""
        return int(self.client.unlink(*items))

    def with_ttl(self, keys: Iterable[bytes]) -> dict[bytes, bool]:
        """The keys that exist, and whether each vanishes by itself."""
        ttls = self.piped(list(keys), lambda pipe, key: pipe.pttl(key))
        return {key: ttl >= 0 for key, ttl in ttls if ttl != _ABSENT}

    def piped(
        self, items: Sequence[_Item], command: Callable[[Any, _Item], object]
    ) -> Iterator[tuple[_Item, Any]]:
        """Each item with the answer to its command."""
        for chunk in chunks(items):
            pipe = self.client.pipeline(transaction=False)
            for item in chunk:
                command(pipe, item)
            yield from zip(chunk, pipe.execute(), strict=True)

    def scanned(self, pattern: str) -> Iterator[bytes]:
        keys: Iterator[bytes] = self.client.scan_iter(match=pattern, count=AT_ONCE)
        return keys

    def refuse(self, what: str, remedy: str) -> StoreRefused:
        return StoreRefused(store="redis", object_name=self.item.name, what=what, remedy=remedy)


class _KeysByName(Place):
    """One key a contributor, such as `profile:{contributor_id}`: asked for by name."""

    def find(self, targets: TargetSet) -> Found:
        ttls = self.with_ttl(_named(self.item.location, targets))
        return Found(items=tuple(ttls), expiring=sum(ttls.values()))


class _KeysByPattern(Place):
    """Any number of keys a contributor, such as `draft:{contributor_id}:*`: one pass over all keys."""

    def __init__(self, client: Any, item: InventoryObject) -> None:
        super().__init__(client, item)
        before, _, after = item.location.partition(PLACEHOLDER)
        if after.startswith("*"):
            raise BadInput(f"redis: {item.name}: no * right behind {PLACEHOLDER}; mend it in redis.yml.")
        # An id ends where the template goes on, so that `u1` never takes the keys of `u10`.
        owner = f"[^{re.escape(after[0])}]+" if after else ".+"
        self._owner = re.compile(f"{_regex(before)}(?P<owner>{owner}){_regex(after)}".encode(), re.DOTALL)
        self._pattern = _glob(item.location.replace(PLACEHOLDER, "*"))

    def find(self, targets: TargetSet) -> Found:
        ids = {contributor_id.encode() for contributor_id in targets.contributor_ids}
        matches = ((key, self._owner.fullmatch(key)) for key in self.scanned(self._pattern))
        ttls = self.with_ttl({key for key, match in matches if match and match["owner"] in ids})
        return Found(items=tuple(ttls), expiring=sum(ttls.values()))


class _KeysByValue(Place):
    """Keys whose JSON value names the contributor, such as `session:*`.

    The index alone would miss a session that it has lost, the pass over all keys one that begins meanwhile:
    both are looked at. Whose a key is, its value says.
    """

    def find(self, targets: TargetSet) -> Found:
        index, listed = self._index(targets)
        mine: set[bytes] = set()
        unknown: set[bytes] = set()
        for keys in (listed, self.scanned(_glob(self.item.location))):
            for key, owned in self._judged(keys, targets):
                if owned is None:
                    unknown.add(key)
                elif owned:
                    mine.add(key)
        if unknown:
            # An owner that nobody can read may be a target: unknown is not clean.
            raise self.refuse(
                f"{len(unknown)} keys of {self.item.location} do not say whose they are",
                "remove them, or mend the object's key and subject in the inventory file redis.yml",
            )
        ttls = self.with_ttl(mine)
        return Found(items=tuple(ttls), index=index, expiring=sum(ttls.values()))

    def _index(self, targets: TargetSet) -> tuple[tuple[bytes, ...], list[bytes]]:
        """The index keys that exist, and the keys that they list."""
        if self.item.index is None:
            return (), []
        names = _named(self.item.index, targets)
        kinds = dict(self.piped(names, lambda pipe, name: pipe.type(name)))
        if not set(kinds.values()) <= {b"set", b"none"}:
            raise self.refuse(
                f"the index {self.item.index} is not a set", "mend index in the inventory file redis.yml"
            )
        found = tuple(name for name, kind in kinds.items() if kind == b"set")
        before, _, after = self.item.location.encode().partition(b"*")
        members = self.piped(found, lambda pipe, name: pipe.smembers(name))
        return found, [before + token + after for _, tokens in members for token in tokens]

    def _judged(self, keys: Iterable[bytes], targets: TargetSet) -> Iterator[tuple[bytes, bool | None]]:
        for chunk in chunks(keys):
            values = self.client.mget(chunk)
            for key, value in zip(chunk, values, strict=True):
                if value is not None:
                    yield key, self._is_targets(value, targets)
            # Nothing is what MGET says of a key that has just gone, and of one that is no string.
            absent = [key for key, value in zip(chunk, values, strict=True) if value is None]
            for key, kind in self.piped(absent, lambda pipe, key: pipe.type(key)):
                if kind not in (b"none", b"string"):
                    yield key, None

    def _is_targets(self, value: bytes, targets: TargetSet) -> bool | None:
        """None where the value does not say whose it is. The email decides only where there is no id."""
        subject = self.item.subject
        try:
            document = json.loads(value)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict):
            return None
        contributor_id = document.get(subject.contributor_id)
        if isinstance(contributor_id, str | int) and not isinstance(contributor_id, bool):
            return str(contributor_id) in targets.contributor_ids
        email = document.get(subject.email)
        if contributor_id is None and isinstance(email, str):
            return normalise_email(email) in targets.emails
        return None


class _Members(Place):
    """Contributors as members of one set, sorted set or hash, such as `contributors:online`."""

    def find(self, targets: TargetSet) -> Found:
        key, kind = self.item.location, self._kind()
        if kind == "none":
            return Found()
        commands = _MEMBER_COMMANDS[kind]
        answers = self.piped(
            _named(PLACEHOLDER, targets), lambda pipe, member: getattr(pipe, commands.ask)(key, member)
        )
        # A sorted set answers with a score, which may be 0, or with nothing.
        members = tuple(m for m, answer in answers if (answer is not None if kind == "zset" else answer))
        expiring = len(members) if self.client.pttl(key) >= 0 else 0
        return Found(items=members, expiring=expiring, total=int(getattr(self.client, commands.size)(key)))

    def held(self, at_most: int) -> int:
        kind = self._kind()
        if kind == "none":
            return 0
        return int(getattr(self.client, _MEMBER_COMMANDS[kind].size)(self.item.location))

    def remove(self, items: Sequence[bytes]) -> int:
        kind = self._kind()
        if kind == "none":
            return 0
        return int(getattr(self.client, _MEMBER_COMMANDS[kind].remove)(self.item.location, *items))

    def _kind(self) -> str:
        kind = str(self.client.type(self.item.location).decode())
        if kind == "none" or kind in _MEMBER_COMMANDS:
            return kind
        raise self.refuse(
            f"{self.item.location} is a {kind}, expected a set, a sorted set or a hash",
            "mend key or members in the inventory file redis.yml",
        )


def place_of(client: Any, item: InventoryObject) -> Place:
    if item.members is not None:
        if item.members != "contributor_id" or PLACEHOLDER in item.location:
            raise BadInput(
                f"redis: {item.name}: members of one key are contributor_id; mend it in redis.yml."
            )
        return _Members(client, item)
    if PLACEHOLDER in item.location:
        return (_KeysByPattern if "*" in item.location else _KeysByName)(client, item)
    if item.index is not None and (item.location.count("*") != 1 or PLACEHOLDER not in item.index):
        raise BadInput(
            f"redis: {item.name}: an index needs {PLACEHOLDER}, and its key one *; mend it in redis.yml."
        )
    return _KeysByValue(client, item)


def _named(template: str, targets: TargetSet) -> list[bytes]:
    return [template.replace(PLACEHOLDER, each).encode() for each in sorted(targets.contributor_ids)]


def _regex(template: str) -> str:
    return ".*".join(re.escape(part) for part in template.split("*"))


def _glob(template: str) -> str:
    """Only `*` stands for something in our templates; Redis knows more."""
    return re.sub(r"([\[\]?\\^])", r"\\\1", template)


def chunks(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    rest = iter(items)
    while chunk := list(islice(rest, AT_ONCE)):
        yield chunk
