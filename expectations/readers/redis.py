"""Reads Redis: one pass over every key, held against the templates of the inventory.

Holds: `read_redis`.
Add here: a type of Redis in which persons are kept.
Keep out: key templates (`keys.py`), a pass per contributor (each would scan everything).
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Inventory, InventoryObject
from erasure.patience import REDIS_SECONDS
from erasure.rules import normalise_email
from erasure.settings import Settings
from expectations.readers.base import RECORD, FieldReading, Tally, VerifiedBatch
from expectations.readers.keys import KeyPattern, ids_in

_SCANNED_AT_ONCE = 5_000
_REMEDY = "check [redis] in the configuration"


def read_redis(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every key template; a record is a key, or a member of the set that all share."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    password = settings.redis.password
    client = redis.Redis(
        host=settings.redis.host,
        port=settings.redis.port,
        db=settings.redis.db,
        password=password.get_secret_value() if password else None,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=settings.redis.connect_seconds,
        # A reading that failed is asked for again by whoever runs it; the default waits some seconds first.
        retry=Retry(NoBackoff(), 1),
    )
    watches = [_Watch(item, batch) for item in inventory.of("redis")]
    with client, _errors():
        for keys in _scanned(client):
            for watch in watches:
                watch.look_at(client, keys)
    return [watch.reading() for watch in watches]


def _scanned(client: Any) -> Iterator[list[bytes]]:
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, count=_SCANNED_AT_ONCE)
        yield keys
        if cursor == 0:
            return


class _Watch:
    """What one object of the inventory has still of the batch. A scan may show a key twice: hence sets."""

    def __init__(self, item: InventoryObject, batch: VerifiedBatch) -> None:
        self._item = item
        self._batch = batch
        self._pattern = KeyPattern(item.location)
        self._index = KeyPattern(item.index) if item.index else None
        self._left: set[bytes | tuple[bytes, str]] = set()

    def look_at(self, client: Any, keys: Iterable[bytes]) -> None:
        names, targets = {key: _text(key) for key in keys}, self._batch.persons
        if self._index:
            self._left |= {key for key, name in names.items() if self._index.owner(name) in targets}
        fitting = [key for key, name in names.items() if self._pattern.fits(name)]
        if self._item.members:
            for key in fitting:
                members = _members(client, key)
                self._left |= {(key, member) for member in members if member.lower() in targets}
        elif self._item.subject.contributor_id or self._item.subject.email:
            held = _values(client, fitting, self._item)
            self._left |= {key for key, value in held if self._is_of_a_target(value)}
        else:
            self._left |= {key for key in fitting if self._pattern.owner(names[key]) in targets}

    def reading(self) -> FieldReading:
        return Tally(survivors=len(self._left)).reading(self._item, RECORD, len(self._left))

    def _is_of_a_target(self, value: str | dict[str, str]) -> bool:
        document: Any = value
        if isinstance(value, str):
            try:
                document = json.loads(value)
            except ValueError:
                document = None
        if not isinstance(document, dict):
            # Not of the form that the inventory tells of: then any id in it counts.
            return bool(ids_in(str(value)) & self._batch.contributor_ids)
        owner = _at(document, self._item.subject.contributor_id)
        email = _at(document, self._item.subject.email)
        if owner is not None:
            return owner.lower() in self._batch.persons
        return email is not None and normalise_email(email) in self._batch.emails


def _values(
    client: Any, keys: list[bytes], item: InventoryObject
) -> Iterator[tuple[bytes, str | dict[str, str]]]:
    """Strings and hashes; a key that has expired in the meantime has no value."""
    types = _pipelined(client, "type", keys)
    by_type: dict[bytes, list[bytes]] = {}
    for key, kind in zip(keys, types, strict=True):
        by_type.setdefault(kind, []).append(key)
    strings, hashes = by_type.pop(b"string", []), by_type.pop(b"hash", [])
    by_type.pop(b"none", None)
    if by_type:
        raise StoreRefused(
            store="redis",
            object_name=item.name,
            what=f"{sum(map(len, by_type.values()))} of its keys are neither strings nor hashes",
            remedy="mend its key in the inventory file redis.yml",
        )
    for key, value in zip(strings, _pipelined(client, "get", strings), strict=True):
        if value is not None:
            yield key, _text(value)
    for key, fields in zip(hashes, _pipelined(client, "hgetall", hashes), strict=True):
        yield key, {_text(name): _text(value) for name, value in fields.items()}


def _pipelined(client: Any, command: str, keys: list[bytes]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            getattr(pipeline, command)(key)
        return list(pipeline.execute())


def _members(client: Any, key: bytes) -> Iterator[str]:
    kind = client.type(key)
    if kind == b"set":
        found: Iterable[Any] = client.sscan_iter(key, count=_SCANNED_AT_ONCE)
    elif kind == b"zset":
        found = (member for member, _ in client.zscan_iter(key, count=_SCANNED_AT_ONCE))
    elif kind == b"hash":
        found = (name for name, _ in client.hscan_iter(key, count=_SCANNED_AT_ONCE))
    else:
        found = client.lrange(key, 0, -1)
    return (_text(member) for member in found)


def _at(document: dict[str, Any], path: str | None) -> str | None:
    node: Any = document if path else None
    for step in (path or "").split("."):
        node = node.get(step) if isinstance(node, dict) else None
    return None if node is None else str(node)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


@contextmanager
def _errors() -> Iterator[None]:
    import redis

    try:
        yield
    except redis.RedisError as error:
        lost = isinstance(error, redis.ConnectionError | redis.TimeoutError)
        kind = StoreUnavailable if lost else StoreRefused
        raise kind(store="redis", what=f"could not be read ({safe_reason(error)})", remedy=_REMEDY) from None
