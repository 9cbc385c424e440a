"""A world in the five engines: what the loader says is there, and nothing of what was there before."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import boto3
import clickhouse_connect
import psycopg
import pytest
from clickhouse_connect.driver.client import Client as ClickHouse
from opensearchpy import OpenSearch
from psycopg import sql
from redis import Redis

from sandbox.loading import world_stores
from sandbox.supervisor import Sandbox
from sandbox.world.generate import World, generated_world, today
from sandbox.world.labels import LabelsError
from sandbox.world.load import WorldSummary, load_world, write_world
from sandbox.world.stores import WorldStores

NAME = "world_load"
REDIS_DB = 61
BEYOND = 60  # another database of the same Redis, which is not ours to empty
STORES = {"postgres", "clickhouse", "search", "s3", "redis"}


@pytest.fixture(scope="module")
def stores(sandbox: Sandbox) -> Iterator[WorldStores]:
    """Databases, a bucket and a Redis db of this module's own; search is shared and left empty."""
    config = sandbox.config
    name = sql.Identifier(NAME)
    with psycopg.connect(config.postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database if exists {}").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    own = replace(
        world_stores(replace(config, postgres_database=NAME)),
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


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=20, seed=3, as_of=today())


@pytest.fixture
def loaded(stores: WorldStores, world: World) -> WorldSummary:
    return write_world(stores, world=world, progress=silent)


def silent(name: str, done: int, total: int) -> None:
    assert 0 <= done <= total, name


def postgres(stores: WorldStores, query: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
    with psycopg.connect(stores.postgres_dsn) as connection:
        return connection.execute(query).fetchall()


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


def s3(stores: WorldStores) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=stores.s3_endpoint_url,
        region_name=stores.s3_region,
        aws_access_key_id=stores.s3_key,
        aws_secret_access_key=stores.s3_secret,
    )


def object_versions(stores: WorldStores) -> tuple[list[Any], list[Any]]:
    """All versions, all delete markers."""
    versions: list[Any] = []
    markers: list[Any] = []
    for page in s3(stores).get_paginator("list_object_versions").paginate(Bucket=stores.s3_bucket):
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
    """What each store holds, as far as it does not depend on when it was loaded."""
    tables = postgres(stores, sql.SQL("select tablename from pg_tables where schemaname = 'public'"))
    found: dict[str, object] = {
        str(table): postgres(
            stores,
            sql.SQL("select md5(string_agg(t::text, '' order by t::text)) from {} t").format(
                sql.Identifier(table)
            ),
        )
        for (table,) in tables
    }
    for table in ("unit_metrics", "app_events"):
        query = f"SELECT groupBitXor(cityHash64(*)), count() FROM {table}"
        found[f"clickhouse {table}"] = clickhouse(stores).query(query).result_rows
    hits = search(stores).search(index="project-*", body={"size": 1_000, "sort": ["unit_id"]})["hits"]["hits"]
    found["search"] = [(hit["_index"], hit["_id"], hit["_source"]) for hit in hits]
    versions, markers = object_versions(stores)
    found["s3"] = sorted((each["Key"], each["ETag"]) for each in versions), sorted(m["Key"] for m in markers)
    client = redis(stores)
    found["redis"] = sorted(
        (key, client.dump(key)) for key in client.scan_iter() if client.type(key) == "string"
    )
    return found


def test_every_store_holds_as_many_records_as_the_summary_says(
    stores: WorldStores, loaded: WorldSummary
) -> None:
    assert set(loaded.counts) == STORES
    for table, number in loaded.counts["postgres"].items():
        assert postgres(stores, sql.SQL("select count(*) from {}").format(sql.Identifier(table))) == [
            (number,)
        ]
    for table, number in loaded.counts["clickhouse"].items():
        assert clickhouse(stores).query(f"SELECT count() FROM {table}").result_rows == [(number,)]
    for index, number in loaded.counts["search"].items():
        assert search(stores).count(index=index)["count"] == number
    versions, markers = object_versions(stores)
    assert loaded.counts["s3"]["versions"] == len(versions) + len(markers)
    assert loaded.counts["s3"]["objects"] == sum(each["IsLatest"] for each in versions)
    for pattern in ("profile", "session", "sessions_by_contributor"):
        keys = list(redis(stores).scan_iter(f"{pattern}:*"))
        object_name = pattern if pattern == "sessions_by_contributor" else f"{pattern}s"
        assert len(keys) == loaded.counts["redis"][object_name] > 0


def test_the_stores_agree_on_who_judged_what(stores: WorldStores, loaded: WorldSummary) -> None:
    orphans = postgres(stores, sql.SQL("select count(*) from judgments where contributor_id is null"))
    assert orphans == [(2,)]
    by_person = dict(
        postgres(
            stores, sql.SQL("select contributor_id, count(*) from judgments group by 1 having count(*) > 0")
        )
    )
    counted = (
        clickhouse(stores).query("SELECT contributor_id, count() FROM unit_metrics GROUP BY 1").result_rows
    )
    differing = [number - by_person[contributor_id] for contributor_id, number in counted]
    assert sorted(differing)[-3:] == [0, 1, 1]  # the two orphans, which have an id there
    assert sum(differing) == 2
    hits = search(stores).search(index="project-*", body={"size": 1_000})["hits"]["hits"]
    assert sum(hit["_source"]["judgmentCount"] for hit in hits) == loaded.counts["postgres"]["judgments"]
    assert {hit["_index"] for hit in hits} == {f"project-{project_id}" for project_id in loaded.project_ids}


