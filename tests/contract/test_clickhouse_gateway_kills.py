"""The gateway killed while it works: what was acknowledged is there afterwards, and nothing is there by half.

Add here: work in which it may be killed. Keep out: orderly ends (`test_clickhouse_gateway_process.py`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway, wait_until

ROWS = 3000
ROWS_OF_A_BLOCK = [(at, f"user{at}@example.com") for at in range(ROWS)]
LETTERS = sum(len(email) for _, email in ROWS_OF_A_BLOCK)
# What a client sees of a gateway that has gone.
GONE = (httpx.TransportError, ClickHouseError)
# How a block travels: its rows with the statement, in the engine's own format, or made by the engine.
STATEMENTS: tuple[Callable[[int], str], ...] = (
    lambda block: f"VALUES {','.join(f'({block}, {at}, {email!r})' for at, email in ROWS_OF_A_BLOCK)}",
    lambda block: "FORMAT CSV\n" + "".join(f"{block},{at},{email}\n" for at, email in ROWS_OF_A_BLOCK),
    lambda block: (
        f"SELECT {block}, number, concat('user', toString(number), '@example.com') FROM numbers({ROWS})"
    ),
)


@dataclass(kw_only=True)
class Writers:
    """Four clients that insert numbered blocks, each its own way, until the gateway has gone."""

    gateway: Gateway
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    acknowledged: set[int] = field(default_factory=set)
    begun: set[int] = field(default_factory=set)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The writers write while the block runs, at the end of which the gateway must have gone."""
        works = [*(lambda form=form: self._write_http(form) for form in STATEMENTS), self._write_native]
        with ThreadPoolExecutor(len(works)) as pool:
            running = [pool.submit(work) for work in works]
            yield
        for each in running:
            each.result()

    def _write_http(self, statement: Callable[[int], str]) -> None:
        with httpx.Client(auth=(USER, PASSWORD), timeout=60, trust_env=False) as client:
            self._write(
                lambda block: client.post(
                    self.gateway.url, content=f"INSERT INTO blocks {statement(block)}"
                ).raise_for_status()
            )

    def _write_native(self) -> None:
        """As the product's own client inserts."""
        columns = ["block", "at", "email"]
        with suppress(*GONE), self.gateway.client() as client:
            self._write(
                lambda block: client.insert(
                    "blocks", [(block, *row) for row in ROWS_OF_A_BLOCK], column_names=columns
                )
            )

    def _write(self, insert: Callable[[int], object]) -> None:
        with suppress(*GONE):
            for block in self.numbers:
                self.begun.add(block)
                insert(block)
                self.acknowledged.add(block)


def kill_amid_writing(writers: Writers, blocks: int) -> None:
    """Kill the gateway when so many more blocks have been acknowledged, and start it on the same data."""
    enough = len(writers.acknowledged) + blocks
    with writers.at_work():
        wait_until(lambda: len(writers.acknowledged) >= enough, "nobody writes", seconds=60)
        writers.gateway.stop(signal.SIGKILL)
    writers.gateway.start()


def check(writers: Writers) -> None:
    """Every block that is there is whole, and every acknowledged one is there, once."""
    read = "SELECT block, count(), uniqExact(at), sum(length(email)) FROM blocks GROUP BY block"
    blocks, rows, different, letters = writers.gateway.post(body=f"{read} FORMAT JSONCompactColumns").json()
    found = [int(block) for block in blocks]
    assert set(map(int, rows)) == {ROWS}
    assert set(map(int, different)) == {ROWS}
    assert set(map(int, letters)) == {LETTERS}
    assert writers.acknowledged <= set(found) <= writers.begun
    # Otherwise no writer was at work when the gateway was killed.
    assert writers.begun - writers.acknowledged


@pytest.fixture
def writers(own_gateway: Gateway) -> Writers:
    own_gateway.sql(
        "CREATE TABLE blocks (block UInt32, at UInt32, email String) ENGINE = MergeTree ORDER BY (block, at)"
    )
    return Writers(gateway=own_gateway)


def test_acknowledged_blocks_are_there_and_whole_after_every_kill(writers: Writers) -> None:
    for blocks in (5, 12, 20):
        kill_amid_writing(writers, blocks)
        check(writers)


@pytest.mark.full
def test_acknowledged_blocks_are_there_and_whole_after_many_kills(writers: Writers) -> None:
    """Later and later, so that merges are under way too."""
    for blocks in range(1, 60, 3):
        kill_amid_writing(writers, blocks)
        check(writers)


def test_an_acknowledged_mutation_is_done_and_an_unfinished_body_has_left_nothing(
    own_gateway: Gateway,
) -> None:
    own_gateway.sql("CREATE TABLE kept (id UInt32, email String) ENGINE = MergeTree ORDER BY id")
    own_gateway.sql("INSERT INTO kept SELECT number, 'user@example.com' FROM numbers(100000)")
    own_gateway.sql(
        "ALTER TABLE kept UPDATE email = 'DELETED_USER' WHERE id < 50000 SETTINGS mutations_sync = 2"
    )
    half_sent = threading.Event()

    def rows() -> Iterator[bytes]:
        yield b"1,other@example.com\n" * 400_000
        half_sent.set()
        wait_until(lambda: own_gateway.process is None, "the gateway is not killed", seconds=60)
        yield b"2,other@example.com\n"

    with ThreadPoolExecutor(1) as pool:
        parameters = {"query": "INSERT INTO kept FORMAT CSV"}
        answer = pool.submit(own_gateway.http.post, own_gateway.url, params=parameters, content=rows())
        assert half_sent.wait(60)
        own_gateway.stop(signal.SIGKILL)
        assert isinstance(answer.exception(60), httpx.TransportError)
    own_gateway.start()
    counts = "SELECT countIf(email = 'DELETED_USER'), countIf(email = 'user@example.com'), count() FROM kept"
    assert own_gateway.sql(counts) == "50000\t50000\t100000\n"
    assert own_gateway.sql("SELECT count() FROM system.mutations WHERE NOT is_done") == "0\n"
