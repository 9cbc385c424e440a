"""Files in S3 with rows of many people: the targets' rows are masked, and everything else stays as it was.

Holds: versions, formats, what is kept of an object, other writers, counts.
Add here: another property of an object or bucket that rewriting could lose.
Keep out: files that cannot be rewritten (`test_s3_obstacles.py`), the rules of each format (the codecs' tests).
"""

from datetime import UTC, datetime
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.stores.base import no_progress
from erasure.stores.s3 import rewriting
from sandbox.config import SandboxConfig
from tests.contract.s3_rows_support import (
    PEOPLE,
    ROWS,
    WRITTEN,
    exports,
    put_rows,
    read,
    store_of_rows,
    table,
)
from tests.contract.s3_support import client_for, everything, new_bucket, set_versioning, targets

MASKED = table(*PEOPLE, masked=("u1",))


@pytest.mark.parametrize("suffix", WRITTEN)
def test_the_rows_of_a_target_are_masked_in_each_format(s3_client: Any, suffix: str) -> None:
    bucket, key = new_bucket(s3_client), f"exports/7/units{suffix}"
    put_rows(s3_client, bucket, key, table(*PEOPLE))
    store = store_of_rows(s3_client, bucket)

    planned = store.count(targets("u1"))
    done = store.mask(targets("u1"), no_progress)

    assert planned == done == {ROWS: Count(records=1, elements=1, total=1, total_elements=3)}
    assert read(s3_client, bucket, key) == MASKED
    assert store.count(targets("u1")) == {ROWS: Count(records=0, total=1, total_elements=3)}


@pytest.mark.parametrize("versioning", ["Off", "Enabled"])
def test_older_versions_that_hold_a_target_go_and_files_of_others_are_not_touched(
    s3_client: Any, versioning: str
) -> None:
    bucket = new_bucket(s3_client, versioning)
    put_rows(s3_client, bucket, "exports/a.csv", table("u1", "u2"))
    put_rows(s3_client, bucket, "exports/a.csv", table(*PEOPLE))
    put_rows(s3_client, bucket, "exports/cleaned.csv", table("u1"))
    put_rows(s3_client, bucket, "exports/cleaned.csv", table("u2"))
    put_rows(s3_client, bucket, "exports/gone.csv", table("u1"))
    s3_client.delete_object(Bucket=bucket, Key="exports/gone.csv")
    put_rows(s3_client, bucket, "exports/others.csv", table("u10", "u2"))
    put_rows(s3_client, bucket, "exports/others.csv", table("u10"))
    put_rows(s3_client, bucket, "elsewhere/a.csv", table("u1"))
    before = set(everything(s3_client, bucket))
    store = store_of_rows(s3_client, bucket)

    planned = store.count(targets("u1"))
    done = store.mask(targets("u1"), no_progress)

    keys = 1 if versioning == "Off" else 3
    assert planned == done
    assert (done[ROWS].records, done[ROWS].elements) == (keys, 1)
    assert read(s3_client, bucket, "exports/a.csv") == MASKED
    after = set(everything(s3_client, bucket))
    assert len([key for key, _ in after if key == "exports/a.csv"]) == 1
    assert {one for one in before if one[0] in {"exports/others.csv", "elsewhere/a.csv"}} <= after
    assert read(s3_client, bucket, "exports/cleaned.csv") == table("u2")
    assert len([key for key, _ in after if key == "exports/cleaned.csv"]) == 1
    # Of a file that was deleted the marker stays, with nothing below it.
    assert len([key for key, _ in after if key == "exports/gone.csv"]) == (versioning != "Off")
    store.purge(targets("u1"), no_progress)


