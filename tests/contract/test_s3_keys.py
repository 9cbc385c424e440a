"""Keys as people and programs make them: odd letters, folders, many versions, other ways to write an id.

Holds: what a key can look like, and what lies under it, for objects that go as a whole.
Add here: another kind of key, or of a version, that a listing or a removal could miss.
Keep out: what names the contributor otherwise (`test_s3_persons.py`), files with rows (`test_s3_shared.py`).
"""

from typing import Any

import pytest

from erasure.counts import Count
from erasure.stores.base import no_progress
from erasure.stores.s3 import finding, listing, removal
from erasure.stores.s3.listing import Listing, Version
from sandbox.supervisor import Sandbox
from tests.contract.s3_support import (
    OBJECT,
    everything,
    new_bucket,
    put,
    store_on,
    store_with_key,
    targets,
)

ID, OTHER = "0b6f2b0e-2f0e-4a39-8d0c-6a1f0e7f0001", "0b6f2b0e-2f0e-4a39-8d0c-6a1f0e7f0002"
ODD = (
    *("tab\tin it", "\x7f", "é", "e\u0301", "😀", "line\u2028end", " first", "last ", "\\", "~", "*"),
    *("%41", "%2F", "+", "a b", "'single' \"double\"", "&lt;<b>]]>", "?versions", "#part", "a=b&c=d"),
)
# moto has no route to a key with a line's end, and takes a carriage return for one.
LINES = ("one\ntwo", "one\rtwo", "one\r\ntwo")
LONGEST = 1_024


def test_keys_of_any_letters_go_and_those_of_others_stay(s3_client: Any, sandbox: Sandbox) -> None:
    bucket = new_bucket(s3_client)
    names = ODD if sandbox.kind("s3") == "moto" else (*ODD, *LINES)
    put(s3_client, bucket, *(f"contributors/{owner}/{name}" for name in names for owner in ("u1", "u10")))

    done = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=len(names), elements=len(names))}
    left = sorted(key for key, _ in everything(s3_client, bucket))
    assert left == sorted(f"contributors/u10/{name}" for name in names)


def test_the_longest_keys_that_s3_takes_go_as_well(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    # Of folders, since a file system has a limit of its own for each name.
    deep = "/".join(["d" * 200] * 4)
    keys = [f"contributors/{owner}/{deep}/" for owner in ("u1", "u2")]
    keys = [key + "é" * ((LONGEST - len(key)) // 2) for key in keys]
    put(s3_client, bucket, *keys)
    assert {len(key.encode()) for key in keys} <= {LONGEST - 1, LONGEST}

    store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert [key for key, _ in everything(s3_client, bucket)] == keys[1:]


def test_a_key_that_xml_cannot_write_goes_by_a_call_of_its_own(s3_client: Any) -> None:
    """Neither server lists such a key as it is, which Amazon's does: so it is named by the version that was put."""
    bucket = new_bucket(s3_client)
    keys = ("contributors/u1/\x01", "contributors/u1/plain", "contributors/u2/\x01")
    answers = [s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up") for key in keys]
    versions = [
        Version(key=key, version_id=answer["VersionId"]) for key, answer in zip(keys, answers, strict=True)
    ]

    removed = removal.remove_versions(
        Listing(client=s3_client, bucket=bucket, object_name=OBJECT), versions[:2]
    )

    assert (removed.done, dict(removed.refused)) == (2, {})
    for version in versions[:2]:
        with pytest.raises(s3_client.exceptions.ClientError, match=r"NoSuch|404"):
            s3_client.get_object(Bucket=bucket, **version.named)
    assert s3_client.get_object(Bucket=bucket, Key=keys[2])["Body"].read() == b"made up"


def test_markers_of_folders_and_objects_without_a_byte_go(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for key in ("u1/", "u1/scans/", "u1/nothing.bin", "u10/", "u10/nothing.bin"):
        s3_client.put_object(Bucket=bucket, Key=f"contributors/{key}", Body=b"")

    done = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=3, elements=3)}
    left = [key for key, _ in everything(s3_client, bucket)]
    assert left == ["contributors/u10/", "contributors/u10/nothing.bin"]


def test_a_key_of_which_nothing_is_left_but_its_delete_marker_goes(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for owner in ("u1", "u2"):
        key = f"contributors/{owner}/a"
        version = s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up")["VersionId"]
        s3_client.delete_object(Bucket=bucket, Key=key)
        s3_client.delete_object(Bucket=bucket, Key=key, VersionId=version)
    store = store_on(s3_client, bucket)

    assert store.count(targets("u1")) == store.mask(targets("u1"), no_progress)

    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/a"]


@pytest.mark.parametrize("pages_each", [0, 100])
def test_versions_of_a_key_that_go_over_pages_all_go(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch, pages_each: int
) -> None:
    monkeypatch.setattr(finding, "SHARED_PAGES_EACH", pages_each)
    monkeypatch.setattr(listing, "LISTED_AT_ONCE", 3)
    monkeypatch.setattr(removal, "DELETED_AT_ONCE", 4)
    bucket = new_bucket(s3_client)
    for owner in ("u0", "u1", "u10"):
        for _ in range(3):
            put(s3_client, bucket, *[f"contributors/{owner}/a"] * 2)
            s3_client.delete_object(Bucket=bucket, Key=f"contributors/{owner}/a")
    others = [one for one in everything(s3_client, bucket) if "/u1/" not in one[0]]

    done = store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert done == {OBJECT: Count(records=1, elements=9)}
    assert everything(s3_client, bucket) == others
    assert len(others) == 18


def test_a_template_with_more_folders_takes_what_lies_below_them_alone(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    hers = ("data/eu/u1/raw/a", "data/eu/u1/raw/2026/05/a")
    others = (
        "data/eu/u1/rawer/a",
        "data/eu/u1/x/raw/a",
        "data/eu/u10/raw/a",
        "data/eu/x/u1/raw/a",
        "data/u1/raw/a",
    )
    put(s3_client, bucket, *hers, *others)

    store_with_key(s3_client, bucket, "data/eu/{contributor_id}/raw/").mask(targets("u1"), no_progress)

    assert sorted(key for key, _ in everything(s3_client, bucket)) == sorted(others)


def test_an_object_that_was_uploaded_in_parts_goes(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for owner in ("u1", "u2"):
        place = {"Bucket": bucket, "Key": f"contributors/{owner}/film.bin"}
        upload = s3_client.create_multipart_upload(**place)["UploadId"]
        etag = s3_client.upload_part(**place, UploadId=upload, PartNumber=1, Body=b"made up")["ETag"]
        parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
        s3_client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)

    store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/film.bin"]


@pytest.mark.parametrize("pages_each", [0, 100])
def test_a_uuid_in_capital_letters_is_the_same_id(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch, pages_each: int
) -> None:
    monkeypatch.setattr(finding, "SHARED_PAGES_EACH", pages_each)
    monkeypatch.setattr(listing, "LISTED_AT_ONCE", 2)
    bucket = new_bucket(s3_client)
    hers = (f"contributors/{ID}/a", f"contributors/{ID.upper()}/b")
    others = (f"contributors/{OTHER}/a", f"contributors/{OTHER.upper()}/b", f"contributors/{ID}0/a")
    put(s3_client, bucket, *hers, *others)
    store = store_on(s3_client, bucket)

    assert store.count(targets(ID)) == store.mask(targets(ID), no_progress)

    assert sorted(key for key, _ in everything(s3_client, bucket)) == sorted(others)


def test_capital_letters_of_another_id_are_another_id(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/a", "contributors/U1/a")

    store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/U1/a"]
