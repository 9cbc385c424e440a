"""A Redis database of their own for the tests of the Redis store.

Holds: clients, sessions and profiles of made-up people, and the fixtures `redis_config`, `redis_db` and `redis_store`.
Add here: a kind of key that several test modules need.
Keep out: assertions on what the store did.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from erasure.counts import Count
from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import Rule
from erasure.settings import Settings
from erasure.stores.redis.store import RedisStore
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory

OWN_DB = 61
DAY = 86_400
NOTHING = Count(records=0)


def targets(*contributor_ids: str, emails: dict[str, str] | None = None) -> TargetSet:
    needles = tuple(
        Needle(contributor_id=contributor_id, kind="email", value=email)
        for email, contributor_id in (emails or {}).items()
    )
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(contributor_ids), needles=needles)


def client_for(config: SandboxConfig, **changes: Any) -> redis.Redis:
    options: dict[str, Any] = {
        "host": config.host,
        "port": config.redis_port,
        "db": OWN_DB,
        "password": config.redis_password,
        "socket_timeout": 30,
        # By default the client tries a wrong password for four seconds.
        "retry": Retry(NoBackoff(), 0),
    }
    return redis.Redis(**(options | changes))


@pytest.fixture
def redis_config(sandbox: Sandbox) -> SandboxConfig:
    return sandbox.config


@pytest.fixture
def redis_db(redis_config: SandboxConfig) -> Iterator[Any]:
    client = client_for(redis_config)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def redis_store(redis_db: Any) -> RedisStore:
    return RedisStore(redis_db, kepler_inventory().of("redis"))


def store_with(client: Any, location: str, **declared: Any) -> RedisStore:
    item = InventoryObject(
        store="redis",
        name="extra",
        source="kepler_redis",
        schema="kepler_redis",
        location=location,
        **({"subject": Subject(), "rule": None if "fields" in declared else Rule.DELETE} | declared),
    )
    return RedisStore(client, [item], rewrite=False)


def settings_with(**redis: Any) -> Settings:
    """Settings of which only those of Redis lead anywhere."""
    nowhere = {
        "database": {"host": "nobody.invalid", "database": "none", "username": "none", "password": "none"},
        "clickhouse": {"host": "nobody.invalid", "username": "none", "password": "none"},
        "elasticsearch": {"url": "http://nobody.invalid"},
        "s3": {"bucket_name": "none"},
    }
    return Settings.model_validate(nowhere | {"redis": redis})


def fields(**rules: str) -> tuple[Field, ...]:
    """Columns with their rules; `whole` is the whole value, two underscores are a dot."""
    return tuple(
        Field(name="$" if name == "whole" else name.replace("__", "."), rule=Rule(rule), reason="made up")
        for name, rule in rules.items()
    )


def log_in(client: Any, contributor_id: str, token: str, *, indexed: bool = True) -> None:
    owner = {"contributor_id": contributor_id, "email": f"{contributor_id}@example.com"}
    client.set(f"session:{token}", json.dumps(owner), ex=DAY)
    if indexed:
        client.sadd(f"sessions_by_contributor:{contributor_id}", token)
        client.expire(f"sessions_by_contributor:{contributor_id}", DAY)


def profile(client: Any, *contributor_ids: str) -> None:
    for contributor_id in contributor_ids:
        client.hset(f"profile:{contributor_id}", mapping={"email": f"{contributor_id}@example.com"})


def everything(client: Any) -> dict[bytes, bytes]:
    """Every key of the database with its content as Redis serialises it, asked for without our code."""
    return {key: client.dump(key) for key in client.keys("*")}
