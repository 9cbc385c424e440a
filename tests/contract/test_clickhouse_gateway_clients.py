"""The gateway through the clients that the product has: clickhouse-connect and SQLAlchemy.

Add here: what a client library does that plain HTTP does not.
Keep out: the protocol itself (`test_clickhouse_gateway.py`), formats and types (`test_clickhouse_gateway_formats.py`),
dbt and Great Expectations, which have modules of their own.
"""

from __future__ import annotations

import datetime as dt
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect
import httpx
import pyarrow as pa
import pytest
import sqlalchemy as sa
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData

from tests.contract.clickhouse_gateway_support import (
    AUTHORIZATION,
    PASSWORD,
    USER,
    Gateway,
    ids,
    wait_until,
)

# --- clickhouse-connect -------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True, "lz4", "zstd", "gzip"])
def test_clickhouse_connect_reads_back_what_it_inserted(gateway: Gateway, compress: bool | str) -> None:
    columns = "id UUID, at DateTime64(3, 'Asia/Tokyo'), kind LowCardinality(String), note Nullable(String)"
    at = dt.datetime(2026, 3, 4, 5, 6, 7, 890000, tzinfo=dt.UTC)
    rows = [
        (uuid.uuid5(uuid.NAMESPACE_URL, str(n)), at, f"kind {n % 3}", None if n % 2 else f"é{n}", n)
        for n in range(2000)
    ]
    with gateway.client(compress=compress) as client:
        client.command(f"CREATE TABLE typed ({columns}, n UInt64) ENGINE = MergeTree ORDER BY n")
        try:
            summary = client.insert("typed", rows, column_names=["id", "at", "kind", "note", "n"])
            read = client.query("SELECT * FROM typed ORDER BY n")
            empty = client.query("SELECT * FROM typed WHERE n > 99999")
        finally:
            client.command("DROP TABLE typed SYNC")
    assert summary.written_rows == len(rows)
    assert [tuple(row) for row in read.result_rows] == rows
    assert empty.result_rows == []


def test_clickhouse_connect_streams_and_may_stop_early(gateway: Gateway) -> None:
    count = 700_000
    with gateway.client() as client:
        with client.query_row_block_stream(f"SELECT number FROM numbers({count})") as blocks:
            assert sum(len(block) for block in blocks) == count
        with client.query_rows_stream("SELECT number FROM numbers(5000000)") as rows:
            assert next(iter(rows)) == (0,)
        assert client.command("SELECT 1") == 1


def test_a_client_that_leaves_in_mid_stream_frees_its_session(gateway: Gateway) -> None:
    session = str(uuid.uuid4())
    request = (
        f"POST /?session_id={session}&query=SELECT+number+FROM+numbers(100000000000) HTTP/1.1\r\n"
        f"Host: localhost\r\nAuthorization: Basic {AUTHORIZATION}\r\nContent-Length: 0\r\n\r\n"
    )
    for length in (1, 3_000_000):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as wire:
            wire.sendall(request.encode())
            received = 0
            while received < length:
                received += len(wire.recv(65536))
    wait_until(lambda: gateway.post(body="SELECT 1", session_id=session).text == "1\n", "still locked")
    running = "SELECT count() FROM system.processes WHERE query LIKE '%100000000000%'"
    wait_until(lambda: gateway.sql(running) == "1\n", "the query still runs")


FAILS_LATE = "SELECT number, throwIf(number = 1999999) FROM numbers(2000000)"


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_an_error_in_mid_stream_reaches_clickhouse_connect(gateway: Gateway, compress: bool | str) -> None:
    with gateway.client(compress=compress) as client, pytest.raises(ClickHouseError, match="395"):
        client.query(FAILS_LATE)


def test_an_error_in_mid_stream_breaks_the_body_off_unless_the_end_is_waited_for(gateway: Gateway) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.post(body=FAILS_LATE)
    waiting = gateway.post(body=FAILS_LATE, wait_end_of_query="1")
    assert waiting.headers["X-ClickHouse-Exception-Code"] == "395"
    assert waiting.status_code == httpx.codes.INTERNAL_SERVER_ERROR


def test_clickhouse_connect_binds_parameters_and_sends_tables_along(gateway: Gateway, people: str) -> None:
    with gateway.client() as client:
        bound = client.query("SELECT {names:Array(String)}, {n:Int32}", {"names": ["a'b", "c"], "n": 4})
        assert bound.result_rows == [(["a'b", "c"], 4)]
        long_list = client.query("SELECT length({ids:Array(Int64)})", {"ids": list(range(20_000))})
        assert long_list.result_rows == [(20_000,)]
        rows = ExternalData(file_name="wanted.csv", data=b"2\n3\n", fmt="CSV", structure="id Int32")
        joined = client.query(f"SELECT id FROM {people} WHERE id IN wanted", external_data=rows)
        assert joined.result_rows == [(2,)]


