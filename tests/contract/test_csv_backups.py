"""CSVs of what is about to change: all of it as it is, and of nobody else, for their owner alone.

Add here: another store whose records are backed up.
Keep out: when a deletion takes them and when they go (`tests/integration/test_older_commands.py`).
"""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from erasure import expiry
from erasure.csv_backups import clickhouse, files, postgres, redis, s3, search
from erasure.errors import StoreUnavailable
from erasure.inventory import Subject
from erasure.ledger import batches
from erasure.rules import Rule
from erasure.stores.redis.store import RedisStore
from tests.contract.redis_support import fields, profile, store_with
from tests.contract.s3_support import OBJECT, new_bucket, put, s3_object
from tests.contract.s3_support import targets as people
from tests.contract.search_shapes import known, pattern, ruled
from tests.contract.search_support import (
    ANY_MAPPING,
    CONTROLS,
    TARGETS,
    Ground,
    expected_after,
    judgment,
    many_units,
    target_set,
    unit,
)
from tests.contract.sql_world import BATCH, JOB, PROJECT, SqlWorld, make_analytics, person_id

ANN, CONTROL = person_id(1), person_id(8)
EMAIL, OTHERS = "ann.backup@example.com", "person8@example.com"
# What a line of a CSV must not be broken by.
ODD = 'said "no",\nthen; yes'


def read(path: Path) -> list[dict[str, str]]:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL, full_name=ODD)
    sql_world.person(8)
    for contributor_id in (ANN, CONTROL):
        sql_world.add("support_messages", contributor_id=contributor_id, sender_email=None, body=ODD)
    sql_world.freeze((ANN, EMAIL))
    return sql_world


def test_rows_of_postgres_are_kept_whole_and_those_of_controls_are_not_in_it(
    world: SqlWorld, tmp_path: Path
) -> None:
    found = postgres.write(
        world.settings.database,
        objects=[item for item in world.inventory.of("postgres") if item.is_masked],
        selects=world.project.masked_rows("postgres", BATCH),
        folder=tmp_path / "postgres",
    )
    counted = {name: count.records for name, count in world.postgres().count(world.targets()).items()}
    assert found == {name: number for name, number in counted.items() if number}
    (row,) = read(tmp_path / "postgres" / "contributors.csv")
    assert (row["contributor_id"], row["email"], row["full_name"]) == (ANN, EMAIL, ODD)
    assert {path.stem for path in (tmp_path / "postgres").iterdir()} == set(found)


def test_rows_of_clickhouse_are_kept_whole_and_those_of_controls_are_not_in_it(
    world: SqlWorld, tmp_path: Path
) -> None:
    make_analytics(world.analytics)
    metrics = [(1, ANN, EMAIL, ODD), (2, CONTROL, OTHERS, "cat"), (3, ANN, "", "cat"), (4, CONTROL, "", ODD)]
    world.analytics.insert(
        "kepler.unit_metrics",
        [(PROJECT, JOB, person_id(n), owner, email, label, "DE", n, 0) for n, owner, email, label in metrics],
    )
    found = clickhouse.write(
        world.settings.clickhouse,
        objects=[item for item in world.inventory.of("clickhouse") if item.is_masked],
        models=world.project,
        targets=world.targets(),
        folder=tmp_path / "clickhouse",
    )
    counted = {name: count.records for name, count in world.clickhouse().count(world.targets()).items()}
    assert found == {name: number for name, number in counted.items() if number}
    rows = read(tmp_path / "clickhouse" / "unit_metrics.csv")
    assert len(rows) == found["unit_metrics"]
    assert (EMAIL, ODD) in {(row["email"], row["label"]) for row in rows}
    assert {row["contributor_id"] for row in rows} == {ANN}
    assert world.analytics.query("exists table erasure.targets").result_rows == [(0,)]


def test_documents_are_kept_whole_wherever_a_target_is_in_them(ground: Ground, tmp_path: Path) -> None:
    index, documents = ground.index("a"), many_units()
    # Somebody without an id, by email in another case; and a label that breaks lines.
    documents.append(unit(judgment(TARGETS[0], workerId=None, workerEmail=TARGETS[0].email.upper())))
    documents.append(unit(judgment(CONTROLS[0], workerId=None)))
    documents.append(unit(judgment(TARGETS[1], label=ODD)))
    ground.fill(index, documents)
    before = ground.read(index)

    found = written(ground, ground.units, tmp_path, targets=target_set(*TARGETS))

    changing = {d["unit_id"]: d for d in documents if expected_after(d, *TARGETS) != d or d is documents[-3]}
    assert {row["id"]: json.loads(row["document"]) for row in found} == changing
    assert {row["index"] for row in found} == {index}
    assert ground.read(index) == before


def test_documents_that_go_as_a_whole_are_kept_with_their_routing(ground: Ground, tmp_path: Path) -> None:
    index = ground.index("a", ANY_MAPPING, settings={"number_of_shards": 2})
    of = {"1": TARGETS[0], "2": CONTROLS[0]}
    for name, worker in of.items():
        body = {"who": {"id": worker.id}, "mail": worker.email}
        ground.client.index(index=index, id=name, body=body, routing="r", refresh=True)
    ground.client.index(index=index, id="3", body={"mail": TARGETS[0].email.upper()}, refresh=True)
    item = pattern(
        f"{ground.prefix}-*",
        ruled("mail", "who.id", Rule.KEEP),
        subject=Subject(contributor_id="who.id", email="mail"),
        rule=Rule.DELETE,
    )
    found = written(ground, item, tmp_path, targets=known(TARGETS[0]))
    assert {(row["id"], row["routing"]) for row in found} == {("1", "r"), ("3", "")}


