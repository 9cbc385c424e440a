"""Loading again, or something else: the same world is the same to the byte, and of a former one nothing is left."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opensearchpy.exceptions import ConnectionError as SearchIsAway
from psycopg import sql

from sandbox.world.generate import World, generated_world, today
from sandbox.world.labels import LabelsError
from sandbox.world.load import WorldSummary, make_world, write_world
from sandbox.world.stores import WorldStores
from tests.contract.world_support import (
    content,
    indices,
    object_versions,
    postgres,
    redis,
    s3,
    search,
    silent,
)

BEYOND = 60  # another database of the same Redis, which is not ours to empty


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=20, seed=3, as_of=today())


@pytest.fixture
def loaded(world_stores: WorldStores, world: World) -> WorldSummary:
    return write_world(world_stores, world=world, progress=silent)


def test_loading_the_same_world_again_changes_nothing(
    world_stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    before = content(world_stores)
    again = generated_world(contributors=20, seed=3, as_of=world.as_of)
    assert write_world(world_stores, world=again, progress=silent) == loaded
    assert content(world_stores) == before


@pytest.mark.parametrize("change", [{"seed": 4}, {"as_of": today() - timedelta(days=1)}])
def test_another_seed_or_time_makes_another_world_in_every_store(
    world_stores: WorldStores, loaded: WorldSummary, change: dict[str, Any]
) -> None:
    before = content(world_stores)
    other = generated_world(**{"contributors": 20, "seed": 3, "as_of": today(), **change})
    write_world(world_stores, world=other, progress=silent)
    after = content(world_stores)
    same = {name for name in before if before[name] == after[name]}
    # What a world has whenever it is.
    timeless = {"contributor_aliases", "projects", "jobs", "units", "s3", "clickhouse job_totals"}
    assert same == (timeless if "as_of" in change else set())


def test_loading_another_world_leaves_nothing_of_the_first(
    world_stores: WorldStores, loaded: WorldSummary
) -> None:
    with psycopg.connect(world_stores.postgres_dsn) as connection:
        connection.execute("create schema erasure create table targets (value text)")
        connection.execute("create table left_over (value text)")
    search(world_stores).indices.create(index="project-left-over")
    s3(world_stores).put_object(Bucket=world_stores.s3_bucket, Key="left-over", Body=b"")
    redis(world_stores).set("left-over", "")
    redis(world_stores, db=BEYOND).set("world-load", "not ours", ex=600)

    summary = write_world(world_stores, world=make_world(contributors=20, seed=4), progress=silent)

    assert set(summary.project_ids).isdisjoint(loaded.project_ids)
    assert indices(world_stores) == {f"project-{project_id}" for project_id in summary.project_ids}
    relations = postgres(
        world_stores, sql.SQL("select relname from pg_class where relname in ('left_over', 'targets')")
    )
    assert relations == []
    versions, markers = object_versions(world_stores)
    assert summary.counts["s3"]["versions"] == len(versions) + len(markers)
    assert all(each["Key"].startswith(("contributors/", "exports/")) for each in versions)
    assert redis(world_stores).exists("left-over") == 0
    assert redis(world_stores, db=BEYOND).getdel("world-load") == "not ours"


def test_a_malformed_labels_file_changes_nothing(
    world_stores: WorldStores, loaded: WorldSummary, tmp_path: Path
) -> None:
    before = content(world_stores)
    path = tmp_path / "labels.tsv"
    path.write_text("w\tu\tYes\nw\tu\n", encoding="utf-8")
    with pytest.raises(LabelsError, match="line 2"):
        write_world(world_stores, world=make_world(labels=path), progress=silent)
    assert content(world_stores) == before


def test_a_labels_file_becomes_contributors_units_and_judgments(
    world_stores: WorldStores, tmp_path: Path
) -> None:
    lines = [
        f"w{n % 30}\thttps://tasks.example.org/{n % 50}\t{'Yes' if n % 3 else 'No'}\n" for n in range(600)
    ]
    path = tmp_path / "labels.tsv"
    path.write_text("".join(lines), encoding="utf-8")
    summary = write_world(world_stores, world=make_world(labels=path), progress=silent)
    counts = summary.counts["postgres"]
    assert (counts["contributors"], counts["units"], counts["judgments"]) == (30, 50, 600)
    assert sum(summary.counts["search"].values()) == 50
    stored = postgres(
        world_stores,
        sql.SQL("select url, label from judgments join units using (unit_id) order by judgment_id"),
    )
    assert stored == [tuple(line.rstrip("\n").split("\t")[1:]) for line in lines]
    job = postgres(
        world_stores, sql.SQL("select count(*) from units where job_id = {}").format(summary.job_id)
    )
    assert job[0][0] > 0


def test_a_failing_store_ends_the_other_writers_and_leaves_what_postgres_had(
    world_stores: WorldStores, loaded: WorldSummary, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(world_stores)["judgments"]
    unreachable = replace(world_stores, search_url="http://127.0.0.1:9")
    large = generated_world(contributors=20, judgments=10_000_000, seed=5, as_of=today())
    with pytest.raises(SearchIsAway):
        write_world(unreachable, world=large, progress=silent)
    assert content(world_stores)["judgments"] == before
