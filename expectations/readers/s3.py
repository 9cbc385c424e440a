"""Reads S3: which keys of targets are still there: versions, delete markers, unfinished uploads.

Holds: `read_s3`.
Add here: another listing in which data of a person can stand.
Keep out: key templates (`keys.py`), contents of objects.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Inventory, InventoryObject
from erasure.s3_client import s3_client
from erasure.settings import Settings
from expectations.readers.base import RECORD, FieldReading, Tally, VerifiedBatch
from expectations.readers.keys import PLACEHOLDER, KeyPattern

# Up to here a listing a contributor costs less than one of everybody's keys.
_LISTED_ALONE = 50
_ENTRIES = ("Versions", "DeleteMarkers")
_CLOSED_DOORS = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}
)


def read_s3(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every key template; a record is a key, however many versions it has."""
    bucket = settings.s3.bucket_name
    readings = []
    for item in inventory.of("s3"):
        with _errors(item):
            client = s3_client(settings.s3)
            left = set(_keys(client, bucket, item, batch))
        readings.append(Tally(survivors=len(left)).reading(item, RECORD, len(left)))
    return readings


def _keys(client: Any, bucket: str, item: InventoryObject, batch: VerifiedBatch) -> Iterator[str]:
    pattern = KeyPattern(item.location, is_folder=item.location.endswith("/"))
    ids = batch.contributor_ids
    prefixes = [pattern.fixed_part]
    if len(ids) <= _LISTED_ALONE:
        prefixes = [item.location.replace(PLACEHOLDER, one) for one in sorted(ids)]
    for prefix in prefixes:
        for key in (*_versions(client, bucket, prefix), *_uploads(client, bucket, prefix)):
            if pattern.owner(key) in ids:
                yield key


def _versions(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        _require_listing(page.get("Name"), bucket)
        yield from (entry["Key"] for kind in _ENTRIES for entry in page.get(kind, ()))


def _uploads(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    # Parts of an unfinished upload hold data and are in no listing of objects.
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        _require_listing(page.get("Bucket"), bucket)
        yield from (upload["Key"] for upload in page.get("Uploads", ()))


def _require_listing(listed: str | None, bucket: str) -> None:
    # Any page with status 200 reads as an empty listing, and an empty listing as a clean store.
    if listed != bucket:
        raise StoreUnavailable(
            store="s3", what="what answers does not list the bucket", remedy="check [s3] endpoint_url"
        )


@contextmanager
def _errors(item: InventoryObject) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else safe_reason(error)
        lost = not isinstance(error, ClientError) or code in _CLOSED_DOORS
        kind = StoreUnavailable if lost else StoreRefused
        raise kind(
            store=item.store,
            object_name=item.name,
            what=f"could not be listed ({code})",
            remedy="check [s3] in the configuration, and what its keys may list",
        ) from None
