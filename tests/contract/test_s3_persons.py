"""Whose an object of S3 is: by an email in its key, by a tag, by its metadata, and in which bucket.

Holds: each way of finding, with what it must not take.
Add here: another way.
Keep out: removing what was found (`test_s3_store.py`).
"""

import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from erasure.counts import Count
from erasure.errors import StoreUnavailable
from erasure.inventory import Inventory
from erasure.stores.base import no_progress
from erasure.stores.s3 import looks
from erasure.stores.s3.store import S3Store
from expectations.readers import s3 as judge
from expectations.readers.base import VerifiedBatch
from sandbox.config import SandboxConfig
from tests.contract.s3_support import (
    OBJECT,
    client_for,
    everything,
    new_bucket,
    put,
    s3_object,
    settings_for,
    store_with_key,
    targets,
)

ANN = {"u1": "ann+jobs@example.com"}
NO_WAY: tuple[dict[str, str], Callable[[str], dict[str, Any]]] = ({}, lambda owner: {})
ID, OTHER = "0b6f2b0e-2f0e-4a39-8d0c-6a1f0e7f0001", "0b6f2b0e-2f0e-4a39-8d0c-6a1f0e7f0002"


def test_an_email_in_a_key_is_found_raw_quoted_and_in_any_case_and_no_other_is(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    hers = [
        "avatars/ann+jobs@example.com.png",
        "avatars/ANN+jobs@Example.com.png",
        f"avatars/{quote('ann+jobs@example.com')}.png",
    ]
    others = [
        "avatars/ann+jobs@example.com.png.bak",
        "avatars/ann@example.com.png",
        "avatars/joann+jobs@example.com.png",
        "avatars/x/ann+jobs@example.com.png",
    ]
    put(s3_client, bucket, *hers, *hers, *others)
    store = store_with_key(s3_client, bucket, "avatars/{email}.png")
    who = targets("u1", emails=ANN)

    planned, done = store.count(who), store.mask(who, no_progress)

    assert planned == done == {OBJECT: Count(records=3, elements=6)}
    assert sorted(key for key, _ in everything(s3_client, bucket)) == sorted(others)
    store.purge(who, no_progress)


def test_everything_below_a_folder_named_by_an_email_goes(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "mail/ann+jobs@example.com/a/b.txt", "mail/ann+jobs@example.com.org/a.txt")

    done = store_with_key(s3_client, bucket, "mail/{email}/").mask(targets("u1", emails=ANN), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1)}
    assert [key for key, _ in everything(s3_client, bucket)] == ["mail/ann+jobs@example.com.org/a.txt"]


