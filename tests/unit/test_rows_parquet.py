"""Parquet: only the ruled values of targets change; schema, metadata, codecs, groups and order are what they were.

Add here: a type or a property of files that is to be kept.
Keep out: other formats.
"""

import io
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from tests.unit.rows_support import (
    ANN,
    BOB,
    CONTROL,
    KEPT,
    TARGET,
    emails,
    ids,
    is_of_target,
    prepared,
    rewritten,
)

ROWS = st.lists(
    st.tuples(ids | st.none(), emails | st.none(), st.none() | st.integers(0, 5)), min_size=1, max_size=9
)
EMAIL_TYPES = st.sampled_from(
    [pa.string(), pa.large_string(), pa.binary(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]
)


def file_of(table: pa.Table, **options: Any) -> bytes:
    """A file of Parquet with that table."""
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def table_of(raw: bytes) -> pa.Table:
    """What a file holds."""
    return pq.read_table(io.BytesIO(raw))


@settings(max_examples=40, deadline=None)
@given(
    rows=ROWS,
    kind=EMAIL_TYPES,
    codec_name=st.sampled_from(["snappy", "zstd", "gzip", "none"]),
    group=st.integers(1, 4),
    dictionary=st.booleans(),
    version=st.sampled_from(["1.0", "2.6"]),
)
def test_only_the_ruled_values_of_targets_change_and_the_file_stays_what_it_is(
    rows: list[tuple[Any, Any, Any]],
    kind: pa.DataType,
    codec_name: str,
    group: int,
    dictionary: bool,
    version: str,
) -> None:
    def table(found: list[tuple[Any, Any, Any]]) -> pa.Table:
        columns = list(zip(*found, strict=True))
        texts = pa.array(columns[1], pa.string()).cast(pa.string() if pa.types.is_dictionary(kind) else kind)
        held = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts
        return pa.table(
            {"id": columns[0], "email": held, "label": pa.array(columns[2], pa.int16())}
        ).replace_schema_metadata({"made": "by hand"})

    expected = [
        (row[0], MASK if row[1] is not None and is_of_target(row[0], row[1]) else row[1], row[2])
        for row in rows
    ]
    raw = file_of(
        table(rows), compression=codec_name, row_group_size=group, use_dictionary=dictionary, version=version
    )
    codec, rules = prepared("a.parquet")
    result, counts = rewritten(codec, raw, rules)
    found = table_of(result)
    assert found.schema.equals(table_of(raw).schema, check_metadata=True)
    assert found.to_pylist() == table(expected).to_pylist()
    assert counts.rows == len(rows)
    assert counts.to_mask == sum(old != new for old, new in zip(rows, expected, strict=True))
    before, after = pq.ParquetFile(io.BytesIO(raw)), pq.ParquetFile(io.BytesIO(result))
    assert after.schema.equals(before.schema)
    assert after.metadata.metadata == before.metadata.metadata
    groups = range(before.num_row_groups)
    assert [after.metadata.row_group(at).num_rows for at in groups] == [
        before.metadata.row_group(at).num_rows for at in groups
    ]
    for at in range(3):
        old, new = before.metadata.row_group(0).column(at), after.metadata.row_group(0).column(at)
        assert (new.compression, new.has_dictionary_page) == (old.compression, old.has_dictionary_page)


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
def test_rows_of_targets_go_as_a_whole_and_all_others_stay(rows: list[tuple[Any, Any, Any]]) -> None:
    columns = list(zip(*rows, strict=True))
    table = pa.table(
        {
            "id": pa.array(columns[0], pa.string()),
            "email": pa.array(columns[1], pa.string()),
            "extra": columns[2],
        }
    )
    codec, rules = prepared("a.parquet", rule="delete")
    result, counts = rewritten(codec, file_of(table, row_group_size=2), rules)
    kept = [
        row for row in rows if not is_of_target(row[0], None if (row[1] or "").startswith(MASK) else row[1])
    ]
    assert [tuple(row.values()) for row in table_of(result).to_pylist()] == kept
    assert counts.to_mask == len(rows) - len(kept)


@pytest.mark.parametrize("as_dictionary", [True, False])
def test_no_old_value_is_left_in_dictionaries_statistics_or_indexes(as_dictionary: bool) -> None:
    canary = "zz-canary-7e1c@example.com"
    bystander = "aa-canary-2b9d@example.com"
    emails_of = pa.array([canary, bystander] * 50)
    table = pa.table(
        {
            "id": [TARGET, CONTROL] * 50,
            "email": emails_of.dictionary_encode() if as_dictionary else emails_of,
            "label": range(100),
        }
    )
    raw = file_of(
        table, compression="none", write_page_index=True, bloom_filter_options={"email": {"ndv": 10}}
    )
    codec, rules = prepared("a.parquet")
    result, _ = rewritten(codec, raw, rules)
    assert canary.encode() in raw
    assert canary.encode() not in result
    assert bystander.encode() in result
    chunk = pq.ParquetFile(io.BytesIO(result)).metadata.row_group(0).column(1)
    assert chunk.has_offset_index and chunk.bloom_filter_offset is not None
    assert (chunk.statistics.min, chunk.statistics.max) == (MASK, bystander)


def test_nested_columns_have_owners_and_everything_around_them_stays() -> None:
    judgment = pa.struct(
        [
            pa.field("id", pa.string()),
            pa.field("email", pa.string()),
            pa.field("paid", pa.decimal128(9, 2)),
            pa.field("at", pa.timestamp("ns", tz="UTC")),
        ]
    )
    rows = [
        {
            "unit": 1,
            "judgments": [{"id": TARGET, "email": ANN, "paid": Decimal("1.50"), "at": datetime(2026, 1, 2)}],
        },
        {"unit": 2, "judgments": None},
        {"unit": 3, "judgments": []},
        {"unit": 4, "judgments": [None, {"id": None, "email": ANN.upper()}, {"id": CONTROL, "email": BOB}]},
    ]
    schema = pa.schema(
        [pa.field("unit", pa.int8(), nullable=False), pa.field("judgments", pa.list_(judgment))]
    )
    table = pa.Table.from_pylist(rows, schema)
    codec, rules = prepared(
        "a.parquet",
        ("judgments[].email", {"rule": "constant", "owner": "judgments[].id"}),
        ("judgments[].paid", KEPT),
        ("judgments[].at", KEPT),
        ("unit", KEPT),
    )
    result, counts = rewritten(codec, file_of(table, row_group_size=3), rules)
    expected = table.to_pylist()
    expected[0]["judgments"][0]["email"] = MASK
    expected[3]["judgments"][1]["email"] = MASK
    assert table_of(result).to_pylist() == expected
    assert table_of(result).schema.equals(schema)
    assert (counts.rows, counts.of_targets, counts.to_mask) == (3, 2, 2)


def test_every_rule_writes_into_the_type_that_is_there() -> None:
    table = pa.table(
        {
            "id": pa.array([17.0, 18.0, None]),
            "email": [ANN, BOB, BOB],
            "born": pa.array([date(1987, 6, 5)] * 3),
            "seen": pa.array([datetime(2026, 6, 5, 4, 3)] * 3, pa.timestamp("us")),
            "score": pa.array([1, 2, 3], pa.int32()),
            "tags": pa.array([["a"], ["b"], None]),
        }
    )
    codec, rules = prepared(
        "a.parquet",
        ("email", {"rule": "unique"}),
        ("born", {"rule": "coarsen_date"}),
        ("seen", {"rule": "coarsen_date"}),
        ("score", {"rule": "clear"}),
        ("tags", {"rule": "clear"}),
        subject={"contributor_id": "id"},
    )
    result, counts = rewritten(codec, file_of(table), rules)
    first, *others = table_of(result).to_pylist()
    assert others == table.to_pylist()[1:]
    assert first == {
        "id": 17.0,
        "email": f"{MASK}-17",
        "born": date(1987, 1, 1),
        "seen": datetime(2026, 1, 1),
        "score": None,
        "tags": None,
    }
    assert (counts.to_mask, counts.cells) == (1, 5)


def test_timestamps_of_twelve_bytes_stay_such() -> None:
    table = pa.table(
        {"id": [TARGET], "email": [ANN], "label": pa.array([datetime(2026, 1, 1)], pa.timestamp("ns"))}
    )
    codec, rules = prepared("a.parquet")
    result, _ = rewritten(codec, file_of(table, use_deprecated_int96_timestamps=True), rules)
    assert pq.ParquetFile(io.BytesIO(result)).metadata.row_group(0).column(2).physical_type == "INT96"


GOOD = pa.table({"id": [CONTROL], "email": [BOB], "label": [1]})


@pytest.mark.parametrize(
    ("raw", "kind", "sentence"),
    [
        (b"", Flaw.FORMAT, "no whole Parquet file"),
        (b"PAR1 something else", Flaw.FORMAT, "no whole Parquet file"),
        (file_of(GOOD)[:-30], Flaw.FORMAT, "no whole Parquet file"),
        (file_of(GOOD)[4:], Flaw.FORMAT, ""),
        (b"PAR1xxxxxxxPARE", Flaw.ENCRYPTED, "encrypted"),
        (file_of(GOOD.drop_columns("id")), Flaw.HEADER, "its schema lacks id"),
        (file_of(GOOD.drop_columns("email")), Flaw.HEADER, "its schema lacks email"),
        (
            file_of(GOOD.set_column(1, "email", pa.array([5]))),
            Flaw.VALUE,
            "email is int64, in which the rule constant cannot be written",
        ),
    ],
)
def test_what_cannot_be_read_or_written_is_an_error_without_a_value(
    raw: bytes, kind: Flaw, sentence: str
) -> None:
    codec, rules = prepared("a.parquet")
    with pytest.raises(UnreadableRows) as flaw:
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)
    assert flaw.value.kind is kind
    assert sentence in str(flaw.value) and BOB not in str(flaw.value)
    with pytest.raises(UnreadableRows):
        codec.count(io.BytesIO(raw), rules)


def test_columns_nobody_registered_are_told_in_counting_and_refused_in_writing() -> None:
    codec, rules = prepared("a.parquet")
    raw = file_of(GOOD.append_column("extra", [[1]]).append_column("in", pa.array([{"ner": 1}])))
    assert codec.count(io.BytesIO(raw), rules).unregistered == ("extra", "in.ner")
    with pytest.raises(UnreadableRows, match=r"not in the inventory: extra, in\.ner"):
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)


def test_the_files_stay_open_for_whoever_opened_them() -> None:
    codec, rules = prepared("a.parquet")
    source, sink = io.BytesIO(file_of(GOOD)), io.BytesIO()
    codec.rewrite(source, sink, rules)
    assert not source.closed and not sink.closed
