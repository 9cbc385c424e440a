"""Every format in which clickhouse-connect inserts and reads, and every type in its own.

Add here: a method of the client, or a type. Keep out: sessions, errors, streams (`test_clickhouse_gateway_clients.py`).
"""

from __future__ import annotations

import datetime as dt
import decimal
import io
import ipaddress
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.tools import insert_file

from tests.clickhouse_bytes import COMPRESS
from tests.contract.clickhouse_gateway_support import Gateway

COLUMNS = ["id", "email", "at", "score"]
AT = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)
ROWS = [
    (number, f"é{number};'\"\t\n@example.com", AT + dt.timedelta(hours=number), number / 4)
    for number in range(500)
]


def arrow() -> pa.Table:
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    return pa.table(
        {
            "id": pa.array(columns[0], pa.int32()),
            "email": pa.array(columns[1], pa.string()),
            "at": pa.array(columns[2], pa.timestamp("s", "UTC")),
            "score": pa.array(columns[3], pa.float64()),
        }
    )


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=COLUMNS)


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(arrow(), sink)
    return sink.getvalue()


@pytest.fixture
def client(gateway: Gateway) -> Iterator[Client]:
    with gateway.client() as client:
        client.command(
            "CREATE TABLE sent (id Int32, email String, at DateTime('UTC'), score Float64) "
            "ENGINE = MergeTree ORDER BY id"
        )
        yield client
        client.command("DROP TABLE sent SYNC")


INSERTS: dict[str, Callable[[Client], object]] = {
    "rows": lambda client: client.insert("sent", ROWS, column_names=COLUMNS),
    "columns": lambda client: client.insert(
        "sent", [list(each) for each in zip(*ROWS, strict=True)], column_names=COLUMNS, column_oriented=True
    ),
    "a data frame": lambda client: client.insert_df("sent", frame()),
    "an arrow table": lambda client: client.insert_arrow("sent", arrow()),
    "a data frame of arrow": lambda client: client.insert_df_arrow(
        "sent", arrow().to_pandas(types_mapper=pd.ArrowDtype)
    ),
    "raw parquet": lambda client: client.raw_insert("sent", insert_block=parquet(), fmt="Parquet"),
    "raw parquet in pieces": lambda client: client.raw_insert(
        "sent", insert_block=(parquet()[at : at + 999] for at in range(0, len(parquet()), 999)), fmt="Parquet"
    ),
}
TEXTS = [
    "CSV",
    "CSVWithNames",
    "TabSeparated",
    "TabSeparatedWithNamesAndTypes",
    "JSONEachRow",
    "JSONCompactEachRow",
]
TEXTS += [
    "Values",
    "RowBinary",
    "RowBinaryWithNames",
    "Native",
    "Arrow",
    "ArrowStream",
    "ORC",
    "MsgPack",
    "Avro",
]


@pytest.mark.parametrize("way", list(INSERTS))
def test_rows_arrive_by_every_way_to_insert(client: Client, way: str) -> None:
    INSERTS[way](client)
    assert read(client) == ROWS


@pytest.mark.parametrize("output_format", TEXTS)
def test_what_was_read_in_a_format_can_be_inserted_in_it(client: Client, output_format: str) -> None:
    INSERTS["rows"](client)
    data = client.raw_query(f"SELECT * FROM sent ORDER BY id FORMAT {output_format}")
    client.command("TRUNCATE TABLE sent")
    for compression in (None, "lz4", "zstd", "gzip"):
        block = COMPRESS[compression](data) if compression else data
        client.raw_insert("sent", insert_block=block, fmt=output_format, compression=compression)
        assert read(client) == ROWS
        client.command("TRUNCATE TABLE sent")


def read(client: Client) -> list[tuple[Any, ...]]:
    rows = client.query("SELECT * FROM sent ORDER BY id").result_rows
    return [(number, email, at.replace(tzinfo=dt.UTC), score) for number, email, at, score in rows]


