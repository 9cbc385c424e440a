"""Reads the rows of one version, and remembers what it counted as long as the version is the same.

Holds: `Contents`, `Judged`, and the stream over an object's body.
Add here: another thing that must be known of a version before it is rewritten.
Keep out: formats (`rows/`), writing (`rewriting.py`).
"""

import hashlib
import io
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, BinaryIO, cast

from erasure.errors import StoreUnavailable, safe_reason
from erasure.inventory import ROW_FORMATS, InventoryObject, Rows
from erasure.stores.s3.failures import STORE, code_of, errors
from erasure.stores.s3.kept import kept_of
from erasure.stores.s3.listing import Listing, Version
from erasure.stores.s3.obstacles import (
    ARCHIVED,
    CHANGED,
    GONE,
    OF_WRITING,
    Obstacle,
    locked_among,
    of_head,
    of_refusal,
)
from erasure.stores.s3.rows.base import Codec, Flaw, RowCounts, RowRules, UnreadableRows, rules_for
from erasure.stores.s3.rows.codecs import codec_of
from erasure.targets import TargetSet

# How much of an object is held in memory before a file takes it; how much is read or sent at once.
SPOOLED_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
_READ_TRIES = 3
# What a file can be at odds with -> the keys that say it.
_TOLD_IN_THE_INVENTORY = {
    Flaw.HEADER: "subject, columns and delimiter",
    Flaw.ENCODING: "format and encoding",
}
_REMEMBERED_AT_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What was found in a version. An obstacle says why its rows cannot be told, or the version cannot be replaced.

    `flaw` says more of what is unreadable; it never holds a value.
    """

    version: Version
    counts: RowCounts = field(default_factory=RowCounts)
    obstacle: Obstacle | None = None
    flaw: str = ""

    @property
    def is_left(self) -> bool:
        """Whether something of a target is to be masked here, and can be."""
        return self.obstacle is None and self.counts.to_mask > 0


class _Remembered:
    """Counts by version, for this process: a plan and what is compared with it would else read everything again."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Judged] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> Judged | None:
        with self._lock:
            return self._found.get(key)

    def put(self, key: str, judged: Judged) -> None:
        with self._lock:
            self._found[key] = judged
            if len(self._found) > _REMEMBERED_AT_MOST:
                self._found.popitem(last=False)


_REMEMBERED = _Remembered()


