"""What is stored is held against what was sent before anything of the old file goes, whoever uploaded it and how.

Holds: lengths and rows that are not what they should be, files uploaded in parts, versions over several pages.
Add here: another way in which a server, or our writing, could lose something.
Keep out: what is kept of an object (`test_s3_shared.py`), other writers (there too).
"""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest
from botocore.awsrequest import AWSResponse

from erasure.errors import Incomplete, StoreUnavailable
from erasure.stores.base import no_progress
from erasure.stores.s3 import listing, rewriting
from erasure.stores.s3.rows.base import RowCounts, RowRules
from erasure.stores.s3.rows.delimited import Delimited
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.contract.s3_rows_support import PEOPLE, ROWS, as_csv, put_rows, read, store_of_rows, table
from tests.contract.s3_support import VERSIONINGS, client_for, everything, new_bucket, set_versioning, targets

KEY = "exports/a.csv"


class Answer(io.BytesIO):
    """A body of an answer that no server has sent."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def test_a_length_that_is_not_the_one_sent_is_said_and_the_old_versions_stay(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    before = everything(s3_client, bucket)
    sent: list[int] = []

    def shorter(parsed: dict[str, Any], **_: Any) -> None:
        if sent:
            parsed["ContentLength"] -= 1

    client.meta.events.register("after-call.s3.PutObject", lambda **_: sent.append(1))
    client.meta.events.register("after-call.s3.HeadObject", shorter)

    with pytest.raises(
        Incomplete, match=r"s3/exports: .* another length than was sent; see the server's disk"
    ):
        store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert set(before) < set(everything(s3_client, bucket))
    # Another run, with the server as it should be, does the rest.
    store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)
    assert read(s3_client, bucket, KEY) == table(*PEOPLE, masked=("u1",))
    assert len(everything(s3_client, bucket)) == 1


@pytest.mark.parametrize("versioning", VERSIONINGS)
@pytest.mark.parametrize("what", ["nothing is masked", "a row is lost"])
def test_rows_that_are_not_what_they_should_be_cost_no_old_file(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch, versioning: str, what: str
) -> None:
    bucket = new_bucket(s3_client, versioning)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    if versioning == "Suspended":
        set_versioning(s3_client, bucket, versioning)
    before = everything(s3_client, bucket)
    rows = table(*PEOPLE) if what == "nothing is masked" else table(*PEOPLE[1:])

    def wrong(self: Delimited, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        sink.write(as_csv(rows))
        return RowCounts(rows=3, of_targets=1, to_mask=1, cells=1)

    with monkeypatch.context() as patched:
        patched.setattr(Delimited, "rewrite", wrong)
        with pytest.raises(Incomplete, match="is not what it should be; its older versions were kept"):
            store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    assert set(before) <= set(everything(s3_client, bucket))
    version = {"VersionId": before[0][1]} if versioning == "Enabled" else {}
    kept = s3_client.get_object(Bucket=bucket, Key=KEY, **version)["Body"].read()
    assert kept == as_csv(table(*PEOPLE))


def test_a_put_that_is_denied_leaves_the_file_and_names_the_setting(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, client = new_bucket(s3_client, "Off"), client_for(s3_config)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))

    def denied(request: Any, **_: Any) -> AWSResponse:
        body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
        return AWSResponse(request.url, 403, {}, Answer(body))

    client.meta.events.register("before-send.s3.PutObject", denied)

    with pytest.raises(
        StoreUnavailable, match=r"s3/exports: S3 answered AccessDenied; check \[s3\] .*bucket_name"
    ):
        store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert read(s3_client, bucket, KEY) == table(*PEOPLE)


def test_a_file_that_was_uploaded_in_parts_is_written_anew(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    place = {"Bucket": bucket, "Key": KEY}
    upload = s3_client.create_multipart_upload(**place, ContentType="text/csv", Metadata={"a": "b"})[
        "UploadId"
    ]
    etag = s3_client.upload_part(**place, UploadId=upload, PartNumber=1, Body=as_csv(table(*PEOPLE)))["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": etag}]}
    s3_client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload=parts)
    assert s3_client.head_object(**place)["ETag"].endswith('-1"')

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.not_erasable) == (1, {})
    assert read(s3_client, bucket, KEY) == table(*PEOPLE, masked=("u1",))
    head = s3_client.head_object(**place)
    assert (head["ContentType"], head["Metadata"]) == ("text/csv", {"a": "b"})
    assert len(everything(s3_client, bucket)) == 1


def test_parts_are_not_put_together_over_what_somebody_has_written_meanwhile(
    s3_client: Any, s3_config: SandboxConfig, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "SINGLE_PUT_AT_MOST", 10)
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    etag = s3_client.head_object(Bucket=bucket, Key=KEY)["ETag"]
    asked: list[str] = []

    def once(params: dict[str, Any], **_: Any) -> None:
        # moto takes the parts whatever is asked, and would lose what was written meanwhile.
        if not asked and sandbox.kind("s3") != "moto":
            put_rows(s3_client, bucket, KEY, table("u2", "u1", "u2"))
        asked.append(params["IfMatch"])

    client.meta.events.register("provide-client-params.s3.CompleteMultipartUpload", once)

    store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert asked[0] == etag
    people = PEOPLE if sandbox.kind("s3") == "moto" else ("u2", "u1", "u2")
    assert read(s3_client, bucket, KEY) == table(*people, masked=("u1",))
    assert len(everything(s3_client, bucket)) == 1
    assert "Uploads" not in s3_client.list_multipart_uploads(Bucket=bucket)


def test_a_file_that_somebody_has_written_over_since_it_was_counted_is_an_older_version(
    s3_client: Any,
) -> None:
    bucket = new_bucket(s3_client)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    store = store_of_rows(s3_client, bucket)
    assert store.count(targets("u1"))[ROWS].elements == 1
    put_rows(s3_client, bucket, KEY, table("u2"))

    planned, done = store.count(targets("u1"))[ROWS], store.mask(targets("u1"), no_progress)[ROWS]

    assert planned == done
    assert (done.records, done.elements, done.total_elements) == (1, 0, 1)
    assert read(s3_client, bucket, KEY) == table("u2")
    assert len(everything(s3_client, bucket)) == 1


def test_an_older_version_that_is_the_current_one_again_is_written_anew(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    newer = put_rows(s3_client, bucket, KEY, table("u2"))
    store = store_of_rows(s3_client, bucket)
    assert store.count(targets("u1"))[ROWS].elements == 0
    s3_client.delete_object(Bucket=bucket, Key=KEY, VersionId=newer)

    done = store.mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.elements) == (1, 1)
    assert read(s3_client, bucket, KEY) == table(*PEOPLE, masked=("u1",))
    assert len(everything(s3_client, bucket)) == 1


def test_older_versions_that_go_over_pages_all_go_and_newer_files_of_others_stay(
    s3_client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LISTED_AT_ONCE", 2)
    bucket, others = new_bucket(s3_client), "exports/others.csv"
    for people in (("u1",), ("u2",), ("u1", "u2"), ("u2",)):
        put_rows(s3_client, bucket, KEY, table(*people))
        s3_client.delete_object(Bucket=bucket, Key=KEY)
        put_rows(s3_client, bucket, others, table("u10"))
    put_rows(s3_client, bucket, KEY, table(*PEOPLE))
    kept = [one for one in everything(s3_client, bucket) if one[0] == others]

    store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)

    assert read(s3_client, bucket, KEY) == table(*PEOPLE, masked=("u1",))
    after = everything(s3_client, bucket)
    assert [one for one in after if one[0] == others] == kept
    versions = s3_client.list_object_versions(Bucket=bucket, Prefix=KEY)["Versions"]
    assert len({version["VersionId"] for version in versions}) == 1
