"""The S3 store on a real S3 server: what is a target's goes in every version, everybody else's stays.

Holds: the contract of `S3Store`; each test has a bucket of its own.
Add here: a way in which a bucket can be set up, or a key can be somebody's.
Keep out: the flow around the store (`tests/integration`).
"""

import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from erasure.counts import Count
from erasure.errors import BadInput, Incomplete, StoreRefused, StoreUnavailable
from erasure.inventory import InventoryObject, Subject
from erasure.rules import Rule
from erasure.stores.base import no_progress
from erasure.stores.s3 import store as s3_module
from erasure.stores.s3.store import S3Store
from erasure.targets import TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory

OBJECT = "contributor_files"
VERSIONINGS = ("Off", "Enabled", "Suspended")


def targets(*contributor_ids: str) -> TargetSet:
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(contributor_ids))


def client_for(config: SandboxConfig, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "endpoint_url": config.s3_endpoint_url,
        "region_name": config.s3_region,
        "aws_access_key_id": config.s3_access_key,
        "aws_secret_access_key": config.s3_secret_key,
        "config": Config(connect_timeout=2, read_timeout=30, retries={"max_attempts": 1}),
    }
    return boto3.client("s3", **(options | changes))


@pytest.fixture
def config(sandbox: Sandbox) -> SandboxConfig:
    return sandbox.config


@pytest.fixture
def client(config: SandboxConfig) -> Any:
    return client_for(config)


@pytest.fixture
def credentials_are_checked(config: SandboxConfig) -> Iterator[None]:
    """Lets moto look at access keys, which it otherwise takes unseen; other servers always look."""

    def from_call(number: str) -> None:
        # Another server than moto answers that it knows no such path, which is fine.
        url = f"{config.s3_endpoint_url}/moto-api/reset-auth"
        httpx.post(url, content=number, headers={"Content-Type": "text/plain"}, trust_env=False)

    from_call("0")
    yield
    from_call("inf")


def new_bucket(client: Any, versioning: str = "Enabled", *, locking: bool = False) -> str:
    bucket = f"test-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locking)
    if versioning != "Off":
        set_versioning(client, bucket, "Enabled")
    return bucket