class Contents:
    """The rows of a glob's objects, for one target set."""

    def __init__(self, listing: Listing, item: InventoryObject, targets: TargetSet) -> None:
        self._listing = listing
        self._item = item
        self.rules: RowRules = rules_for(item, targets)
        self._named = _digest_of(listing, item, targets)

    def codec(self, key: str) -> Codec | None:
        """The codec of an object by its key."""
        return codec_of(key, self._item)

    def judge(self, version: Version) -> Judged:
        """Counts a version's rows. One that is gone since it was listed has none."""
        # Such as the markers by which consoles make a folder: no rows, whatever the key says of a format.
        if not version.size:
            return Judged(version=version)
        named = f"{self._named}/{version.key}@{version.version_id}/{version.etag}/{version.size}"
        known = _REMEMBERED.get(hashlib.sha256(named.encode()).hexdigest())
        if known is not None:
            # What the listing says now: somebody may have written over it since.
            return replace(known, version=version)
        judged = self._judge(version)
        # What stands in the way may be taken away, and is looked at each time.
        if judged.obstacle is None:
            _REMEMBERED.put(hashlib.sha256(named.encode()).hexdigest(), judged)
        return judged

    def _judge(self, version: Version) -> Judged:
        from botocore.exceptions import ClientError

        if version.storage_class in ARCHIVED and (found := self._archived(version)):
            return Judged(version=version, obstacle=found)
        codec = self.codec(version.key)
        if codec is None:
            flaw = self._without_codec(version.key)
            return Judged(version=version, obstacle=Obstacle.UNREADABLE, flaw=flaw)
        with errors(self._item.name):
            try:
                return self._read(version, codec)
            except ClientError as error:
                if code_of(error) in GONE | CHANGED and (now := self._listed(version)) != version.etag:
                    # Removed or written again since it was listed, in a bucket that keeps no versions.
                    return self._judge(replace(version, etag=now)) if now else Judged(version=version)
                obstacle = of_refusal(error)
                if obstacle is None:
                    raise
                return Judged(version=version, obstacle=obstacle)
            except UnreadableRows as unreadable:
                flaw = f"{unreadable}{self._where_to_mend(unreadable.kind)}"
                return Judged(version=version, obstacle=Obstacle.UNREADABLE, flaw=flaw)

    def _where_to_mend(self, kind: Flaw) -> str:
        keys = _TOLD_IN_THE_INVENTORY.get(kind)
        return f"; {keys} of {self._item.name} stand in s3.yml" if keys is not None else ""

    def _without_codec(self, key: str) -> str:
        told, compression = (self._item.rows or Rows()).format_of(key)
        if told is not None:
            return f"{told} with {compression} around it, where {told} is packed within"
        return f"its suffix is of no format, and {self._item.name} in s3.yml has no format: {', '.join(ROW_FORMATS)}"

    def _read(self, version: Version, codec: Codec) -> Judged:
        for attempt in range(_READ_TRIES):
            try:
                with self.opened(version, codec) as (answer, source):
                    obstacle = of_head(answer)
                    if obstacle is Obstacle.CLIENT_SIDE:
                        return Judged(version=version, obstacle=obstacle)
                    counts = codec.count(source, self.rules)
                break
            except Interrupted as lost:
                if attempt == _READ_TRIES - 1:
                    raise lost.away(self._item.name) from None
        if not counts.to_mask:
            return Judged(version=version, counts=counts)
        if obstacle in OF_WRITING and not version.is_latest:
            # It is removed, and not written anew.
            obstacle = None
        # Some servers tell of locks by HEAD alone.
        obstacle = obstacle or locked_among(self._listing, [version]).get(version)
        if obstacle is None and version.is_latest:
            # Seen now, so that a plan says what rewriting would run into: tags or grants that may not be read.
            kept_of(self._listing, version, answer)
        return Judged(version=version, counts=counts, obstacle=obstacle)

    def head(self, version: Version) -> Mapping[str, Any]:
        """What S3 says of a version without giving it."""
        answer: Mapping[str, Any] = self._listing.client.head_object(
            Bucket=self._listing.bucket, **version.named
        )
        return answer

    @contextmanager
    def opened(self, version: Version, codec: Codec) -> Iterator[tuple[Mapping[str, Any], BinaryIO]]:
        """The answer to a GET of exactly this content, and its body as a stream, in a file where it must be sought in.

        Raises Interrupted where the body breaks off, and botocore's ClientError.
        """
        answer = self._listing.client.get_object(
            Bucket=self._listing.bucket, IfMatch=version.etag, ChecksumMode="ENABLED", **version.named
        )
        body = io.BufferedReader(_Body(answer["Body"], version.size), CHUNK_BYTES)
        try:
            if not codec.needs_seek:
                yield answer, cast(BinaryIO, body)
                return
            with tempfile.TemporaryFile() as file:
                shutil.copyfileobj(body, file, CHUNK_BYTES)
                file.seek(0)
                yield answer, cast(BinaryIO, file)
        finally:
            answer["Body"].close()

    def _listed(self, version: Version) -> str:
        """The ETag by which a version is listed now, empty where it is not. A server that lists what it does not give
        must not pass for one where it is gone.
        """
        pages = self._listing.versions(version.key)
        return next((one.etag for page in pages for one in page.entries if one == version), "")

    def _archived(self, version: Version) -> Obstacle | None:
        with errors(self._item.name):
            return of_head(self.head(version))


class Interrupted(Exception):
    """A body broke off: the connection, or the server, is gone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def away(self, object_name: str) -> StoreUnavailable:
        """What it means once it was tried often enough."""
        return StoreUnavailable(
            store=STORE,
            object_name=object_name,
            what=f"an object could not be read to its end ({self.reason})",
            remedy="check [s3] endpoint_url and that the server runs",
        )


class _Body(io.RawIOBase):
    """A body of botocore's as a raw stream; what ends too early is an error and not an end."""

    def __init__(self, body: Any, size: int) -> None:
        self._body = body
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        from botocore.exceptions import BotoCoreError
        from urllib3.exceptions import HTTPError

        try:
            chunk: bytes = self._body.read(len(buffer))
        except (BotoCoreError, HTTPError, OSError) as error:
            raise Interrupted(safe_reason(error)) from None
        if not chunk and self._left > 0:
            raise Interrupted("too short")
        self._left -= len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _digest_of(listing: Listing, item: InventoryObject, targets: TargetSet) -> str:
    """Names what is looked for, and where; in nothing that is shown."""
    hashed = hashlib.sha256(repr((listing.client.meta.endpoint_url, listing.bucket, item)).encode())
    needles = sorted((needle.contributor_id, needle.kind, needle.value) for needle in targets.needles)
    for part in (
        sorted(targets.contributor_ids),
        needles,
        sorted(targets.persons.items()),
        sorted(targets.salts.items()),
    ):
        hashed.update(repr(part).encode())
    return hashed.hexdigest()
