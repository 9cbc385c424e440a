"""The gateway against the engine behind it: the same bytes, the same errors, the same opinion of a text.

Add here: an answer, or a question about a text, in which the two could differ.
Keep out: what only HTTP has (`test_clickhouse_gateway.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.clickhouse.sql import examine, identifier, quoted
from tests.clickhouse_text import TRICKY, quoted_pieces, selects, texts, tricky_text
from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway
from tests.contract.clickhouse_in_process import InProcess, in_process

TYPES = {
    "a": "Int8",
    "b": "UInt256",
    "c": "Float64",
    "d": "Decimal(38, 10)",
    "e": "String",
    "f": "FixedString(5)",
    "g": "UUID",
    "h": "Date32",
    "i": "DateTime64(6, 'Asia/Tokyo')",
    "j": "Enum8('x' = 1, 'it''s' = 2)",
    "k": "LowCardinality(Nullable(String))",
    "l": "Array(Array(Nullable(Int32)))",
    "m": "Map(String, Array(UInt8))",
    "n": "Tuple(p Int8, q Tuple(String, Bool))",
    "o": "IPv6",
    "p": "Variant(UInt64, String)",
    "q": "JSON",
    "r": "Nested(s Int8, t String)",
}
ROWS = r"""
(-128, 1, nan, 1.5, 'tab\tline\nquote\'back\\', 'abcde', '61f0c404-5cb3-11e7-907b-a6006ad3dba0', '1900-01-01',
 '2026-03-04 05:06:07.123456', 'it\'s', NULL, [[1, NULL], []], {'k': [1, 2]}, (1, ('x', true)), '::1', 5,
 '{"a": {"b": [1, "x"]}}', [1, 2], ['u', 'v']),
(127, 115792089237316195423570985008687907853269984665640564039457584007913129639935, -0.1, -9999999.0000000001,
 '\0\xff é 🙂', 'ab', '00000000-0000-0000-0000-000000000000', '2299-12-31', '1970-01-01 09:00:00', 'x', '', [], {},
 (-1, ('', false)), '2001:db8::1', 'text', '{}', [], [])
"""
TABLE = f"CREATE TABLE every_type ({', '.join(f'`{name}` {kind}' for name, kind in TYPES.items())}) ENGINE = Memory"
QUERIES = [
    "SELECT number AS n, toString(number) AS s, number % 2 ? NULL : n / 3 AS half FROM numbers(7)",
    "SELECT number AS n FROM numbers(0)",
    r"SELECT '\t\n\\\'\"<&>\0\xff é 🙂' AS s",
    "SELECT * FROM every_type",
    "SELECT number % 3 AS k, count() AS c, groupArray(number) AS a FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k",
    "SELECT number AS n FROM numbers(5) SETTINGS extremes = 1",
    "WITH 2 AS two SELECT two AS `odd name;`, [two, NULL] AS `é`, 1 AS a, 2 AS a",
    "SELECT throwIf(number = 3) AS x FROM numbers(5)",
]
OTHER_QUERIES = [
    "(SELECT 1 AS a)",
    "FROM numbers(3) SELECT number",
    "SELECT * FROM (SELECT 3 AS n UNION ALL SELECT 1) ORDER BY n",
    "DESCRIBE TABLE every_type",
    "SHOW CREATE TABLE every_type",
    "EXPLAIN AST SELECT 1",
    "EXISTS TABLE every_type",
]
STREAMED = ["CSV", "TSV", "TabSeparated", "TabSeparatedRaw", "TSVRaw", "Native", "RowBinary"]
WHOLE = [
    "JSON",
    "JSONEachRow",
    "CSVWithNames",
    "RowBinaryWithNamesAndTypes",
    "Parquet",
    "ArrowStream",
    "Vertical",
]
# Both are told to leave out how long it took; some formats tell it all the same.
NO_TIMES = {"output_format_write_statistics": "0"}
ELAPSED = re.compile(rb'"elapsed_ns":"[0-9]+"')


def without_chance(name: str, data: bytes) -> bytes:
    """The bytes that do not depend on the clock; in Avro a random mark of 16 bytes ends every block."""
    return data.replace(data[-16:], b"") if name == "Avro" else ELAPSED.sub(b"", data)


@pytest.fixture(scope="module")
def engine(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """The engine itself, with the same table as the gateway's."""
    with in_process(tmp_path_factory.mktemp("engine") / "data") as alone:
        for statement in (TABLE, f"INSERT INTO every_type VALUES {ROWS}"):
            assert not alone.run(statement).error
            gateway.sql(statement)
        yield alone
        gateway.sql("DROP TABLE every_type")


