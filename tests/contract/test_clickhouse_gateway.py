"""The sandbox's ClickHouse gateway, through the clients that the product and its users have.

Add here: what a client sees. Keep out: the parts of the gateway one by one.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import signal
import socket
import subprocess
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import clickhouse_connect
import httpx
import lz4.frame
import pytest
import sqlalchemy as sa
import zstandard
from clickhouse_connect.driver.exceptions import ClickHouseError
from clickhouse_connect.driver.external import ExternalData

from tests.contract.clickhouse_gateway_support import (
    PASSWORD,
    USER,
    Gateway,
    free_port,
    spawn,
    wait_until,
)

SECONDS_TO_END = 6
AUTHORIZATION = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    place = tmp_path_factory.mktemp("clickhouse")
    running = Gateway(data=place / "data", log=place / "log")
    running.start()
    yield running
    if running.process is not None:
        running.stop()


@pytest.fixture
def people(gateway: Gateway) -> Iterator[str]:
    """A small table of nobody in particular."""
    table = f"people_{uuid.uuid4().hex}"
    gateway.sql(f"CREATE TABLE {table} (id Int32, email String) ENGINE = MergeTree ORDER BY id")
    gateway.sql(f"INSERT INTO {table} VALUES (1, 'ann@example.com'), (2, 'bob@example.org')")
    yield table
    gateway.sql(f"DROP TABLE {table} SYNC")


def ids(gateway: Gateway, table: str) -> list[int]:
    return [int(line) for line in gateway.sql(f"SELECT id FROM {table} ORDER BY id").split()]


# --- plain HTTP ---------------------------------------------------------------------------------------


def test_health_needs_no_password_and_other_paths_are_unknown(gateway: Gateway) -> None:
    for path in ("ping", "replicas_status"):
        assert gateway.http.get(gateway.url + path).text == "Ok.\n"
    assert gateway.http.get(gateway.url).status_code == httpx.codes.OK
    assert gateway.http.get(f"{gateway.url}nothing_here").status_code == httpx.codes.NOT_FOUND


def test_curl_without_credentials_counts_as_the_default_user(gateway: Gateway, people: str) -> None:
    query = f"SELECT COUNT(*) FROM default.{people} WHERE email = 'ann@example.com'"
    header = "Content-Type: text/plain"
    for extra in (["-H", header], []):
        command = ["curl", "-s", "-X", "POST", gateway.url, *extra, "-d", query]
        assert subprocess.run(command, capture_output=True, check=True, timeout=20).stdout == b"1\n"


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": (USER, "wrong")},
        {"auth": ("nobody", PASSWORD)},
        {"auth": ("default", "something")},
        {"headers": {"X-ClickHouse-User": USER, "X-ClickHouse-Key": "wrong"}},
        {"headers": {"X-ClickHouse-User": USER}},
        {"headers": {"Authorization": "Bearer abc"}},
        {"params": {"user": USER, "password": "wrong"}},
    ],
)
def test_a_wrong_password_is_403_with_code_516_and_nothing_runs(
    gateway: Gateway, people: str, entry: dict[str, object]
) -> None:
    options = {"content": f"TRUNCATE TABLE {people}", **entry}
    response = gateway.http.post(gateway.url, **options)
    assert response.status_code == httpx.codes.FORBIDDEN
    assert response.headers["X-ClickHouse-Exception-Code"] == "516"
    assert response.text.startswith("Code: 516. DB::Exception: ")
    assert PASSWORD not in response.text
    assert ids(gateway, people) == [1, 2]


def test_the_right_password_enters_by_every_way(gateway: Gateway) -> None:
    ways: list[dict[str, object]] = [
        {"auth": (USER, PASSWORD)},
        {"headers": {"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD}},
        {"params": {"user": USER, "password": PASSWORD}},
    ]
    for way in ways:
        assert gateway.http.post(gateway.url, content="SELECT 1", **way).text == "1\n"


def test_formats_come_from_the_query_the_url_or_a_header(gateway: Gateway) -> None:
    named = gateway.post(body="SELECT 1 AS a FORMAT JSONEachRow")
    by_url = gateway.post(body="SELECT 1 AS a", default_format="JSONEachRow")
    by_header = gateway.post(body="SELECT 1 AS a", headers={"X-ClickHouse-Format": "JSONEachRow"})
    for response in (named, by_url, by_header):
        assert response.json() == {"a": 1}
        assert response.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert gateway.sql("SELECT 1 AS a") == "1\n"


def test_the_database_comes_from_the_url_or_a_header(gateway: Gateway) -> None:
    by_url = gateway.post(body="SELECT currentDatabase()", database="system")
    by_header = gateway.post(body="SELECT currentDatabase()", headers={"X-ClickHouse-Database": "system"})
    unknown = gateway.post(body="SELECT 1", database="no_such_database")
    assert (by_url.text, by_header.text) == ("system\n", "system\n")
    assert (unknown.status_code, unknown.headers["X-ClickHouse-Exception-Code"]) == (404, "81")


def test_parameters_are_bound_in_queries_and_in_inserts(gateway: Gateway, people: str) -> None:
    hostile = "x'; DROP TABLE t"
    bound = gateway.post(body="SELECT {a:UInt8} + 1, {s:String}", param_a="3", param_s=hostile)
    assert bound.text == "4\tx\\'; DROP TABLE t\n"
    gateway.post(
        body=f"INSERT INTO {people} VALUES ({{a:Int32}}, {{s:String}})", param_a="7", param_s=hostile
    )
    assert ids(gateway, people) == [1, 2, 7]


def test_settings_of_the_url_hold_for_one_request_only(gateway: Gateway) -> None:
    question = "SELECT getSetting('max_block_size')"
    standard = gateway.sql(question)
    session = {"session_id": str(uuid.uuid4())}
    assert gateway.post(body=question, max_block_size="77", **session).text == "77\n"
    assert gateway.post(body=question, **session).text == standard
    gateway.post(body="SET max_block_size = 55", **session)
    assert gateway.post(body=question, max_block_size="77", **session).text == "77\n"
    assert gateway.post(body=question, **session).text == "55\n"
    unknown = gateway.post(body=question, no_such_setting="1", **session)
    assert (unknown.status_code, unknown.headers["X-ClickHouse-Exception-Code"]) == (404, "115")
    assert gateway.post(body=question, **session).text == "55\n"


def test_temporary_tables_belong_to_their_session(gateway: Gateway) -> None:
    mine, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert (
        gateway.post(body="CREATE TEMPORARY TABLE mine (a Int8)", session_id=mine).status_code
        == httpx.codes.OK
    )
    gateway.post(body="INSERT INTO mine VALUES (5)", session_id=mine)
    assert gateway.post(body="SELECT a FROM mine", session_id=mine).text == "5\n"
    assert gateway.post(body="SELECT a FROM mine", session_id=other).status_code == httpx.codes.NOT_FOUND
    assert gateway.post(body="SELECT a FROM mine").status_code == httpx.codes.NOT_FOUND
    missing = gateway.post(body="SELECT 1", session_id="never_seen", session_check="1")
    assert missing.headers["X-ClickHouse-Exception-Code"] == "372"


def test_a_session_in_use_is_locked_for_others_and_free_afterwards(gateway: Gateway) -> None:
    session = str(uuid.uuid4())
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(gateway.post, body="SELECT sleep(3)", session_id=session)
        answers = []
        while not slow.done():
            answers.append(gateway.post(body="SELECT 1", session_id=session))
    assert slow.result().status_code == httpx.codes.OK
    assert "373" in {answer.headers.get("X-ClickHouse-Exception-Code") for answer in answers}
    assert gateway.post(body="SELECT 1", session_id=session).text == "1\n"


def test_an_error_reads_as_a_server_writes_it(gateway: Gateway) -> None:
    response = gateway.post(body="SELECT * FROM no_such_table")
    assert response.status_code == httpx.codes.NOT_FOUND
    assert response.headers["X-ClickHouse-Exception-Code"] == "60"
    assert response.text.startswith("Code: 60. DB::Exception: ")
    assert "(UNKNOWN_TABLE) (version 26." in response.text


def test_get_reads_and_does_not_modify(gateway: Gateway, people: str) -> None:
    auth = (USER, PASSWORD)
    read = gateway.http.get(gateway.url, params={"query": f"SELECT count() FROM {people}"}, auth=auth)
    assert read.text == "2\n"
    for query in (f"DROP TABLE {people}", f"INSERT INTO {people} VALUES (3, 'x')"):
        refused = gateway.http.get(gateway.url, params={"query": query}, auth=auth)
        assert refused.headers["X-ClickHouse-Exception-Code"] == "164"
    assert ids(gateway, people) == [1, 2]


def test_a_query_id_comes_back_and_cannot_add_headers(gateway: Gateway) -> None:
    assert gateway.post(body="SELECT 1", query_id="mine-1").headers["X-ClickHouse-Query-Id"] == "mine-1"
    hostile = gateway.post(body="SELECT 1", query_id="a\r\nX-Added: 1")
    assert "X-Added" not in hostile.headers
    assert gateway.post(body="SELECT 1").headers["X-ClickHouse-Query-Id"]


def test_the_summary_counts_written_and_read_rows(gateway: Gateway, people: str) -> None:
    written = gateway.post(body=f"INSERT INTO {people} SELECT number + 10, 'x' FROM numbers(40)")
    assert json.loads(written.headers["X-ClickHouse-Summary"])["written_rows"] == "40"
    read = gateway.post(body=f"SELECT * FROM {people}")
    assert json.loads(read.headers["X-ClickHouse-Summary"])["read_rows"] == "42"


# --- bodies -------------------------------------------------------------------------------------------

ROWS = "".join(f"{number},user{number}@example.com\n" for number in range(10, 3010))


def in_frames(compress: Callable[[bytes], bytes]) -> bytes:
    """Several complete frames in one body, as clients send them."""
    return b"".join(compress(ROWS[at : at + 20000].encode()) for at in range(0, len(ROWS), 20000))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("lz4", in_frames(lz4.frame.compress)),
        ("zstd", in_frames(zstandard.ZstdCompressor().compress)),
        ("gzip", in_frames(gzip.compress)),
        ("deflate", zlib.compress(ROWS.encode())),
    ],
)
def test_compressed_rows_arrive_whole_or_not_at_all(
    gateway: Gateway, people: str, encoding: str, body: bytes
) -> None:
    headers = {"Content-Encoding": encoding}
    cut = gateway.post(f"INSERT INTO {people} FORMAT CSV", body=body[:-9], headers=headers)
    assert (cut.status_code, cut.headers["X-ClickHouse-Exception-Code"]) == (400, "36")
    assert ids(gateway, people) == [1, 2]
    whole = gateway.post(f"INSERT INTO {people} FORMAT CSV", body=body, headers=headers)
    assert whole.status_code == httpx.codes.OK
    assert ids(gateway, people) == [1, 2, *range(10, 3010)]


def test_an_unknown_encoding_and_the_native_block_format_are_refused(gateway: Gateway) -> None:
    unknown = gateway.post(body="SELECT 1", headers={"Content-Encoding": "br"})
    assert unknown.status_code == httpx.codes.BAD_REQUEST
    for flag in ("compress", "decompress"):
        refused = gateway.post(body="SELECT 1", **{flag: "1"})
        assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (501, "48")
        assert gateway.post(body="SELECT 1", **{flag: "0"}).text == "1\n"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_answers_are_compressed_only_when_asked(gateway: Gateway, encoding: str) -> None:
    query = "SELECT number FROM numbers(300000)"
    plain = gateway.sql(query).encode()
    expand: Callable[[bytes], bytes] = {
        "lz4": lz4.frame.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
    }[encoding]
    for switch, expected in (("1", encoding), ("0", None)):
        options = {"params": {"enable_http_compression": switch}, "headers": {"Accept-Encoding": encoding}}
        with gateway.http.stream(
            "POST", gateway.url, content=query, auth=(USER, PASSWORD), **options
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("Content-Encoding") == expected
        assert (expand(raw) if expected else raw) == plain


def chunked_insert(table: str, chunks: bytes) -> bytes:
    head = (
        f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Basic {AUTHORIZATION}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode() + chunks


@pytest.mark.parametrize(
    "chunks",
    [
        b"4\r\n7,x\n\r\n",
        b"4\r\n7,x\n\r\n0\r\n",
        b"ff\r\n7,x\n\r\n0\r\n\r\n",
        b"3\r\n7,x\n\r\n0\r\n\r\n",
        b"4\r\n7,x\n\r\n-1\r\n\r\n",
        b"4\r\n7,x\n\r\nxyz\r\n\r\n",
        b"0x4\r\n7,x\n\r\n0\r\n\r\n",
    ],
)
def test_a_chunked_body_that_breaks_off_inserts_nothing(gateway: Gateway, people: str, chunks: bytes) -> None:
    answer = gateway.send_raw(chunked_insert(people, chunks))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert ids(gateway, people) == [1, 2]


def test_a_whole_chunked_body_inserts_its_rows(gateway: Gateway, people: str) -> None:
    answer = gateway.send_raw(chunked_insert(people, b"4\r\n7,x\n\r\n4;note=1\r\n8,y\n\r\n0\r\nT: 1\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ids(gateway, people) == [1, 2, 7, 8]


def test_a_body_shorter_than_announced_or_with_two_lengths_runs_nothing(
    gateway: Gateway, people: str
) -> None:
    statement = f"INSERT INTO {people} VALUES (7, 'x')"
    start = f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {AUTHORIZATION}\r\n"
    short = f"{start}Content-Length: {len(statement) + 9}\r\n\r\n{statement}"
    chunks = f"{len(statement):x}\r\n{statement}\r\n0\r\n\r\n"
    both = f"{start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    for request in (short, both):
        assert gateway.send_raw(request.encode()).startswith(b"HTTP/1.1 400 ")
    assert ids(gateway, people) == [1, 2]


# --- hostile SQL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("insert", "rows"),
    [
        ("VALUES", "(7, 'x')\n\nDROP TABLE {table}"),
        ("VALUES", "(7, 'x'); DROP TABLE {table}"),
        ("VALUES", "(7, 'x');\n\n-- a comment\nDROP TABLE {table}"),
        ("FORMAT Values", "(7, 'x') ; SELECT 1"),
        ("FORMAT CSV", "7,x\n\nDROP TABLE {table}\n"),
        ("FORMAT CSV", "7,x\n\n; DROP TABLE {table};\n"),
        ("FORMAT JSONEachRow", '{{"id": 7, "email": "x"}}\n\nDROP TABLE {table}\n'),
        ("SELECT id, 'x' FROM input('id Int32') FORMAT CSV", "7\n\nDROP TABLE {table}"),
        ("", "(7, 'x')\n\nDROP TABLE {table}"),
    ],
)
def test_rows_of_an_insert_never_run_as_sql(gateway: Gateway, people: str, insert: str, rows: str) -> None:
    statement, data = f"INSERT INTO {people} {insert}", rows.format(table=people)
    apart = gateway.post(statement, body=data)
    together = gateway.post(body=f"{statement}\n{data}")
    for response in (apart, together):
        assert response.status_code == httpx.codes.BAD_REQUEST, response.text
    assert ids(gateway, people) == [1, 2]


def test_harmless_blank_lines_and_semicolons_in_rows_are_data(gateway: Gateway, people: str) -> None:
    gateway.sql(f"INSERT INTO {people} VALUES (7, 'a;\n\nDROP TABLE {people}'),\n\n(8, 'it''s; \\'b') ; \n")
    gateway.post(f"INSERT INTO {people} FORMAT CSV", body=f'9,"c\n\n; DROP TABLE {people};"\n')
    assert ids(gateway, people) == [1, 2, 7, 8, 9]
    assert gateway.sql(f"SELECT email FROM {people} WHERE id = 8") == "it\\'s; \\'b\n"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; DROP TABLE {table}",
        "SELECT 1 /* ; /* ; */ ; */; DROP TABLE {table}",
        "SELECT ';'; DROP TABLE {table}",
        "SELECT 'a\\';'; DROP TABLE {table}",
        "SELECT 1 -- ;\n; DROP TABLE {table}",
        "DROP TABLE {table}; SELECT ((",
        "DROP TABLE {table}; garbage",
        "SELECT $tag$;$tag$; DROP TABLE {table}",
        "WITH 1 AS x INSERT INTO {table} (id) FORMAT CSV\n7\n\nDROP TABLE {table}",
    ],
)
def test_two_statements_are_refused_and_neither_runs(gateway: Gateway, people: str, text: str) -> None:
    response = gateway.post(body=text.format(table=people))
    assert (response.status_code, response.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert "Multi-statements are not allowed" in response.text
    assert ids(gateway, people) == [1, 2]


def test_one_statement_with_semicolons_in_odd_places_runs(gateway: Gateway) -> None:
    assert gateway.sql("SELECT 1 -- ;\n;;") == "1\n"
    assert gateway.sql("SELECT ';', /* ; */ 2; -- end") == ";\t2\n"
    assert gateway.sql("(SELECT $a$;$a$)") == ";\n"


def test_what_only_resembles_sql_is_an_error(gateway: Gateway) -> None:
    for text in ("garbage", "", " ; ", "SELECT 1 INTO OUTFILE '/dev/null'", "SELECT (("):
        assert gateway.post(body=text).status_code in {400, 501}


def test_a_long_list_of_ids_is_scanned_quickly(gateway: Gateway) -> None:
    listed = ", ".join(f"'{uuid.uuid4()}'" for _ in range(60_000))
    answer = gateway.post(body=f"SELECT 'x' IN ({listed})", max_query_size="10000000")
    assert answer.text == "0\n"
    assert answer.elapsed < dt.timedelta(seconds=30)


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


# --- SQLAlchemy and dbt -------------------------------------------------------------------------------


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


DBT_FILES = {
    "dbt_project.yml": "name: tiny\nversion: '1.0'\nprofile: tiny\nmodel-paths: [models]\n"
    "flags: {send_anonymous_usage_stats: false}\nmodels: {tiny: {+materialized: table}}\n",
    "models/first.sql": "select number as id, concat('user', toString(number)) as name from numbers(10)\n",
    "models/second.sql": "select id, upper(name) as name from {{ ref('first') }} where id > 4\n",
    "models/third.sql": "select id from {{ ref('first') }} where id < 3\n",
    "models/models.yml": """
