"""Every format of rows, plain, gzip and zstd, through the store on a real server: only the target's cells change.

Holds: each format with each compression, and files as odd writers leave them.
Add here: another format or compression.
Keep out: the rules of a format (the codecs' tests), versions and properties of an object (`test_s3_shared.py`).
"""

import gzip
import io
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erasure.stores.base import no_progress
from tests.contract.s3_rows_support import PEOPLE, ROWS, as_jsonl, as_parquet, store_of_rows, table
from tests.contract.s3_support import everything, new_bucket, targets

Rows = list[dict[str, str]]


def with_delimiter(sign: str) -> Callable[[Rows], bytes]:
    def written(rows: Rows) -> bytes:
        cells = [
            ["worker", "email", "answer"],
            *([r["worker"], r["email"], f'"{r["answer"]}"'] for r in rows),
        ]
        return "".join(sign.join(row) + "\r\n" for row in cells).encode()

    return written


def as_json(rows: Rows) -> bytes:
    return json.dumps(rows, indent=1).encode()


def zstd(raw: bytes) -> bytes:
    return bytes(pa.compress(raw, codec="zstd", asbytes=True))


def unzstd(raw: bytes) -> bytes:
    return bytes(pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read())


FORMATS = {"csv": with_delimiter(","), "tsv": with_delimiter("\t"), "jsonl": as_jsonl, "json": as_json}
PACKED: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "": (bytes, bytes),
    ".gz": (gzip.compress, gzip.decompress),
    ".zst": (zstd, unzstd),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("end", PACKED)
def test_every_byte_but_those_of_the_targets_cells_is_as_it_was(
    s3_client: Any, suffix: str, end: str
) -> None:
    bucket, key = new_bucket(s3_client), f"exports/7/units.{suffix}{end}"
    (pack, unpack), written = PACKED[end], FORMATS[suffix]
    s3_client.put_object(Bucket=bucket, Key=key, Body=pack(written(table(*PEOPLE))))
    s3_client.put_object(Bucket=bucket, Key=f"exports/others.{suffix}{end}", Body=pack(written(table("u10"))))
    others = [one for one in everything(s3_client, bucket) if "others" in one[0]]

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.elements, done.not_erasable) == (1, 1, {})
    stored = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    assert unpack(stored) == written(table(*PEOPLE, masked=("u1",)))
    assert [one for one in everything(s3_client, bucket) if "others" in one[0]] == others


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip", "none"])
def test_parquet_is_packed_within_and_keeps_its_codec(s3_client: Any, codec: str) -> None:
    bucket, key = new_bucket(s3_client), "exports/7/units.parquet"
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table(*PEOPLE)), sink, compression=codec, row_group_size=2)
    s3_client.put_object(Bucket=bucket, Key=key, Body=sink.getvalue())

    store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    file = pq.ParquetFile(io.BytesIO(s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()))
    assert file.read().to_pylist() == table(*PEOPLE, masked=("u1",))
    before = pq.ParquetFile(sink)
    assert (file.num_row_groups, file.schema) == (before.num_row_groups, before.schema) == (2, file.schema)
    told = {file.metadata.row_group(group).column(1).compression for group in range(2)}
    assert told == {"UNCOMPRESSED" if codec == "none" else codec.upper()}


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("7.parquet.gz", "parquet with gzip around it, where parquet is packed within"),
        (
            "7.txt",
            "its suffix is of no format, and exports in s3.yml has no format: csv, tsv, jsonl, json, parquet",
        ),
    ],
)
def test_a_file_that_is_of_no_format_is_told_with_what_was_expected_and_stays(
    s3_client: Any, name: str, why: str
) -> None:
    bucket, key = new_bucket(s3_client), f"exports/{name}"
    s3_client.put_object(Bucket=bucket, Key=key, Body=gzip.compress(as_parquet(table(*PEOPLE))))
    before = everything(s3_client, bucket)

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    (reason,) = done.not_erasable
    etag = s3_client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    assert reason == f"unreadable ({why}): {key if name.endswith('.gz') else f'ETag {etag}'}"
    assert everything(s3_client, bucket) == before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b"worker;email\r\nu1;u1@example.com\r\n",
            "its header lacks email, worker; subject, columns and delimiter of exports stand in s3.yml",
        ),
        (
            "worker,email\r\nu1,ü@example.com\r\n".encode("latin-1"),
            "row 1: it is not utf-8; format and encoding of exports stand in s3.yml",
        ),
        (b"worker,email\r\nu1\r\n", "row 1: it has 1 cells, and the header 2"),
    ],
    ids=["delimiter", "encoding", "cells"],
)
def test_a_file_that_is_at_odds_with_the_inventory_names_what_to_mend_there(
    s3_client: Any, body: bytes, said: str
) -> None:
    bucket, key = new_bucket(s3_client), "exports/1.csv"
    s3_client.put_object(Bucket=bucket, Key=key, Body=body)

    found = store_of_rows(s3_client, bucket).count(targets("u1"))[ROWS].not_erasable

    assert found == {f"unreadable ({said}): {key}": 1}


ODD = {
    "bom.csv": (
        b"\xef\xbb\xbfworker,email,answer\nu1,u1@example.com,yes\nu2,u2@example.com,no",
        b"u1@example.com",
    ),
    "lines.csv": (
        b'worker,email,answer\r\n"u1","u1@example.com","a\r\nb"\r\nu2,x,"c,\n""d"""\r\n',
        b"u1@example.com",
    ),
    "latin.csv": (
        b"worker,email,answer\nu2,u2@example.com,\xfcber\nu1,u1@example.com,\xe4\n",
        b"u1@example.com",
    ),
    "bom.jsonl": (
        b'\xef\xbb\xbf{"worker":"u1","email":"u1@example.com"}\r\n\r\n{"worker":"u2","email":null}',
        b"u1@example.com",
    ),
    "object.json": (b'{ "worker" : "u1", "email" : "u1@example.com", "answer": 1e400 }', b"u1@example.com"),
    "two.csv.gz": (b"worker,email,answer\nu1,u1@example.com,yes\nu2,u2@example.com,no\n", b"u1@example.com"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_odd_writers_leave_changes_in_the_targets_cells_alone(s3_client: Any, name: str) -> None:
    bucket, key, (raw, hers) = new_bucket(s3_client), f"exports/7/{name}", ODD[name]
    body = gzip.compress(raw[:30]) + gzip.compress(raw[30:]) if name.endswith(".gz") else raw
    s3_client.put_object(Bucket=bucket, Key=key, Body=body)

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.elements, done.not_erasable) == (1, 1, {})
    stored = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
    stored = gzip.decompress(stored) if name.endswith(".gz") else stored
    assert raw.count(hers) == 1
    assert stored == raw.replace(hers, b"DELETED_USER")


@pytest.mark.parametrize("name", ["header.csv", "no-rows.jsonl", "no-rows.json", "no-rows.parquet"])
def test_files_without_rows_are_read_and_not_written(s3_client: Any, name: str) -> None:
    bucket = new_bucket(s3_client)
    no_rows = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table("u1")).slice(0, 0), no_rows)
    bodies = {
        "csv": b"worker,email,answer",
        "jsonl": b"\n\n",
        "json": b" [ ] ",
        "parquet": no_rows.getvalue(),
    }
    s3_client.put_object(Bucket=bucket, Key=f"exports/{name}", Body=bodies[name.rpartition(".")[2]])
    before = everything(s3_client, bucket)

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.total, done.total_elements, done.not_erasable) == (0, 1, 0, {})
    assert everything(s3_client, bucket) == before