@pytest.fixture(scope="module")
def formats(engine: InProcess) -> list[str]:
    listed = engine.run("SELECT name FROM system.formats WHERE is_output ORDER BY name").data.decode().split()
    assert len(listed) > 90
    return listed


def differences(gateway: Gateway, engine: InProcess, query: str, formats: list[str]) -> dict[str, object]:
    """By format: what came instead of the engine's own answer."""
    found: dict[str, object] = {}
    for name in formats:
        wanted = engine.run(query, name, **NO_TIMES)
        answer = gateway.post(body=query, default_format=name, **NO_TIMES)
        if wanted.error or answer.status_code != httpx.codes.OK:
            code = answer.headers.get("X-ClickHouse-Exception-Code", "")
            if code != wanted.code:
                found[name] = (code, wanted.code)
        elif without_chance(name, answer.content) != without_chance(name, wanted.data):
            found[name] = (answer.content[:500], wanted.data[:500])
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_every_output_format_has_the_engines_own_bytes(
    gateway: Gateway, engine: InProcess, formats: list[str], query: str
) -> None:
    assert differences(gateway, engine, query, formats) == {}


@pytest.mark.parametrize("query", OTHER_QUERIES)
def test_statements_of_every_kind_have_the_engines_own_bytes(
    gateway: Gateway, engine: InProcess, query: str
) -> None:
    assert differences(gateway, engine, query, [*STREAMED, *WHOLE]) == {}


def test_an_answer_of_many_pieces_has_the_engines_own_bytes(gateway: Gateway, engine: InProcess) -> None:
    query = "SELECT number AS n, concat('user', toString(number), '@example.com') AS e FROM numbers(120000)"
    assert differences(gateway, engine, query, [*STREAMED, *WHOLE]) == {}
    totals = f"SELECT n, count() FROM ({query}) GROUP BY n WITH TOTALS ORDER BY n SETTINGS extremes = 1"
    assert differences(gateway, engine, totals, ["CSV", "TSV", "Native"]) == {}


def test_the_format_may_stand_in_the_query_and_the_answer_may_be_compressed(
    gateway: Gateway, engine: InProcess
) -> None:
    query = "SELECT number AS n, [toString(number), NULL] AS list FROM numbers(1000) FORMAT "
    for name in (*STREAMED, *WHOLE):
        packed = gateway.http.post(
            gateway.url,
            content=f"{query}{name}",
            params={"enable_http_compression": "1", **NO_TIMES},
            headers={"Accept-Encoding": "gzip"},
            auth=(USER, PASSWORD),
        )
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.content == engine.run(f"{query}{name}", **NO_TIMES).data


WRONG = [
    "SELECT * FROM no_such_table",
    "SELECT nothing",
    "SELECT 1 +",
    "SELECT 'open",
    "SELEKT 1",
    "SELECT toDate('x')",
    "SELECT 1 FORMAT NoSuchFormat",
    "INSERT INTO every_type SELECT 1",
    "CREATE TABLE every_type (a Int8) ENGINE = Memory",
    "CREATE TABLE t (a Int8) ENGINE = NoSuchEngine",
    "DROP DATABASE no_such_database",
    "ALTER TABLE every_type UPDATE zzz = 1 WHERE 1",
    "SELECT throwIf(1, 'é ''quoted''\nline')",
    "SELECT {a:UInt8}",
]


@pytest.mark.parametrize("query", WRONG)
def test_an_error_has_the_engines_own_words(gateway: Gateway, engine: InProcess, query: str) -> None:
    wanted, answer = engine.run(query), gateway.post(body=query)
    assert wanted.error
    assert answer.status_code >= httpx.codes.BAD_REQUEST
    assert answer.headers["X-ClickHouse-Exception-Code"] == wanted.code
    version = re.compile(r" \(version [0-9.]+\)\Z")
    assert version.sub("", answer.text.removesuffix("\n")) == version.sub("", wanted.error)