def written(ground: Ground, item: Any, folder: Path, *, targets: Any) -> list[dict[str, str]]:
    counted = ground.store(item).count(targets)[item.name].records
    found = search.write(ground.server, objects=[item], targets=targets, folder=folder / "search")
    assert found == {item.name: counted}
    return read(folder / "search" / f"{item.name}.csv")


@pytest.mark.parametrize("versioning", ["Off", "Enabled"])
def test_versions_of_s3_objects_are_listed_and_those_of_controls_are_not(
    s3_client: Any, tmp_path: Path, versioning: str
) -> None:
    bucket = new_bucket(s3_client, versioning)
    put(s3_client, bucket, "contributors/u1/a.json", "contributors/u1/a.json", "contributors/u10/a.json")
    s3_client.delete_object(Bucket=bucket, Key="contributors/u1/a.json")
    put(s3_client, bucket, "contributors/u1/b, c.txt")
    item = s3_object("contributors/{contributor_id}/")

    found = s3.write(s3_client, bucket, objects=[item], targets=people("u1"), folder=tmp_path / "s3")

    rows = read(tmp_path / "s3" / f"{OBJECT}.csv")
    keys = ["contributors/u1/a.json"] * (3 if versioning == "Enabled" else 0) + ["contributors/u1/b, c.txt"]
    assert sorted(row["key"] for row in rows) == keys
    assert found == {OBJECT: len(keys)}
    assert {row["bucket"] for row in rows} == {bucket}
    assert sum(row["is_delete_marker"] == "True" for row in rows) == len(keys) // 4
    assert s3.write(s3_client, bucket, objects=[item], targets=people("u3"), folder=tmp_path / "none") == {}


def test_keys_and_members_of_redis_are_kept_and_neither_sessions_nor_controls_are(
    redis_db: Any, redis_store: RedisStore, tmp_path: Path
) -> None:
    profile(redis_db, "u1", "u10")
    redis_db.expire("profile:u1", 1_000)
    redis_db.sadd("contributors:online", "u1", "u10")
    redis_db.set("session:t", json.dumps({"contributor_id": "u1"}))

    found = redis.write(redis_store, targets=people("u1"), folder=tmp_path / "redis")

    assert found == {"profiles": 1, "online": 1}
    (row,) = read(tmp_path / "redis" / "profiles.csv")
    assert (row["key"], row["kind"], row["member"]) == ("profile:u1", "hash", "")
    assert json.loads(row["value"]) == {"email": "u1@example.com"}
    assert 0 < int(row["milliseconds_left"]) <= 1_000_000
    (row,) = read(tmp_path / "redis" / "online.csv")
    assert (row["key"], row["kind"], row["member"]) == ("contributors:online", "set", "u1")
    assert {path.name for path in (tmp_path / "redis").iterdir()} == {"profiles.csv", "online.csv"}


def test_values_of_redis_that_are_masked_in_their_place_are_kept_as_they_are(
    redis_db: Any, tmp_path: Path
) -> None:
    value = json.dumps({"id": "u1", "mail": ODD})
    redis_db.set("card:1", value)
    redis_db.set("card:2", value.replace("u1", "u10"))
    store = store_with(
        redis_db, "card:*", subject=Subject(contributor_id="id"), fields=fields(id="keep", mail="constant")
    )
    assert redis.write(store, targets=people("u1"), folder=tmp_path / "redis") == {"extra": 1}
    (row,) = read(tmp_path / "redis" / "extra.csv")
    assert (row["key"], row["value"], row["milliseconds_left"]) == ("card:1", value, "")
    assert redis_db.get("card:1") == value.encode()


def test_a_folder_that_cannot_be_filled_to_its_end_is_removed(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable), files.made(tmp_path, BATCH) as folder:
        with files.opened(folder / "postgres" / "contributors.csv") as file:
            file.write(b"somebody")
        raise StoreUnavailable(store="clickhouse", what="is away", remedy="wait")
    assert list((tmp_path / "backups").iterdir()) == []


def test_expiring_removes_the_csvs_of_plans_that_nobody_executes_and_leaves_the_others(
    world: SqlWorld, tmp_path: Path
) -> None:
    batches.keep_plan(world.settings, batch_id=BATCH, fingerprint="f" * 16, plan={"batch_id": BATCH})
    for batch_id in (BATCH, "somebody-elses"):
        with files.made(tmp_path, batch_id):
            pass
    assert expiry.expire(world.settings, tmp_path) == []
    assert files.batches_with_csvs(tmp_path) == sorted([BATCH, "somebody-elses"])
    batches.cancel(world.settings, batch_id=BATCH)
    expiry.expire(world.settings, tmp_path)
    assert files.batches_with_csvs(tmp_path) == ["somebody-elses"]
