"""The sandbox's ClickHouse gateway over plain HTTP, as scripts use it.

Add here: what a caller without a client library sees.
Keep out: curl itself (`test_clickhouse_gateway_curl.py`), bodies (`test_clickhouse_gateway_bodies.py`), client
libraries (`test_clickhouse_gateway_clients.py`), the process (`test_clickhouse_gateway_process.py`).
"""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.contract.clickhouse_gateway_support import (
    PASSWORD,
    USER,
    Gateway,
    ids,
)


def test_health_needs_no_password_and_other_paths_are_unknown(gateway: Gateway) -> None:
    for path in ("ping", "replicas_status"):
        assert gateway.http.get(gateway.url + path).text == "Ok.\n"
    assert gateway.http.get(gateway.url).status_code == httpx.codes.OK
    assert gateway.http.get(f"{gateway.url}nothing_here").status_code == httpx.codes.NOT_FOUND


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
