"""CSVs of what a batch is about to change in Redis: keys and members as they are, but for sessions, which end for good.

Add here: what is needed to put a key back where it was.
Keep out: whose a key is (`stores/redis/places.py`).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from erasure.csv_backups.files import opened
from erasure.stores.redis.content import contents, members_of, types
from erasure.stores.redis.failures import told
from erasure.stores.redis.passes import Seen
from erasure.stores.redis.places import Hit, Place
from erasure.stores.redis.store import RedisStore
from erasure.targets import TargetSet

COLUMNS = ("db", "key", "kind", "member", "value", "milliseconds_left")


def write(store: RedisStore, *, targets: TargetSet, folder: Path) -> dict[str, int]:
    """Writes a CSV for each object of which something will change; returns object -> rows."""
    rows: dict[str, int] = {}
    for place, parts in store.seen(targets).items():
        name = place.item.name
        if not any(part.found.hits for part in parts):
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
    client = part.client
    for key, hits in part.found.hits.items():
        left = client.pttl(key)
        expires = left if left >= 0 else ""
        kind = types(client, [key])[key]
        if kind in ("string", "hash") and place.item.members is None:
            for _, _, content in contents(client, [key], together=True):
                yield _text(key), kind, "", _value(content), expires
            continue
        named = _named(hits)
        for member in members_of(client, key, kind) if kind not in ("string", "none") else ():
            # A key that goes by its name goes with all that it holds.
            if named is None or member.place in named:
                yield _text(key), kind, _text(member.place), _value(member.value), expires


def _named(hits: list[Hit]) -> frozenset[bytes] | None:
    """The members that change; None where the key goes as a whole."""
    calls = [hit.call for hit in hits]
    if any(call is None for call in calls):
        return None
    return frozenset(word for call in calls if call for word in call[2] if isinstance(word, bytes))


def _value(content: Any) -> str:
    if isinstance(content, Mapping):
        return json.dumps({_text(name): _text(value) for name, value in content.items()}, ensure_ascii=False)
    return "" if content is None else _text(content)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
