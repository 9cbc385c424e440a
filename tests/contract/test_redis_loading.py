"""A Redis that reads its files again after a start: named, nothing is changed or called done, and later all is done.

Add here: another state of a server that passes by itself.
Keep out: what somebody has to mend (`test_redis_servers.py`).
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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

PEOPLE = [f"c0000000-0000-4000-8000-{number:012d}" for number in range(40)]
TARGETS = targets(*PEOPLE[:20])
STILL = r"still loading its data.*wait until it has, then try again"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Server]:
    """A server that takes its time over each key when it starts, and answers meanwhile that it does."""
    # It answers once in each 2 MB that it has read; without compression of its files these are that long.
    with Server(tmp_path, "appendonly yes", "rdbcompression no", "key-load-delay 4000") as server:
        client = server.client()
        client.config_set("appendonly", "no")
        for each in PEOPLE:
            profile(client, each)
            log_in(client, each, f"t{each}", indexed=False)
        for number in range(600):
            client.set(f"filler:{number}", b"x" * 100_000)
        client.config_set("appendonly", "yes")
        eventually(lambda: not client.info("persistence")["aof_rewrite_in_progress"], within=30)
        yield server


def left(server: Server) -> set[bytes]:
    return {key for key in server.client().keys("*") if not key.startswith(b"filler:")}


def of(people: list[str]) -> set[bytes]:
    return {f"{name}{each}".encode() for each in people for name in ("profile:", "session:t")}


def test_a_server_that_loads_is_named_and_nothing_changes_until_it_has(slow: Server) -> None:
    store = RedisStore(slow.client(), kepler_inventory().of("redis"))
    settings = settings_with(host=LOOPBACK, port=slow.port)
    batch = VerifiedBatch(batch_id="b1", persons={each: each for each in PEOPLE[:20]})
    slow.kill()
    slow.start(awaited=False)
    eventually(slow.is_loading, within=30)

    asks: list[Callable[[RedisStore], Any]] = [
        lambda store: store.health(),
        lambda store: store.survey(),
        lambda store: store.count(TARGETS),
        lambda store: store.end_sessions(TARGETS, no_progress),
        lambda store: store.mask(TARGETS, no_progress),
        lambda store: store.purge(TARGETS, no_progress),
    ]

    def asked(ask: Callable[[RedisStore], Any]) -> None:
        with pytest.raises(StoreUnavailable, match=STILL):
            ask(RedisStore(slow.client(), kepler_inventory().of("redis")))

    def judged() -> None:
        with pytest.raises(StoreUnavailable):
            read_redis(settings, kepler_inventory(), batch)

    # At once: it has loaded before seven have been answered one after the other.
    with ThreadPoolExecutor(max_workers=7) as pool:
        for answer in [pool.submit(judged), *(pool.submit(asked, ask) for ask in asks)]:
            answer.result()
    assert slow.is_loading()

    eventually(slow.answers, within=60)
    assert left(slow) == of(PEOPLE)
    assert store.end_sessions(TARGETS, no_progress).records == 20
    assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=20)
    assert left(slow) == of(PEOPLE[20:])


@pytest.mark.full
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
    assert store.count(TARGETS)["profiles"] == Count(records=20)
    assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=20)
    assert {key for key in left(slow) if key.startswith(b"profile:")} == {
        f"profile:{each}".encode() for each in PEOPLE[20:]
    }