models:
  - name: second
    columns: [{name: id, data_tests: [unique, not_null]}]
  - name: third
    columns: [{name: id, data_tests: [unique]}]
unit_tests:
  - name: names_are_in_capitals
    model: second
    given: [{input: ref('first'), rows: [{id: 5, name: ann}, {id: 1, name: bob}]}]
    expect: {rows: [{id: 5, name: ANN}]}
""",
}


def test_dbt_runs_models_and_then_tests_and_unit_tests_twice(
    gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dbt.cli.main import dbtRunner

    schema = f"dbt_{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("TINY_PASSWORD", PASSWORD)
    profile = {
        "type": "clickhouse",
        "driver": "http",
        "host": "127.0.0.1",
        "port": gateway.port,
        "user": USER,
        "password": "{{ env_var('TINY_PASSWORD') }}",
        "schema": schema,
        "threads": 4,
    }
    profiles = {"tiny": {"target": "here", "outputs": {"here": profile}}}
    for name, text in {**DBT_FILES, "profiles.yml": json.dumps(profiles)}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    where = [
        "--project-dir",
        str(tmp_path),
        "--profiles-dir",
        str(tmp_path),
        "--target-path",
        str(tmp_path / "t"),
    ]
    where += ["--log-path", str(tmp_path / "logs"), "--quiet"]
    # Parsed once: the gateway is under test here, not dbt's parser.
    runner = dbtRunner(manifest=dbtRunner().invoke(["parse", *where]).result)
    for command in ("run", "test", "test"):
        result = runner.invoke([command, *where])
        assert result.success, result.exception
    assert gateway.sql(f"SELECT groupArray(name) FROM (SELECT name FROM {schema}.second ORDER BY id)") == (
        "['USER5','USER6','USER7','USER8','USER9']\n"
    )


# --- the process --------------------------------------------------------------------------------------


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that a test may end."""
    running = Gateway(data=tmp_path / "data", log=tmp_path / "log")
    running.start()
    yield running
    if running.process is not None:
        running.stop()


