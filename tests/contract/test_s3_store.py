"""The S3 store on a real S3 server: what is a target's goes in every version, everybody else's stays.

Holds: the contract of `S3Store` for whole objects; each test has a bucket of its own.
Add here: a way in which a bucket can be set up.
Keep out: other ways in which a key is somebody's (`test_s3_persons.py`), files with rows of many people
(`test_s3_shared.py`), and the flow around the store (`tests/integration`).
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import BadInput, Incomplete, StoreRefused, StoreUnavailable
from erasure.stores.base import no_progress
from erasure.stores.s3 import finding, listing, removal
from sandbox.config import SandboxConfig
from tests.contract.s3_support import (
    OBJECT,
    client_for,
    everything,
    hold,
    new_bucket,
    put,
    set_versioning,
    store_on,
    store_with_key,
    targets,
)


@pytest.mark.parametrize("versioning", ["Off", "Enabled", "Suspended"])
def test_all_of_a_target_goes_and_all_of_a_control_stays(s3_client: Any, versioning: str) -> None:
    bucket = new_bucket(s3_client, versioning)
    put(s3_client, bucket, "contributors/u1/profile.json", "contributors/u1/scans/front.txt")
    put(s3_client, bucket, "contributors/u10/profile.json", "contributors/u10/profile.json", "elsewhere/u1/x")
    s3_client.delete_object(Bucket=bucket, Key="contributors/u10/profile.json")
    if versioning == "Suspended":
        set_versioning(s3_client, bucket, versioning)
    put(s3_client, bucket, "contributors/u1/late.txt")
    others = [entry for entry in everything(s3_client, bucket) if not entry[0].startswith("contributors/u1/")]
    store = store_on(s3_client, bucket)

    planned = store.count(targets("u1"))
    done = store.mask(targets("u1"), no_progress)

    assert planned == done == {OBJECT: Count(records=3, elements=3)}
    assert everything(s3_client, bucket) == others
    assert store.count(targets("u1")) == {OBJECT: Count(records=0)}
    assert store.purge(targets("u1"), no_progress) == {OBJECT: Count(records=0)}


def test_versions_below_a_delete_marker_go_with_the_marker(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    key = "contributors/u1/profile.json"
    put(s3_client, bucket, key, key, "contributors/u1/kept.txt")
    s3_client.delete_object(Bucket=bucket, Key=key)

    done = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=2, elements=4)}
    assert everything(s3_client, bucket) == []


def test_masking_a_second_time_changes_nothing(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/profile.json", "contributors/u2/profile.json")
    store = store_on(s3_client, bucket)
    store.mask(targets("u1"), no_progress)
    before = everything(s3_client, bucket)

    assert store.mask(targets("u1"), no_progress) == {OBJECT: Count(records=0)}
    assert everything(s3_client, bucket) == before != []


@pytest.mark.parametrize("pages_each", [0, 100])
@pytest.mark.parametrize("page", [2, 1_000])
def test_one_listing_or_one_a_contributor_finds_the_same(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch, pages_each: int, page: int
) -> None:
    monkeypatch.setattr(finding, "SHARED_PAGES_EACH", pages_each)
    monkeypatch.setattr(listing, "LISTED_AT_ONCE", page)
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, *(f"contributors/u{number}/profile.json" for number in range(12)))
    store, some = store_on(s3_client, bucket), targets("u1", "u2", "u3", "nobody")

    assert store.count(some) == store.mask(some, no_progress) == {OBJECT: Count(records=3, elements=3)}
    left = {key.split("/")[1] for key, _ in everything(s3_client, bucket)}
    assert left == {f"u{number}" for number in range(12)} - {"u1", "u2", "u3"}


def test_more_versions_than_one_call_deletes_all_go(s3_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "DELETED_AT_ONCE", 4)
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, *["contributors/u1/a", "contributors/u1/b", "contributors/u2/a"] * 3)
    put(s3_client, bucket, *["contributors/u1/a"] * 3)
    told: list[tuple[str, int, int]] = []

    done = store_on(s3_client, bucket).mask(targets("u1"), lambda *what: told.append(what))

    assert done == {OBJECT: Count(records=2, elements=9)}
    # A key's versions never go by two calls at once.
    assert told == [(OBJECT, 0, 9), (OBJECT, 6, 9), (OBJECT, 9, 9)]
    assert {key for key, _ in everything(s3_client, bucket)} == {"contributors/u2/a"}


def test_keys_with_odd_characters_go_as_well(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/a &<b>+ç 100%?#.txt", "contributors/u2/a &<b>+ç 100%?#.txt")

    done = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1)}
    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/a &<b>+ç 100%?#.txt"]


def test_unfinished_uploads_of_a_target_are_aborted_and_those_of_a_control_are_not(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for contributor in ("u1", "u10"):
        key = f"contributors/{contributor}/film.bin"
        upload = s3_client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        s3_client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"made up")
    store = store_on(s3_client, bucket)

    with pytest.raises(Incomplete, match="1 unfinished uploads"):
        store.purge(targets("u1"), no_progress)
    store.mask(targets("u1"), no_progress)

    uploads = s3_client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["contributors/u10/film.bin"]
    store.purge(targets("u1"), no_progress)


def test_locked_versions_are_planned_as_what_cannot_go_and_stay_as_long_as_the_lock(s3_client: Any) -> None:
    bucket = new_bucket(s3_client, locking=True)
    put(s3_client, bucket, "contributors/u1/profile.json", "contributors/u1/contract.pdf")
    held = s3_client.head_object(Bucket=bucket, Key="contributors/u1/contract.pdf")["VersionId"]
    hold(s3_client, bucket, "contributors/u1/contract.pdf", held, "ON")
    store = store_on(s3_client, bucket)
    expected = {OBJECT: Count(records=1, elements=1, not_erasable={"under a legal hold": 1})}

    assert store.count(targets("u1")) == store.mask(targets("u1"), no_progress) == expected

    assert everything(s3_client, bucket) == [("contributors/u1/contract.pdf", held)]
    store.purge(targets("u1"), no_progress)
    hold(s3_client, bucket, "contributors/u1/contract.pdf", held, "OFF")
    assert store.mask(targets("u1"), no_progress) == {OBJECT: Count(records=1, elements=1)}
    assert everything(s3_client, bucket) == []


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_a_retention_is_a_lock_until_it_ends(s3_client: Any, mode: str) -> None:
    bucket = new_bucket(s3_client, locking=True)
    put(s3_client, bucket, "contributors/u1/contract.pdf", "contributors/u2/contract.pdf")
    until = datetime.now(UTC) + timedelta(days=1)
    s3_client.put_object_retention(
        Bucket=bucket,
        Key="contributors/u1/contract.pdf",
        Retention={"Mode": mode, "RetainUntilDate": until},
    )
    before = everything(s3_client, bucket)

    found = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert found == {OBJECT: Count(records=0, not_erasable={"locked by a retention that has not ended": 1})}
    assert everything(s3_client, bucket) == before
    assert store_on(s3_client, bucket).count(targets("u2")) == {OBJECT: Count(records=1, elements=1)}


def test_something_written_after_masking_is_found_by_purging(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    store = store_on(s3_client, bucket)
    store.mask(targets("u1"), no_progress)
    store.purge(targets("u1"), no_progress)
    put(s3_client, bucket, "contributors/u1/late.txt")

    with pytest.raises(Incomplete, match="1 versions"):
        store.purge(targets("u1"), no_progress)


def test_a_key_that_is_no_folder_is_taken_exactly(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "faces/u1.png", "faces/u1.png.bak", "faces/u10.png", "faces/u1.pngx")

    done = store_with_key(s3_client, bucket, "faces/{contributor_id}.png").mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1)}
    assert [key for key, _ in everything(s3_client, bucket)] == [
        "faces/u1.png.bak",
        "faces/u1.pngx",
        "faces/u10.png",
    ]


@pytest.mark.parametrize("location", ["contributors/", "{contributor_id}/{contributor_id}/"])
def test_a_key_that_does_not_name_the_contributor_once_is_refused(s3_client: Any, location: str) -> None:
    with pytest.raises(BadInput, match=r"s3\.yml"):
        store_with_key(s3_client, "unused", location)


@pytest.mark.parametrize("contributor_id", ["", "u1/scans"])
def test_an_id_that_cannot_stand_in_a_key_is_refused_instead_of_missed(
    s3_client: Any, contributor_id: str
) -> None:
    store = store_on(s3_client, new_bucket(s3_client))
    with pytest.raises(StoreRefused, match="contributor id"):
        store.count(targets(contributor_id))


@pytest.mark.parametrize("versioning", ["off", "enabled", "suspended"])
def test_health_says_whether_the_bucket_keeps_versions(s3_client: Any, versioning: str) -> None:
    bucket = new_bucket(s3_client, versioning.capitalize())
    if versioning == "suspended":
        set_versioning(s3_client, bucket, "Suspended")

    health = store_on(s3_client, bucket).health()

    assert (health.engine, health.version) == ("S3", f"versioning {versioning}")


def test_a_wrong_bucket_names_the_key_to_change(s3_client: Any) -> None:
    for bucket in ("no-such-bucket", "No Bucket At All!"):
        with pytest.raises(StoreUnavailable, match=r"\[s3\] bucket_name"):
            store_on(s3_client, bucket).health()
        with pytest.raises(StoreUnavailable, match=r"\[s3\] bucket_name"):
            store_on(s3_client, bucket).count(targets("u1"))


def test_nobody_at_the_endpoint_names_the_key_to_change(s3_config: SandboxConfig) -> None:
    nowhere = client_for(s3_config, endpoint_url="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match=r"\[s3\] endpoint_url"):
        store_on(nowhere, "unused").health()
    with pytest.raises(StoreUnavailable, match=r"\[s3\] endpoint_url"):
        store_on(nowhere, "unused").mask(targets("u1"), no_progress)


@pytest.mark.usefixtures("credentials_are_checked")
def test_wrong_credentials_name_the_key_to_change_and_not_their_value(s3_config: SandboxConfig) -> None:
    stranger = client_for(s3_config, aws_access_key_id="STRANGER", aws_secret_access_key="not-the-secret")

    with pytest.raises(StoreUnavailable, match=r"\[s3\] aws_access_key_id") as caught:
        store_on(stranger, s3_config.s3_bucket).health()

    assert "STRANGER" not in str(caught.value)
    assert "not-the-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
