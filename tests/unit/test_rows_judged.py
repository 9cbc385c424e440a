"""What verification sees of rows inside objects: survivors before masking, none behind it, by code of its own.

Add here: a shape in which the judge and the masking could differ.
Keep out: S3 (`tests/contract/`), and what masking writes (`test_rows_*.py`).
"""

import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.errors import StoreRefused
from erasure.stores.s3.rows.base import rules_for
from erasure.stores.s3.rows.codecs import codec_of
from expectations.readers.base import RECORD, Tally, VerifiedBatch
from expectations.readers.rows import judge_rows
from tests.inventory_fixtures import rows_inventory
from tests.unit.rows_support import (
    ANN,
    BOB,
    CONTROL,
    FLAT,
    KEPT,
    SUBJECT,
    TARGET,
    TARGETS,
    emails,
    ids,
    rewritten,
)

BATCH = VerifiedBatch(
    batch_id="b20261124T120000Z-aaaaaa",
    persons={TARGET: TARGET, "17": "17"},
    emails={ANN: TARGET},
    needles={TARGET: (ANN, "Ann Quostovan")},
)


def judged(
    raw: bytes, key: str, *columns: tuple[str, dict[str, Any]], **meta: Any
) -> tuple[int, int, int, bytes]:
    """(records, survivors, masked) of an object, and the object once it has been masked."""
    declared = (
        {"glob": key} | ({} if any("owner" in found for _, found in columns) else {"subject": SUBJECT}) | meta
    )
    item = rows_inventory(declared, *(columns or (() if meta else FLAT))).of("s3")[0]
    names = [RECORD] if meta else [field.label for field in item.ruled_fields]
    tallies = {name: Tally() for name in names}
    records = judge_rows(io.BytesIO(raw), key, item, BATCH, tallies)
    codec = codec_of(key, item)
    assert codec is not None
    masked, _ = rewritten(codec, raw, rules_for(item, TARGETS))
    return (
        records,
        sum(t.survivors for t in tallies.values()),
        sum(t.masked for t in tallies.values()),
        masked,
    )


def written(rows: list[dict[str, Any]], key: str) -> bytes:
    """Rows in the format of a key."""
    if key.endswith(".parquet"):
        sink = io.BytesIO()
        schema = pa.schema([(name, pa.string()) for name in ("id", "email", "label")])
        pq.write_table(pa.Table.from_pylist(rows, schema), sink)
        return sink.getvalue()
    if ".csv" in key:
        cells = [[row[name] or "" for name in ("id", "email", "label")] for row in rows]
        lines = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells]
        raw = "\n".join(["id,email,label", *lines]).encode()
    elif key.endswith(".json"):
        raw = json.dumps(rows).encode()
    else:
        raw = "\n".join(json.dumps(row) for row in rows).encode()
    return gzip.compress(raw) if key.endswith(".gz") else raw


@pytest.mark.parametrize("key", ["a.csv.gz", "a.jsonl", "a.json", "a.parquet"])
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"id": ids, "email": emails, "label": st.just("x")}), max_size=6))
def test_what_masking_leaves_the_judge_finds_clean_and_what_it_would_change_a_survivor(
    key: str, rows: list[dict[str, Any]]
) -> None:
    for row in rows:
        row["email"] = row["email"] or None
    _, survivors, _, masked = judged(written(rows, key), key)
    assert (survivors > 0) is (
        masked != written(rows, key) if not key.endswith(".parquet") else survivors > 0
    )
    records, left, _, _ = judged(masked, key)
    assert left == 0
    assert records == judged(written(rows, key), key)[0]


@pytest.mark.parametrize("key", ["a.csv.gz", "a.jsonl", "a.json", "a.parquet"])
def test_figures_are_of_targets_alone(key: str) -> None:
    rows = [
        {"id": TARGET, "email": ANN, "label": "x"},
        {"id": None, "email": ANN.upper(), "label": "x"},
        {"id": CONTROL, "email": BOB, "label": "x"},
    ]
    records, survivors, done, masked = judged(written(rows, key), key)
    assert (records, survivors, done) == (2, 2, 0)
    assert judged(masked, key)[:3] == (2, 0, 2)


@pytest.mark.parametrize("key", ["a.csv.gz", "a.jsonl", "a.json", "a.parquet"])
def test_rows_that_should_be_gone_are_survivors(key: str) -> None:
    rows = [{"id": TARGET, "email": None, "label": "x"}, {"id": CONTROL, "email": ANN, "label": "x"}]
    records, survivors, _, masked = judged(written(rows, key), key, rule="delete")
    assert (records, survivors) == (1, 1)
    assert judged(masked, key, rule="delete")[:2] == (0, 0)


def test_elements_of_arrays_are_judged_by_their_owners() -> None:
    columns = [
        ("judgments[].email", {"rule": "constant", "owner": "judgments[].id"}),
        ("judgments[].note", {"rule": "scrub_text", "owner": "judgments[].id"}),
        ("unit", KEPT),
    ]
    document = {
        "unit": 1,
        "judgments": [
            {"id": TARGET, "email": ANN, "note": "by Ann Quostovan"},
            {"id": CONTROL, "email": BOB, "note": "about Ann Quostovan"},
            {"email": ANN, "note": None},
        ],
    }
    _, survivors, _, masked = judged(json.dumps(document).encode(), "a.jsonl", *columns)
    assert survivors == 3
    assert judged(masked, "a.jsonl", *columns)[:2] == (1, 0)


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("a.csv", b'id,email,label\na,"b'),
        ("a.csv", b"id,email,label\na,b\n"),
        ("a.csv.gz", gzip.compress(b"id,email,label\n")[:-4]),
        ("a.jsonl", b'{"id":'),
        ("a.json", b'[{"id":1},{"id":'),
        ("a.parquet", b"PAR1"),
    ],
    ids=["open quote", "too few cells", "gzip cut off", "half a line", "half a list", "no footer"],
)
def test_an_object_that_cannot_be_read_is_never_clean(key: str, raw: bytes) -> None:
    item = rows_inventory({"glob": key, "subject": SUBJECT}, *FLAT).of("s3")[0]
    with pytest.raises(StoreRefused, match="s3/thing: an object could not be read to its end"):
        judge_rows(io.BytesIO(raw), key, item, BATCH, {"email": Tally()})