def test_settings_of_clickhouse_connect_hold_for_a_query_or_for_the_client(gateway: Gateway) -> None:
    question = "SELECT toUInt64(getSetting('max_block_size'))"
    with gateway.client(settings={"max_block_size": 1234}) as client, gateway.client() as other:
        assert client.command(question) == 1234
        assert client.command(question, settings={"max_block_size": 77}) == 77
        assert client.command(question) == 1234
        assert other.command(question) not in {77, 1234}
        client.set_client_setting("max_block_size", 99)
        assert client.command(question) == 99
        client.command("SET max_block_size = 55")
        assert client.command("SELECT getSetting('max_result_rows')", settings={"max_result_rows": 5}) == 5
        with pytest.raises(ClickHouseError, match="no_such_setting"):
            client.query("SELECT 1", settings={"no_such_setting": 1})
        with pytest.raises(ClickHouseError, match="396"):
            client.query("SELECT number FROM numbers(10)", settings={"max_result_rows": 5})
        assert client.command("SELECT 1") == 1


def test_a_client_of_clickhouse_connect_has_a_session_of_its_own(gateway: Gateway) -> None:
    with (
        gateway.client() as client,
        gateway.client() as other,
        gateway.client(autogenerate_session_id=False) as none,
    ):
        client.command("CREATE TEMPORARY TABLE mine (id Int32, name String)")
        client.insert("mine", [(1, "x"), (2, "y")], column_names=["id", "name"])
        assert client.query("SELECT * FROM mine ORDER BY id").result_rows == [(1, "x"), (2, "y")]
        for stranger in (other, none):
            with pytest.raises(ClickHouseError, match="60"):
                stranger.query("SELECT * FROM mine")


def test_an_error_leaves_clickhouse_connect_as_it_was(gateway: Gateway, people: str) -> None:
    with gateway.client() as client:
        wrong = {
            "60": lambda: client.query("SELECT * FROM no_such_table"),
            "62": lambda: client.command("SELEKT 1"),
            "395": lambda: client.query_arrow("SELECT throwIf(number = 70000) FROM numbers(100000)"),
            "code: (27|6), ": lambda: client.raw_insert(people, insert_block=b"1,a\nx,b\n", fmt="CSV"),
            "code: 6, ": lambda: client.insert_arrow(
                people, pa.table({"id": ["not a number"], "email": ["x"]})
            ),
        }
        for code, work in wrong.items():
            with pytest.raises(ClickHouseError, match=code):
                work()
            assert client.query(f"SELECT id FROM {people} ORDER BY id").result_rows == [(1,), (2,)]


def test_a_wrong_password_stops_clickhouse_connect(gateway: Gateway) -> None:
    with pytest.raises(ClickHouseError, match="516"):
        clickhouse_connect.get_client(host="127.0.0.1", port=gateway.port, username=USER, password="wrong")


def test_a_mutation_has_happened_when_the_call_returns(gateway: Gateway, people: str) -> None:
    gateway.sql(f"INSERT INTO {people} SELECT number + 10, 'ann@example.com' FROM numbers(200000)")
    with gateway.client() as client:
        client.command(
            f"ALTER TABLE {people} UPDATE email = 'DELETED_USER' WHERE email = 'ann@example.com' "
            "SETTINGS mutations_sync = 2"
        )
        counts = client.query(
            f"SELECT email, count() FROM {people} GROUP BY email ORDER BY email"
        ).result_rows
        unfinished = client.command("SELECT count() FROM system.mutations WHERE NOT is_done")
    assert counts == [("DELETED_USER", 200_001), ("bob@example.org", 1)]
    assert unfinished == 0


def test_twenty_clients_at_once_see_all_their_rows(gateway: Gateway, people: str) -> None:
    together = threading.Barrier(20)

    def work(number: int) -> int:
        with gateway.client() as client:
            together.wait(20)
            for turn in range(5):
                client.insert(
                    people, [(1000 + number * 5 + turn, "x@example.net")], column_names=["id", "email"]
                )
            return int(client.command(f"SELECT count() FROM {people} WHERE intDiv(id - 1000, 5) = {number}"))

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(work, range(20))) == [5] * 20
    assert ids(gateway, people) == [1, 2, *range(1000, 1100)]


# --- SQLAlchemy -------------------------------------------------------------------------------


def test_sqlalchemy_reads_inserts_and_reports_errors(gateway: Gateway, people: str) -> None:
    address = f"clickhouse+http://{USER}:{PASSWORD}@127.0.0.1:{gateway.port}/default"
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        connection.execute(sa.text(f"INSERT INTO {people} VALUES (7, 'it''s; a\tb')"))
        found = connection.execute(sa.text(f"SELECT id, email FROM {people} WHERE id > :low"), {"low": 2})
        assert found.fetchall() == [(7, "it's; a\tb")]
        assert connection.execute(sa.text(f"SELECT id FROM {people} WHERE id > 99")).fetchall() == []
        with pytest.raises(Exception, match="UNKNOWN_TABLE"):
            connection.execute(sa.text("SELECT * FROM no_such_table"))
    assert people in sa.inspect(engine).get_table_names()
    engine.dispose()
