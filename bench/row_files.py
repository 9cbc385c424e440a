"""Files with rows of many contributors in each format, and the inventory's object and targets for them.

Add here: a format.
Keep out: what is done with the files (`row_ways.py`), and how it is measured (`rows.py`).
"""

import csv
import gzip
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from erasure.inventory import Field, InventoryObject, Rows, Subject
from erasure.rules import Rule
from erasure.targets import Needle, TargetSet

CONTRIBUTORS = 100_000
TARGETS = 10_000
FORMATS = ("csv", "csv.gz", "jsonl", "jsonl.gz", "nested.jsonl", "json", "parquet")
COLUMNS = ("unit_id", "contributor_id", "email", "label", "price", "at")
# What rows of the nested format have besides.
NESTED = "meta"
GROUP = 200_000
LEVEL = 6


def targets() -> TargetSet:
    """The first tenth of the contributors."""
    return TargetSet(
        batch_id="b20260101T000000Z-bbbb",
        contributor_ids=frozenset(contributor_id(number) for number in range(TARGETS)),
        needles=tuple(
            Needle(contributor_id=contributor_id(number), kind="email", value=email_of(number))
            for number in range(TARGETS)
        ),
    )


def contributor_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def email_of(number: int) -> str:
    return f"person{number}@example.com"


def item_of(key: str) -> InventoryObject:
    return InventoryObject(
        store="s3",
        name="exports",
        source="bench_s3",
        schema="bench_s3",
        location=key,
        subject=Subject(contributor_id="contributor_id", email="email"),
        fields=(
            Field(name="email", rule=Rule.CONSTANT),
            *(
                Field(name=name, rule=Rule.KEEP, reason="bench")
                for name in (*COLUMNS, NESTED)
                if name != "email"
            ),
        ),
        rows=Rows(),
    )


def _records(size: int) -> Iterator[dict[str, Any]]:
    """Rows of about 150 bytes each as CSV, as many as make that many bytes."""
    dice = random.Random(7)
    for number in range(size // 150):
        who = dice.randrange(CONTRIBUTORS)
        yield {
            "unit_id": f"unit-{number:012d}",
            "contributor_id": contributor_id(who),
            "email": email_of(who),
            "label": dice.choice(("cat", "dog", "bird, or plane")) * 2,
            "price": dice.randrange(10_000) / 100,
            "at": f"2026-01-{1 + number % 28:02d}T00:00:{number % 60:02d}Z",
        }


def make(path: Path, size: int) -> None:
    """Writes a file in the format of its name."""
    kind = path.name.removeprefix("rows.")
    if kind == "parquet":
        _make_parquet(path, size)
        return
    with path.open("wb") as file, packed(file, kind) as sink, _text(sink) as text:
        if kind.startswith("csv"):
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_records(size))
        elif kind == "json":
            text.write("[")
            for number, record in enumerate(_records(size)):
                text.write((",\n" if number else "\n") + json.dumps(record))
            text.write("\n]\n")
        else:
            records = _nested(size) if kind.startswith("nested") else _records(size)
            text.writelines(json.dumps(record) + "\n" for record in records)


def _nested(size: int) -> Iterator[dict[str, Any]]:
    """The same rows with an object in each, which holds a list of objects and a text with escapes."""
    dice = random.Random(8)
    for record in _records(size):
        boxes = [{"id": dice.randrange(99), "at": [1.5, 2]} for _ in range(dice.randrange(3))]
        yield record | {NESTED: {"tool": "box", "boxes": boxes, "note": 'a "note"\n'}}


def packed(file: Any, kind: str, level: int = LEVEL) -> Any:
    """A file that packs what is written to it, where its kind says so."""
    return gzip.GzipFile("", "wb", level, file) if kind.endswith(".gz") else file


def _text(sink: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(sink, encoding="utf-8", newline="")


def _make_parquet(path: Path, size: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.float64() if name == "price" else pa.string()) for name in COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        held = []
        # Parquet packs such rows to about a third.
        for record in _records(size * 3):
            held.append(record)
            if len(held) == GROUP:
                writer.write_table(pa.Table.from_pylist(held, schema), row_group_size=GROUP)
                held = []
        writer.write_table(pa.Table.from_pylist(held, schema), row_group_size=GROUP)
