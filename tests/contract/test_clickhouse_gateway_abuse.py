"""What no client should do to the gateway: break the engine, leave in the middle, come in crowds.

Add here: a way in which a client may misbehave. Keep out: bodies that lie (`test_clickhouse_gateway_bodies.py`), their
size (`test_clickhouse_gateway_memory.py`).
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from tests.contract.clickhouse_gateway_support import (
    AUTHORIZATION,
    PASSWORD,
    USER,
    Gateway,
    chunked_insert,
    ids,
    wait_until,
)

# --- statements that break engines --------------------------------------------------------------------

DEEP = {"max_parser_depth": "0", "max_ast_depth": "1000000", "max_query_size": "10000000"}
# What is asked, with which settings, and the code of the error.
BREAKING: dict[str, tuple[str, dict[str, str], str]] = {
    "little memory": (
        "SELECT groupArray(number) FROM numbers(10000000)",
        {"max_memory_usage": "1000000"},
        "241",
    ),
    "a string of ten gigabytes": ("SELECT repeat('x', 10000000000)", {}, "131"),
    "an array of a hundred billion": ("SELECT length(range(100000000000))", {}, "69"),
    "deep parentheses": (f"SELECT {'(' * 10000}1{')' * 10000}", {}, "306"),
    "deep parentheses without a limit": (f"SELECT {'(' * 50000}1{')' * 50000}", DEEP, "306"),
    "deep arrays": (f"SELECT {'[' * 50000}1{']' * 50000}", DEEP, "306"),
    "a long chain of operators": (f"SELECT {'- ' * 50000}1", DEEP, "306"),
    "deep calls": (f"SELECT {'abs(' * 9000}1{')' * 9000}", DEEP, "306"),
    "deep subqueries": (f"{'SELECT * FROM (' * 2000}SELECT 1{')' * 2000}", DEEP, "306"),
    "deep types": (f"SELECT CAST([] AS {'Array(' * 20000}Int8{')' * 20000})", DEEP, "306"),
    "an endless recursion": (
        "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT count() FROM t",
        {},
        "306",
    ),
    "a very long query": (f"SELECT '{'x' * 1_000_000}'", {}, "62"),
    "a time limit": (
        "SELECT sum(sipHash64(number)) FROM numbers(100000000000)",
        {"max_execution_time": "1"},
        "159",
    ),
    "a signal to the process group": ("SYSTEM SHUTDOWN", {}, "48"),
    "a kill of the process group": ("/* now */ system -- or later\n KILL;", {}, "48"),
    "a file of this machine": (
        "INSERT INTO FUNCTION null('a String') FROM INFILE '/etc/fstab' FORMAT CSV",
        {},
        "48",
    ),
    "a file that does not exist yet": ("SELECT 1 INTO OUTFILE '/tmp/never'", {}, "48"),
    "an object of Python": ("SELECT count() FROM (SELECT * FROM Python(parameters))", {}, "48"),
    "a program": ("SELECT * FROM executable('x.sh', 'TSV', 'a Int8')", {}, "1"),
    "a negative setting": ("SELECT 1", {"max_threads": "-1"}, "72"),
}


@pytest.mark.parametrize("name", list(BREAKING))
def test_no_statement_ends_the_gateway(gateway: Gateway, name: str) -> None:
    statement, limits, code = BREAKING[name]
    assert gateway.process is not None
    for session in ({}, {"session_id": str(uuid.uuid4())}):
        answer = gateway.post(body=statement, **limits, **session)
        assert answer.status_code >= httpx.codes.BAD_REQUEST
        assert answer.headers["X-ClickHouse-Exception-Code"] == code
        assert gateway.post(body="SELECT 1", **session).text == "1\n"
    assert gateway.process.poll() is None


def test_a_view_of_itself_is_an_error(gateway: Gateway) -> None:
    gateway.sql("CREATE VIEW itself AS SELECT 1 AS a")
    gateway.sql("CREATE OR REPLACE VIEW itself AS SELECT * FROM itself")
    assert gateway.post(body="SELECT * FROM itself").headers["X-ClickHouse-Exception-Code"] == "306"
    gateway.sql("DROP VIEW itself")


@pytest.mark.parametrize("output_format", ["JSON", "CSVWithNames", "TabSeparated", "Pretty"])
def test_half_an_answer_is_never_before_the_next_one(gateway: Gateway, output_format: str) -> None:
    """The engine keeps it: behind a failure in a session its next answer began with it."""
    session = {"session_id": str(uuid.uuid4())}
    late = "SELECT number, throwIf(number = 300000) FROM numbers(500000)"
    failed = gateway.post(body=f"{late} FORMAT {output_format}", wait_end_of_query="1", **session)
    assert failed.headers["X-ClickHouse-Exception-Code"] == "395"
    assert gateway.post(body="SELECT 1", **session).text == "1\n"
    # Nor where the first of the statements by which it is forgotten is forbidden.
    gateway.post(body="SET readonly = 1", **session)
    again = gateway.post(body=f"{late} FORMAT {output_format}", wait_end_of_query="1", **session)
    assert again.headers["X-ClickHouse-Exception-Code"] == "395"
    assert gateway.post(body="SELECT 1", **session).text == "1\n"


MALFORMED = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nGET / HTT",
    b"DELETE /?query=SELECT+1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET " + b"/" * 100_000 + b" HTTP/1.1\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
    b"GET / HTTP/1.1\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nSELECT 1",
    b"POST /?param_a=%ff&query=SELECT+{a:String} HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    b"POST /?%ff=1 HTTP/1.1\r\nContent-Length: 8\r\n\r\nSELECT 1",
    b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: 8\r\n\r\nSELECT 1",
]


@pytest.mark.parametrize("request_bytes", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_request_is_refused_and_the_next_one_is_served(
    gateway: Gateway, request_bytes: bytes
) -> None:
    answer = gateway.send_raw(request_bytes)
    status = answer.partition(b"\r\n")[0].split()
    # Where even the version is unknown, an error has no status line.
    assert status == [] or status[1][:1] in {b"4", b"5"} or b"Error response" in answer
    assert b"Traceback" not in answer
    assert gateway.sql("SELECT 1") == "1\n"


# --- clients that leave -------------------------------------------------------------------------------


@contextmanager
def asking(gateway: Gateway, statement: str, **parameters: str) -> Iterator[socket.socket]:
    """A request whose answer is not waited for; afterwards the client is gone, without a farewell."""
    target = httpx.URL("/", params=parameters).raw_path.decode()
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {AUTHORIZATION}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as wire:
        wire.sendall(f"{head}Content-Length: {len(statement)}\r\n\r\n{statement}".encode())
        yield wire


def running(gateway: Gateway, mark: str) -> int:
    named = f"query LIKE '%{mark}%' AND query NOT LIKE '%system.processes%'"
    return int(gateway.sql(f"SELECT count() FROM system.processes WHERE {named}"))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"default_format": "JSON"}, {"wait_end_of_query": "1"}, {"session_id": "left-alone"}],
    ids=["streamed", "not streamed", "waited for", "in a session"],
)
def test_a_query_that_never_answers_ends_when_its_client_leaves(
    gateway: Gateway, parameters: dict[str, str]
) -> None:
    mark, stays = uuid.uuid4().hex, uuid.uuid4().hex
    endless = "SELECT sum(sipHash64(number)), '{}' FROM numbers(100000000000)"
    with asking(gateway, endless.format(stays)):
        with asking(gateway, endless.format(mark), **parameters):
            wait_until(lambda: running(gateway, mark) == running(gateway, stays) == 1, "they do not run")
        wait_until(lambda: running(gateway, mark) == 0, "the query outlives its client")
        assert running(gateway, stays) == 1
    wait_until(lambda: running(gateway, stays) == 0, "the other query outlives its client")
    assert gateway.post(body="SELECT 1", session_id="left-alone").text == "1\n"


def test_a_statement_that_writes_goes_on_without_its_client_as_on_a_server(
    gateway: Gateway, people: str
) -> None:
    slow = f"INSERT INTO {people} SELECT number + 10, 'x' FROM numbers(4) WHERE sleepEachRow(0.7) = 0"
    with asking(gateway, slow, max_block_size="1"):
        wait_until(lambda: running(gateway, people) == 1, "it does not run")
    wait_until(lambda: ids(gateway, people) == [1, 2, 10, 11, 12, 13], "the rows do not arrive")


def test_kill_query_ends_what_nobody_waits_for(gateway: Gateway) -> None:
    gateway.sql("CREATE TABLE nowhere (n UInt64) ENGINE = Null")
    with asking(gateway, "INSERT INTO nowhere SELECT sipHash64(number) FROM numbers(100000000000)"):
        wait_until(lambda: running(gateway, "nowhere SELECT") == 1, "it does not run")
    gateway.sql("KILL QUERY WHERE query LIKE '%nowhere SELECT%' AND query_kind = 'Insert' ASYNC")
    wait_until(lambda: running(gateway, "nowhere SELECT") == 0, "it runs on")
    gateway.sql("DROP TABLE nowhere SYNC")


def reset(wire: socket.socket) -> None:
    """Close with RST, as a client that was killed."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


