"""The judge on real engines: clean where all is masked, and every planted survivor found by place and number.

Holds: the contract of the readers, the verdicts, and what Data Docs may show.
Add here: a survivor that was once overlooked.
Keep out: the product's own stores (the judge knows nothing of them), the world (`expectations_world.py`).
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from erasure.inventory import ALL_STORES, Inventory
from expectations.checkpoints import StoreVerdict, verify_all, verify_store
from expectations.context import site_index
from expectations.readers.base import VerifiedBatch, ruled_places
from expectations.readers.s3 import read_s3
from sandbox.supervisor import Sandbox
from tests.contract.expectations_world import (
    ANN,
    ANNS_OTHER,
    BATCH,
    CONTROL,
    CONTROL_EMAIL,
    EMAIL,
    INDEX,
    MASK,
    NAME,
    OTHER_EMAIL,
    PERSONAL,
    PHONE,
    Judged,
    document,
    drop_world,
    files_below,
    make_world,
    read,
)
from tests.inventory_fixtures import kepler_inventory


@pytest.fixture
def judged(sandbox: Sandbox) -> Iterator[Judged]:
    world = make_world(sandbox.config)
    yield world
    drop_world(world)


@pytest.fixture
def inventory() -> Inventory:
    return kepler_inventory()


def survivors(judged: Judged, store: str) -> dict[str, int]:
    return {reading.place: reading.survivors for reading in read(judged, store) if reading.survivors}


def masked(judged: Judged, store: str) -> dict[str, int]:
    return {reading.place: reading.masked for reading in read(judged, store)}


def records(judged: Judged, store: str) -> dict[str, int]:
    return {reading.object: reading.records for reading in read(judged, store)}


def plant_in_postgres(judged: Judged) -> None:
    judged.sql(
        f"""
        update contributors set email = '{EMAIL}', full_name = '{NAME}', phone = '{PHONE}',
          address = 'Street 1', birth_date = '1980-03-04' where contributor_id = '{ANN}';
        update contributor_aliases set email = '{OTHER_EMAIL}' where contributor_id = '{ANN}';
        insert into judgments (judgment_id, unit_id, job_id, contributor_email, label, ip, created_at)
          select 10, unit_id, job_id, ' ANN.Judge@Example.com ', 'cat', '192.0.2.55', created_at
          from judgments where judgment_id = 1;
        update judgments set ip = '192.0.2.56' where judgment_id = 3;
        update payments set payee_name = '{NAME}', iban = 'DE02' where payment_id = 1;
        insert into disputes values (10, 10, 'closed', '{EMAIL}', 'I, ANN JUDGEWORTHY, object', now());
        update support_messages set sender_email = '{EMAIL}', subject = 'call {PHONE}' where message_id = 1;
        update support_messages set body = 'yours, {NAME}' where message_id = 2;
        update login_events set ip = '2001:db8:1::1', user_agent = 'UA' where contributor_id = '{ANN}';
        """
    )


def test_a_clean_state_has_no_survivor_in_any_store(judged: Judged, inventory: Inventory) -> None:
    assert {store: survivors(judged, store) for store in ALL_STORES} == {store: {} for store in ALL_STORES}
    for store in ALL_STORES:
        assert [one.place for one in read(judged, store)] == list(ruled_places(inventory, store))


def test_masked_values_and_records_of_targets_are_counted_and_the_control_is_not(judged: Judged) -> None:
    in_postgres = masked(judged, "postgres")
    assert in_postgres["contributors.email"] == 2
    assert in_postgres["contributors.phone"] == 1
    assert in_postgres["contributors.address"] == 2
    assert in_postgres["judgments.contributor_email"] == 2
    assert in_postgres["judgments.ip"] == 3
    assert in_postgres["disputes.statement"] == 1
    assert in_postgres["support_messages.body"] == 2
    assert records(judged, "postgres")["judgments"] == 3
    assert masked(judged, "clickhouse")["unit_metrics.email"] == 2
    assert records(judged, "clickhouse") == {
        "unit_metrics": 2,
        "app_events": 1,
        "notifications": 0,
        "slow_units": 0,
    }
    assert masked(judged, "elasticsearch") == {
        "units.latest.workerEmail": 1,
        "units.judgments[].workerEmail": 2,
    }
    assert records(judged, "elasticsearch") == {"units": 2}


def test_every_survivor_planted_in_postgres_is_found_by_place(judged: Judged) -> None:
    plant_in_postgres(judged)
    assert survivors(judged, "postgres") == {
        "contributors.email": 1,
        "contributors.full_name": 1,
        "contributors.phone": 1,
        "contributors.address": 1,
        "contributors.birth_date": 1,
        "contributor_aliases.email": 1,
        "judgments.contributor_email": 1,
        "judgments.ip": 2,
        "payments.payee_name": 1,
        "payments.iban": 1,
        "disputes.claimant_email": 1,
        "disputes.statement": 1,
        "support_messages.sender_email": 1,
        "support_messages.subject": 1,
        "support_messages.body": 1,
        "login_events.ip": 1,
        "login_events.user_agent": 1,
    }


def test_survivors_in_clickhouse_are_found_by_id_and_by_email_in_any_case(judged: Judged) -> None:
    judged.clickhouse(
        f"alter table unit_metrics update email = '{EMAIL}' where contributor_id = '{ANN}' "
        "settings mutations_sync = 2",
        f"""insert into app_events values (10, 'open', '\t{OTHER_EMAIL.upper()} ', '192.0.2.55', 1, now()),
            (11, 'open', '{MASK}', '2001:db8:1:2::', 1, now())""",
    )
    assert survivors(judged, "clickhouse") == {
        "unit_metrics.email": 1,
        "app_events.worker_email": 1,
        "app_events.ip": 2,
    }


def test_survivors_in_documents_are_found_element_by_element(judged: Judged) -> None:
    judged.search(
        "PUT",
        f"{INDEX}/_doc/10",
        document((ANN, EMAIL), (CONTROL, CONTROL_EMAIL), (None, OTHER_EMAIL.upper())),
    )
    judged.search("PUT", f"{INDEX}/_doc/11", document((ANN, MASK), (CONTROL, EMAIL)))
    assert survivors(judged, "elasticsearch") == {
        "units.latest.workerEmail": 1,
        "units.judgments[].workerEmail": 2,
    }


def test_a_document_that_no_query_finds_is_read_all_the_same(judged: Judged) -> None:
    judged.search("PUT", "project-unindexed", {"mappings": {"enabled": False}})
    judged.search("PUT", "project-unindexed/_doc/1", {"latest.workerEmail": EMAIL, "latest.workerId": ANN})
    judged.search("PUT", "project-unindexed/_doc/2", {"judgments": {"workerId": ANN, "workerEmail": [EMAIL]}})
    assert survivors(judged, "elasticsearch") == {
        "units.latest.workerEmail": 1,
        "units.judgments[].workerEmail": 1,
    }


def test_versions_delete_markers_and_unfinished_uploads_in_s3_count_by_key(judged: Judged) -> None:
    s3, bucket = judged.s3, judged.bucket
    for _ in range(2):
        s3.put_object(Bucket=bucket, Key=f"contributors/{ANN}/profile.json", Body=b"{}")
    s3.put_object(Bucket=bucket, Key=f"contributors/{ANNS_OTHER}/id-scan.txt", Body=b"x")
    s3.delete_object(Bucket=bucket, Key=f"contributors/{ANNS_OTHER}/id-scan.txt")
    s3.create_multipart_upload(Bucket=bucket, Key=f"contributors/{ANN}/big.bin")
    assert survivors(judged, "s3") == {"contributor_files.*": 3}


def test_a_large_batch_finds_the_same_keys_in_s3(judged: Judged) -> None:
    judged.s3.put_object(Bucket=judged.bucket, Key=f"contributors/{ANN}/profile.json", Body=b"{}")
    many = {f"d0000000-0000-4000-8000-{number:012}": "nobody" for number in range(60)}
    batch = VerifiedBatch(batch_id=BATCH, persons={ANN: ANN, **many})
    readings = read_s3(judged.settings, kepler_inventory(), batch)
    assert [(one.place, one.survivors) for one in readings if one.survivors] == [("contributor_files.*", 1)]


def test_sessions_profiles_and_members_left_in_redis_are_found(judged: Judged) -> None:
    client = judged.redis
    client.set("session:t1", json.dumps({"contributor_id": ANN, "email": EMAIL}))
    client.hset("session:t2", mapping={"contributor_id": ANNS_OTHER})
    client.set("session:t3", f"not json, but of {ANN}")
    client.set("session:t4", json.dumps({"contributor_id": CONTROL, "email": EMAIL}))
    client.sadd(f"sessions_by_contributor:{ANN}", "t1")
    client.hset(f"profile:{ANN}", mapping={"email": EMAIL})
    client.sadd("contributors:online", ANN, ANNS_OTHER)
    assert survivors(judged, "redis") == {"sessions.*": 4, "profiles.*": 1, "online.*": 2}


def test_what_is_left_after_expiry_is_judged_by_ids_and_the_rest_is_named(
    judged: Judged, inventory: Inventory, tmp_path: Path
) -> None:
    plant_in_postgres(judged)
    judged.sql("delete from erasure.targets")
    verdict = verify_store(judged.settings, inventory, BATCH, "postgres", tmp_path)
    assert not verdict.success
    assert verdict.unjudged == ("disputes.statement", "support_messages.subject", "support_messages.body")
    assert "contributors.email: 1 survivor" in verdict.failed
    assert not {reading.place for reading in verdict.readings} & set(verdict.unjudged)
    done = {"app_events": 9, "unit_metrics": 2}
    in_clickhouse = verify_store(judged.settings, inventory, BATCH, "clickhouse", tmp_path, done)
    assert in_clickhouse.success
    assert in_clickhouse.unjudged == ("app_events.worker_email", "notifications.recipient")


def test_all_stores_add_their_verdict_to_one_site_that_names_nobody(
    judged: Judged, inventory: Inventory, tmp_path: Path
) -> None:
    clean = verify_all(judged.settings, inventory, BATCH, tmp_path)
    assert [verdict.store for verdict in clean] == list(ALL_STORES)
    assert all(verdict.success and verdict.failed == () for verdict in clean)

    plant_in_postgres(judged)
    judged.clickhouse(f"insert into app_events values (10, 'open', '{EMAIL}', NULL, 1, now())")
    judged.search("PUT", f"{INDEX}/_doc/10", document((ANN, EMAIL)))
    judged.s3.put_object(Bucket=judged.bucket, Key=f"contributors/{ANN}/profile.json", Body=EMAIL.encode())
    judged.redis.hset(f"profile:{ANN}", mapping={"email": EMAIL, "full_name": NAME})
    found = {verdict.store: verdict for verdict in verify_all(judged.settings, inventory, BATCH, tmp_path)}

    assert not any(verdict.success for verdict in found.values())
    assert found["clickhouse"].failed == ("app_events.worker_email: 1 survivor",)
    assert found["elasticsearch"].survivors == 2
    assert found["s3"].failed == ("contributor_files.*: 1 survivor",)
    assert found["redis"].failed == ("profiles.*: 1 survivor",)
    index = site_index(tmp_path)
    assert found["redis"].docs_url == index.as_uri()
    assert all(f"validations/{store}/" in index.read_text() for store in ALL_STORES)
    written = b"".join(path.read_bytes() for path in files_below(tmp_path))
    assert b"support_messages.body" in written
    assert not [value for value in PERSONAL if value.encode() in written]


def test_fewer_masked_values_than_the_ledger_says_fail(
    judged: Judged, inventory: Inventory, tmp_path: Path
) -> None:
    def verdict(expected: dict[str, int]) -> StoreVerdict:
        return verify_store(judged.settings, inventory, BATCH, "clickhouse", tmp_path, expected)

    assert verdict({"unit_metrics": 2, "app_events.worker_email": 1}).success
    short = verdict({"unit_metrics": 5})
    assert not short.success
    assert short.failed == ("unit_metrics.email: 3 masked values fewer than were made",)
