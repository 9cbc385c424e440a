"""A cluster of three primaries, each a process of its own: one pass for each, and one of them killed.

Add here: another thing that happens to a cluster while it is masked.
Keep out: servers that stand alone (`test_redis_servers.py`).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.cluster import ClusterNode, RedisCluster

from dagster_defs.wiring import redis_store
from erasure.counts import Count
from erasure.errors import StoreError, StoreRefused, StoreUnavailable
from erasure.settings import Settings
from erasure.store_settings import RedisSettings
from erasure.stores.base import Survey, no_progress
from erasure.stores.redis.store import RedisStore
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.config import SandboxConfig
from sandbox.ports import LOOPBACK
from tests.certificates import Authority
from tests.contract.expectations_world import _settings
from tests.contract.redis_servers_support import Server, cluster_of, is_whole
from tests.contract.redis_support import log_in, profile, settings_with, targets
from tests.contract.redis_tls_door import TlsDoor
from tests.inventory_fixtures import kepler_inventory
from tests.sandbox_fixtures import eventually

PEOPLE = [f"c0000000-0000-4000-8000-{number:012d}" for number in range(300)]
TARGETS = targets(*PEOPLE[:100])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[Server]]:
    with cluster_of(tmp_path_factory.mktemp("cluster"), 3) as servers:
        yield servers


@pytest.fixture
def everybody(cluster: Sequence[Server]) -> Iterator[RedisCluster]:
    client = RedisCluster(startup_nodes=[ClusterNode(LOOPBACK, cluster[0].port)])
    fill(cluster, client)
    yield client
    client.close()


def fill(cluster: Sequence[Server], client: RedisCluster) -> None:
    """Sessions and profiles of all, spread over the three."""
    for server in cluster:
        with server.client() as node:
            node.flushall()
    for each in PEOPLE:
        log_in(client, each, f"t{each}", indexed=each < PEOPLE[150])
        profile(client, each)
        client.sadd("contributors:online", each)


def store_of(cluster: Sequence[Server], *, known: Sequence[Server] | None = None) -> RedisStore:
    return RedisStore(
        cluster[0].client(),
        kepler_inventory().of("redis"),
        cluster=True,
        addresses=[(LOOPBACK, server.port) for server in known or cluster],
    )


def names(client: RedisCluster) -> set[str]:
    return {key.decode() for key in client.scan_iter(target_nodes=RedisCluster.PRIMARIES)}


def of(people: Sequence[str]) -> set[str]:
    return {f"profile:{each}" for each in people} | {f"session:t{each}" for each in people}


def judged(cluster: Sequence[Server], config: SandboxConfig) -> int:
    redis = RedisSettings.model_validate({"url": f"redis+cluster://{LOOPBACK}:{cluster[1].port}"})
    return survivors(_settings(config, "none", "none").model_copy(update={"redis": redis}))


def survivors(settings: Settings) -> int:
    persons = {each: each for each in TARGETS.contributor_ids}
    with warnings.catch_warnings():
        # What redis-py is about to take away must not be used.
        warnings.simplefilter("error", DeprecationWarning)
        readings = read_redis(settings, kepler_inventory(), VerifiedBatch(batch_id="b1", persons=persons))
    return sum(reading.survivors for reading in readings)


def test_targets_go_from_all_three_and_controls_stay(
    cluster: Sequence[Server], everybody: RedisCluster, redis_config: SandboxConfig
) -> None:
    store = store_of(cluster)
    assert store.health().engine == "Redis"
    assert all(server.client().dbsize() > 0 for server in cluster)
    assert judged(cluster, redis_config) > 0

    assert store.count_sessions(TARGETS) == Count(records=100, elements=100, expiring=100)
    assert store.end_sessions(TARGETS, no_progress).records == 100
    assert store.count(TARGETS)["profiles"] == Count(records=100)
    assert store.mask(TARGETS, no_progress) == {"profiles": Count(records=100), "online": Count(records=100)}
    store.purge(TARGETS, no_progress)

    assert store.purge_state == "purged"
    left = names(everybody)
    assert left & of(PEOPLE[:100]) == set()
    assert left >= of(PEOPLE[100:])
    assert everybody.scard("contributors:online") == 200
    assert judged(cluster, redis_config) == 0


def test_a_primary_killed_during_the_pass_is_told_and_once_it_is_back_the_rest_is_done(
    cluster: Sequence[Server], everybody: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(cluster)
    store.end_sessions(TARGETS, no_progress)
    victim = cluster[2]

    def kill(*_: Any) -> None:
        victim.kill()

    with pytest.raises(StoreError) as caught:
        store.mask(TARGETS, kill)
    assert isinstance(caught.value, StoreUnavailable)
    assert "c0000000" not in str(caught.value)
    for ask in (lambda: store.count(TARGETS), lambda: store.purge(TARGETS, no_progress)):
        with pytest.raises(StoreUnavailable):
            ask()

    victim.start()
    eventually(lambda: all(is_whole(server, 3) for server in cluster), within=60)
    assert store.count(TARGETS)["profiles"].records > 0
    store.mask(TARGETS, no_progress)
    left = names(everybody)
    assert left & of(PEOPLE[:100]) == set()
    assert left >= of(PEOPLE[100:])


def test_slots_that_are_being_moved_are_refused_and_moved_ones_are_followed(
    cluster: Sequence[Server], everybody: RedisCluster
) -> None:
    store = store_of(cluster)
    store.end_sessions(TARGETS, no_progress)
    source, target = cluster[0].client(), cluster[1].client()
    ids = [client.execute_command("CLUSTER MYID").decode() for client in (source, target)]
    slot = 100
    target.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[0])
    source.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[1])
    with pytest.raises(StoreRefused, match=r"slots are being moved.*let the resharding end"):
        store.mask(TARGETS, no_progress)
    keys = source.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 100)
    for key in keys:
        source.execute_command("MIGRATE", LOOPBACK, cluster[1].port, key, 0, 5_000)
    for client in (target, source, cluster[2].client()):
        client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[1])

    assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=100)
    assert names(everybody) & of(PEOPLE[:100]) == set()


def test_rights_are_asked_of_every_primary(cluster: Sequence[Server], everybody: RedisCluster) -> None:
    before = names(everybody)
    assert store_of(cluster).survey() == Survey()
    for server in cluster:
        with server.client() as admin:
            admin.execute_command("ACL", "SETUSER", "eraser", "on", ">made-up", "~*", "+@all")
    with cluster[2].client() as admin:
        admin.execute_command("ACL", "SETUSER", "eraser", "-unlink")
    store = RedisStore(
        cluster[0].client(username="eraser", password="made-up"), kepler_inventory().of("redis"), cluster=True
    )
    problems = store.survey().problems
    assert any("redis/profiles: the user of [redis] may not UNLINK" in each for each in problems), problems
    with pytest.raises(StoreRefused, match="may not UNLINK keys such as profile"):
        store.count(TARGETS)
    with cluster[2].client() as admin:
        admin.execute_command("ACL", "SETUSER", "eraser", "+unlink")
    assert store.survey() == Survey()
    assert store.count(TARGETS)["profiles"] == Count(records=100)
    assert names(everybody) == before


def test_a_node_given_as_a_single_server_is_named_and_nothing_changes(
    cluster: Sequence[Server], everybody: RedisCluster
) -> None:
    before = names(everybody)
    store = RedisStore(cluster[0].client(), kepler_inventory().of("redis"))
    for ask in (store.health, lambda: store.end_sessions(TARGETS, no_progress)):
        with pytest.raises(StoreRefused, match=r"one of a cluster.*cluster = true in \[redis\]"):
            ask()
    assert names(everybody) == before


@pytest.mark.full
def test_a_cluster_behind_tls_is_masked_and_judged(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with ExitStack() as stack:
        doors: list[int] = []

        def opened(server: Server) -> int:
            doors.append(stack.enter_context(TlsDoor(server.port, authority.server())).port)
            return doors[-1]

        cluster = stack.enter_context(cluster_of(tmp_path, 3, opened))
        tls = {"ssl": True, "ssl_ca_certs": str(authority.file)}
        client = stack.enter_context(RedisCluster(startup_nodes=[ClusterNode(LOOPBACK, doors[0])], **tls))
        fill(cluster, client)
        url = f"rediss+cluster://{LOOPBACK}:{doors[0]},{LOOPBACK}:{doors[1]}"
        settings = settings_with(url=url, ca_certs=authority.file, purge="none")
        store = redis_store(settings, kepler_inventory())

        assert store.health().engine == "Redis"
        assert survivors(settings) > 0
        assert store.end_sessions(TARGETS, no_progress).records == 100
        assert store.mask(TARGETS, no_progress)["profiles"] == Count(records=100)
        assert survivors(settings) == 0
        left = names(client)
        assert left & of(PEOPLE[:100]) == set()
        assert left >= of(PEOPLE[100:])

        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other")
        distrusting = redis_store(settings_with(url=url, ca_certs=other.file), kepler_inventory())
        with pytest.raises(StoreUnavailable, match=r"not trusted.*check \[redis\] ca_certs"):
            distrusting.health()
