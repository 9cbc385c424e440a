"""Reads S3: which keys of targets are still there: versions, delete markers, unfinished uploads.

Holds: `read_s3`.
Add here: another listing in which data of a person can stand.
Keep out: key templates (`keys.py`), contents of objects (`s3_rows.py`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Inventory, InventoryObject
from erasure.rules import normalise_email
from erasure.s3_client import s3_client
from erasure.settings import Settings
from expectations.readers.base import RECORD, FieldReading, VerifiedBatch, place, unjudged_places
from expectations.readers.keys import EMAIL, PLACEHOLDER, KeyPattern
from expectations.readers.s3_locks import is_locked
from expectations.readers.s3_rows import read_rows

# Up to here a listing a contributor costs less than one of everybody's keys.
_LISTED_ALONE = 50
_UUID_LENGTH = 36
# What is said of one object that nobody may look at, or only who has the key that it was written with.
_SHUT = frozenset({"AccessDenied", "403"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_SHUT_TO_HEAD = frozenset({"InvalidRequest", "400"})
_ENTRIES = ("Versions", "DeleteMarkers")
_CLOSED_DOORS = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "403"}
)


@dataclass(frozen=True, kw_only=True, order=True)
class _Entry:
    """Something under a key: a version, a delete marker, or (with no version) an unfinished upload."""

    key: str
    version: str | None
    is_marker: bool = False


def read_s3(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every object of the inventory; of whole objects a record is a key, however many versions it has."""
    readings: list[FieldReading] = []
    unjudged = frozenset(unjudged_places(inventory, "s3", batch))
    for item in inventory.of("s3"):
        if item.rows is not None:
            with _errors(item):
                bucket = item.bucket or settings.s3.bucket_name
                readings += list(read_rows(s3_client(settings.s3), bucket, item, batch, unjudged))
            continue
        if place(item.name, RECORD) in unjudged:
            continue
        with _errors(item):
            look = _Look(s3_client(settings.s3), item.bucket or settings.s3.bucket_name, item)
            left = set(look.keys(batch))
            locked = {entry.key for entry in left if look.is_locked(entry)}
            survivors = {entry.key for entry in left if not look.is_locked(entry)}
        readings.append(
            FieldReading(
                object=item.name,
                field=RECORD,
                survivors=len(survivors),
                masked=0,
                records=len(survivors | locked),
                not_erasable=len(locked - survivors),
            )
        )
    return readings


class _Look:
    def __init__(self, client: Any, bucket: str, item: InventoryObject) -> None:
        self._client = client
        self._bucket = bucket
        self._item = item
        self._locks: dict[_Entry, bool] = {}

    def keys(self, batch: VerifiedBatch) -> Iterator[_Entry]:
        """Everything under the keys of targets."""
        if self._item.tag is not None or self._item.metadata is not None:
            return self._named_at_objects(batch)
        if EMAIL in self._item.location:
            return self._named_by_email(batch)
        return self._named_by_id(batch)

    def _named_by_id(self, batch: VerifiedBatch) -> Iterator[_Entry]:
        location, ids = self._item.location, batch.contributor_ids
        # Whatever ids look like in this world: all of a key up to where the template goes on.
        pattern = KeyPattern(location, is_folder=location.endswith("/"), id_form="text")
        prefixes = [pattern.fixed_part]
        if len(ids) <= _LISTED_ALONE:
            forms = ids | {one.upper() for one in ids if len(one) == _UUID_LENGTH}
            prefixes = [location.replace(PLACEHOLDER, one) for one in sorted(forms)]
        for prefix in prefixes:
            yield from (
                entry for entry in self._entries(prefix) if _is_theirs(pattern.owner(entry.key), batch)
            )

    def _named_by_email(self, batch: VerifiedBatch) -> Iterator[_Entry]:
        before, _, after = self._item.location.partition(EMAIL)
        for entry in self._entries(before):
            rest = entry.key[len(before) :]
            # A folder's name ends with its slash, a file's with the rest of the template.
            name = rest.partition("/")[0] if after.startswith("/") else rest.removesuffix(after)
            whole = rest.startswith(f"{name}{after}") and (after.endswith("/") or rest == f"{name}{after}")
            if whole and any(normalise_email(form) in batch.emails for form in (name, unquote(name))):
                yield entry

    def _named_at_objects(self, batch: VerifiedBatch) -> Iterator[_Entry]:
        entries = list(self._entries(self._item.location))
        theirs = {entry.key for entry in entries if _is_theirs(self._named(entry), batch)}
        shut = {entry for entry in self._locks if entry.key not in theirs}
        yield from (entry for entry in entries if entry.key in theirs or entry in shut)

    def _named(self, entry: _Entry) -> str | None:
        from botocore.exceptions import ClientError

        if entry.version is None or entry.is_marker:
            return None
        try:
            return self._told(self._where(entry))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _GONE:
                return None
            if code not in _SHUT and not (code in _SHUT_TO_HEAD and self._item.tag is None):
                raise
            # Whose it is nobody can be told, and so nobody removes it.
            self._locks[entry] = True
            return None

    def _told(self, where: Mapping[str, str]) -> str | None:
        if self._item.tag is not None:
            tags = self._client.get_object_tagging(**where)["TagSet"]
            return next((str(tag["Value"]) for tag in tags if tag["Key"] == self._item.tag), None)
        held = self._client.head_object(**where)["Metadata"]
        wanted = (self._item.metadata or "").lower()
        return next((str(value) for name, value in held.items() if name.lower() == wanted), None)

    def is_locked(self, entry: _Entry) -> bool:
        """Whether nobody may remove it now."""
        if entry not in self._locks:
            self._locks[entry] = self._locked(entry)
        return self._locks[entry]

    def _locked(self, entry: _Entry) -> bool:
        if entry.version is None or entry.is_marker:
            return False
        return is_locked(self._client, self._where(entry))

    def _where(self, entry: _Entry) -> dict[str, str]:
        # Not every server knows the id of what never had another.
        named = {} if entry.version in (None, "null") else {"VersionId": str(entry.version)}
        return {"Bucket": self._bucket, "Key": entry.key, **named}

    def _entries(self, prefix: str) -> Iterator[_Entry]:
        listing = self._client.get_paginator("list_object_versions")
        for page in listing.paginate(Bucket=self._bucket, Prefix=prefix):
            _require_listing(page.get("Name"), self._bucket)
            for kind in _ENTRIES:
                marker = kind == "DeleteMarkers"
                for one in page.get(kind, ()):
                    yield _Entry(key=one["Key"], version=one["VersionId"], is_marker=marker)
        # Parts of an unfinished upload hold data and are in no listing of objects.
        uploads = self._client.get_paginator("list_multipart_uploads")
        for page in uploads.paginate(Bucket=self._bucket, Prefix=prefix):
            _require_listing(page.get("Bucket"), self._bucket)
            yield from (_Entry(key=one["Key"], version=None) for one in page.get("Uploads", ()))


def _is_theirs(named: str | None, batch: VerifiedBatch) -> bool:
    """Whether an id is a target's; a uuid is the same in capital letters."""
    ids = batch.contributor_ids
    return named is not None and (named in ids or (len(named) == _UUID_LENGTH and named.lower() in ids))


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
