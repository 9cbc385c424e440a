"""The world in S3: files of some contributors in one versioned bucket, and exports with rows of the same people.

Holds: whose files there are, their text, older versions and delete markers; emptying the bucket.
Add here: another object under a contributor's prefix.
Keep out: what is in files with rows of many people (`exports.py`).
"""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox.world.contributors import Contributor
from sandbox.world.generate import World
from sandbox.world.neighbours import NOTE, neighbours
from sandbox.world.stores import WorldStores
from sandbox.world.writers.exports import write_exports
from sandbox.world.writers.progress import Counts, Progress

if TYPE_CHECKING:
    from botocore.client import BaseClient

_MOST_PEOPLE = 200
_MOST_INACTIVE = 150  # so that some of the files are active people's, however large the world is
_THREADS = 4
_KEYS_A_CALL = 1_000


def write_s3(
    stores: WorldStores, world: World, progress: Progress, *, without: Collection[str] = ()
) -> Counts:
    """Objects that can be read, and all their versions with delete markers; none of the people in `without`."""
    client = _client(stores)
    _empty_bucket(client, stores)
    people = [each for each in files_of(world) if str(each.contributor_id) not in without]
    put = partial(_put_files, client, stores.s3_bucket)
    counts = Counter(objects=0, versions=0)
    with ThreadPoolExecutor(_THREADS) as pool:
        for done, written in enumerate(pool.map(put, people), start=1):
            counts.update(written)
            progress("s3/contributors", done, len(people))
    counts.update(write_exports(client, stores.s3_bucket, world, people))
    return dict(counts)


def files_of(world: World) -> list[Contributor]:
    """The contributors with files: the inactive first, and always some active ones."""
    inactive = world.cast.inactive_places(_MOST_INACTIVE)
    places = inactive + world.cast.recent_places(_MOST_PEOPLE - len(inactive))
    return [world.contributors[place] for place in places]


def _client(stores: WorldStores) -> "BaseClient":
    import boto3
    from botocore.config import Config

    return boto3.client(
        "s3",
        endpoint_url=stores.s3_endpoint_url,
        region_name=stores.s3_region,
        aws_access_key_id=stores.s3_key,
        aws_secret_access_key=stores.s3_secret,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=_THREADS),
    )


def _empty_bucket(client: "BaseClient", stores: WorldStores) -> None:
    bucket = stores.s3_bucket
    if bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", []):
            client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    # A set: some servers list a version twice when its key spans two pages.
    found = list(dict.fromkeys(_versions(client, bucket)))
    for start in range(0, len(found), _KEYS_A_CALL):
        batch = [{"Key": key, "VersionId": version} for key, version in found[start : start + _KEYS_A_CALL]]
        answer = client.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})
        if answer.get("Errors"):
            code = answer["Errors"][0].get("Code")
            message = f"s3: bucket {bucket} cannot be emptied ({code}); give the sandbox another bucket"
            raise RuntimeError(message)


def _versions(client: "BaseClient", bucket: str) -> Iterator[tuple[str, str]]:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            yield each["Key"], each["VersionId"]


def _put_files(client: "BaseClient", bucket: str, each: Contributor) -> Counts:
    """Readable objects, and versions with delete markers."""
    profile, scan = (f"contributors/{each.contributor_id}/{name}" for name in ("profile.json", "id-scan.txt"))
    chosen = each.person.number
    written = Counter(objects=2, versions=2)
    if chosen % 3 == 0:
        _put(client, bucket, profile, _profile(each, each.person.email.upper()), "application/json")
        written["versions"] += 1
    _put(client, bucket, profile, _profile(each, each.email), "application/json")
    _put(client, bucket, scan, _scan(each), "text/plain; charset=utf-8")
    if chosen % 5 == 0:
        client.delete_object(Bucket=bucket, Key=scan)
        written.update(objects=-1, versions=1)
    for name in neighbours(each):
        _put(client, bucket, f"contributors/{name}/README.txt", NOTE, "text/plain; charset=utf-8")
        written.update(objects=1, versions=1, neighbours=1)
    return written


def _put(client: "BaseClient", bucket: str, key: str, text: str, content_type: str) -> None:
    client.put_object(Bucket=bucket, Key=key, Body=text.encode(), ContentType=content_type)


def _profile(each: Contributor, email: str) -> str:
    document: dict[str, Any] = {
        "contributor_id": str(each.contributor_id),
        "name": each.person.full_name,
        "email": email,
        "phone": each.phone,
        "country": each.person.country,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


def _scan(each: Contributor) -> str:
    who = each.person
    return f"IDENTITY CARD (specimen)\n{who.full_name}\nborn {who.birth_date}\n{who.address}\n"
