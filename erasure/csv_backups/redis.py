"""CSVs of what a batch is about to change in Redis: keys and members as they are, but for sessions, which end for good.

Add here: what is needed to put a key back where it was.
Keep out: whose a key is (`stores/redis/places.py`).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erasure.csv_backups.files import opened
from erasure.stores.redis.content import contents, members_of, types
from erasure.stores.redis.failures import told
from erasure.stores.redis.passes import Seen, chunks
from erasure.stores.redis.places import Hit, Place
from erasure.stores.redis.store import RedisStore
from erasure.targets import TargetSet

_KEYS_AT_ONCE = 1_000
COLUMNS = ("db", "key", "kind", "member", "value", "milliseconds_left")


def write(store: RedisStore, *, targets: TargetSet, folder: Path) -> dict[str, int]:
    """Writes a CSV for each object of which something will change; returns object -> rows."""
    rows: dict[str, int] = {}
    for place, parts in store.seen(targets).items():
        name = place.item.name
        if not any(part.found.names or part.found.hits for part in parts):
            continue
        with told(name), opened(folder / f"{name}.csv") as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            writer = csv.writer(text)
            writer.writerow(COLUMNS)
            rows[name] = 0
            for part in parts:
                for row in _rows(place, part):
                    writer.writerow(("" if place.item.db is None else place.item.db, *row))
                    rows[name] += 1
    return rows


def _rows(place: Place, part: Seen) -> Iterator[tuple[object, ...]]:
    found = part.found
    for keys in chunks([*found.names, *found.hits], _KEYS_AT_ONCE):
        yield from _of_keys(part.client, place, keys, found.hits)


def _of_keys(
    client: Any, place: Place, keys: Sequence[bytes], hits: Mapping[bytes, Sequence[Hit]]
) -> Iterator[tuple[object, ...]]:
    """Whole keys where they go by their name or change as a whole, else their members that change."""
    left = _left(client, keys)
    kinds = types(client, keys)
    has_members = place.item.members is not None
    whole = [] if has_members else [key for key in keys if kinds[key] in ("string", "hash")]
    for key, kind, content in contents(client, whole, together=False):
        yield _text(key), kind, "", _value(content), left[key]
    for key in keys:
        if kinds[key] in ("none", "string") or (kinds[key] == "hash" and not has_members):
            continue
        named = _named(hits[key]) if key in hits else None
        for member in members_of(client, key, kinds[key]):
            if named is None or member.place in named:
                yield _text(key), kinds[key], _text(member.place), _value(member.value), left[key]


def _left(client: Any, keys: Sequence[bytes]) -> dict[bytes, object]:
    """Milliseconds until each key expires; nothing where it does not."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.pttl(key)
    return {key: left if left >= 0 else "" for key, left in zip(keys, pipe.execute(), strict=True)}


def _named(hits: Sequence[Hit]) -> frozenset[bytes]:
    """The members that change."""
    return frozenset(word for hit in hits for word in hit.call[2] if isinstance(word, bytes))


def _value(content: Any) -> str:
    if isinstance(content, Mapping):
        return json.dumps({_text(name): _text(value) for name, value in content.items()}, ensure_ascii=False)
    return "" if content is None else _text(content)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
