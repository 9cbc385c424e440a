"""How much memory and disk the gateway takes for what clients send.

What counts is the most memory that a process has ever had: a test that measures it has a gateway of its own.
Add here: something large that a client may send. Keep out: whether it arrives (`test_clickhouse_gateway_bodies.py`).
"""

from __future__ import annotations

import resource
from collections.abc import Iterator

import httpx
import pytest

from tests.clickhouse_bytes import COMPRESS
from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway

MIB = 1 << 20
FILL = b"x" * 960
ROW = {
    "FORMAT CSV": b'7,"user7@example.com","' + FILL + b'"\n',
    "VALUES": b"(7, 'user7@example.com', '" + FILL + b"'),\n",
}
# So small that what the engine itself keeps does not count; a client may ask for that.
SMALL_BLOCKS = {"max_insert_block_size": "4096", "min_insert_block_size_rows": "4096"}


def insert(gateway: Gateway, rows: str, mebibytes: int, **settings: str) -> int:
    """Send so many MiB of rows in chunks; the number of rows."""
    block = ROW[rows] * (MIB // len(ROW[rows]))
    count = mebibytes * MIB // len(block)
    response = gateway.http.post(
        gateway.url,
        params={"query": f"INSERT INTO large {rows}", **settings},
        content=(block for _ in range(count)),
        auth=(USER, PASSWORD),
        timeout=500,
    )
    assert response.status_code == httpx.codes.OK, response.text
    return count * (MIB // len(ROW[rows]))


def make_table(gateway: Gateway) -> None:
    gateway.sql("CREATE TABLE large (id Int64, email String, fill String) ENGINE = MergeTree ORDER BY id")
    # Merges take memory, and make one part of two, at times of their own.
    gateway.sql("SYSTEM STOP MERGES large")


@pytest.fixture
def fresh(own_gateway: Gateway) -> Gateway:
    """A process of its own with a table, warmed up."""
    make_table(own_gateway)
    for rows in ROW:
        insert(own_gateway, rows, 16, **SMALL_BLOCKS)
    own_gateway.sql("TRUNCATE TABLE large")
    return own_gateway


@pytest.fixture
def table(gateway: Gateway) -> Iterator[Gateway]:
    make_table(gateway)
    yield gateway
    gateway.sql("DROP TABLE large SYNC")


@pytest.fixture
def unkept(fresh: Gateway) -> Gateway:
    """Nor does the engine keep anything here: only a view sees the rows."""
    fresh.sql("CREATE OR REPLACE TABLE large (id Int64, email String, fill String) ENGINE = Null")
    fresh.sql("CREATE TABLE seen (sent UInt64, letters UInt64) ENGINE = Memory")
    counted = "SELECT count() AS sent, sum(length(fill)) AS letters FROM large"
    fresh.sql(f"CREATE MATERIALIZED VIEW seeing TO seen AS {counted}")
    return fresh


@pytest.mark.parametrize("rows", list(ROW))
def test_the_gateway_keeps_no_body_in_memory(unkept: Gateway, rows: str) -> None:
    before = unkept.peak_memory
    sent = insert(unkept, rows, 100, **SMALL_BLOCKS)
    assert unkept.peak_memory - before < 64
    assert unkept.sql("SELECT sum(sent), sum(letters) FROM seen") == f"{sent}\t{sent * len(FILL)}\n"


@pytest.mark.full
@pytest.mark.parametrize("rows", list(ROW))
def test_a_gigabyte_of_rows_takes_less_than_a_gigabyte_of_memory_engine_included(
    fresh: Gateway, rows: str
) -> None:
    before = fresh.peak_memory
    sent = insert(fresh, rows, 1024)
    assert fresh.peak_memory - before < 768
    assert fresh.sql("SELECT count(), uniqExact(fill) FROM large") == f"{sent}\t1\n"


def test_a_small_body_that_expands_to_much_takes_little_memory(unkept: Gateway) -> None:
    sent = 100 * MIB // len(ROW["FORMAT CSV"])
    packed = {encoding: COMPRESS[encoding](ROW["FORMAT CSV"] * sent) for encoding in ("gzip", "zstd", "lz4")}
    before = unkept.peak_memory
    for encoding, body in packed.items():
        assert len(body) < MIB
        headers = {"Content-Encoding": encoding}
        response = unkept.post("INSERT INTO large FORMAT CSV", body=body, headers=headers, **SMALL_BLOCKS)
        assert response.status_code == httpx.codes.OK, response.text
    assert unkept.peak_memory - before < 64
    assert unkept.sql("SELECT sum(sent) FROM seen") == f"{3 * sent}\n"


def test_a_large_insert_is_cut_into_blocks_and_a_smaller_one_is_not(table: Gateway) -> None:
    parts = "SELECT count(), max(rows) < 60000 FROM system.parts WHERE table = 'large' AND active"
    for rows in ROW:
        insert(table, rows, 36)
        assert table.sql(parts) == "1\t1\n"
        table.sql("TRUNCATE TABLE large")
        insert(table, rows, 72)
        assert table.sql(parts).split()[0] in {"3", "4"}
        table.sql("TRUNCATE TABLE large")


def test_a_statement_has_a_largest_size(table: Gateway) -> None:
    statement = table.post(body=b"SELECT '" + b"x" * (33 * MIB) + b"'", max_query_size=str(1 << 40))
    assert (statement.status_code, statement.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert "32 MiB" in statement.text
    long_head = table.post(body=b"INSERT INTO large /*" + b"x" * (300 << 10) + b"*/ VALUES (1, 'a', 'b')")
    assert (long_head.status_code, long_head.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert table.sql("SELECT count() FROM large") == "0\n"


def test_a_body_that_fills_the_disk_is_refused_and_inserts_nothing(table: Gateway) -> None:
    """The limit is on the size of one file: the rows on their way have one, and the parts are small."""
    assert table.process is not None
    block = ROW["FORMAT CSV"] * (MIB // len(ROW["FORMAT CSV"]))
    unlimited = resource.prlimit(table.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(table.process.pid, resource.RLIMIT_FSIZE, (24 * MIB, unlimited[1]))
    try:
        for _ in range(2):
            refused = table.post("INSERT INTO large FORMAT CSV", body=block * 40)
            assert refused.headers["X-ClickHouse-Exception-Code"] == "243", refused.text
            assert "does not fit on the disk" in refused.text
    finally:
        resource.prlimit(table.process.pid, resource.RLIMIT_FSIZE, unlimited)
    assert table.sql("SELECT count() FROM large") == "0\n"
    assert table.post("INSERT INTO large FORMAT CSV", body=block).status_code == httpx.codes.OK
    assert table.sql("SELECT count() > 0 FROM large") == "1\n"


def test_what_lies_on_the_disk_is_gone_when_its_request_is(table: Gateway) -> None:
    def names() -> Iterator[str]:
        return (str(path) for path in table.data.rglob("*") if path.is_file() and "/store/" not in str(path))

    before = set(names())
    insert(table, "VALUES", 40)
    table.post("INSERT INTO large FORMAT CSV", body=b"not a number\n" * MIB)
    assert set(names()) == before