WAYS: dict[str, tuple[dict[str, str], Callable[[str], dict[str, Any]]]] = {
    "tag": ({"tag": "contributor_id"}, lambda owner: {"Tagging": f"contributor_id={owner}"}),
    "metadata": ({"metadata": "Contributor-Id"}, lambda owner: {"Metadata": {"contributor-id": owner}}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("versioning", ["Off", "Enabled"])
def test_an_object_goes_by_what_names_its_contributor(s3_client: Any, way: str, versioning: str) -> None:
    bucket, (declared, named) = new_bucket(s3_client, versioning), WAYS[way]
    for key, owner in (("uploads/1", "u1"), ("uploads/2", "u10"), ("uploads/3", "u1"), ("elsewhere/1", "u1")):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"old")
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up", **named(owner))
    put(s3_client, bucket, "uploads/nobodys")
    upload = s3_client.create_multipart_upload(Bucket=bucket, Key="uploads/1")["UploadId"]
    s3_client.upload_part(Bucket=bucket, Key="uploads/1", UploadId=upload, PartNumber=1, Body=b"made up")
    store = store_with_key(s3_client, bucket, "uploads/", **declared)

    planned, done = store.count(targets("u1")), store.mask(targets("u1"), no_progress)

    versions = 2 if versioning == "Off" else 4
    assert planned == done == {OBJECT: Count(records=2, elements=versions)}
    left = {key for key, _ in everything(s3_client, bucket)}
    assert left == {"uploads/2", "uploads/nobodys", "elsewhere/1"}
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_a_key_that_names_two_people_in_its_versions_is_a_conflict(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for owner in ("u1", "u2"):
        s3_client.put_object(Bucket=bucket, Key="uploads/1", Body=b"x", Metadata={"contributor-id": owner})
    store = store_with_key(s3_client, bucket, "uploads/", metadata="contributor-id")

    assert store.count(targets("u1"))[OBJECT].conflicts == 1
    assert store.count(targets("u1", "u2"))[OBJECT].conflicts == 0


def test_an_object_that_goes_while_it_is_looked_at_is_nobodys(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = new_bucket(s3_client, "Off")
    for key in ("uploads/1", "uploads/2"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata={"contributor-id": "u1"})
    look = looks.Looks.owners

    def late(self: looks.Looks, versions: Any) -> Any:
        s3_client.delete_object(Bucket=bucket, Key="uploads/1")
        return look(self, versions)

    monkeypatch.setattr(looks.Looks, "owners", late)
    found = store_with_key(s3_client, bucket, "uploads/", metadata="contributor-id").count(targets("u1"))

    assert found == {OBJECT: Count(records=1, elements=1)}


@pytest.mark.parametrize("way", WAYS)
def test_a_uuid_at_an_object_in_capital_letters_is_the_same_id(s3_client: Any, way: str) -> None:
    bucket, (declared, named) = new_bucket(s3_client), WAYS[way]
    for key, owner in (("uploads/1", ID.upper()), ("uploads/2", OTHER.upper()), ("uploads/3", ID)):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up", **named(owner))
    store = store_with_key(s3_client, bucket, "uploads/", **declared)

    assert store.mask(targets(ID), no_progress) == {OBJECT: Count(records=2, elements=2)}

    assert [key for key, _ in everything(s3_client, bucket)] == ["uploads/2"]


@pytest.mark.parametrize(
    ("way", "operation", "code", "why"),
    [
        ("tag", "GetObjectTagging", "AccessDenied", "not ours to read"),
        ("metadata", "HeadObject", "403", "not ours to read"),
        ("metadata", "HeadObject", "400", "encrypted with a key that only its writer has"),
    ],
)
def test_an_object_that_lets_nobody_see_whose_it_is_is_told_and_stays(
    s3_client: Any,
    s3_config: SandboxConfig,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    operation: str,
    code: str,
    why: str,
) -> None:
    bucket, (declared, named) = new_bucket(s3_client), WAYS[way]
    for key in ("uploads/open", "uploads/shut"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up", **named(ID))
    shut = [one for one in everything(s3_client, bucket) if one[0] == "uploads/shut"]
    item = s3_object("uploads/", **declared)
    client = client_for(s3_config)
    shut_out(client.meta.events, operation, code)
    store = S3Store(client, bucket, [item])
    monkeypatch.setattr(judge, "s3_client", lambda settings: client)
    inventory, settings = Inventory(world="kepler", objects=(item,)), settings_for(s3_config, bucket)
    batch = VerifiedBatch(batch_id="b", persons={ID: ID})

    (found,) = judge.read_s3(settings, inventory, batch)
    assert (found.survivors, found.not_erasable) == (1, 1)
    planned, done = store.count(targets(ID)), store.mask(targets(ID), no_progress)

    assert planned == done == {OBJECT: Count(records=1, elements=1, not_erasable={why: 1})}
    assert everything(s3_client, bucket) == shut
    (found,) = judge.read_s3(settings, inventory, batch)
    assert (found.survivors, found.not_erasable) == (0, 1)
    store.purge(targets(ID), no_progress)
    # Once somebody may look, it is a target's like any other.
    assert S3Store(s3_client, bucket, [item]).mask(targets(ID), no_progress)[OBJECT].records == 1
    assert everything(s3_client, bucket) == []


def shut_out(events: Any, operation: str, code: str) -> None:
    """Answers as Amazon does where a policy, or a key that only the writer has, shuts one object."""
    asked = threading.local()

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.key = params["Key"]

    def refuse(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if asked.key.endswith("shut"):
            http_response.status_code = 400 if code == "400" else 403
            parsed["Error"] = {"Code": code, "Message": "no"}

    events.register(f"provide-client-params.s3.{operation}", note)
    events.register(f"after-call.s3.{operation}", refuse)


def test_objects_lie_in_the_buckets_that_the_inventory_names(s3_client: Any) -> None:
    one, two = new_bucket(s3_client), new_bucket(s3_client, "Off")
    for bucket in (one, two):
        put(s3_client, bucket, "a/u1/x", "a/u2/x")
    here, there = s3_object("a/{contributor_id}/"), s3_object("a/{contributor_id}/", name="there", bucket=two)
    store = S3Store(s3_client, one, [here, there])

    assert store.health().version == f"versioning enabled, off in {two}"
    done = store.mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=1), "there": Count(records=1, elements=1)}
    for bucket in (one, two):
        assert [key for key, _ in everything(s3_client, bucket)] == ["a/u2/x"]


def test_a_bucket_of_the_inventory_that_lets_nobody_in_is_told_by_its_name(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    client = client_for(s3_config)

    def denied(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = 403
        parsed["Error"] = {"Code": "AccessDenied", "Message": "no"}

    client.meta.events.register("after-call.s3.ListObjectVersions", denied)
    store = S3Store(client, new_bucket(s3_client), [s3_object("a/{contributor_id}/", bucket="their-bucket")])

    with pytest.raises(StoreUnavailable, match=r"aws_secret_access_key, .*bucket: their-bucket .* s3\.yml"):
        store.count(targets("u1"))


def test_a_bucket_that_the_inventory_names_and_nobody_has_leads_to_the_inventory(s3_client: Any) -> None:
    item = s3_object("a/{contributor_id}/", bucket="nobodys-bucket")
    store = S3Store(s3_client, new_bucket(s3_client), [item])

    for ask in (store.health, lambda: store.count(targets("u1"))):
        with pytest.raises(StoreUnavailable, match=r"NoSuchBucket; check bucket: nobodys-bucket .* s3\.yml"):
            ask()
