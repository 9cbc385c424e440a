"""A Redis that reads its files again after a start: named, nothing is changed or called done, and later all is done.

Add here: another state of a server that passes by itself.
Keep out: what somebody has to mend (`test_redis_servers.py`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import StoreUnavailable
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.ports import LOOPBACK
from tests.contract.redis_servers_support import Server
from tests.contract.redis_support import log_in, profile, settings_with, targets
from tests.inventory_fixtures import kepler_inventory
from tests.sandbox_fixtures import eventually

PEOPLE = [f"c0000000-0000-4000-8000-{number:012d}" for number in range(200)]
TARGETS = targets(*PEOPLE[:100])
STILL = r"still loading its data.*wait until it has, then try again"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Server]:
    """A server that takes its time over each key when it starts, and answers meanwhile that it does."""
    options = (
        "appendonly yes",
        "appendfsync always",
        "key-load-delay 2000",
        "loading-process-events-interval-bytes 1024",
    )
    with Server(tmp_path, *options) as server:
        client = server.client()
        pipe = client.pipeline(transaction=False)
        for each in PEOPLE:
            profile(pipe, each)
            log_in(pipe, each, f"t{each}", indexed=False)
        pipe.mset({f"filler:{number}": "x" * 200 for number in range(600)})
        pipe.execute()
        # Of a file with one line for each command the server would answer once in a thousand.
        client.bgrewriteaof()
        eventually(lambda: client.info("persistence")["aof_rewrite_in_progress"] == 0, within=30)
        eventually(lambda: client.info("persistence")["aof_rewrite_scheduled"] == 0, within=30)
        yield server


def left(server: Server) -> set[bytes]:
    return {key for key in server.client().keys("*") if not key.startswith(b"filler:")}


def of(people: list[str]) -> set[bytes]:
    return {f"{name}{each}".encode() for each in people for name in ("profile:", "session:t")}


def test_a_server_that_loads_is_named_and_nothing_changes_until_it_has(slow: Server) -> None:
    store = RedisStore(slow.client(), kepler_inventory().of("redis"))
    settings = settings_with(host=LOOPBACK, port=slow.port)
    batch = VerifiedBatch(batch_id="b1", persons={each: each for each in PEOPLE[:100]})
    slow.kill()
    slow.start(awaited=False)
    eventually(slow.is_loading, within=30)

    asks: list[Any] = [
        store.health,
        store.survey,
        lambda: store.count(TARGETS),
        lambda: store.end_sessions(TARGETS, no_progress),
        lambda: store.mask(TARGETS, no_progress),
        lambda: store.purge(TARGETS, no_progress),
    ]
    for ask in asks:
        with pytest.raises(StoreUnavailable, match=STILL):
            ask()
    with pytest.raises(StoreUnavailable):
        read_redis(settings, kepler_inventory(), batch)
    assert slow.is_loading()

    eventually(slow.answers, within=60)
    assert left(slow) == of(PEOPLE)
    assert store.end_sessions(TARGETS, no_progress).records == 100
    assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=100)
    assert left(slow) == of(PEOPLE[100:])


def test_a_server_that_is_killed_while_masking_and_loads_is_not_called_masked(slow: Server) -> None:
    store = RedisStore(slow.client(), kepler_inventory().of("redis"))
    store.end_sessions(TARGETS, no_progress)

    def kill(*_: Any) -> None:
        slow.kill()
        slow.start(awaited=False)
        eventually(slow.is_loading, within=30)

    with pytest.raises(StoreUnavailable, match=STILL) as caught:
        store.mask(TARGETS, kill)
    assert "c0000000" not in str(caught.value)

    eventually(slow.answers, within=60)
    assert store.count(TARGETS)["profiles"] == Count(records=100)
    assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=100)
    assert {key for key in left(slow) if key.startswith(b"profile:")} == {
        f"profile:{each}".encode() for each in PEOPLE[100:]
    }
