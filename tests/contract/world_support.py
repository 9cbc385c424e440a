"""Places of their own for loaded worlds, and ways to read them back.

Holds: the fixture `world_stores`, and what each store holds of a world, read by clients of its own.
Add here: another way to read a store that several test modules need.
Keep out: assertions.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, LiteralString

import boto3
import clickhouse_connect
import psycopg
import pytest
from clickhouse_connect.driver.client import Client as ClickHouse
from opensearchpy import OpenSearch
from opensearchpy.helpers import scan
from psycopg import sql
from redis import Redis

from sandbox.loading import world_stores as stores_of
from sandbox.supervisor import Sandbox
from sandbox.world.stores import WorldStores

NAME = "world_load"
REDIS_DB = 61


@pytest.fixture(scope="module")
def world_stores(sandbox: Sandbox) -> Iterator[WorldStores]:
    """Databases, a bucket and a Redis db of this module's own; search is shared and left empty."""
    config = sandbox.config
    name = sql.Identifier(NAME)
    with psycopg.connect(config.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {}").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    own = replace(
        stores_of(replace(config, postgres_database=NAME)),
        clickhouse_database=NAME,
        s3_bucket=NAME.replace("_", "-"),
        redis_db=REDIS_DB,
    )
    yield own
    with psycopg.connect(config.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(name))
    clickhouse(replace(own, clickhouse_database="default")).command(f"DROP DATABASE {NAME} SYNC")
    for index in indices(own):
        search(own).indices.delete(index=index)
    redis(own).flushdb()


def silent(name: str, done: int, total: int) -> None:
    assert 0 <= done <= total, name


def postgres(stores: WorldStores, query: LiteralString | sql.Composed) -> list[tuple[Any, ...]]:
    with psycopg.connect(stores.postgres_dsn) as connection:
        return connection.execute(query).fetchall()


def tables(stores: WorldStores) -> list[str]:
    return [
        str(name)
        for (name,) in postgres(stores, "select tablename from pg_tables where schemaname = 'public'")
    ]


def clickhouse(stores: WorldStores) -> ClickHouse:
    return clickhouse_connect.get_client(
        host=stores.clickhouse_host,
        port=stores.clickhouse_port,
        username=stores.clickhouse_username,
        password=stores.clickhouse_password,
        database=stores.clickhouse_database,
    )


def search(stores: WorldStores) -> OpenSearch:
    return OpenSearch(stores.search_url)


def indices(stores: WorldStores) -> set[str]:
    return {each["index"] for each in search(stores).cat.indices(index="project-*", format="json")}


def documents(stores: WorldStores) -> Iterator[dict[str, Any]]:
    """All hits of all projects, in no order."""
    yield from scan(search(stores), index="project-*", size=5_000)


def s3(stores: WorldStores) -> Any:
    return boto3.session.Session().client(
        "s3",
        endpoint_url=stores.s3_endpoint_url,
        region_name=stores.s3_region,
        aws_access_key_id=stores.s3_key,
        aws_secret_access_key=stores.s3_secret,
    )


def object_versions(stores: WorldStores, prefix: str = "") -> tuple[list[Any], list[Any]]:
    """All versions, all delete markers."""
    versions: list[Any] = []
    markers: list[Any] = []
    pages = s3(stores).get_paginator("list_object_versions").paginate(Bucket=stores.s3_bucket, Prefix=prefix)
    for page in pages:
        versions += page.get("Versions", [])
        markers += page.get("DeleteMarkers", [])
    return versions, markers


def redis(stores: WorldStores, *, db: int = REDIS_DB) -> "Redis":
    return Redis(
        host=stores.redis_host,
        port=stores.redis_port,
        password=stores.redis_password,
        db=db,
        decode_responses=True,
    )


def content(stores: WorldStores) -> dict[str, object]:
    """A checksum of each table, and of whatever else each store holds that does not depend on when it was loaded."""
    found: dict[str, object] = {
        table: postgres(
            stores,
            sql.SQL("select count(*), md5(string_agg(t::text, '' order by t::text)) from {} t").format(
                sql.Identifier(table)
            ),
        )
        for table in tables(stores)
    }
    for table in ("unit_metrics", "app_events", "notifications", "slow_units", "job_totals"):
        query = f"SELECT count(), groupBitXor(cityHash64(*)), sum(cityHash64(*)) FROM {table}"
        found[f"clickhouse {table}"] = clickhouse(stores).query(query).result_rows
    found["search"] = sorted((hit["_index"], hit["_id"], str(hit["_source"])) for hit in documents(stores))
    versions, markers = object_versions(stores)
    found["s3"] = sorted((each["Key"], each["ETag"]) for each in versions), sorted(m["Key"] for m in markers)
    client = redis(stores)
    found["redis"] = sorted((str(key), _value(client, str(key))) for key in client.scan_iter(count=1_000))
    return found


def _value(client: Any, key: str) -> str:
    match client.type(key):
        case "hash":
            return str(sorted(client.hgetall(key).items()))
        case "set":
            return str(sorted(client.smembers(key)))
        case _:
            return str(client.get(key))
