"""One pass over all keys for all objects and the whole batch; and changing what it has found.

Holds: `Passes`.
Add here: what is asked of every key or done to every hit.
Keep out: how servers are found (`servers.py`), whose a key is (`places.py`), and how often one looks (`store.py`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from erasure.counts import Count
from erasure.stores.base import Progress
from erasure.stores.redis.content import size_of, types
from erasure.stores.redis.failures import refused, told
from erasure.stores.redis.places import Found, Place
from erasure.stores.redis.scripts import run
from erasure.stores.redis.servers import AT_ONCE, Servers, scanned
from erasure.stores.redis.templates import Wanted

# Commands in one exchange with a server.
_PIPED = 1_000
_LOOKS = 3
_ABSENT = -2
_Item = TypeVar("_Item")


class Seen(NamedTuple):
    """What one server has of an object."""

    client: Any
    found: Found


# Object -> what each server has of it.
Sight = Mapping[Place, list[Seen]]


class Passes:
    """Looks at every key of every server once, whatever the number of objects and targets."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def look(self, places: Sequence[Place], wanted: Wanted, *, ttl: bool = True) -> Sight:
        """What is the targets' in each place. Raises StoreRefused where somebody's record cannot be told."""
        for place in places:
            place.require_told_apart(wanted)
        sight: dict[Place, list[Seen]] = {place: [] for place in places}
        for db in sorted({place.item.db for place in places}, key=lambda db: -1 if db is None else db):
            mine = [place for place in places if place.item.db == db]
            for place, seen in self._database(db, mine, wanted, ttl=ttl):
                sight[place].append(seen)
        for place, parts in sight.items():
            for part in parts:
                place.require_readable(part.found)
        return sight

    def change(self, place: Place, parts: Sequence[Seen], progress: Progress) -> int:
        """Changes what a look has found; how many records were still as they had been seen."""
        name = place.item.name
        total = sum(part.found.records for part in parts)
        progress(name, 0, total)
        done = 0
        for client, found in parts:
            for keys in chunks(found.names, _PIPED):
                with told(name):
                    done += self.unlink(client, keys)
                progress(name, done, total)
            for hits in chunks((hit for group in found.hits.values() for hit in group), _PIPED):
                with told(name):
                    answers = run(client, [hit.call for hit in hits])
                # Of a hash each field counts in the script, and the key is one record.
                done += sum(min(answer, hit.records) for answer, hit in zip(answers, hits, strict=True))
                progress(name, done, total)
        return done

    def unlink(self, client: Any, keys: Sequence[bytes]) -> int:
        """How many were there to be removed."""
        if not self._servers.is_cluster:
            return int(client.unlink(*keys)) if keys else 0
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.unlink(key)
        return sum(int(answer) for answer in pipe.execute())

    def held(self, place: Place, at_most: int) -> int:
        """How many keys or members there are of anybody; whoever counts may stop at so many."""
        clients, _ = self._servers.of(place.item.db)
        held = 0
        for client in clients:
            keys = client.scan_iter(match=place.template.glob, count=AT_ONCE)
            for key in islice(keys, at_most):
                if place.item.members is None:
                    held += 1
                else:
                    kind = types(client, [key])[key]
                    held += size_of(client, key, kind) if kind not in ("none", "string") else 0
                if held >= at_most:
                    return at_most
        return held

    def _database(
        self, db: int | None, places: Sequence[Place], wanted: Wanted, *, ttl: bool
    ) -> Iterator[tuple[Place, Seen]]:
        for _ in range(_LOOKS):
            clients, layout = self._servers.of(db)
            listed = self._listed(clients, layout, places, wanted)

            def one(client: Any, listed: Any = listed) -> dict[Place, Found]:
                return self._server(client, places, wanted, listed, ttl=ttl)

            seen = self._servers.each(clients, one)
            # Keys whose slots have moved meanwhile may have been passed by on both sides.
            if not layout or self._servers.layout() == layout:
                for client, founds in zip(clients, seen, strict=True):
                    yield from ((place, Seen(client, found)) for place, found in founds.items())
                return
        raise refused(None, "slots keep moving between nodes", "let the resharding end, then resume")

    def _server(
        self, client: Any, places: Sequence[Place], wanted: Wanted, listed: Any, *, ttl: bool
    ) -> dict[Place, Found]:
        founds = {place: Found() for place in places}
        together = not self._servers.is_cluster
        for place in places:
            for keys in chunks(listed.get((id(client), place), ()), _PIPED):
                with told(place.item.name):
                    place.look(client, keys, wanted, founds[place], together=together)
        with told():
            # The server passes over keys of others faster than it can tell of them; of several objects we tell.
            match = places[0].template.glob if len(places) == 1 and places[0].index is None else None
            for keys in scanned(client, match):
                for place, found in founds.items():
                    with told(place.item.name):
                        place.look(client, keys, wanted, found, together=together)
                    if place.index is not None:
                        found.index |= {key for key, _ in place.index.owned(keys, wanted)}
        if ttl:
            for place, found in founds.items():
                with told(place.item.name):
                    _drop_absent_and_mark_expiring(client, found)
        return founds

    def _listed(
        self, clients: Sequence[Any], layout: Any, places: Sequence[Place], wanted: Wanted
    ) -> dict[tuple[int, Place], list[bytes]]:
        """The keys that indices list, by server: an index leads to them at once, and to what a pass may miss."""
        listed: dict[tuple[int, Place], list[bytes]] = {}
        for place in places:
            if place.index is None:
                continue
            with told(place.item.name):
                for token in self._tokens(place, clients, layout, wanted):
                    before, _, after = place.item.location.encode().partition(b"*")
                    key = before + token + after
                    client = self._servers.client_of(key, clients, layout)
                    listed.setdefault((id(client), place), []).append(key)
        return listed

    def _tokens(self, place: Place, clients: Sequence[Any], layout: Any, wanted: Wanted) -> Iterator[bytes]:
        by_client: dict[int, list[bytes]] = {}
        for name in place.index.named(wanted) if place.index else ():
            by_client.setdefault(id(self._servers.client_of(name, clients, layout)), []).append(name)
        for client in clients:
            for names in chunks(by_client.get(id(client), ()), _PIPED):
                kinds = types(client, names)
                if not set(kinds.values()) <= {"set", "none"}:
                    what = f"the index {place.item.index} is not a set"
                    raise refused(place.item.name, what, "mend index in the inventory file redis.yml")
                pipe = client.pipeline(transaction=False)
                for name in (name for name in names if kinds[name] == "set"):
                    pipe.smembers(name)
                for tokens in pipe.execute():
                    yield from tokens


def _drop_absent_and_mark_expiring(client: Any, found: Found) -> None:
    for keys in chunks([*found.names, *found.hits], _PIPED):
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.pttl(key)
        for key, ttl in zip(keys, pipe.execute(), strict=True):
            if ttl == _ABSENT:
                found.names.discard(key)
                found.hits.pop(key, None)
            elif ttl >= 0:
                found.expiring.add(key)


def count_of(parts: Iterable[Seen]) -> Count:
    """What all servers have of an object."""
    return summed(part.found.count for part in parts)


def summed(counts: Iterable[Count]) -> Count:
    """All of them together."""
    parts = list(counts)
    return Count(
        records=sum(part.records for part in parts),
        elements=sum(part.elements for part in parts),
        expiring=sum(part.expiring for part in parts),
        total=sum(part.total for part in parts),
        total_elements=sum(part.total_elements for part in parts),
        conflicts=sum(part.conflicts for part in parts),
    )


def chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of so many."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk
