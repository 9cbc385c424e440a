"""The gateway as a process: killed, restarted, ended in mid-query, refused a start; and what it writes down.

Add here: a way in which it may begin or end.
Keep out: queries (`test_clickhouse_gateway.py`).
"""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.contract.clickhouse_gateway_support import (
    PASSWORD,
    Gateway,
    free_port,
    spawn,
    wait_until,
)

SECONDS_TO_END = 6


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
