"""How settings become stores: one builder a store.

Add here: a store's builder, and its line in `_BUILDERS`.
Keep out: dagster, which takes seconds to import and which half of the commands do without.
"""

import logging
from collections.abc import Callable, Mapping

from dagster_defs.dbt_models import DbtProject
from erasure.inventory import Inventory
from erasure.patience import REDIS_SECONDS, TRIES
from erasure.s3_client import s3_client
from erasure.settings import Settings
from erasure.stores.base import Health, Store, health_within
from erasure.stores.clickhouse.store import ClickHouseStore
from erasure.stores.postgres.store import PostgresStore
from erasure.stores.redis.store import RedisStore
from erasure.stores.s3.store import S3Store
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore

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

    host, port = settings.redis.addresses[0]
    client = redis.Redis(
        host=host,
        port=port,
        **settings.redis.client_options(),
        socket_connect_timeout=settings.redis.connect_seconds,
        socket_timeout=REDIS_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5), TRIES - 1),
    )
    return RedisStore(
        client,
        inventory.of("redis"),
        id_form=inventory.contributors.id_form,
        cluster=settings.redis.cluster,
        addresses=settings.redis.addresses,
        rewrite=settings.redis.purge == "rewrite",
    )


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


def _s3(settings: Settings, inventory: Inventory, fence: int) -> Store:
    return S3Store(s3_client(settings.s3), settings.s3.bucket_name, inventory.of("s3"))


_BUILDERS: Mapping[str, Callable[[Settings, Inventory, int], Store]] = {
    "postgres": postgres_store,
    "clickhouse": clickhouse_store,
    "elasticsearch": _search,
    "s3": _s3,
    "redis": redis_store,
}


def store_of(name: str, settings: Settings, inventory: Inventory, *, fence: int = 0) -> Store:
    """A store by its name in the inventory."""
    return _BUILDERS[name](settings, inventory, fence)


def health_of(store: Store, settings: Settings) -> Health:
    """A store's health within the `connect_seconds` of its section."""
    section = "database" if store.name == "postgres" else store.name
    return health_within(store, section=section, seconds=getattr(settings, section).connect_seconds)