def test_where_versions_are_kept_no_more_those_of_before_go_as_well(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put_rows(s3_client, bucket, "exports/a.csv", table("u1", "u2"))
    put_rows(s3_client, bucket, "exports/a.csv", table(*PEOPLE))
    put_rows(s3_client, bucket, "exports/others.csv", table("u2"))
    set_versioning(s3_client, bucket, "Suspended")
    others = [one for one in everything(s3_client, bucket) if one[0] == "exports/others.csv"]

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    assert (done[ROWS].records, done[ROWS].elements) == (1, 1)
    assert read(s3_client, bucket, "exports/a.csv") == MASKED
    left = everything(s3_client, bucket)
    assert [one for one in left if one[0] == "exports/others.csv"] == others
    assert len([key for key, _ in left if key == "exports/a.csv"]) == 1


def test_masking_files_a_second_time_writes_nothing(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put_rows(s3_client, bucket, "exports/a.csv", table(*PEOPLE))
    store = store_of_rows(s3_client, bucket)
    store.mask(targets("u1"), no_progress)
    before = everything(s3_client, bucket)

    assert store.mask(targets("u1"), no_progress)[ROWS].records == 0
    assert everything(s3_client, bucket) == before != []


def test_headers_metadata_tags_and_checksum_of_a_rewritten_file_are_those_of_before(s3_client: Any) -> None:
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    put_rows(
        s3_client,
        bucket,
        key,
        table(*PEOPLE),
        ContentType="text/csv; charset=utf-8",
        CacheControl="no-cache",
        ContentDisposition="attachment; filename=a.csv",
        ContentLanguage="de",
        Expires=datetime(2030, 1, 1, tzinfo=UTC),
        WebsiteRedirectLocation="/elsewhere",
        Metadata={"made-by": "nightly job", "rows": "3"},
        Tagging="kind=export&said=a%20%3D%20b%2Bc",
        ChecksumAlgorithm="SHA256",
    )
    told = ("ContentType", "CacheControl", "ContentDisposition", "ContentLanguage", "Expires", "Metadata")
    before = s3_client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")

    store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    after = s3_client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    for name in (*told, "WebsiteRedirectLocation"):
        assert after[name] == before[name]
    assert after["ChecksumSHA256"] != before["ChecksumSHA256"]
    tags = s3_client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"kind": "export", "said": "a = b+c"}
    assert read(s3_client, bucket, key) == MASKED


def test_grants_class_and_encryption_of_a_rewritten_file_are_asked_for_again(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    """versitygw has neither grants nor classes nor keys of KMS: there the request is looked at."""
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    put_rows(s3_client, bucket, key, table(*PEOPLE))
    client = client_for(s3_config)
    everybody = "http://acs.amazonaws.com/groups/global/AllUsers"
    asked: list[dict[str, Any]] = []

    def as_amazon_would(parsed: dict[str, Any], **_: Any) -> None:
        parsed |= {"StorageClass": "STANDARD_IA", "ServerSideEncryption": "aws:kms"}
        parsed |= {"SSEKMSKeyId": "arn:aws:kms:key", "BucketKeyEnabled": True}

    def granted(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = 200
        parsed.pop("Error", None)
        parsed["Owner"] = {"ID": "owner"}
        parsed["Grants"] = [
            {"Grantee": {"Type": "CanonicalUser", "ID": "owner"}, "Permission": "FULL_CONTROL"},
            {"Grantee": {"Type": "Group", "URI": everybody}, "Permission": "READ"},
            # It gives nobody anything at an object, and a PUT could not grant it.
            {"Grantee": {"Type": "Group", "URI": everybody}, "Permission": "WRITE"},
        ]

    client.meta.events.register("after-call.s3.GetObject", as_amazon_would)
    client.meta.events.register("after-call.s3.GetObjectAcl", granted)
    client.meta.events.register_first(
        "provide-client-params.s3.PutObject", lambda params, **_: asked.append(dict(params))
    )
    # What is asked for is seen; what the server cannot do is then left out.
    client.meta.events.register_last(
        "provide-client-params.s3.PutObject",
        lambda params, **_: {
            name: value
            for name, value in params.items()
            if not name.startswith(("Grant", "SSE", "Server", "BucketKey", "Storage"))
        },
    )

    store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert len(asked) == 1
    expected = {
        "StorageClass": "STANDARD_IA",
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:key",
        "BucketKeyEnabled": True,
        "GrantFullControl": 'id="owner"',
        "GrantRead": f'uri="{everybody}"',
    }
    assert {name: asked[0].get(name) for name in expected} == expected
    assert read(s3_client, bucket, key) == MASKED


def test_a_file_that_somebody_writes_meanwhile_is_read_again_and_loses_nothing(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    put_rows(s3_client, bucket, key, table(*PEOPLE))
    client = client_for(s3_config)
    theirs = table("u2", "u1", "u2")
    written: list[int] = []

    def once(**_: Any) -> None:
        if not written:
            written.append(1)
            put_rows(s3_client, bucket, key, theirs)

    client.meta.events.register("before-send.s3.PutObject", once)

    store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert read(s3_client, bucket, key) == table("u2", "u1", "u2", masked=("u1",))
    assert len(everything(s3_client, bucket)) == 1


def test_a_file_that_somebody_writes_all_the_time_is_left_to_them(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    put_rows(s3_client, bucket, key, table(*PEOPLE))
    client = client_for(s3_config)
    times: list[int] = []

    def always(**_: Any) -> None:
        times.append(1)
        put_rows(s3_client, bucket, key, table(*["u1"] * (len(times) + 1)))

    client.meta.events.register("before-send.s3.PutObject", always)

    with pytest.raises(Incomplete, match="written by somebody else all the time"):
        store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert read(s3_client, bucket, key) == table(*["u1"] * (len(times) + 1))


def test_a_file_too_large_for_one_put_is_written_in_parts_and_keeps_what_it_was(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "SINGLE_PUT_AT_MOST", 1024)
    monkeypatch.setattr(rewriting, "PART_BYTES", 5 * 1024 * 1024)
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    many = table(*(["u1", "u2"] * 150_000))
    put_rows(s3_client, bucket, key, many, ContentType="text/csv", Metadata={"a": "b"}, Tagging="k=v")
    size = s3_client.head_object(Bucket=bucket, Key=key)["ContentLength"]
    assert size > 5 * 1024 * 1024

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    assert (done[ROWS].records, done[ROWS].elements) == (1, 150_000)
    assert read(s3_client, bucket, key) == table(*(["u1", "u2"] * 150_000), masked=("u1",))
    head = s3_client.head_object(Bucket=bucket, Key=key)
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"a": "b"})
    assert s3_client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"] == [{"Key": "k", "Value": "v"}]
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)
    assert len(everything(s3_client, bucket)) == 1


def test_a_column_that_the_inventory_does_not_know_refuses_by_its_name(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    body = b"worker,email,answer,phone\r\nu2,u2@example.com,yes,555-0100\r\n"
    s3_client.put_object(Bucket=bucket, Key="exports/a.csv", Body=body)
    before = everything(s3_client, bucket)

    with pytest.raises(StoreRefused, match=r"s3/exports: .*does not know: phone; .*s3\.yml") as caught:
        store_of_rows(s3_client, bucket).count(targets("u1"))

    assert "555" not in str(caught.value)
    assert everything(s3_client, bucket) == before


def test_a_glob_takes_its_folders_and_suffixes_and_no_more(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    keys = ("exports/a.csv", "exports/7/a.csv", "exports/7/8/a.csv", "exports/7/a.csv.bak", "exportsX/a.csv")
    for key in keys:
        s3_client.put_object(Bucket=bucket, Key=key, Body=WRITTEN[".csv"](table("u1")))

    found = {
        glob: type(store_of_rows(s3_client, bucket))(s3_client, bucket, [exports(glob)])
        .count(targets("u1"))[ROWS]
        .records
        for glob in ("exports/**/*.csv", "exports/*.csv", "exports/*/a.csv", "exports/?/*.csv")
    }

    assert found == {"exports/**/*.csv": 3, "exports/*.csv": 1, "exports/*/a.csv": 1, "exports/?/*.csv": 1}