@pytest.mark.parametrize("rudely", [False, True], ids=["with a farewell", "without"])
@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_client_that_breaks_off_in_the_middle_of_its_rows_inserts_none(
    gateway: Gateway, people: str, framing: str, rudely: bool
) -> None:
    rows = b"".join(b"%d,user%d@example.com\n" % (number, number) for number in range(10, 200_000))
    request = chunked_insert(people, b"%x\r\n%b\r\n" % (len(rows), rows))
    if framing == "length":
        line = b"Content-Length: %d\r\n\r\n%b" % (len(rows) + 1, rows)
        request = request.partition(b"Transfer-Encoding")[0] + line
    before = open_files(gateway)
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as wire:
        wire.sendall(request)
        wait_until(lambda: open_files(gateway) > before, "the gateway does not listen")
        if rudely:
            reset(wire)
    # The connection and the file of its body are closed: the request is over.
    wait_until(lambda: open_files(gateway) <= before, "the request does not end")
    assert ids(gateway, people) == [1, 2]


def open_files(gateway: Gateway) -> int:
    assert gateway.process is not None
    return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))


# --- crowds -------------------------------------------------------------------------------------------


def test_fifty_clients_at_once_write_and_read_in_every_way(gateway: Gateway, people: str) -> None:
    together = threading.Barrier(50)
    formats = [
        "VALUES ({}, 'x')",
        "FORMAT CSV\n{},x\n",
        'FORMAT JSONEachRow\n{{"id": {}, "email": "x"}}\n',
        "SELECT {}, 'x'",
    ]

    def work(number: int) -> tuple[int, int, str]:
        session = {"session_id": f"crowd-{number}"} if number % 2 else {}
        with httpx.Client(
            base_url=gateway.url, auth=(USER, PASSWORD), timeout=120, trust_env=False
        ) as client:
            together.wait(60)
            for turn in range(4):
                insert = (
                    f"INSERT INTO {people} {formats[(number + turn) % 4].format(1000 + number * 4 + turn)}"
                )
                assert client.post("/", content=insert, params=session).status_code == httpx.codes.OK
            mine = f"SELECT count() FROM {people} WHERE intDiv(id - 1000, 4) = {number} AND id >= 1000"
            seen = int(client.post("/", content=mine, params=session).text)
            stream = client.post("/", content="SELECT number FROM numbers(300000)", params=session)
            failed = client.post("/", content=f"SELECT throwIf(1, 'of {number}')", params=session)
            return seen, len(stream.text.split()), failed.text.partition("throwIf")[0] + failed.text[-100:]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(work, range(50)))
    assert [answer[:2] for answer in answers] == [(4, 300_000)] * 50
    assert ids(gateway, people) == [1, 2, *range(1000, 1200)]


