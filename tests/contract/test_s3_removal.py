"""Removing from S3: what the answer says is read, what it does not say is listed, and no more is asked than need be.

Holds: versions that a server keeps, whether it says so or not; how many requests find somebody's keys, and how many
are under way at once.
Add here: another way in which a removal could pass for done.
Keep out: which keys are whose (`test_s3_keys.py`, `test_s3_persons.py`), throttling (`test_s3_client.py`).
"""

from threading import Barrier, get_ident
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import Incomplete
from erasure.stores.base import no_progress
from erasure.stores.s3 import listing
from erasure.stores.s3.listing import THREADS, pooled
from erasure.stores.s3.store import S3Store
from sandbox.config import SandboxConfig
from tests.contract.s3_rows_support import PEOPLE, ROWS, exports, put_rows, read, store_of_rows, table
from tests.contract.s3_support import (
    OBJECT,
    client_for,
    everything,
    lock_version,
    new_bucket,
    put,
    s3_object,
    set_versioning,
    store_on,
    targets,
)


def keeping(config: SandboxConfig, end: str, code: str | None) -> Any:
    """A client whose server keeps the keys with this end: with an error in an answer of 200, or in silence."""
    client = client_for(config)
    kept: list[str] = []

    def left_out(params: dict[str, Any], **_: Any) -> dict[str, Any]:
        named = params["Delete"]["Objects"]
        kept[:] = [each["Key"] for each in named if each["Key"].endswith(end)]
        others = [each for each in named if not each["Key"].endswith(end)]
        nothing = [{"Key": "nobodys"}]
        return params | {"Delete": {"Objects": others or nothing, "Quiet": True}}

    def told(parsed: dict[str, Any], **_: Any) -> None:
        if code is not None and kept:
            parsed["Errors"] = [{"Key": key, "Code": code} for key in kept]

    client.meta.events.register("provide-client-params.s3.DeleteObjects", left_out)
    client.meta.events.register("after-call.s3.DeleteObjects", told)
    return client


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AccessDenied", r"1 of them locked or not ours to delete; .* grant s3:DeleteObjectVersion"),
        ("NoSuchThing", r"\(S3 answered NoSuchThing\); see what S3 says of that"),
        (None, "are left; see who still writes there"),
    ],
)
def test_a_version_that_the_server_keeps_is_never_done_whatever_it_says(
    s3_client: Any, s3_config: SandboxConfig, code: str | None, said: str
) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/a", "contributors/u1/kept", "contributors/u2/a")

    with pytest.raises(Incomplete, match=rf"1 versions and 0 unfinished uploads.*{said}") as caught:
        store_on(keeping(s3_config, "kept", code), bucket).mask(targets("u1"), no_progress)

    assert "u1" not in str(caught.value)
    left = [key for key, _ in everything(s3_client, bucket)]
    assert left == ["contributors/u1/kept", "contributors/u2/a"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "AccessDenied",
            r"1 older versions could not be removed \(AccessDenied\); grant s3:DeleteObjectVersion",
        ),
        (None, r"1 objects still hold targets \(0 rows in their current versions\)"),
    ],
)
def test_an_older_version_of_a_file_that_the_server_keeps_is_never_done(
    s3_client: Any, s3_config: SandboxConfig, code: str | None, said: str
) -> None:
    bucket, key = new_bucket(s3_client), "exports/a.csv"
    put_rows(s3_client, bucket, key, table(*PEOPLE))

    with pytest.raises(Incomplete, match=said):
        store_of_rows(keeping(s3_config, key, code), bucket).mask(targets("u1"), no_progress)

    assert read(s3_client, bucket, key) == table(*PEOPLE, masked=("u1",))
    assert len(everything(s3_client, bucket)) == 2
    # Who may remove it later only has to run again.
    assert store_of_rows(s3_client, bucket).mask(targets("u1"), no_progress)[ROWS].records == 1
    assert len(everything(s3_client, bucket)) == 1


