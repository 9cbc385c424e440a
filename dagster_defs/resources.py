"""The platform as assets see it: settings, inventory, dbt and the stores, made when they are first asked for.

Add here: a store's line in `_BUILDERS`, or another thing that assets need to reach.
Keep out: values in a resource's configuration (the UI shows them); they are read from the settings when a run starts.
"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_defs.dbt_runner import DbtProject, inventory_of
from erasure.inventory import Inventory
from erasure.job_api import JobApi
from erasure.settings import Settings, config_path, load_settings, var_dir
from erasure.stores.base import Store
from erasure.stores.clickhouse import ClickHouseStore
from erasure.stores.postgres import PostgresStore
from erasure.stores.redis import RedisStore
from erasure.stores.s3 import S3Store
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

    password = settings.redis.password
    client = redis.Redis(
        host=settings.redis.host,
        port=settings.redis.port,
        db=settings.redis.db,
        password=password.get_secret_value() if password else None,
        socket_connect_timeout=10,
        socket_timeout=60,
        retry=Retry(ExponentialBackoff(cap=0.5), 2),
    )
    return RedisStore(client, inventory.of("redis"))


def _clickhouse(settings: Settings, inventory: Inventory, fence: int) -> Store:
    return ClickHouseStore(
        settings=settings.clickhouse,
        world=inventory.world,
        registered=inventory.registered("clickhouse"),
        objects=inventory.of("clickhouse"),
        models=dbt_of(settings),
        fence=fence,
    )


def _search(settings: Settings, inventory: Inventory, fence: int) -> Store:
    from opensearchpy import OpenSearch

    # At DEBUG the client logs bodies of requests: ids, and emails where a record has no id.
    logging.getLogger("opensearch").setLevel(logging.WARNING)
    client = OpenSearch(settings.elasticsearch.url, timeout=60, max_retries=0, http_compress=True)
    return SearchStore(client, inventory.of("elasticsearch"))


def _s3(settings: Settings, inventory: Inventory, fence: int) -> Store:
    from dagster_aws.s3 import S3Resource

    secret, token = settings.s3.aws_secret_access_key, settings.s3.aws_session_token
    resource = S3Resource(
        region_name=settings.s3.region,
        endpoint_url=settings.s3.endpoint_url,
        aws_access_key_id=settings.s3.aws_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        aws_session_token=token.get_secret_value() if token else None,
    )
    return S3Store(resource.get_client(), settings.s3.bucket_name, inventory.of("s3"))


_BUILDERS: Mapping[str, Callable[[Settings, Inventory, int], Store]] = {
    "postgres": postgres_store,
    "clickhouse": _clickhouse,
    "elasticsearch": _search,
    "s3": _s3,
    "redis": redis_store,
}


class Platform(dg.ConfigurableResource[Any]):
    """Settings, inventory, dbt and stores of the configuration that CONTRIBUTOR_DELETION_CONFIG names."""

    def settings(self) -> Settings:
        """Read anew each time: a long-lived code location must see a changed file."""
        return load_settings(
            config_path(config=None, integration=False, environ=os.environ), environ=os.environ
        )

    def inventory(self) -> Inventory:
        """The inventory of the configured world."""
        return inventory_of(self.settings().erasure.world)

    def dbt(self) -> DbtProject:
        """dbt with the configured connections."""
        return dbt_of(self.settings())

    def store(self, name: str, *, fence: int = 0) -> Store:
        """A store by its name in the inventory."""
        return _BUILDERS[name](self.settings(), self.inventory(), fence)

    def job_api(self) -> JobApi | None:
        """The platform's job API; None where no job URL is configured."""
        job_url = self.settings().api.job_url
        return JobApi(job_url, timeout_seconds=self.settings().api.timeout_seconds) if job_url else None

    def reports_dir(self) -> Path:
        """Where Data Docs and the index of all batches go."""
        return var_dir() / "reports"
