"""S3: every version of every object under a contributor's keys goes, and so do unfinished uploads.

Holds: `S3Store`, which works on one bucket, versioned or not, by the key templates of the inventory.
Add here: another way in which a key can belong to a contributor.
Keep out: settings and credentials (the client is handed in), objects in which many people share one file.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from erasure.counts import Count, Counts
from erasure.errors import BadInput, Incomplete, StoreError, StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.targets import TargetSet

PLACEHOLDER = "{contributor_id}"
# Up to here a listing a contributor costs less than reading through everybody's keys.
LISTED_ALONE = 200
_THREADS = 8
# What one page of a listing holds, and one DeleteObjects call takes.
LISTED_AT_ONCE = 1_000
DELETED_AT_ONCE = 1_000
# Error codes of S3 -> the keys of [s3] to look at.
_KEYS_BY_CODE = {
    "NoSuchBucket": "bucket_name",
    "InvalidBucketName": "bucket_name",
    "AccessDenied": "aws_access_key_id and aws_secret_access_key, and what they may do with bucket_name",
    "InvalidAccessKeyId": "aws_access_key_id",
    # What versitygw says of a key that it does not know.
    "XAdminUserNotFound": "aws_access_key_id",
    "SignatureDoesNotMatch": "aws_secret_access_key",
    "ExpiredToken": "aws_session_token",
    "InvalidToken": "aws_session_token",
    "PermanentRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
    "IllegalLocationConstraintException": "region",
}


@dataclass(frozen=True, kw_only=True, order=True)
class _Version:
    """A version or a delete marker; `null` is the id of those in a bucket that never had versions."""

    key: str
    version_id: str


@dataclass(frozen=True, kw_only=True, order=True)
class _Upload:
    """A multipart upload that nobody finished: its parts hold data and are in no listing of keys."""

    key: str
    upload_id: str


_Entry = TypeVar("_Entry", _Version, _Upload)


class _KeyTemplate:
    """Whose a key is: all below `a/{contributor_id}/`, or exactly `a/{contributor_id}.png`."""

    def __init__(self, location: str) -> None:
        if location.count(PLACEHOLDER) != 1:
            raise BadInput(f"s3: a key names {PLACEHOLDER} once; mend it in the inventory file s3.yml.")
        self.fixed, _, self._suffix = location.partition(PLACEHOLDER)
        # An id ends where the template goes on, so that `u1` never takes the keys of `u10`.
        stop = re.escape(self._suffix[:1])
        owner = f"[^{stop}]+" if stop else ".+"
        below = ".*" if self._suffix.endswith("/") else ""
        self._pattern = re.compile(
            f"{re.escape(self.fixed)}(?P<owner>{owner}){re.escape(self._suffix)}{below}", re.DOTALL
        )

    def owner(self, key: str) -> str | None:
        match = self._pattern.fullmatch(key)
        return match["owner"] if match else None

    def prefix(self, contributor_id: str) -> str:
        prefix = f"{self.fixed}{contributor_id}{self._suffix}"
        if self.owner(prefix) != contributor_id:
            raise StoreRefused(
                store="s3",
                what="a contributor id cannot stand in a key",
                remedy=f"ids must fit {PLACEHOLDER} in the key templates of the inventory file s3.yml",
            )
        return prefix


class S3Store:
    """One bucket. `client` is boto3's S3 client; its methods are safe to call from several threads."""

    name = "s3"
    purge_state = PURGED

    def __init__(self, client: Any, bucket: str, objects: Sequence[InventoryObject]) -> None:
        self._client = client
        self._bucket = bucket
        self._templates = {item.name: _KeyTemplate(item.location) for item in objects}

    def health(self) -> Health:
        """Looks at the bucket. Of S3 there is no version to tell, so its versioning stands there."""
        with self._errors():
            status = self._client.get_bucket_versioning(Bucket=self._bucket).get("Status", "off")
            # A page that says 200 to everything passes for an empty bucket: S3 repeats which one it has listed.
            _require_listing_of(
                self._bucket, self._client.list_object_versions(Bucket=self._bucket, MaxKeys=1)
            )
        return Health(engine="S3", version=f"versioning {status.lower()}")

    def survey(self) -> Survey:
        """Nothing: a bucket has no schema to hold against the inventory. Stray keys are for the sweep."""
        return Survey()

    def holdings(self) -> Holdings:
        """The contributors' keys on the first page of a listing."""
        return {name: self._held(name) for name in self._templates}

    def count(self, targets: TargetSet) -> Counts:
        """Keys with any version or delete marker of a target; `elements` are those versions and markers."""
        return {name: _count(self._versions(name, targets)) for name in self._templates}

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """Deletes all of it, and lists again: what is then left is Incomplete."""
        return {name: self._delete(name, targets, progress) for name in self._templates}

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Looks again, at uploads too: the versions, S3's physical copies, went with the keys."""
        for name in self._templates:
            self._require_nothing_left(name, targets, locked=0)
            progress(name, 0, 0)
        return {name: Count(records=0) for name in self._templates}

    def _held(self, name: str) -> int:
        template = self._templates[name]
        with self._errors(name):
            page = self._client.list_object_versions(
                Bucket=self._bucket, Prefix=template.fixed, MaxKeys=COUNTED_AT_MOST
            )
            _require_listing_of(self._bucket, page, name)
        entries = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return len({entry["Key"] for entry in entries if template.owner(entry["Key"])})

    def _delete(self, name: str, targets: TargetSet, progress: Progress) -> Count:
        # Uploads first: one that is finished afterwards would otherwise become a new version.
        self._abort(name, targets)
        versions = self._versions(name, targets)
        done, locked = 0, 0
        progress(name, done, len(versions))
        for chunk in _chunks(versions, DELETED_AT_ONCE):
            entries = [{"Key": version.key, "VersionId": version.version_id} for version in chunk]
            with self._errors(name):
                answer = self._client.delete_objects(
                    Bucket=self._bucket, Delete={"Objects": entries, "Quiet": True}
                )
            # The answer is 200 even where versions are locked.
            errors = answer.get("Errors", [])
            locked += sum(error.get("Code") == "AccessDenied" for error in errors)
            done += len(chunk) - len(errors)
            progress(name, done, len(versions))
        # Missing versions are reported as deleted as well: only a new listing tells.
        self._require_nothing_left(name, targets, locked=locked)
        return _count(versions)

    def _abort(self, name: str, targets: TargetSet) -> None:
        for upload in self._uploads(name, targets):
            with self._errors(name):
                try:
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=upload.key, UploadId=upload.upload_id
                    )
                except self._client.exceptions.NoSuchUpload:
                    continue

    def _require_nothing_left(self, name: str, targets: TargetSet, *, locked: int) -> None:
        versions = len(self._versions(name, targets))
        uploads = len(self._uploads(name, targets))
        if not versions and not uploads:
            return
        what = f"{versions} versions and {uploads} unfinished uploads are left"
        if locked:
            what += f", {locked} of them locked or not ours to delete"
            remedy = "release the lock, or grant s3:DeleteObjectVersion in [s3] bucket_name, then resume"
        else:
            remedy = "see who still writes there, then resume"
        raise Incomplete(store=self.name, object_name=name, what=what, remedy=remedy)

    def _versions(self, name: str, targets: TargetSet) -> list[_Version]:
        def listed(page: Mapping[str, Any]) -> Iterator[_Version]:
            for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                yield _Version(key=entry["Key"], version_id=entry["VersionId"])

        return self._owned(name, targets, "list_object_versions", listed)

    def _uploads(self, name: str, targets: TargetSet) -> list[_Upload]:
        def listed(page: Mapping[str, Any]) -> Iterator[_Upload]:
            for entry in page.get("Uploads", []):
                yield _Upload(key=entry["Key"], upload_id=entry["UploadId"])

        return self._owned(name, targets, "list_multipart_uploads", listed)

    def _owned(
        self,
        name: str,
        targets: TargetSet,
        listing: str,
        listed: Callable[[Mapping[str, Any]], Iterable[_Entry]],
    ) -> list[_Entry]:
        """What is the targets', sorted. A set: some servers repeat entries at the border of two pages."""
        template, ids = self._templates[name], targets.contributor_ids
        prefixes = [template.prefix(contributor_id) for contributor_id in sorted(ids)]

        def pages(prefix: str) -> Iterator[Mapping[str, Any]]:
            for page in self._client.get_paginator(listing).paginate(
                Bucket=self._bucket, Prefix=prefix, PaginationConfig={"PageSize": LISTED_AT_ONCE}
            ):
                _require_listing_of(self._bucket, page, name)
                yield page

        def kept(found: Iterable[Mapping[str, Any]]) -> set[_Entry]:
            with self._errors(name):
                return {entry for page in found for entry in listed(page) if template.owner(entry.key) in ids}

        # One page of everybody's keys is often all there is, and then the one request that is needed.
        shared = pages(template.fixed)
        with self._errors(name):
            first = next(shared)
        if not first.get("IsTruncated") or len(ids) > LISTED_ALONE:
            return sorted(kept([first]) | kept(shared))
        with ThreadPoolExecutor(max_workers=_THREADS) as pool:
            return sorted(set().union(*pool.map(lambda prefix: kept(pages(prefix)), prefixes)))

    @contextmanager
    def _errors(self, object_name: str | None = None) -> Iterator[None]:
        # Imported here: botocore takes a while, and no command but those that reach S3 needs it.
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        try:
            yield
        except ClientError as error:
            raise _answered(error.response, object_name) from None
        except ResponseParserError as error:
            raise _not_s3(safe_reason(error), object_name) from None
        except BotoCoreError as error:
            raise _unanswered(error, object_name) from None