@pytest.mark.parametrize("lock", ["hold", "GOVERNANCE"])
def test_an_older_version_that_is_locked_is_planned_as_what_cannot_go_and_the_others_go(
    s3_client: Any, lock: str
) -> None:
    bucket, key = new_bucket(s3_client, locking=True), "contributors/u1/contract.pdf"
    version = s3_client.put_object(Bucket=bucket, Key=key, Body=b"made up")["VersionId"]
    lock_version(s3_client, bucket, key, version, lock)
    put(s3_client, bucket, key, key, "contributors/u1/a")
    s3_client.delete_object(Bucket=bucket, Key=key)
    store = store_on(s3_client, bucket)

    planned, done = store.count(targets("u1")), store.mask(targets("u1"), no_progress)

    why = "under a legal hold" if lock == "hold" else "locked by a retention that has not ended"
    assert planned == done == {OBJECT: Count(records=2, elements=4, not_erasable={why: 1})}
    assert everything(s3_client, bucket) == [(key, version)]
    store.purge(targets("u1"), no_progress)


def test_a_bucket_that_keeps_versions_no_more_loses_all_that_a_target_has(s3_client: Any) -> None:
    bucket, key = new_bucket(s3_client, "Off"), "contributors/u1/a"
    put(s3_client, bucket, key, "contributors/u2/a")
    set_versioning(s3_client, bucket, "Enabled")
    put(s3_client, bucket, key)
    set_versioning(s3_client, bucket, "Suspended")
    # The marker has the id `null`, and on versitygw the version below it as well.
    s3_client.delete_object(Bucket=bucket, Key=key)

    store_on(s3_client, bucket).mask(targets("u1"), no_progress)

    assert everything(s3_client, bucket) == [("contributors/u2/a", "null")]


def test_rows_that_go_as_a_whole_leave_the_others_and_no_older_version(s3_client: Any) -> None:
    bucket = new_bucket(s3_client)
    for suffix in (".csv.gz", ".jsonl", ".parquet"):
        put_rows(s3_client, bucket, f"exports/a{suffix}", table(*PEOPLE))
    item = s3_object("exports/**/*", name=ROWS, subject=exports().subject, rows=exports().rows)

    done = S3Store(s3_client, bucket, [item]).mask(targets("u1"), no_progress)[ROWS]

    assert (done.records, done.elements) == (3, 3)
    for suffix in (".csv.gz", ".jsonl", ".parquet"):
        assert read(s3_client, bucket, f"exports/a{suffix}") == table(*PEOPLE)[1:]
    assert len(everything(s3_client, bucket)) == 3


@pytest.mark.parametrize(
    ("contributors", "most"),
    [
        # One page of everybody's keys, and then a listing of each.
        (2, 1 + 2),
        # Ten pages (a server may add an empty one) are fewer than 48 listings.
        (48, 10 + 1),
    ],
)
def test_keys_are_found_by_the_fewer_requests(
    s3_client: Any, s3_config: SandboxConfig, monkeypatch: pytest.MonkeyPatch, contributors: int, most: int
) -> None:
    monkeypatch.setattr(listing, "LISTED_AT_ONCE", 10)
    bucket, client = new_bucket(s3_client, "Off"), client_for(s3_config)
    put(s3_client, bucket, *(f"contributors/u{number}/a" for number in range(95)))
    asked: list[int] = []
    client.meta.events.register("before-send.s3.ListObjectVersions", lambda **_: asked.append(1))

    found = store_on(client, bucket).count(targets(*(f"u{number}" for number in range(contributors))))

    assert next(iter(found.values())).records == contributors
    assert len(asked) <= most


def test_no_more_than_so_many_requests_are_under_way_and_so_many_are() -> None:
    workers: set[int] = set()
    together = Barrier(THREADS)

    def work(number: int) -> int:
        workers.add(get_ident())
        together.wait(timeout=60)
        return number

    assert list(pooled(work, range(4 * THREADS))) == list(range(4 * THREADS))
    assert len(workers) == THREADS