def test_rows_survive_a_kill_and_a_restart(own_gateway: Gateway) -> None:
    own_gateway.sql("CREATE TABLE kept (id Int32) ENGINE = MergeTree ORDER BY id")
    own_gateway.sql("INSERT INTO kept SELECT number FROM numbers(1000)")
    own_gateway.stop(signal.SIGKILL)
    own_gateway.start()
    assert own_gateway.sql("SELECT count(), sum(id) FROM kept") == "1000\t499500\n"


def test_a_query_log_is_kept_only_when_asked_for(own_gateway: Gateway) -> None:
    count = "SELECT count() > 0 FROM system.query_log WHERE query LIKE '%trace-me%'"
    own_gateway.sql("SELECT 'trace-me'")
    own_gateway.sql("SYSTEM FLUSH LOGS")
    assert own_gateway.post(body=count).status_code == httpx.codes.NOT_FOUND
    own_gateway.stop()
    own_gateway.options = ("--query-log",)
    own_gateway.start()
    own_gateway.sql("SELECT 'trace-me'")
    own_gateway.sql("SYSTEM FLUSH LOGS")
    assert own_gateway.sql(count) == "1\n"


def test_sigterm_ends_it_within_seconds_even_during_a_query(own_gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as pool, own_gateway.client() as idle:
        assert idle.command("SELECT 1") == 1
        busy = pool.submit(own_gateway.post, body="SELECT sum(sipHash64(number)) FROM numbers(100000000000)")
        running = "SELECT count() > 1 FROM system.processes WHERE query LIKE '%sipHash64%'"
        wait_until(lambda: own_gateway.sql(running) == "1\n", "the query does not run")
        code, seconds = own_gateway.stop()
        assert isinstance(busy.exception(20), httpx.TransportError)
    assert code == 0
    assert seconds < SECONDS_TO_END
    own_gateway.start()
    assert own_gateway.sql("SELECT 1") == "1\n"


def test_it_refuses_to_start_without_a_password_a_free_port_or_the_data(
    gateway: Gateway, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    without_password = spawn(tmp_path / "a", free_port(), log, password=None)
    taken_port = spawn(tmp_path / "b", gateway.port, log)
    taken_data = spawn(gateway.data, free_port(), log)
    assert [each.wait(20) for each in (without_password, taken_port, taken_data)] == [2, 1, 1]
    assert "SANDBOX_CLICKHOUSE_PASSWORD" in log.read_text()
    assert "cannot listen" in log.read_text()
    assert "cannot open" in log.read_text()
    assert PASSWORD not in log.read_text()


def test_the_log_holds_nothing_of_what_was_asked(gateway: Gateway) -> None:
    gateway.post(body="SELECT 'canary-ann@example.com' FROM no_such_table")
    assert "canary" not in gateway.log.read_text()
