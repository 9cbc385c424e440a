"""Reads Redis: one pass over every key of each database, held against the templates of the inventory.

Holds: `read_redis`.
Add here: another way in which a record can be somebody's.
Keep out: key templates (`keys.py`), types of Redis (`redis_values.py`), a pass per contributor (each would scan all).
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Field, Inventory, InventoryObject
from erasure.inventory_checks.redis_keys import is_shared
from erasure.patience import REDIS_SECONDS
from erasure.rules import Rule, is_mask, normalise_email
from erasure.settings import Settings
from expectations.readers.base import RECORD, FieldReading, Tally, VerifiedBatch, unjudged_places
from expectations.readers.documents import Document
from expectations.readers.free_text import TextJudge
from expectations.readers.keys import KeyPattern, ids_in, words_in
from expectations.readers.redis_values import Record, records_of, text
from expectations.readers.subjects import DocumentJudge

_SCANNED_AT_ONCE = 5_000
_REMEDY = "check [redis] in the configuration"
# The path of a whole value or member.
_WHOLE = "$"


def read_redis(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every key template; a record is a key, or a member of one."""
    id_form = inventory.contributors.id_form
    watches = [_Watch(item, batch, id_form) for item in inventory.of("redis")]
    for db in {watch.db for watch in watches}:
        with _errors(), _client(settings, db) as client:
            for keys in _scanned(client, is_cluster=settings.redis.cluster):
                for watch in watches:
                    if watch.db == db:
                        watch.look_at(client, keys)
    unjudged = set(unjudged_places(inventory, "redis", batch))
    readings = [reading for watch in watches for reading in watch.readings()]
    return [reading for reading in readings if reading.place not in unjudged]


def _client(settings: Settings, db: int | None) -> Any:
    import redis
    from redis.backoff import NoBackoff
    from redis.cluster import RedisCluster
    from redis.retry import Retry

    options: dict[str, Any] = settings.redis.client_options() | {
        "socket_timeout": REDIS_SECONDS,
        "socket_connect_timeout": settings.redis.connect_seconds,
        # A reading that failed is asked for again by whoever runs it; the default waits some seconds first.
        "retry": Retry(NoBackoff(), 1),
    }
    if settings.redis.cluster:
        from redis.cluster import ClusterNode

        # redis-py's class has no annotations.
        nodes = [ClusterNode(host, port) for host, port in settings.redis.addresses]  # type: ignore[no-untyped-call]
        return RedisCluster(startup_nodes=nodes, **options)
    if db is not None:
        options["db"] = db
    return redis.Redis(host=settings.redis.host, port=settings.redis.port, **options)


def _scanned(client: Any, *, is_cluster: bool) -> Iterator[list[bytes]]:
    if is_cluster:
        for node in client.get_primaries():
            cursor = 0
            while True:
                answer = client.scan(cursor, count=_SCANNED_AT_ONCE, target_nodes=node)
                cursors, keys = answer
                yield keys
                (cursor,) = set(cursors.values()) if isinstance(cursors, dict) else {cursors}
                if cursor == 0:
                    break
        return
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, count=_SCANNED_AT_ONCE)
        yield keys
        if cursor == 0:
            return