def set_versioning(client: Any, bucket: str, status: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def put(client: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"made up")


def everything(client: Any, bucket: str) -> list[tuple[str, str]]:
    """Every version and delete marker of a bucket, asked for without our code."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
    entries = [
        entry for page in pages for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, [])
    ]
    return sorted({(entry["Key"], entry["VersionId"]) for entry in entries})


def store_on(client: Any, bucket: str) -> S3Store:
    return S3Store(client, bucket, kepler_inventory().of("s3"))


def store_with_key(client: Any, bucket: str, location: str) -> S3Store:
    item = InventoryObject(
        store="s3",
        name=OBJECT,
        source="kepler_s3",
        schema="kepler_s3",
        location=location,
        subject=Subject(),
        rule=Rule.DELETE,
    )
    return S3Store(client, bucket, [item])


@pytest.mark.parametrize("versioning", ["Off", "Enabled", "Suspended"])
def test_all_of_a_target_goes_and_all_of_a_control_stays(client: Any, versioning: str) -> None:
    bucket = new_bucket(client, versioning)
    put(client, bucket, "contributors/u1/profile.json", "contributors/u1/scans/front.txt")
    put(client, bucket, "contributors/u10/profile.json", "contributors/u10/profile.json", "elsewhere/u1/x")
    client.delete_object(Bucket=bucket, Key="contributors/u10/profile.json")
    if versioning == "Suspended":
        set_versioning(client, bucket, versioning)
    put(client, bucket, "contributors/u1/late.txt")
    others = [entry for entry in everything(client, bucket) if not entry[0].startswith("contributors/u1/")]
    store = store_on(client, bucket)

    planned = store.count(targets("u1"))
    done = store.mask(targets("u1"), no_progress)

    assert planned == done == {OBJECT: Count(records=3, elements=3)}
    assert everything(client, bucket) == others
    assert store.count(targets("u1")) == {OBJECT: Count(records=0)}
    assert store.purge(targets("u1"), no_progress) == {OBJECT: Count(records=0)}


def test_versions_below_a_delete_marker_go_with_the_marker(client: Any) -> None:
    bucket = new_bucket(client)
    key = "contributors/u1/profile.json"
    put(client, bucket, key, key, "contributors/u1/kept.txt")
    client.delete_object(Bucket=bucket, Key=key)

    done = store_on(client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=2, elements=4)}
    assert everything(client, bucket) == []


def test_masking_a_second_time_changes_nothing(client: Any) -> None:
    bucket = new_bucket(client)
    put(client, bucket, "contributors/u1/profile.json", "contributors/u2/profile.json")
    store = store_on(client, bucket)
    store.mask(targets("u1"), no_progress)
    before = everything(client, bucket)

    assert store.mask(targets("u1"), no_progress) == {OBJECT: Count(records=0)}
    assert everything(client, bucket) == before != []


@pytest.mark.parametrize("listed_alone", [3, 200])
@pytest.mark.parametrize("page", [2, 1_000])
def test_one_listing_or_one_a_contributor_finds_the_same(
    client: Any, monkeypatch: pytest.MonkeyPatch, listed_alone: int, page: int
) -> None:
    monkeypatch.setattr(s3_module, "LISTED_ALONE", listed_alone)
    monkeypatch.setattr(s3_module, "LISTED_AT_ONCE", page)
    bucket = new_bucket(client)
    put(client, bucket, *(f"contributors/u{number}/profile.json" for number in range(12)))
    store, some = store_on(client, bucket), targets("u1", "u2", "u3", "nobody")

    assert store.count(some) == store.mask(some, no_progress) == {OBJECT: Count(records=3, elements=3)}
    left = {key.split("/")[1] for key, _ in everything(client, bucket)}
    assert left == {f"u{number}" for number in range(12)} - {"u1", "u2", "u3"}


def test_more_versions_than_one_call_deletes_all_go(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_module, "DELETED_AT_ONCE", 4)
    bucket = new_bucket(client)
    put(client, bucket, *["contributors/u1/a", "contributors/u1/b", "contributors/u2/a"] * 3)
    told: list[tuple[str, int, int]] = []

    done = store_on(client, bucket).mask(targets("u1"), lambda *what: told.append(what))

    assert done == {OBJECT: Count(records=2, elements=6)}
    assert told == [(OBJECT, 0, 6), (OBJECT, 4, 6), (OBJECT, 6, 6)]
    assert {key for key, _ in everything(client, bucket)} == {"contributors/u2/a"}


def test_keys_with_odd_characters_go_as_well(client: Any) -> None:
    bucket = new_bucket(client)
    put(client, bucket, "contributors/u1/a &<b>+ç 100%?#.txt", "contributors/u2/a &<b>+ç 100%?#.txt")

    done = store_on(client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1)}
    assert [key for key, _ in everything(client, bucket)] == ["contributors/u2/a &<b>+ç 100%?#.txt"]


def test_unfinished_uploads_of_a_target_are_aborted_and_those_of_a_control_are_not(client: Any) -> None:
    bucket = new_bucket(client)
    for contributor in ("u1", "u10"):
        key = f"contributors/{contributor}/film.bin"
        upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
        client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=1, Body=b"made up")
    store = store_on(client, bucket)

    with pytest.raises(Incomplete, match="1 unfinished uploads"):
        store.purge(targets("u1"), no_progress)
    store.mask(targets("u1"), no_progress)

    uploads = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [upload["Key"] for upload in uploads] == ["contributors/u10/film.bin"]
    store.purge(targets("u1"), no_progress)


def test_locked_versions_are_incomplete_and_named_by_number_only(client: Any) -> None:
    bucket = new_bucket(client, locking=True)
    put(client, bucket, "contributors/u1/profile.json", "contributors/u1/contract.pdf")
    held = client.head_object(Bucket=bucket, Key="contributors/u1/contract.pdf")["VersionId"]
    client.put_object_legal_hold(
        Bucket=bucket, Key="contributors/u1/contract.pdf", VersionId=held, LegalHold={"Status": "ON"}
    )
    store = store_on(client, bucket)

    with pytest.raises(Incomplete, match=r"1 versions .* 1 of them locked") as caught:
        store.mask(targets("u1"), no_progress)

    assert "u1" not in str(caught.value)
    assert everything(client, bucket) == [("contributors/u1/contract.pdf", held)]
    client.put_object_legal_hold(
        Bucket=bucket, Key="contributors/u1/contract.pdf", VersionId=held, LegalHold={"Status": "OFF"}
    )
    assert store.mask(targets("u1"), no_progress) == {OBJECT: Count(records=1, elements=1)}


def test_something_written_after_masking_is_found_by_purging(client: Any) -> None:
    bucket = new_bucket(client)
    store = store_on(client, bucket)
    store.mask(targets("u1"), no_progress)
    store.purge(targets("u1"), no_progress)
    put(client, bucket, "contributors/u1/late.txt")

    with pytest.raises(Incomplete, match="1 versions"):
        store.purge(targets("u1"), no_progress)


def test_a_key_that_is_no_folder_is_taken_exactly(client: Any) -> None:
    bucket = new_bucket(client)
    put(client, bucket, "faces/u1.png", "faces/u1.png.bak", "faces/u10.png", "faces/u1.pngx")

    done = store_with_key(client, bucket, "faces/{contributor_id}.png").mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1)}
    assert [key for key, _ in everything(client, bucket)] == [
        "faces/u1.png.bak",
        "faces/u1.pngx",
        "faces/u10.png",
    ]


@pytest.mark.parametrize("location", ["contributors/", "{contributor_id}/{contributor_id}/"])
def test_a_key_that_does_not_name_the_contributor_once_is_refused(client: Any, location: str) -> None:
    with pytest.raises(BadInput, match=r"s3\.yml"):
        store_with_key(client, "unused", location)


@pytest.mark.parametrize("contributor_id", ["", "u1/scans"])
def test_an_id_that_cannot_stand_in_a_key_is_refused_instead_of_missed(
    client: Any, contributor_id: str
) -> None:
    store = store_on(client, new_bucket(client))
    with pytest.raises(StoreRefused, match="contributor id"):
        store.count(targets(contributor_id))


@pytest.mark.parametrize("versioning", ["off", "enabled", "suspended"])
def test_health_says_whether_the_bucket_keeps_versions(client: Any, versioning: str) -> None:
    bucket = new_bucket(client, versioning.capitalize())
    if versioning == "suspended":
        set_versioning(client, bucket, "Suspended")

    health = store_on(client, bucket).health()

    assert (health.engine, health.version) == ("S3", f"versioning {versioning}")


def test_a_wrong_bucket_names_the_key_to_change(client: Any) -> None:
    for bucket in ("no-such-bucket", "No Bucket At All!"):
        with pytest.raises(StoreUnavailable, match=r"\[s3\] bucket_name"):
            store_on(client, bucket).health()
        with pytest.raises(StoreUnavailable, match=r"\[s3\] bucket_name"):
            store_on(client, bucket).count(targets("u1"))


def test_nobody_at_the_endpoint_names_the_key_to_change(config: SandboxConfig) -> None:
    nowhere = client_for(config, endpoint_url="http://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match=r"\[s3\] endpoint_url"):
        store_on(nowhere, "unused").health()
    with pytest.raises(StoreUnavailable, match=r"\[s3\] endpoint_url"):
        store_on(nowhere, "unused").mask(targets("u1"), no_progress)


@pytest.mark.usefixtures("credentials_are_checked")
def test_wrong_credentials_name_the_key_to_change_and_not_their_value(config: SandboxConfig) -> None:
    stranger = client_for(config, aws_access_key_id="STRANGER", aws_secret_access_key="not-the-secret")

    with pytest.raises(StoreUnavailable, match=r"\[s3\] aws_access_key_id") as caught:
        store_on(stranger, config.s3_bucket).health()

    assert "STRANGER" not in str(caught.value)
    assert "not-the-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