def test_emails_in_documents_are_found_by_exact_term(stores: WorldStores, loaded: WorldSummary) -> None:
    client = search(stores)
    hit = client.search(index="project-*", body={"size": 1})["hits"]["hits"][0]
    exact = hit["_source"]["latest"]["workerEmail"]
    for field in ("latest.workerEmail", "judgments.workerEmail"):
        assert client.count(index="project-*", body={"query": {"term": {field: exact}}})["count"] > 0
        part = exact.partition("@")[0]
        assert client.count(index="project-*", body={"query": {"term": {field: part}}})["count"] == 0


def test_some_objects_have_two_versions_and_some_a_delete_marker_on_top(
    stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    versions, markers = object_versions(stores)
    older = [each for each in versions if not each["IsLatest"]]
    assert {each["Key"].rpartition("/")[2] for each in older} == {"profile.json", "id-scan.txt"}
    assert markers and all(marker["IsLatest"] for marker in markers)
    key = next(each["Key"] for each in versions if each["Key"].endswith("profile.json") and each["IsLatest"])
    profile = json.loads(s3(stores).get_object(Bucket=stores.s3_bucket, Key=key)["Body"].read())
    owner = next(each for each in world.contributors if f"/{each.contributor_id}/" in key)
    assert (profile["name"], profile["email"]) == (owner.person.full_name, owner.email)


def test_sessions_lead_to_their_contributor_and_back_and_end_within_a_day(
    stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    client = redis(stores)
    people = {each.contributor_id: each for each in world.contributors}
    owners = set()
    for key in client.scan_iter("session:*"):
        session = json.loads(str(client.get(key)))
        owner = people[UUID(session["contributor_id"])]
        owners.add(owner.contributor_id)
        assert session["email"] == owner.email
        index = f"sessions_by_contributor:{owner.contributor_id}"
        assert client.sismember(index, key.removeprefix("session:"))
        assert 0 < int(str(client.ttl(key))) <= 86_400
        assert 0 < int(str(client.ttl(index))) <= 86_400
    assert {people[owner].inactive for owner in owners} == {True, False}
    assert {UUID(member) for member in client.sscan_iter("contributors:online")} == owners


def test_loading_the_same_world_again_changes_nothing(
    stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    before = content(stores)
    assert write_world(stores, world=world, progress=silent) == loaded
    assert content(stores) == before


def test_loading_another_world_leaves_nothing_of_the_first(stores: WorldStores, loaded: WorldSummary) -> None:
    with psycopg.connect(stores.postgres_dsn) as connection:
        connection.execute("create schema erasure create table targets (value text)")
        connection.execute("create table left_over (value text)")
    search(stores).indices.create(index="project-left-over")
    s3(stores).put_object(Bucket=stores.s3_bucket, Key="left-over", Body=b"")
    redis(stores).set("left-over", "")
    redis(stores, db=BEYOND).set("world-load", "not ours", ex=600)

    summary = load_world(stores, contributors=20, seed=4, progress=silent)

    assert set(summary.project_ids).isdisjoint(loaded.project_ids)
    assert indices(stores) == {f"project-{project_id}" for project_id in summary.project_ids}
    relations = postgres(
        stores, sql.SQL("select relname from pg_class where relname in ('left_over', 'targets')")
    )
    assert relations == []
    versions, markers = object_versions(stores)
    assert summary.counts["s3"]["versions"] == len(versions) + len(markers)
    assert all(each["Key"].startswith("contributors/") for each in versions)
    assert redis(stores).exists("left-over") == 0
    assert redis(stores, db=BEYOND).getdel("world-load") == "not ours"


def test_a_malformed_labels_file_changes_nothing(
    stores: WorldStores, loaded: WorldSummary, tmp_path: Path
) -> None:
    before = content(stores)
    path = tmp_path / "labels.tsv"
    path.write_text("w\tu\tYes\nw\tu\n", encoding="utf-8")
    with pytest.raises(LabelsError, match="line 2"):
        load_world(stores, labels=path, progress=silent)
    assert content(stores) == before


def test_a_labels_file_becomes_contributors_units_and_judgments(stores: WorldStores, tmp_path: Path) -> None:
    lines = [
        f"w{n % 30}\thttps://tasks.example.org/{n % 50}\t{'Yes' if n % 3 else 'No'}\n" for n in range(600)
    ]
    path = tmp_path / "labels.tsv"
    path.write_text("".join(lines), encoding="utf-8")
    summary = load_world(stores, labels=path, progress=silent)
    counts = summary.counts["postgres"]
    assert (counts["contributors"], counts["units"], counts["judgments"]) == (30, 50, 600)
    assert sum(summary.counts["search"].values()) == 50
    stored = postgres(
        stores,
        sql.SQL("select url, label from judgments join units using (unit_id) order by judgment_id"),
    )
    assert stored == [tuple(line.rstrip("\n").split("\t")[1:]) for line in lines]
    job = postgres(stores, sql.SQL("select count(*) from units where job_id = {}").format(summary.job_id))
    assert job[0][0] > 0