def _require_listing_of(bucket: str, page: Mapping[str, Any], object_name: str | None = None) -> None:
    """A listing of versions names its bucket as Name, one of uploads as Bucket."""
    if bucket not in (page.get("Name"), page.get("Bucket")):
        raise _not_s3("a listing without the bucket's name", object_name)


def _not_s3(reason: str, object_name: str | None) -> StoreUnavailable:
    what = f"what answers is not S3 ({reason})"
    return StoreUnavailable(store="s3", object_name=object_name, what=what, remedy="check [s3] endpoint_url")


def _answered(response: Mapping[str, Any], object_name: str | None) -> StoreError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _KEYS_BY_CODE:
        keys = _KEYS_BY_CODE[code]
    elif code.isdigit() and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # botocore's makeshift where the body does not say what is wrong, as S3's does.
        return _not_s3(code, object_name)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        keys = "endpoint_url, or try again later"
    else:
        remedy = f"see what S3 says of {code} and whether [s3] endpoint_url offers it"
        return StoreRefused(store="s3", object_name=object_name, what=f"S3 answered {code}", remedy=remedy)
    remedy = f"check [s3] {keys}"
    return StoreUnavailable(store="s3", object_name=object_name, what=f"S3 answered {code}", remedy=remedy)


def _unanswered(error: Exception, object_name: str | None) -> StoreError:
    from botocore.exceptions import (
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
        SSLError,
    )

    if isinstance(error, SSLError):
        keys = (
            "endpoint_url: https wants a trusted certificate; AWS_CA_BUNDLE names the file of its authority"
        )
    elif isinstance(error, NoCredentialsError | PartialCredentialsError):
        keys = "aws_access_key_id and aws_secret_access_key"
    elif isinstance(error, ParamValidationError):
        keys = "bucket_name"
    else:
        keys = "endpoint_url and region"
    what = f"S3 could not be asked ({safe_reason(error)})"
    return StoreUnavailable(store="s3", object_name=object_name, what=what, remedy=f"check [s3] {keys}")


def _count(versions: Sequence[_Version]) -> Count:
    return Count(records=len({version.key for version in versions}), elements=len(versions))


def _chunks(versions: Sequence[_Version], size: int) -> Iterator[Sequence[_Version]]:
    return (versions[start : start + size] for start in range(0, len(versions), size))