# --- opinions of a text -------------------------------------------------------------------------------

with_engines = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
endings = st.lists(st.one_of(st.sampled_from([*TRICKY, ";", ", 1"]), quoted_pieces), max_size=6).map("".join)
joined = st.tuples(selects(), endings).map("".join)


def check_opinions(engine: InProcess, text: str) -> None:
    statements = engine.statements(text.encode())
    if statements:
        assert examine(text.encode()).followed_by_another == (statements > 1)


@with_engines
@given(text=joined)
def test_the_scanner_sees_a_second_statement_where_the_engine_does(engine: InProcess, text: str) -> None:
    check_opinions(engine, text)


@pytest.mark.full
@settings(with_engines, max_examples=5000)
@given(text=joined)
def test_the_scanner_sees_what_the_engine_sees_in_thousands_of_texts(engine: InProcess, text: str) -> None:
    check_opinions(engine, text)


@with_engines
@given(text=selects())
def test_the_engine_sees_one_statement_where_the_tests_make_one(engine: InProcess, text: str) -> None:
    """Otherwise the property before this one would say nothing."""
    assert engine.statements(text.encode()) == 1


@with_engines
@given(
    rest=st.one_of(
        tricky_text, st.sampled_from(["; 2", ";-", "; SELECT ((", ";\0", "; /* open", "; é", ";'"])
    )
)
def test_what_fails_has_run_no_part_of_it(gateway: Gateway, rest: str) -> None:
    statement = f"CREATE TABLE half (a Int8) ENGINE = Memory {rest}"
    answer = gateway.post(body=statement)
    try:
        assert (gateway.sql("EXISTS half") == "1\n") == (answer.status_code == httpx.codes.OK)
        gateway.sql("DROP TABLE IF EXISTS half")
        by_get = gateway.http.get(gateway.url, params={"query": statement}, auth=(USER, PASSWORD))
        assert by_get.status_code >= httpx.codes.BAD_REQUEST
        assert gateway.sql("EXISTS half") == "0\n"
    finally:
        gateway.sql("DROP TABLE IF EXISTS half")


@with_engines
@given(text=texts)
def test_quoted_text_and_names_come_back_as_they_were(gateway: Gateway, text: str) -> None:
    assert gateway.sql(f"SELECT {quoted(text)} FORMAT RawBLOB") == text
    if text:
        read = gateway.post(body=f"SELECT 1 AS {identifier(text)} FORMAT JSONCompact").json()
        assert read["meta"][0]["name"] == text
    assert (
        gateway.post(body="SELECT {text:String} FORMAT RawBLOB", param_text=text_parameter(text)).text == text
    )


def text_parameter(text: str) -> str:
    """The value of a parameter is escaped as in TabSeparated."""
    escaped = {"\\": "\\\\", "\t": "\\t", "\n": "\\n"}
    return "".join(escaped.get(letter, letter) for letter in text)


@settings(with_engines, max_examples=50)
@given(
    names=st.lists(texts, min_size=1, max_size=5),
    more=st.sampled_from([" DROP TABLE rows_of", "1", "\n\n(9, 'x')"]),
)
def test_rows_of_values_arrive_as_they_were_and_never_with_a_second_statement(
    gateway: Gateway, names: list[str], more: str
) -> None:
    rows = ",".join(f"({at}, {quoted(name)})" for at, name in enumerate(names))
    gateway.sql("CREATE OR REPLACE TABLE rows_of (id Int32, name String) ENGINE = Memory")
    refused = gateway.post(body=f"INSERT INTO rows_of VALUES {rows};{more}")
    assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert gateway.sql("SELECT count() FROM rows_of") == "0\n"
    gateway.sql(f"INSERT INTO rows_of VALUES {rows};")
    read = gateway.post(body="SELECT name FROM rows_of ORDER BY id FORMAT JSONCompactColumns").json()
    assert read == [names]
