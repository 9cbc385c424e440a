"""How settings become stores: one builder a store.

Add here: a store's builder, and its line in `_BUILDERS`.
Keep out: dagster, which takes seconds to import and which half of the commands do without.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from dagster_defs.dbt_runner import DbtProject
from erasure.inventory import Inventory
from erasure.patience import REDIS_SECONDS, S3_SECONDS, TRIES
from erasure.settings import S3Settings, Settings
from erasure.stores.base import Health, Store, health_within
from erasure.stores.clickhouse.store import ClickHouseStore
from erasure.stores.postgres.store import PostgresStore
from erasure.stores.redis.store import RedisStore
from erasure.stores.s3.store import S3Store
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore

S3Client = Callable[[S3Settings], Any]
# One for each configuration that this process has seen, so that what dbt compiled is compiled once.
_DBT_PROJECTS: list[tuple[Settings, DbtProject]] = []


def dbt_of(settings: Settings) -> DbtProject:
    """dbt with the connections of these settings."""
    for known, project in _DBT_PROJECTS:
        if known == settings:
            return project
    _DBT_PROJECTS.append((settings, DbtProject(settings)))
    return _DBT_PROJECTS[-1][1]


def postgres_store(settings: Settings, inventory: Inventory, fence: int = 0) -> PostgresStore:
    """PostgreSQL, the source of truth."""
    return PostgresStore(
        settings=settings.database,
        world=inventory.world,
        registered=inventory.registered("postgres"),
        objects=inventory.of("postgres"),
        models=dbt_of(settings),
        fence=fence,
    )


def redis_store(settings: Settings, inventory: Inventory, fence: int = 0) -> RedisStore:
    """Redis, with the sessions."""
    import redis
    from redis.backoff import ExponentialBackoff
    from redis.retry import Retry

    password = settings.redis.password
    client = redis.Redis(
        host=settings.redis.host,
        port=settings.redis.port,
        db=settings.redis.db,
        password=password.get_secret_value() if password else None,
        socket_connect_timeout=settings.redis.connect_seconds,
        socket_timeout=REDIS_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5), TRIES - 1),
    )
    return RedisStore(client, inventory.of("redis"))


def clickhouse_store(settings: Settings, inventory: Inventory, fence: int = 0) -> ClickHouseStore:
    """ClickHouse, the analytics."""
    # The client logs what a driver said, unasked, to standard error; the store names the error itself.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)
    return ClickHouseStore(
        settings=settings.clickhouse,
        world=inventory.world,
        registered=inventory.registered("clickhouse"),
        objects=inventory.of("clickhouse"),
        models=dbt_of(settings),
        fence=fence,
    )


def _search(settings: Settings, inventory: Inventory, fence: int) -> Store:
    return SearchStore(search_server(settings.elasticsearch), inventory.of("elasticsearch"))


def boto_client(settings: S3Settings) -> Any:
    """A plain client of boto3, for commands outside Dagster."""
    import boto3
    from botocore.config import Config

    secret, token = settings.aws_secret_access_key, settings.aws_session_token
    return boto3.client(
        "s3",
        region_name=settings.region,
        endpoint_url=settings.endpoint_url,
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        aws_session_token=token.get_secret_value() if token else None,
        config=Config(
            connect_timeout=settings.connect_seconds,
            read_timeout=S3_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
        ),
    )


_BUILDERS: Mapping[str, Callable[[Settings, Inventory, int], Store]] = {
    "postgres": postgres_store,
    "clickhouse": clickhouse_store,
    "elasticsearch": _search,
    "redis": redis_store,
}


def store_of(
    name: str, settings: Settings, inventory: Inventory, *, fence: int = 0, s3_client: S3Client = boto_client
) -> Store:
    """A store by its name in the inventory; within Dagster S3's client is that of its S3 resource."""
    if name == "s3":
        return S3Store(s3_client(settings.s3), settings.s3.bucket_name, inventory.of("s3"))
    return _BUILDERS[name](settings, inventory, fence)


def health_of(store: Store, settings: Settings) -> Health:
    """A store's health within the `connect_seconds` of its section."""
    section = "database" if store.name == "postgres" else store.name
    return health_within(store, section=section, seconds=getattr(settings, section).connect_seconds)