class _Watch:
    """What one object of the inventory has still of the batch. A scan may show a key twice: hence marks."""

    def __init__(self, item: InventoryObject, batch: VerifiedBatch, id_form: str) -> None:
        self.db = item.db
        self._item = item
        self._batch = batch
        self._texts = TextJudge(batch)
        # As the store compares them: uuids in any case, other ids exactly.
        self._any_case = id_form == "uuid"
        self._pattern = KeyPattern(item.location, id_form=id_form)
        self._index = KeyPattern(item.index, id_form=id_form) if item.index else None
        self._shared = DocumentJudge(item, batch) if is_shared(item) else None
        self._seen: set[tuple[bytes, ...]] = set()
        self._goes = item.rule is Rule.DELETE
        self._by_key = "{" in item.location
        self._left: set[tuple[bytes, ...]] = set()
        self._mine: set[tuple[bytes, ...]] = set()
        self._tallies: dict[Field, Tally] = {field: Tally() for field in item.ruled_fields}

    def look_at(self, client: Any, keys: Iterable[bytes]) -> None:
        names = {key: text(key) for key in keys}
        if self._index:
            left = {(key,) for key, name in names.items() if self._owns(self._index, name)}
            self._left |= left
        fitting = [key for key, name in names.items() if self._pattern.fits(name)]
        if self._by_key:
            fitting = [key for key in fitting if self._owns(self._pattern, names[key])]
            if self._goes and not self._item.members:
                self._left |= {(key,) for key in fitting}
                return
        for record in records_of(client, fitting, self._item) if fitting else ():
            if self._shared is not None:
                self._judge_shared(self._shared, record)
            else:
                self._judge(record, names[record.key])

    def readings(self) -> list[FieldReading]:
        if self._goes:
            return [Tally(survivors=len(self._left)).reading(self._item, RECORD, len(self._left))]
        records = len(self._mine)
        return [tally.reading(self._item, field.label, records) for field, tally in self._tallies.items()]

    def _owns(self, pattern: KeyPattern, name: str) -> bool:
        owner = pattern.owner(name)
        if owner is None:
            return False
        return (
            normalise_email(owner) in self._batch.emails
            if pattern.is_by_email
            else owner in self._batch.persons
        )

    def _judge(self, record: Record, key: str) -> None:
        mine, owner, email = self._whose(record, key)
        if not mine or record.mark in self._mine:
            return
        self._mine.add(record.mark)
        if self._goes:
            self._left.add(record.mark)
            return
        for field, tally in self._tallies.items():
            for value in self._values(record, field.name):
                if field.rule is Rule.SCRUB_TEXT and value is not None:
                    clean = self._texts.is_masked(value, owner, email)
                    tally.masked += clean is True
                    tally.survivors += clean is False
                else:
                    tally.add(field.rule, value, owner)

    def _judge_shared(self, judge: DocumentJudge, record: Record) -> None:
        if record.mark in self._seen:
            return
        self._seen.add(record.mark)
        document = _opened(str(record.value))
        # A list is led through by paths that begin with it: `[].id`.
        if judge.add(self._tallies, {"": document} if isinstance(document, list) else document):
            self._mine.add(record.mark)

    def _whose(self, record: Record, key: str) -> tuple[bool, str | None, str | None]:
        """Whether it is a target's or masked already; the id and email that it names."""
        if self._by_key:
            owner = self._pattern.owner(key)
            if not self._pattern.is_by_email:
                return True, owner, None
            return True, self._batch.emails.get(normalise_email(owner or "")), owner
        if self._item.members == "contributor_id":
            named = self._id(record.name or "")
            return named in self._batch.persons, named, None
        if self._item.members == "email":
            email = record.name or ""
            who = self._batch.emails.get(normalise_email(email))
            return who is not None, who, email
        return self._by_value(record)

    def _by_value(self, record: Record) -> tuple[bool, str | None, str | None]:
        document = _document(record.value, self._item)
        if document is None:
            # Not of the form that the inventory tells of: then any id in it counts.
            held = str(record.value)
            found = (ids_in(held) if self._any_case else words_in(held)) & self._batch.contributor_ids
            return bool(found), next(iter(found), None), None
        owner = _first(document, self._item.subject.contributor_id)
        by_email = _first(document, self._item.subject.email)
        if owner is not None:
            return self._id(owner) in self._batch.persons, owner, by_email
        known = self._batch.emails.get(normalise_email(by_email or ""))
        return known is not None or is_mask(by_email or ""), known, by_email

    def _id(self, owner: str) -> str:
        return owner.lower() if self._any_case else owner

    def _values(self, record: Record, path: str) -> Iterator[str | None]:
        if path == _WHOLE:
            is_name = self._item.members in ("contributor_id", "email")
            yield record.name if is_name else str(record.value)
            return
        document = _document(record.value, self._item)
        if document is not None:
            yield from _held(document, path)


def _document(value: str | dict[str, str], item: InventoryObject) -> Any:
    """A value as a document; `$` is the whole of it, and JSON within a field of a hash is opened."""
    if isinstance(value, dict):
        return {name: _opened(held) for name, held in value.items()} | _flat(value)
    if _WHOLE in (item.subject.contributor_id, item.subject.email):
        return {_WHOLE: value}
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _flat(value: dict[str, str]) -> dict[str, Any]:
    return {name: held for name, held in value.items() if not held.lstrip().startswith("{")}


def _opened(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _first(document: Any, path: str | None) -> str | None:
    return next((value for value in _held(document, path) if value is not None), None) if path else None


def _held(document: Any, path: str) -> Iterator[str | None]:
    for _, value in Document(document).values(path):
        yield None if value is None else str(value)


@contextmanager
def _errors() -> Iterator[None]:
    import redis

    try:
        yield
    except (redis.RedisError, redis.exceptions.RedisClusterException) as error:
        lost = isinstance(
            error, redis.ConnectionError | redis.TimeoutError | redis.exceptions.RedisClusterException
        )
        kind = StoreUnavailable if lost else StoreRefused
        raise kind(store="redis", what=f"could not be read ({safe_reason(error)})", remedy=_REMEDY) from None
