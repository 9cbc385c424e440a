"""Files in S3 that cannot be rewritten: each is planned with its reason, stays byte for byte, and the others are done.

Holds: broken files, locks, archives, what clients encrypted.
Add here: another reason why a file stays as it is.
Keep out: locks at whole objects (`test_s3_store.py`).
"""

from typing import Any

import pytest

from erasure.errors import StoreUnavailable
from erasure.inventory import Inventory
from erasure.stores.base import no_progress
from erasure.stores.s3.obstacles import of_head, of_refusal
from expectations.readers.base import VerifiedBatch
from expectations.readers.s3 import read_s3
from expectations.readers.s3_rows import read_rows
from sandbox.config import SandboxConfig
from tests.contract.s3_rows_support import (
    PEOPLE,
    ROWS,
    as_csv,
    as_csv_gz,
    as_parquet,
    exports,
    put_rows,
    read,
    store_of_rows,
    table,
)
from tests.contract.s3_support import (
    client_for,
    everything,
    hold,
    lock_version,
    new_bucket,
    settings_for,
    targets,
)

BROKEN = {
    "exports/cut.csv.gz": as_csv_gz(table(*PEOPLE))[:-12],
    "exports/torn.parquet": as_parquet(table(*PEOPLE))[:-30],
    "exports/quotes.csv": as_csv(table(*PEOPLE)) + b'u1,u1@example.com,"never closed\r\n',
    "exports/stranger.csv": b"person,email,answer\r\nu1,u1@example.com,yes\r\n",
    "exports/no.jsonl": b'{"worker": "u1", "email": "u1@example.com"\n',
}


@pytest.mark.parametrize("key", BROKEN)
def test_a_broken_file_is_named_and_stays_while_the_others_are_masked(s3_client: Any, key: str) -> None:
    bucket = new_bucket(s3_client)
    s3_client.put_object(Bucket=bucket, Key=key, Body=BROKEN[key])
    put_rows(s3_client, bucket, "exports/whole.csv", table(*PEOPLE))
    broken = [one for one in everything(s3_client, bucket) if one[0] == key]
    store = store_of_rows(s3_client, bucket)

    planned = store.count(targets("u1"))[ROWS]
    done = store.mask(targets("u1"), no_progress)[ROWS]

    assert planned == done
    assert done.records == 1
    (reason,) = done.not_erasable
    etag = s3_client.head_object(Bucket=bucket, Key=key)["ETag"].strip('"')
    assert reason.startswith("unreadable (") and reason.endswith(f": ETag {etag}")
    assert "example.com" not in reason and "u1" not in reason
    assert [one for one in everything(s3_client, bucket) if one[0] == key] == broken
    assert s3_client.get_object(Bucket=bucket, Key=key)["Body"].read() == BROKEN[key]
    assert read(s3_client, bucket, "exports/whole.csv") == table(*PEOPLE, masked=("u1",))
    store.purge(targets("u1"), no_progress)


