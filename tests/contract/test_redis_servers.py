"""Servers that will not do it, each a real one and named with what to change; and the files that a purge rewrites.

Add here: another state in which a server refuses.
Keep out: clusters (`test_redis_cluster.py`), and servers that are none (`tests/faults`).
"""

import json
import secrets
from pathlib import Path

import pytest

from erasure.errors import StoreError, StoreRefused, StoreUnavailable
from erasure.inventory import Subject
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from sandbox.config import SandboxConfig
from sandbox.ports import LOOPBACK
from tests.contract.redis_servers_support import Server
from tests.contract.redis_support import client_for, everything, fields, profile, store_with, targets
from tests.inventory_fixtures import kepler_inventory
from tests.sandbox_fixtures import eventually


def store_on(server: Server, **options: str) -> RedisStore:
    return RedisStore(server.client(**options), kepler_inventory().of("redis"))


def test_a_replica_is_named_and_nothing_changes(tmp_path: Path) -> None:
    with Server(tmp_path) as primary, Server(tmp_path, f"replicaof {LOOPBACK} {primary.port}") as replica:
        profile(primary.client(), "u1")
        eventually(lambda: replica.client().exists("profile:u1") == 1, within=30)
        store = store_on(replica)
        for ask in (store.health, lambda: store.mask(targets("u1"), no_progress)):
            with pytest.raises(StoreRefused, match=r"is a replica.*name the primary.*\[redis\] host"):
                ask()
        assert primary.client().exists("profile:u1") == 1


def test_a_server_without_memory_is_named_and_its_values_stay(tmp_path: Path) -> None:
    with Server(tmp_path, "maxmemory-policy noeviction") as server:
        client = server.client()
        client.set("cart:1", json.dumps({"who": "u1", "ip": "192.0.2.77"}))
        before = everything(client)
        client.config_set("maxmemory", "1kb")
        declared = {"subject": Subject(contributor_id="who"), "fields": fields(who="keep", ip="truncate_ip")}
        store = store_with(client, "cart:*", **declared)
        with pytest.raises(StoreRefused, match=r"out of memory.*maxmemory"):
            store.mask(targets("u1"), no_progress)
        client.config_set("maxmemory", "0")
        assert everything(client) == before
        assert store.mask(targets("u1"), no_progress)["extra"].records == 1


def test_a_single_server_given_as_a_cluster_is_named(redis_config: SandboxConfig) -> None:
    store = RedisStore(client_for(redis_config), kepler_inventory().of("redis"), cluster=True)
    for ask in (store.health, lambda: store.count(targets("u1"))):
        with pytest.raises(StoreError, match=r"the server is no cluster.*cluster = false in \[redis\]"):
            ask()


def test_a_user_that_may_not_write_is_named_and_nothing_changes(tmp_path: Path) -> None:
    with Server(tmp_path, "user reader on >made-up ~* +@read +@connection +info") as server:
        admin = server.client()
        profile(admin, "u1")
        store = store_on(server, username="reader", password="made-up")
        assert any("may not MULTI" in notice for notice in store.survey().notices)
        assert store.count(targets("u1"))["profiles"].records == 1
        with pytest.raises(StoreRefused, match=r"let the user of \[redis\] run it.*docs/redis\.md"):
            store.mask(targets("u1"), no_progress)
        assert admin.exists("profile:u1") == 1
        with pytest.raises(
            StoreUnavailable, match=r"check \[redis\] username and password|check \[redis\] password"
        ):
            store_on(server, username="reader", password="wrong-word").health()


@pytest.mark.parametrize("options", [("appendonly yes", "appendfsync no"), ("save 3600 1",)])
def test_purging_leaves_no_old_value_in_the_servers_files(tmp_path: Path, options: tuple[str, ...]) -> None:
    canary, bystanders = secrets.token_hex(12), secrets.token_hex(12)
    with Server(tmp_path, "rdbcompression no", *options) as server:
        client = server.client()
        client.hset("profile:u1", "email", f"{canary}@example.com")
        client.hset("profile:u2", "email", f"{bystanders}@example.com")
        client.save()
        store = store_on(server)
        store.mask(targets("u1"), no_progress)
        held = server.files()
        assert canary.encode() in held and bystanders.encode() in held

        store.purge(targets("u1"), no_progress)
        held = server.files()
        assert canary.encode() not in held
        assert bystanders.encode() in held
        assert store.purge_state == "purged"


def test_where_files_may_not_be_rewritten_the_state_is_called_less(tmp_path: Path) -> None:
    with Server(
        tmp_path, "user eraser on >made-up ~* +@all -bgsave -bgrewriteaof", "appendonly yes"
    ) as server:
        client = server.client()
        canary = secrets.token_hex(12)
        client.hset("profile:u1", "email", f"{canary}@example.com")
        store = store_on(server, username="eraser", password="made-up")
        store.mask(targets("u1"), no_progress)
        store.purge(targets("u1"), no_progress)
        assert store.purge_state == "unlinked"
        assert canary.encode() in server.files()
        assert client.keys("*") == []
