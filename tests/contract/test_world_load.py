"""A world in the five engines: what the loader says is there, and all five tell the same story."""

import json
from collections import Counter
from datetime import datetime

import pytest
from psycopg import sql

from sandbox.world import crews
from sandbox.world.generate import World, generated_world, today
from sandbox.world.load import WorldSummary, write_world
from sandbox.world.stores import WorldStores
from tests.contract.world_support import (
    clickhouse,
    documents,
    object_versions,
    postgres,
    redis,
    s3,
    search,
    silent,
    tables,
)

STORES = {"postgres", "clickhouse", "search", "s3", "redis"}


@pytest.fixture(scope="module")
def world() -> World:
    """Of several crews, as a large one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crews, "PEOPLE_A_CREW", 25)
        made = generated_world(contributors=60, seed=3, as_of=today())
    assert len(made.crews) == 3
    return made


@pytest.fixture(scope="module")
def loaded(world_stores: WorldStores, world: World) -> WorldSummary:
    return write_world(world_stores, world=world, progress=silent)


def test_every_store_holds_as_many_records_as_the_summary_says(
    world_stores: WorldStores, loaded: WorldSummary
) -> None:
    assert set(loaded.counts) == STORES
    for table, number in loaded.counts["postgres"].items():
        assert postgres(world_stores, sql.SQL("select count(*) from {}").format(sql.Identifier(table))) == [
            (number,)
        ]
    for table, number in loaded.counts["clickhouse"].items():
        assert clickhouse(world_stores).query(f"SELECT count() FROM {table}").result_rows == [(number,)]
    for index, number in loaded.counts["search"].items():
        assert search(world_stores).count(index=index)["count"] == number
    versions, markers = object_versions(world_stores)
    assert loaded.counts["s3"]["versions"] == len(versions) + len(markers)
    assert loaded.counts["s3"]["objects"] == sum(each["IsLatest"] for each in versions)
    keys = Counter(str(key).partition(":")[0] for key in redis(world_stores).scan_iter())
    counts = loaded.counts["redis"]
    assert keys["session"] == counts["sessions"] > 0
    assert keys["contributors"] == counts["contributors_online"] == 1
    of_people = counts["profiles"] + counts["sessions_by_contributor"]
    assert keys["profile"] + keys["sessions_by_contributor"] == of_people + counts["neighbours"]


def test_three_stores_tell_of_the_same_judgments(world_stores: WorldStores, loaded: WorldSummary) -> None:
    """Row by row: who judged what, how and when, and the email of the moment."""
    in_clickhouse = {
        (str(unit_id), str(contributor_id), label, at): email
        for unit_id, contributor_id, label, at, email in clickhouse(world_stores)
        .query("SELECT unit_id, contributor_id, label, toUnixTimestamp(created_at), email FROM unit_metrics")
        .result_rows
    }
    in_search = {
        (
            hit["_id"],
            each["workerId"],
            each["label"],
            int(datetime.fromisoformat(each["at"]).timestamp()),
        ): each["workerEmail"]
        for hit in documents(world_stores)
        for each in hit["_source"]["judgments"]
    }
    assert len(in_clickhouse) == loaded.counts["postgres"]["judgments"]
    assert in_search == in_clickhouse
    rows = postgres(
        world_stores,
        "select unit_id::text, contributor_id::text, label, extract(epoch from created_at)::bigint,"
        " contributor_email from judgments",
    )
    orphans = [row for row in rows if row[1] is None]
    assert len(orphans) == 2
    for unit_id, _, label, at, email in orphans:
        # ClickHouse and search have resolved who it was.
        who = {key[1] for key in in_clickhouse if (key[0], *key[2:]) == (unit_id, label, at)}
        stored = postgres(
            world_stores,
            sql.SQL("select contributor_id::text from contributors where lower(email) = {}").format(
                email.lower()
            ),
        )
        assert {contributor_id for (contributor_id,) in stored} <= who
    with_owner = {tuple(row[:4]): row[4] for row in rows if row[1] is not None}
    assert len(with_owner) == len(rows) - len(orphans)
    assert with_owner.keys() < in_clickhouse.keys()
    assert all(email in (None, in_clickhouse[key]) for key, email in with_owner.items())
    assert 0 < sum(email is None for email in with_owner.values()) < len(with_owner) / 10


def test_jobs_and_projects_of_units_are_the_same_in_three_stores(
    world_stores: WorldStores, loaded: WorldSummary
) -> None:
    in_postgres = {
        tuple(row)
        for row in postgres(
            world_stores,
            "select unit_id::text, job_id::text, project_id::text from units join jobs using (job_id)",
        )
    }
    in_clickhouse = clickhouse(world_stores).query(
        "SELECT DISTINCT toString(unit_id), toString(job_id), toString(project_id) FROM unit_metrics"
    )
    assert set(map(tuple, in_clickhouse.result_rows)) == in_postgres
    sources = [(hit["_index"], hit["_source"]) for hit in documents(world_stores)]
    assert {(each["unit_id"], each["job_id"], each["project_id"]) for _, each in sources} == in_postgres
    assert all(index == f"project-{each['project_id']}" for index, each in sources)
    assert {each["project_id"] for _, each in sources} == set(loaded.project_ids)


def test_who_and_which_email_are_the_same_in_all_stores(
    world_stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    people = {
        str(contributor_id): (email, name, phone)
        for contributor_id, email, name, phone in postgres(
            world_stores, "select contributor_id, email, full_name, phone from contributors"
        )
    }
    client = redis(world_stores)
    for contributor_id, (email, name, phone) in people.items():
        profile = client.hgetall(f"profile:{contributor_id}")
        assert (profile["email"], profile["full_name"], profile.get("phone")) == (email, name, phone)
    known = {
        email.lower()
        for (email,) in postgres(
            world_stores, "select email from contributors union select email from contributor_aliases"
        )
    }
    events = clickhouse(world_stores).query("SELECT DISTINCT lower(worker_email) FROM app_events")
    assert known >= {email for (email,) in events.result_rows if email is not None}
    versions, _ = object_versions(world_stores, "contributors/")
    owners = {each["Key"].split("/")[1] for each in versions if each["Key"].endswith("profile.json")}
    assert owners == people.keys()


def test_rows_that_follow_from_rows_are_of_the_same_people_and_times(
    world_stores: WorldStores, loaded: WorldSummary
) -> None:
    logins = postgres(
        world_stores,
        "select count(*), count(j.judgment_id) from login_events l left join judgments j"
        " on j.contributor_id = l.contributor_id and j.created_at = l.created_at and j.ip is not distinct from l.ip"
        " where l.login_event_id > 60",
    )
    assert logins[0][0] == logins[0][1] == loaded.counts["postgres"]["login_events"] - 60 > 0
    (events,) = (
        clickhouse(world_stores)
        .query(
            "SELECT count(), countIf(worker_email IS NULL OR (worker_email, created_at) IN"
            " (SELECT email, created_at FROM unit_metrics)) FROM app_events WHERE event = 'work'"
        )
        .result_rows
    )
    assert 0 < events[0] == events[1] < loaded.counts["clickhouse"]["app_events"]


def test_what_makes_loading_faster_is_put_back(world_stores: WorldStores, loaded: WorldSummary) -> None:
    for index, number in loaded.counts["search"].items():
        settings = search(world_stores).indices.get_settings(index=index)[index]["settings"]["index"]
        assert {"refresh_interval", "translog"}.isdisjoint(settings)
        assert (
            search(world_stores).indices.stats(index=index)["indices"][index]["total"]["docs"]["count"]
            == number
        )
    keys = postgres(
        world_stores,
        "select contype::text, count(*) from pg_constraint where connamespace = 'public'::regnamespace"
        " and convalidated group by 1",
    )
    assert dict(keys)["p"] == len(tables(world_stores))
    assert dict(keys)["f"] == 12


def test_emails_in_documents_are_found_by_exact_term(world_stores: WorldStores, loaded: WorldSummary) -> None:
    client = search(world_stores)
    hit = client.search(index="project-*", body={"size": 1})["hits"]["hits"][0]
    exact = hit["_source"]["latest"]["workerEmail"]
    for field in ("latest.workerEmail", "judgments.workerEmail"):
        assert client.count(index="project-*", body={"query": {"term": {field: exact}}})["count"] > 0
        part = exact.partition("@")[0]
        assert client.count(index="project-*", body={"query": {"term": {field: part}}})["count"] == 0


def test_some_objects_have_two_versions_and_some_a_delete_marker_on_top(
    world_stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    versions, markers = object_versions(world_stores, "contributors/")
    older = [each for each in versions if not each["IsLatest"]]
    assert {each["Key"].rpartition("/")[2] for each in older} == {"profile.json", "id-scan.txt"}
    assert markers and all(marker["IsLatest"] for marker in markers)
    key = next(each["Key"] for each in versions if each["Key"].endswith("profile.json") and each["IsLatest"])
    profile = json.loads(s3(world_stores).get_object(Bucket=world_stores.s3_bucket, Key=key)["Body"].read())
    owner = next(each for each in world.contributors if f"/{each.contributor_id}/" in key)
    assert (profile["name"], profile["email"]) == (owner.person.full_name, owner.email)


def test_exports_stand_below_their_project_with_versions_metadata_and_tags(
    world_stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    versions, markers = object_versions(world_stores, "exports/")
    latest = [each["Key"] for each in versions if each["IsLatest"]]
    assert {key.split("/")[1] for key in latest} == {each.project_id for each in world.projects}
    assert loaded.counts["s3"]["exports"] == len(latest) < len(versions)
    (deleted,) = markers
    assert deleted["IsLatest"] and deleted["Key"] not in latest
    key = next(key for key in latest if key.endswith("answers-1.csv.gz"))
    place = {"Bucket": world_stores.s3_bucket, "Key": key}
    assert s3(world_stores).head_object(**place)["Metadata"]["made-by"] == "nightly export"
    tags = s3(world_stores).get_object_tagging(**place)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind": "export", "keep": "a year"}


def test_sessions_lead_to_their_contributor_and_back_and_end_within_a_day(
    world_stores: WorldStores, loaded: WorldSummary, world: World
) -> None:
    client = redis(world_stores)
    people = {each.contributor_id: each for each in world.contributors}
    owners = set()
    for key in client.scan_iter("session:*"):
        session = json.loads(str(client.get(key)))
        owner = people[session["contributor_id"]]
        owners.add(owner.contributor_id)
        assert session["email"] == owner.email
        index = f"sessions_by_contributor:{owner.contributor_id}"
        assert client.sismember(index, key.removeprefix("session:"))
        assert 0 < int(str(client.ttl(key))) <= 86_400
        assert 0 < int(str(client.ttl(index))) <= 86_400
    assert {people[owner].inactive for owner in owners} == {True, False}
    assert {str(member) for member in client.sscan_iter("contributors:online")} == owners
