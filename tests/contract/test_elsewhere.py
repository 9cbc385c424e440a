"""Places that are not the world's: a store without anything that the inventory names is told as that, and left alone.

Holds: databases and clusters of somebody else, what each store holds, and target sets that vanish under their user.
Add here: another way to be in the wrong place without an error of the engine.
Keep out: engines that do not answer or let nobody in (`faults/`).
"""

from collections.abc import Mapping

import boto3
import httpx
import psycopg
import pytest

from dagster_defs.wiring import store_of
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import ALL_STORES
from erasure.ledger.database import migrate
from erasure.stores.clickhouse.store import ClickHouseStore
from tests.contract.sql_world import SqlWorld, make_analytics, person_id, settings_of

ANN, EMAIL = person_id(1), "ann.elsewhere@example.com"


def test_no_ledger_is_made_in_a_database_without_the_worlds_tables(sql_world: SqlWorld) -> None:
    tables = sql_world.inventory.registered("postgres")
    name = "elsewhere_without_a_world"
    with psycopg.connect(sql_world.config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {name} owner {sql_world.config.postgres_user}".encode())
        try:
            elsewhere = settings_of(sql_world.config, name)
            with pytest.raises(StoreRefused, match=r"lacks 11 of the 11 tables.*check \[database\] database"):
                migrate(elsewhere.database, beside=tables)
            with pytest.raises(StoreRefused, match=r"none of the 11 tables.*check \[database\] database"):
                store_of("postgres", elsewhere, sql_world.inventory).survey()
            with psycopg.connect(
                sql_world.config.postgres_dsn.replace(
                    f"dbname={sql_world.config.postgres_database}", f"dbname={name}"
                )
            ) as connection:
                assert connection.execute("select to_regnamespace('erasure')").fetchone() == (None,)
        finally:
            admin.execute(f"drop database {name} with (force)".encode())
    migrate(sql_world.settings.database, beside=tables)


def test_a_single_table_that_is_missing_holds_the_ledger_back_by_name(sql_world: SqlWorld) -> None:
    with (
        sql_world.altered(
            "alter table disputes rename to quarrels", "alter table quarrels rename to disputes"
        ),
        pytest.raises(StoreRefused, match=r"postgres/public.disputes: the database lacks 1 of the 11 tables"),
    ):
        migrate(sql_world.settings.database, beside=sql_world.inventory.registered("postgres"))


def test_clickhouse_without_any_of_the_tables_is_another_server(sql_world: SqlWorld) -> None:
    make_analytics(sql_world.analytics)
    sql_world.analytics.command("rename database kepler to somebodys")
    try:
        with pytest.raises(StoreRefused, match=r"kepler: none of the 5 tables.*check \[clickhouse\] host"):
            sql_world.clickhouse().survey()
    finally:
        sql_world.analytics.command("rename database somebodys to kepler")


def test_each_store_says_how_much_it_holds_of_each_object(sql_world: SqlWorld) -> None:
    """Nothing, before anything is there; the numbers of a whole world stand in the tests of `check`."""
    make_analytics(sql_world.analytics)
    httpx.delete(f"{sql_world.config.search_url}/project-*", trust_env=False).raise_for_status()
    config, bucket = sql_world.config, "elsewhere-and-empty"
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=config.s3_endpoint_url,
        region_name=config.s3_region,
        aws_access_key_id=config.s3_access_key,
        aws_secret_access_key=config.s3_secret_key,
    )
    client.create_bucket(Bucket=bucket)
    settings = settings_of(
        config,
        sql_world.settings.database.database,
        s3={
            "bucket_name": bucket,
            "endpoint_url": config.s3_endpoint_url,
            "aws_access_key_id": config.s3_access_key,
            "aws_secret_access_key": config.s3_secret_key,
        },
        redis={"port": config.redis_port, "password": config.redis_password, "db": 126},
    )
    try:
        held = {name: store_of(name, settings, sql_world.inventory).holdings() for name in ALL_STORES}
        assert {name: sum(numbers.values()) for name, numbers in held.items()} == dict.fromkeys(ALL_STORES, 0)
        assert set(held["redis"]) == {"sessions", "profiles", "online"}

        key = f"contributors/{ANN}/photo.png"
        client.put_object(Bucket=bucket, Key=key, Body=b"png")
        client.put_object(Bucket=bucket, Key="contributors-of-somebody/x", Body=b"no")
        sql_world.person(1, EMAIL)
        holds = store_of("s3", settings, sql_world.inventory).holdings()
        assert {name: number for name, number in holds.items() if number} == {"contributor_files": 1}
        assert store_of("postgres", settings, sql_world.inventory).holdings()["contributors"] == 1
        client.delete_object(Bucket=bucket, Key=key)
        client.delete_object(Bucket=bucket, Key="contributors-of-somebody/x")
    finally:
        client.delete_bucket(Bucket=bucket)


def test_a_target_set_that_vanishes_while_it_is_used_is_noticed(sql_world: SqlWorld) -> None:
    """As when another planning ends at the wrong moment; with nobody to look for, everything would look clean."""

    class Vanishing:
        def masked_rows(self, store: str, batch_id: str) -> Mapping[str, str]:
            (ddl,) = sql_world.analytics.query("show create table erasure.targets").result_rows[0]
            sql_world.analytics.command("drop table erasure.targets sync")
            sql_world.analytics.command(ddl)
            return sql_world.project.masked_rows(store, batch_id)

        def mask(self, store: str, batch_id: str, fence: int) -> Mapping[str, int]:
            raise AssertionError("nothing is masked here")

    make_analytics(sql_world.analytics)
    sql_world.person(1, EMAIL)
    sql_world.freeze((ANN, EMAIL))
    store = ClickHouseStore(
        settings=sql_world.settings.clickhouse,
        world="kepler",
        registered=sql_world.inventory.registered("clickhouse"),
        objects=sql_world.inventory.of("clickhouse"),
        models=Vanishing(),
    )
    with pytest.raises(Incomplete, match="the target set did not stay"):
        store.count(sql_world.targets())
    assert sql_world.analytics.command("exists table erasure.targets") == 0
