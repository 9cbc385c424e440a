"""Redis: keys and members of contributors go, and their sessions are ended and counted apart.

Holds: `RedisStore`, and how errors of Redis are told.
Add here: what the store promises for all its objects.
Keep out: whose a key is (`places.py`), settings (the client is handed in), and the proof that access
has ended (`erasure/job_api.py`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from erasure.counts import Count, Counts
from erasure.errors import Incomplete, StoreError, StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.stores.redis.places import Found, Place, chunks, place_of
from erasure.targets import TargetSet

if TYPE_CHECKING:
    import redis

# How often sessions that keep appearing are ended before somebody has to look why.
_ROUNDS = 3


class RedisStore:
    """One database of one server. Objects that end access are left to `count_sessions` and `end_sessions`.

    `client` must not decode responses: a foreign key or value need not be UTF-8.
    """

    name = "redis"
    purge_state = PURGED

    def __init__(self, client: "redis.Redis", objects: Sequence[InventoryObject]) -> None:
        if client.get_connection_kwargs().get("decode_responses"):
            raise ValueError("RedisStore needs a client without decode_responses")
        self._client: Any = client
        places = [place_of(client, item) for item in objects]
        self._sessions = [place for place in places if place.item.ends_access]
        self._others = [place for place in places if not place.item.ends_access]

    def health(self) -> Health:
        """Asks the server for its version, in the configured database."""
        with _errors():
            self._client.ping()
            about = self._client.info("server")
        return Health(engine="Redis", version=str(about.get("redis_version", "unknown")))

    def survey(self) -> Survey:
        """Nothing: Redis has no schema to hold against the inventory. Stray keys are for the sweep."""
        return Survey()

    def holdings(self) -> Holdings:
        """The keys and members of each object, up to a thousand; sessions among them."""
        held = {}
        for place in (*self._others, *self._sessions):
            with _errors(place.item.name):
                held[place.item.name] = min(place.held(COUNTED_AT_MOST), COUNTED_AT_MOST)
        return held

    def count(self, targets: TargetSet) -> Counts:
        """Keys and members of the targets; no sessions."""
        return {place.item.name: self._find(place, targets).count for place in self._others}

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """Removes them, and looks again: a session that has appeared since is Incomplete as well."""
        done = {}
        for place in self._others:
            found = self._find(place, targets)
            removed = self._remove(place, found.items, progress)
            done[place.item.name] = Count(records=removed, expiring=min(found.expiring, removed))
        self._require_nothing_left(targets)
        return done

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Looks again, at sessions too: Redis keeps no copy under a removed key that we could reach."""
        self._require_nothing_left(targets)
        for place in self._others:
            progress(place.item.name, 0, 0)
        return {place.item.name: Count(records=0) for place in self._others}

    def count_sessions(self, targets: TargetSet) -> Count:
        """Sessions of the targets, in an index or not; `elements` are their index keys."""
        return _sum(self._find(place, targets).count for place in self._sessions)

    def end_sessions(self, targets: TargetSet, progress: Progress) -> Count:
        """Ends them until a look finds none; Incomplete where new ones keep appearing."""
        return _sum(self._end(place, targets, progress) for place in self._sessions)

    def _end(self, place: Place, targets: TargetSet, progress: Progress) -> Count:
        ended = Count(records=0)
        for _ in range(_ROUNDS):
            found = self._find(place, targets)
            if not found.items and not found.index:
                return ended
            # The index last: after a crash in between it still leads to what is left.
            records = self._remove(place, found.items, progress)
            elements = self._remove(place, found.index, progress)
            ended = _sum(
                [ended, Count(records=records, elements=elements, expiring=min(found.expiring, records))]
            )
        self._require_nothing_left(targets, [place])
        return ended

    def _find(self, place: Place, targets: TargetSet) -> Found:
        with _errors(place.item.name):
            return place.find(targets)

    def _remove(self, place: Place, items: Sequence[bytes], progress: Progress) -> int:
        removed = done = 0
        progress(place.item.name, 0, len(items))
        for chunk in chunks(items):
            with _errors(place.item.name):
                removed += place.remove(chunk)
            done += len(chunk)
            progress(place.item.name, done, len(items))
        return removed

    def _require_nothing_left(self, targets: TargetSet, places: Sequence[Place] | None = None) -> None:
        for place in places if places is not None else [*self._others, *self._sessions]:
            left = self._find(place, targets)
            if left.items or left.index:
                raise Incomplete(
                    store=self.name,
                    object_name=place.item.name,
                    what=f"{len(left.items)} keys and {len(left.index)} index keys are left or new",
                    remedy="see who still writes them (access may not have ended), then resume",
                )


def _sum(counts: Iterable[Count]) -> Count:
    parts = list(counts)
    return Count(
        records=sum(part.records for part in parts),
        elements=sum(part.elements for part in parts),
        expiring=sum(part.expiring for part in parts),
    )


@contextmanager
def _errors(object_name: str | None = None) -> Iterator[None]:
    """No text of the driver passes: it repeats commands with their keys."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise _named_error(error, object_name) from None


def _named_error(error: Exception, object_name: str | None) -> StoreError:
    from redis.exceptions import (
        AuthenticationError,
        ConnectionError,
        InvalidResponse,
        NoPermissionError,
        ReadOnlyError,
        TimeoutError,
    )

    # The kind of error is in the class, and in two cases in the text only.
    if isinstance(error, AuthenticationError) or "called without any password" in str(error):
        what, keys = "the server does not accept the password", "password"
    elif "DB index" in str(error):
        what, keys = "the server has no database of that number", "db"
    elif isinstance(error, InvalidResponse):
        what, keys = "what answers is not Redis", "host and port"
    elif isinstance(error, TimeoutError):
        what, keys = "the server did not answer in time", "host and port"
    elif isinstance(error, ConnectionError):
        what, keys = "the server cannot be reached, or closed the connection", "host and port"
    else:
        remedy = "see the server's rights and limits"
        if isinstance(error, NoPermissionError):
            remedy = "let the user of [redis] password run it"
        elif isinstance(error, ReadOnlyError):
            remedy = "name the primary, not a replica, in [redis] host"
        return StoreRefused(
            store="redis",
            object_name=object_name,
            what=f"Redis did not do it ({safe_reason(error)})",
            remedy=remedy,
        )
    return StoreUnavailable(
        store="redis",
        object_name=object_name,
        what=f"{what} ({safe_reason(error)})",
        remedy=f"check [redis] {keys}",
    )
