"""What lies under keys of Redis, as the judge sees it: records, each with its name and its value.

Holds: `records_of`, `Record`.
Add here: a type of Redis in which persons are kept.
Keep out: whose a record is, and what its fields must look like (`redis.py`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from erasure.errors import StoreRefused
from erasure.inventory import InventoryObject

_AT_ONCE = 5_000


@dataclass(frozen=True, kw_only=True)
class Record:
    """A key, or a member of one. `mark` tells it from all others; `name` of a member is the member itself."""

    mark: tuple[bytes, ...]
    key: bytes
    name: str | None
    value: str | dict[str, str]


def records_of(client: Any, keys: list[bytes], item: InventoryObject) -> Iterator[Record]:
    """Every record under the keys; a key that has expired in the meantime has none."""
    kinds = dict(zip(keys, _pipelined(client, "type", keys), strict=True))
    if item.members is not None:
        for key, kind in kinds.items():
            yield from _members(client, key, kind, item)
        return
    strings = [key for key, kind in kinds.items() if kind == b"string"]
    hashes = [key for key, kind in kinds.items() if kind == b"hash"]
    others = sum(kind not in (b"string", b"hash", b"none") for kind in kinds.values())
    if others:
        raise _refused(item, f"{others} of its keys are neither strings nor hashes", "mend its key")
    for key, value in zip(strings, _pipelined(client, "get", strings), strict=True):
        if value is not None:
            yield Record(mark=(key,), key=key, name=None, value=text(value))
    for key, fields in zip(hashes, _pipelined(client, "hgetall", hashes), strict=True):
        yield Record(mark=(key,), key=key, name=None, value=_fields(fields))


def _members(client: Any, key: bytes, kind: bytes, item: InventoryObject) -> Iterator[Record]:
    if kind == b"none":
        return
    found: Iterable[tuple[bytes, str | None, Any]]
    if kind == b"set":
        found = ((m, text(m), m) for m in client.sscan_iter(key, count=_AT_ONCE))
    elif kind == b"zset":
        found = ((m, text(m), m) for m, _ in client.zscan_iter(key, count=_AT_ONCE))
    elif kind == b"hash":
        found = ((name, text(name), value) for name, value in client.hscan_iter(key, count=_AT_ONCE))
    elif kind == b"list":
        found = ((b"%d" % at, text(m), m) for at, m in enumerate(client.lrange(key, 0, -1)))
    elif kind == b"stream":
        found = ((entry, None, fields or {}) for entry, fields in client.xrange(key))
    else:
        raise _refused(item, f"its key is a {kind.decode()}, which has no members", "mend members")
    for place, name, value in found:
        held = _fields(value) if isinstance(value, dict) else text(value)
        yield Record(mark=(key, place), key=key, name=name, value=held)


def text(raw: bytes) -> str:
    """Whatever the bytes are."""
    return raw.decode("utf-8", "surrogateescape")


def _fields(raw: dict[bytes, bytes]) -> dict[str, str]:
    return {text(name): text(value) for name, value in raw.items()}


def _pipelined(client: Any, command: str, keys: list[bytes]) -> list[Any]:
    with client.pipeline(transaction=False) as pipeline:
        for key in keys:
            getattr(pipeline, command)(key)
        return list(pipeline.execute())


def _refused(item: InventoryObject, what: str, remedy: str) -> StoreRefused:
    return StoreRefused(
        store="redis", object_name=item.name, what=what, remedy=f"{remedy} in the inventory file redis.yml"
    )
