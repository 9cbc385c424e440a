"""Listings of one bucket by pages: versions with delete markers, and multipart uploads that nobody finished.

Holds: `Version`, `Upload`, `Listing`, and the pool in which several requests are under way.
Add here: another listing of S3.
Keep out: whose an entry is (`keys.py`, `looks.py`), and changing anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from erasure.stores.s3.failures import errors, require_listing_of

THREADS = 8
# What one page of a listing holds.
LISTED_AT_ONCE = 1_000
# The id of versions in a bucket that never had any.
NULL = "null"


@dataclass(frozen=True, kw_only=True, order=True)
class Version:
    """A version or a delete marker. Two are the same by key and id; the rest is what the listing says of it."""

    key: str
    version_id: str
    is_marker: bool = field(default=False, compare=False)
    is_latest: bool = field(default=True, compare=False)
    etag: str = field(default="", compare=False)
    size: int = field(default=0, compare=False)
    storage_class: str = field(default="STANDARD", compare=False)

    @property
    def named(self) -> dict[str, str]:
        """How a request names it. Some servers do not know the id `null` of what never had another."""
        return {"Key": self.key} | (
            {} if self.version_id == NULL and self.is_latest else {"VersionId": self.version_id}
        )


@dataclass(frozen=True, kw_only=True, order=True)
class Upload:
    """A multipart upload that nobody finished: its parts hold data and are in no listing of keys."""

    key: str
    upload_id: str


_Entry = TypeVar("_Entry")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[_Entry]):
    """What one request has listed, and whether there is more."""

    entries: list[_Entry]
    more: bool


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The listings of a bucket; errors name the inventory's object. `foreign` says that [s3] names another bucket."""

    client: Any
    bucket: str
    object_name: str
    foreign: bool = False

    def versions(self, prefix: str) -> Iterator[Page[Version]]:
        """Page by page. Some servers repeat entries at the border of two: dedupe."""
        for page in self._pages("list_object_versions", prefix):
            yield Page(entries=_versions(page), more=bool(page.get("IsTruncated")))

    def uploads(self, prefix: str) -> Iterator[Page[Upload]]:
        """Page by page."""
        for page in self._pages("list_multipart_uploads", prefix):
            entries = [
                Upload(key=entry["Key"], upload_id=entry["UploadId"]) for entry in page.get("Uploads", [])
            ]
            yield Page(entries=entries, more=bool(page.get("IsTruncated")))

    def first(self, prefix: str, most: int) -> list[Version]:
        """No more than one page."""
        with errors(self.object_name, self._named):
            page = self.client.list_object_versions(Bucket=self.bucket, Prefix=prefix, MaxKeys=most)
            require_listing_of(self.bucket, page, self.object_name)
        return _versions(page)

    @property
    def _named(self) -> str | None:
        return self.bucket if self.foreign else None

    def _pages(self, operation: str, prefix: str) -> Iterator[Mapping[str, Any]]:
        pages = self.client.get_paginator(operation).paginate(
            Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": LISTED_AT_ONCE}
        )
        unread = iter(pages)
        while True:
            with errors(self.object_name, self._named):
                page = next(unread, None)
            if page is None:
                return
            require_listing_of(self.bucket, page, self.object_name)
            yield page


def _versions(page: Mapping[str, Any]) -> list[Version]:
    kinds = (("Versions", False), ("DeleteMarkers", True))
    return [_version(entry, is_marker=marker) for kind, marker in kinds for entry in page.get(kind, [])]


def _version(entry: Mapping[str, Any], *, is_marker: bool) -> Version:
    return Version(
        key=entry["Key"],
        version_id=entry["VersionId"],
        is_marker=is_marker,
        is_latest=bool(entry["IsLatest"]),
        etag=entry.get("ETag", ""),
        size=int(entry.get("Size", 0)),
        storage_class=entry.get("StorageClass") or "STANDARD",
    )


_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def pooled(
    work: Callable[[_Item], _Found], items: Iterable[_Item], *, threads: int | None = None
) -> Iterator[_Found]:
    """`work` of each item, in their order, several at once; the first error ends it, and what waits is not begun."""
    pool = ThreadPoolExecutor(max_workers=threads or THREADS)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