def test_a_file_and_a_context_of_many_blocks_are_inserted(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(
        client.raw_query("SELECT number AS id, 'x' AS email FROM numbers(100)", fmt="CSVWithNames")
    )
    insert_file(client, "sent", str(file))
    context = client.create_insert_context("sent", column_names=["id", "email"])
    for start in (100, 50_100):
        context.data = [(number, "x") for number in range(start, start + 50_000)]
        assert client.insert(context=context).written_rows == 50_000
    assert client.query("SELECT count(), uniqExact(id), max(id) FROM sent").result_rows == [
        (100_100, 100_100, 100_099)
    ]


def test_rows_are_read_by_every_way_to_query(client: Client) -> None:
    INSERTS["rows"](client)
    query = "SELECT id, email, score FROM sent ORDER BY id"
    wanted = [(number, email, score) for number, email, _, score in ROWS]
    emails = [email for _, email, _ in wanted]
    assert client.query_df(query)["email"].tolist() == emails
    assert client.query_arrow(query).column("email").to_pylist() == emails
    assert client.query_df_arrow(query)["email"].tolist() == emails
    assert client.query_np("SELECT id, score FROM sent ORDER BY id")["score"].tolist() == [
        row[2] for row in wanted
    ]
    assert np.array_equal(
        client.query_np("SELECT id FROM sent ORDER BY id").ravel(), np.arange(len(ROWS), dtype="int32")
    )
    with client.query_rows_stream(query) as rows:
        assert list(rows) == wanted
    with client.query_column_block_stream(query) as blocks:
        assert [email for block in blocks for email in block[1]] == emails
    with client.query_df_stream(query) as frames:
        assert pd.concat(frames)["email"].tolist() == emails
    with client.query_arrow_stream(query) as batches:
        assert [email for batch in batches for email in batch.column("email").to_pylist()] == emails
    with client.raw_stream(query, fmt="CSV") as raw:
        assert raw.read() == client.raw_query(query, fmt="CSV")
    assert list(client.query(query).named_results())[7] == dict(
        zip(["id", "email", "score"], wanted[7], strict=True)
    )


TOKYO = ZoneInfo("Asia/Tokyo")
TYPES: dict[str, list[Any]] = {
    "Int8": [-128, 127],
    "Int64": [-(2**63), 2**63 - 1],
    "Int256": [-(2**255), 2**255 - 1],
    "UInt16": [0, 65535],
    "UInt128": [0, 2**128 - 1],
    "Float32": [0.5, -1.25],
    "Float64": [0.1, float("inf")],
    "Decimal(9, 2)": [decimal.Decimal("-1234567.89"), decimal.Decimal("0.01")],
    "Decimal(76, 20)": [
        decimal.Decimal("123456789012345678901234567890.12345678901234567890"),
        decimal.Decimal(0),
    ],
    "Bool": [True, False],
    "String": ["", "é🙂;'\"\\\t\n\0"],
    "FixedString(3)": [b"abc", b"\x00\xff\x00"],
    "UUID": [uuid.UUID(int=0), uuid.UUID(int=2**127 + 12345)],
    "Date": [dt.date(1970, 1, 1), dt.date(2149, 6, 6)],
    "Date32": [dt.date(1900, 1, 1), dt.date(2299, 12, 31)],
    # One with a time zone comes without it: the engine writes `Native` as for the oldest clients.
    "DateTime": [dt.datetime(2026, 3, 4, 5, 6, 7), dt.datetime(2106, 2, 7)],
    "DateTime64(6, 'Asia/Tokyo')": [
        dt.datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=TOKYO),
        dt.datetime(1925, 1, 2, 3, 4, 5, 6, tzinfo=TOKYO),
    ],
    "Enum8('a' = 1, 'it\\'s' = -2)": ["a", "it's"],
    "LowCardinality(String)": ["x", "y"],
    "LowCardinality(Nullable(String))": ["x", None],
    "Nullable(Int32)": [None, 7],
    "Nullable(DateTime64(3, 'UTC'))": [None, dt.datetime(2026, 1, 1, 0, 0, 0, 7000)],
    "Array(String)": [[], ["a", "b'c"]],
    "Array(Array(Nullable(Int8)))": [[[1, None], []], []],
    "Tuple(Int8, String)": [(1, "x"), (-1, "")],
    "Tuple(a Int8, b Array(String))": [{"a": 1, "b": ["x"]}, {"a": 2, "b": []}],
    "Map(String, Int32)": [{}, {"a": 1, "b'": 2}],
    "Map(LowCardinality(String), Array(UUID))": [{"k": [uuid.UUID(int=5)]}, {}],
    "IPv4": [ipaddress.IPv4Address("192.0.2.1"), ipaddress.IPv4Address("0.0.0.0")],
    "IPv6": [ipaddress.IPv6Address("2001:db8::1"), ipaddress.IPv6Address("::")],
    "JSON": [{"a": {"b": 1}, "c": ["x"]}, {"z": "1"}],
    "Variant(UInt64, String)": [5, "x"],
    "Point": [(1.0, 2.0), (-1.5, 0.0)],
}


@pytest.mark.parametrize("kind", list(TYPES))
def test_every_type_comes_back_as_it_was_sent(gateway: Gateway, kind: str) -> None:
    with gateway.client() as client:
        client.command(f"CREATE OR REPLACE TABLE one_type (n UInt8, value {kind}) ENGINE = Memory")
        client.insert("one_type", list(enumerate(TYPES[kind])), column_names=["n", "value"])
        values = client.query("SELECT value FROM one_type ORDER BY n").result_columns[0]
        client.command("DROP TABLE one_type")
    assert list(values) == TYPES[kind]
