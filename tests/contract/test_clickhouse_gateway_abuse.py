"""What no client should do to the gateway: break the engine, leave in the middle, come in crowds.

Add here: a way in which a client may misbehave. Keep out: bodies that lie (`test_clickhouse_gateway_bodies.py`), their
size (`test_clickhouse_gateway_memory.py`).
"""

from __future__ import annotations

import signal
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clickhouse_text import tricky_text
from tests.contract.clickhouse_gateway_support import (
    AUTHORIZATION,
    PASSWORD,
    USER,
    Gateway,
    asking,
    ids,
    running,
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


PARAMETERS = (
    "query",
    "database",
    "default_format",
    "session_id",
    "session_timeout",
    "param_a",
    "max_threads",
    "é",
    "x",
)
PARAMETERS += (
    "query_id",
    "wait_end_of_query",
    "enable_http_compression",
    "own_structure",
    "own_format",
    "own_types",
)
HEADERS = ("X-ClickHouse-Database", "X-ClickHouse-Format", "X-ClickHouse-Query-Id", "Accept-Encoding")
HEADERS += ("Content-Type", "Content-Encoding", "Expect", "X-Other")
VALUES = (
    b"1",
    b"SELECT 1",
    b"SELECT {a:String}",
    b"JSON",
    b"\xff",
    b"\0",
    b"gzip",
    b"lz4",
    b"\xc3\xa9",
    b"system",
)
VALUES += (b"multipart/form-data; boundary=x", b"multipart/form-data", b"-1", b"Int8", b"a b `c")
values = st.one_of(st.sampled_from(VALUES), st.binary(max_size=10))
forms = st.tuples(
    st.sampled_from([b"query", b"own", b"param_a", b"", b"\xff"]),
    st.sampled_from([b"", b'; filename="f"', b"; filename="]),
    values,
).map(lambda part: b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n--x--\r\n' % part)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    parameters=st.dictionaries(st.sampled_from(PARAMETERS), values, max_size=4),
    headers=st.dictionaries(st.sampled_from(HEADERS), values, max_size=3),
    body=st.one_of(values, forms, tricky_text.map(str.encode)),
    method=st.sampled_from([b"GET", b"POST", b"HEAD"]),
)
def test_any_request_has_an_answer_and_none_finds_a_defect(
    gateway: Gateway, parameters: dict[str, bytes], headers: dict[str, bytes], body: bytes, method: bytes
) -> None:
    target = urlencode(parameters)
    lines = [method + b" /?" + target.encode() + b" HTTP/1.1", b"Connection: close"]
    lines += [b"Authorization: Basic " + AUTHORIZATION.encode(), b"Content-Length: %d" % len(body)]
    lines += [name.encode() + b": " + value.translate(None, b"\r\n") for name, value in headers.items()]
    answer = gateway.send_raw(b"\r\n".join(lines) + b"\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 ")
    assert b"The gateway failed" not in answer
    assert "in a request" not in gateway.log.read_text()


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
                assert client.post(gateway.url, content=insert, params=session).status_code == httpx.codes.OK
            mine = f"SELECT count() FROM {people} WHERE intDiv(id - 1000, 4) = {number} AND id >= 1000"
            seen = int(client.post(gateway.url, content=mine, params=session).text)
            stream = client.post(gateway.url, content="SELECT number FROM numbers(200000)", params=session)
            failed = client.post(gateway.url, content=f"SELECT throwIf(1, 'of {number}')", params=session)
            return seen, len(stream.text.split()), failed.text.partition("throwIf")[0] + failed.text[-100:]

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(work, range(50)))
    assert [answer[:2] for answer in answers] == [(4, 200_000)] * 50
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