def test_a_hundred_sessions_keep_apart_and_go_when_their_time_is_over(gateway: Gateway) -> None:
    short, long = ([f"{kind}-{number}" for number in range(50)] for kind in ("short", "long"))
    for name, timeout in [*((name, "600") for name in long), *((name, "1") for name in short)]:
        for statement in ("CREATE TEMPORARY TABLE own (name String)", f"INSERT INTO own VALUES ('{name}')"):
            gateway.post(body=statement, session_id=name, session_timeout=timeout)
    for name in long:
        assert gateway.post(body="SELECT name FROM own", session_id=name).text == f"{name}\n"

    def gone(name: str) -> bool:
        answer = gateway.post(body="SELECT 1", session_id=name, session_check="1", session_timeout="1")
        return answer.headers.get("X-ClickHouse-Exception-Code") == "372"

    # Asking renews a session, so each is asked once, the youngest first: when one has ended, so have the older ones.
    unasked = reversed(short)
    wait_until(lambda: gone(next(unasked)), "no session ends")
    assert all(map(gone, unasked))
    assert gateway.post(body="SELECT name FROM own", session_id=long[0], session_check="1").text == "long-0\n"


# --- a crash ------------------------------------------------------------------------------------------


def test_a_crash_ends_the_process_at_once_and_tells_nothing_of_what_was_asked(own_gateway: Gateway) -> None:
    own_gateway.sql("CREATE TABLE kept (id Int32) ENGINE = MergeTree ORDER BY id")
    own_gateway.sql("INSERT INTO kept VALUES (1), (2)")
    asked = "SELECT sum(sipHash64(number)), 'canary-ann@example.com' FROM numbers(100000000000)"
    with asking(own_gateway, asked):
        wait_until(lambda: running(own_gateway, "canary-ann") == 1, "it does not run")
        code, _ = own_gateway.stop(signal.SIGSEGV)
    assert code == -signal.SIGSEGV
    assert "canary" not in own_gateway.log.read_text()
    own_gateway.start()
    assert own_gateway.sql("SELECT count() FROM kept") == "2\n"