def test_a_key_that_could_name_anybody_is_not_repeated(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for key in ("exports/ann%40example.com.csv", "exports/u1.csv", "exports/bo-bystander.csv"):
        s3_client.put_object(Bucket=bucket, Key=key, Body=BROKEN["exports/stranger.csv"])

    found = store_of_rows(s3_client, bucket).count(targets("u1"))[ROWS].not_erasable

    assert sum(found.values()) == 3
    assert all(": ETag " in reason and "exports/" not in reason for reason in found)


def test_of_many_broken_files_their_number_is_told(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for number in range(25):
        s3_client.put_object(Bucket=bucket, Key=f"exports/{number}.csv", Body=b"a,b\r\n1,2\r\n")

    assert store_of_rows(s3_client, bucket).count(targets("u1"))[ROWS].not_erasable == {"unreadable": 25}


@pytest.mark.parametrize("lock", ["hold", "GOVERNANCE", "COMPLIANCE"])
def test_a_locked_file_is_not_written_over_since_its_rows_would_stay_below(s3_client: Any, lock: str) -> None:
    bucket, key = new_bucket(s3_client, locking=True), "exports/1.csv"
    version = put_rows(s3_client, bucket, key, table(*PEOPLE))
    put_rows(s3_client, bucket, "exports/b.csv", table(*PEOPLE))
    lock_version(s3_client, bucket, key, version, lock)
    store = store_of_rows(s3_client, bucket)

    assert store.count(targets("u1")) == store.mask(targets("u1"), no_progress)

    left = store.count(targets("u1"))[ROWS]
    why = "under a legal hold" if lock == "hold" else "locked by a retention that has not ended"
    assert (left.records, left.not_erasable) == (0, {f"{why}: {key}": 1})
    assert [one for one in everything(s3_client, bucket) if one[0] == key] == [(key, version)]
    assert read(s3_client, bucket, "exports/b.csv") == table(*PEOPLE, masked=("u1",))


@pytest.mark.parametrize("lock", ["hold", "GOVERNANCE"])
def test_an_older_version_that_is_locked_is_told_and_stays_below_the_new_file(
    s3_client: Any, s3_config: SandboxConfig, lock: str
) -> None:
    bucket, key = new_bucket(s3_client, locking=True), "exports/1.csv"
    version = put_rows(s3_client, bucket, key, table(*PEOPLE))
    lock_version(s3_client, bucket, key, version, lock)
    put_rows(s3_client, bucket, key, table("u1"))
    put_rows(s3_client, bucket, key, table(*PEOPLE))
    store = store_of_rows(s3_client, bucket)

    planned, done = store.count(targets("u1"))[ROWS], store.mask(targets("u1"), no_progress)[ROWS]

    assert planned == done
    why = "under a legal hold" if lock == "hold" else "locked by a retention that has not ended"
    assert (done.records, done.elements) == (1, 1)
    assert done.not_erasable == {f"{why}, an older version: {key}": 1}
    left = [one for _, one in everything(s3_client, bucket)]
    assert version in left and len(left) == 2
    assert read(s3_client, bucket, key) == table(*PEOPLE, masked=("u1",))
    inventory = Inventory(world="kepler", objects=(exports(),))
    batch = VerifiedBatch(batch_id="b", persons={"u1": "u1"}, needles={"u1": ("u1@example.com",)})
    (found,) = read_s3(settings_for(s3_config, bucket), inventory, batch)
    assert (found.survivors, found.not_erasable) == (0, 1)
    store.purge(targets("u1"), no_progress)


def test_what_a_client_has_encrypted_is_not_taken_for_rows(s3_client: Any) -> None:
    bucket, key = new_bucket(s3_client), "exports/1.csv"
    put_rows(s3_client, bucket, key, table(*PEOPLE), Metadata={"x-amz-key-v2": "wrapped", "x-amz-iv": "iv"})
    before = everything(s3_client, bucket)

    found = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert found.not_erasable == {f"encrypted by the client that wrote it: {key}": 1}
    assert everything(s3_client, bucket) == before


def test_an_archived_file_is_told_and_one_that_was_restored_is_read(s3_config: SandboxConfig) -> None:
    """versitygw has no classes: there the answers are those that Amazon gives."""
    client = client_for(s3_config)
    bucket, key = new_bucket(client), "exports/1.csv"
    put_rows(client, bucket, key, table(*PEOPLE))
    restore: dict[str, str] = {}

    def archived(parsed: dict[str, Any], **_: Any) -> None:
        for entry in parsed.get("Versions", []):
            entry["StorageClass"] = "DEEP_ARCHIVE"

    def told(parsed: dict[str, Any], **_: Any) -> None:
        parsed |= {"StorageClass": "DEEP_ARCHIVE", **restore}

    client.meta.events.register("after-call.s3.ListObjectVersions", archived)
    client.meta.events.register("after-call.s3.HeadObject", told)

    found = store_of_rows(client, bucket).count(targets("u1"))[ROWS]
    assert (found.records, found.not_erasable) == (0, {f"archived and not restored: {key}": 1})
    restore["Restore"] = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2040 00:00:00 GMT"'
    assert store_of_rows(client, bucket).count(targets("u1"))[ROWS].records == 1


@pytest.mark.parametrize(
    ("code", "operation", "why"),
    [
        ("AccessDenied", "GetObject", "not ours to read"),
        ("403", "HeadObject", "not ours to read"),
        ("InvalidObjectState", "GetObject", "archived and not restored"),
        ("InvalidRequest", "GetObject", "encrypted with a key that only its writer has"),
        ("KMS.DisabledException", "GetObject", "encrypted with a key of KMS that is not ours to use"),
    ],
)
def test_a_refused_reading_says_why_the_object_stays(code: str, operation: str, why: str) -> None:
    from botocore.exceptions import ClientError

    assert of_refusal(ClientError({"Error": {"Code": code}}, operation)) == why
    for passing in ("NoSuchBucket", "KMS.ThrottlingException"):
        assert of_refusal(ClientError({"Error": {"Code": passing}}, operation)) is None


def test_metadata_that_s3_does_not_show_would_be_lost_and_is_an_obstacle() -> None:
    assert of_head({"MissingMeta": 2}) == "carrying metadata that S3 does not show"
    assert of_head({"Metadata": {"a": "ü"}}) == "carrying metadata beyond ASCII, which nobody can write again"
    assert of_head({"Metadata": {"a": "b"}}) is None


def test_metadata_that_would_be_lost_are_an_obstacle_only_where_a_file_is_written_anew(
    s3_client: Any, s3_config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put_rows(s3_client, bucket, "exports/1.csv", table(*PEOPLE))
    put_rows(s3_client, bucket, "exports/2.csv", table("u2"))
    put_rows(s3_client, bucket, "exports/3.csv", table("u1"))
    put_rows(s3_client, bucket, "exports/3.csv", table("u2"))
    before = everything(s3_client, bucket)

    def hidden(parsed: dict[str, Any], **_: Any) -> None:
        parsed["MissingMeta"] = 1

    for operation in ("GetObject", "HeadObject"):
        client.meta.events.register(f"after-call.s3.{operation}", hidden)
    monkeypatch.setattr("expectations.readers.s3.s3_client", lambda settings: client)
    inventory = Inventory(world="kepler", objects=(exports(),))
    batch = VerifiedBatch(batch_id="b", persons={"u1": "u1"}, needles={"u1": ("u1@example.com",)})
    store = store_of_rows(client, bucket)

    planned, done = store.count(targets("u1"))[ROWS], store.mask(targets("u1"), no_progress)[ROWS]

    assert planned == done
    assert done.records == 1
    assert done.not_erasable == {"carrying metadata that S3 does not show: exports/1.csv": 1}
    after = everything(s3_client, bucket)
    assert {key for key, _ in set(before) - set(after)} == {"exports/3.csv"}
    assert set(after) < set(before)
    (found,) = read_s3(settings_for(s3_config, bucket), inventory, batch)
    assert (found.survivors, found.not_erasable) == (0, 1)


def test_files_without_a_byte_have_no_rows_whatever_their_keys_say(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    names = ("", "7/", "7/empty.csv", "7/empty.csv.gz", "7/empty.parquet", "7/empty.jsonl.zst", "7/_SUCCESS")
    for name in names:
        s3_client.put_object(Bucket=bucket, Key=f"exports/{name}", Body=b"")
    put_rows(s3_client, bucket, "exports/7/whole.csv", table(*PEOPLE))
    before = everything(s3_client, bucket)

    done = store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.not_erasable) == (1, {})
    assert {key for key, _ in set(before) - set(everything(s3_client, bucket))} == {"exports/7/whole.csv"}


def test_a_file_whose_tags_may_not_be_read_is_not_written_without_them(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, key, client = new_bucket(s3_client), "exports/1.csv", client_for(s3_config)
    put_rows(s3_client, bucket, key, table(*PEOPLE), Tagging="kind=export")
    before = everything(s3_client, bucket)

    def denied(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = 403
        parsed["Error"] = {"Code": "AccessDenied", "Message": "no"}

    client.meta.events.register("after-call.s3.GetObjectTagging", denied)
    # Who may not read tags is not told either how many there are.
    client.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: parsed.pop("TagCount", None))

    done = store_of_rows(client, bucket).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.not_erasable) == (0, {f"not ours to read: {key}": 1})
    assert everything(s3_client, bucket) == before
    batch = VerifiedBatch(batch_id="b", persons={"u1": "u1"}, needles={"u1": ("u1@example.com",)})
    (found,) = read_rows(client, bucket, exports(), batch, frozenset())
    (allowed,) = read_rows(s3_client, bucket, exports(), batch, frozenset())
    assert (found.survivors, found.not_erasable) == (0, 1)
    assert (allowed.survivors, allowed.not_erasable) == (1, 0)


def test_a_file_whose_grants_a_broken_server_does_not_tell_is_not_written_without_them(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put_rows(s3_client, bucket, "exports/1.csv", table(*PEOPLE))
    before = everything(s3_client, bucket)

    def broken(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        http_response.status_code = 500
        parsed["Error"] = {"Code": "500", "Message": "no"}
        parsed["ResponseMetadata"] |= {"HTTPStatusCode": 500, "HTTPHeaders": {"server": "a proxy"}}

    client.meta.events.register("after-call.s3.GetObjectAcl", broken)

    with pytest.raises(StoreUnavailable):
        store_of_rows(client, bucket).mask(targets("u1"), no_progress)

    assert everything(s3_client, bucket) == before


def test_the_judge_finds_every_version_and_tells_apart_what_nobody_can_erase(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    bucket = new_bucket(s3_client, locking=True)
    locked = put_rows(s3_client, bucket, "exports/7/locked.csv", table(*PEOPLE))
    hold(s3_client, bucket, "exports/7/locked.csv", locked, "ON")
    for suffix in (".csv", ".csv.gz", ".jsonl", ".parquet"):
        put_rows(s3_client, bucket, f"exports/7/units{suffix}", table(*PEOPLE))
        put_rows(s3_client, bucket, f"exports/7/units{suffix}", table("u1"))
    s3_client.put_object(Bucket=bucket, Key="exports/cut.csv.gz", Body=BROKEN["exports/cut.csv.gz"])
    put_rows(s3_client, bucket, "elsewhere/a.csv", table(*PEOPLE))
    inventory = Inventory(world="kepler", objects=(exports(),))
    batch = VerifiedBatch(batch_id="b", persons={"u1": "u1"}, needles={"u1": ("u1@example.com",)})
    settings = settings_for(s3_config, bucket)

    (before,) = read_s3(settings, inventory, batch)
    assert (before.place, before.survivors, before.masked) == ("exports.email", 8, 0)
    store = store_of_rows(s3_client, bucket)
    done = store.mask(targets("u1"), no_progress)[ROWS]
    (after,) = read_s3(settings, inventory, batch)

    assert (after.survivors, after.masked) == (0, 4)
    assert before.not_erasable == after.not_erasable == sum(done.not_erasable.values()) == 2
