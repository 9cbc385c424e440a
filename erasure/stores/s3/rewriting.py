"""Writes one object anew with its targets' rows masked, and removes the versions below it.

The order is what keeps an object whole: rewritten into a file, written only over the content that was read (If-Match),
looked at, and only then its older versions go. Whatever ends this in between leaves the old object or the new one.
Holds: `Rewriter`.
Add here: another way of writing.
Keep out: which objects, and in which order (`shared.py`); formats (`rows/`).
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from erasure.errors import Incomplete
from erasure.stores.s3.contents import CHUNK_BYTES, SPOOLED_BYTES, Contents, Interrupted, Judged
from erasure.stores.s3.failures import STORE, code_of, errors
from erasure.stores.s3.kept import kept_of
from erasure.stores.s3.listing import NULL, Listing, Version
from erasure.stores.s3.obstacles import GONE, locked_among
from erasure.stores.s3.removal import remove_versions

# S3's own limit of one PUT. It alone is conditional on every server, and leaves no parts behind where we are killed.
SINGLE_PUT_AT_MOST = 5 * 1024**3
PART_BYTES = 64 * 1024 * 1024
_PARTS_AT_MOST = 10_000
# Somebody else has written in between: 412, or 409 while both are at it.
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409"})
_TRIES = 4


class _Overtaken(Exception):
    """Somebody else has written the object since it was read."""


@dataclass(frozen=True, kw_only=True)
class Rewriter:
    """Rewrites objects of one glob for one target set. `keeps_versions`: whether a PUT leaves the old one below."""

    listing: Listing
    contents: Contents
    name: str
    keeps_versions: bool

    def rewrite(self, judged: Judged) -> int:
        """Returns how many rows were masked; none where others have meanwhile done it, or removed the object.

        Raises Incomplete where others write faster than this reads, or what is stored is not what was sent.
        """
        for _ in range(_TRIES):
            if not judged.is_left:
                return 0
            try:
                with errors(self.name):
                    return self._once(judged)
            except _Overtaken:
                found = self._latest(judged.version.key)
                if found is None:
                    return 0
                judged = self.contents.judge(found)
            except Interrupted as lost:
                raise lost.away(self.name) from None
        raise self._incomplete("an object is written by somebody else all the time", "stop who writes there")

    def remove_older(self, version: Version) -> None:
        """Every version below this one that no lock protects; delete markers hold nothing and stay."""
        found = self._versions(version.key)
        places = [place for place, one in enumerate(found) if one == version]
        if not places:
            raise self._incomplete("an object that was just written is gone", "see who else writes there")
        older = [one for one in found[places[0] + 1 :] if not one.is_marker]
        locked = locked_among(self.listing, older)
        self.remove([one for one in older if one not in locked])

    def remove(self, versions: list[Version]) -> None:
        """Removes these; Incomplete where the server keeps one."""
        if not versions:
            return
        refused = remove_versions(self.listing, versions).refused
        if refused:
            raise self._incomplete(
                f"{sum(refused.values())} older versions could not be removed ({', '.join(sorted(refused))})",
                "grant s3:DeleteObjectVersion",
            )

    def _once(self, judged: Judged) -> int:
        from botocore.exceptions import ClientError

        version = judged.version
        codec = self.contents.codec(version.key)
        if codec is None:
            return 0
        try:
            with tempfile.SpooledTemporaryFile(max_size=SPOOLED_BYTES) as sink:
                file = cast(BinaryIO, sink)
                with self.contents.opened(version, codec) as (answer, source):
                    kept = kept_of(self.listing, version, answer)
                    counts = codec.rewrite(source, file, self.contents.rules)
                size = file.seek(0, 2)
                if not self.keeps_versions:
                    # The only copy is about to go: what takes its place is counted first.
                    file.seek(0)
                    self._require_masked(codec.count(file, self.contents.rules), judged)
                file.seek(0)
                written = self._write(version, file, size, kept)
        except ClientError as error:
            if code_of(error) in _TAKEN | GONE:
                raise _Overtaken from None
            raise
        stored = self.contents.head(written)
        if int(stored["ContentLength"]) != size:
            raise self._incomplete(
                "an object is stored with another length than was sent", "see the server's disk"
            )
        if self.keeps_versions:
            self._require_masked(self.contents.judge(replace(written, size=size)).counts, judged)
        self.remove_older(written)
        return counts.to_mask

    def _write(self, version: Version, file: BinaryIO, size: int, kept: Mapping[str, Any]) -> Version:
        if size <= SINGLE_PUT_AT_MOST:
            answer = self.listing.client.put_object(
                Bucket=self.listing.bucket, Key=version.key, Body=file, IfMatch=version.etag, **kept
            )
        else:
            answer = self._write_in_parts(version, file, size, kept)
        return Version(
            key=version.key, version_id=answer.get("VersionId", NULL), etag=answer["ETag"], size=size
        )

    def _write_in_parts(
        self, version: Version, file: BinaryIO, size: int, kept: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        client, place = self.listing.client, {"Bucket": self.listing.bucket, "Key": version.key}
        upload = client.create_multipart_upload(**place, **kept)["UploadId"]
        algorithm = kept.get("ChecksumAlgorithm", "CRC32")
        part_bytes = max(PART_BYTES, -(-size // _PARTS_AT_MOST))
        parts = []
        try:
            for number in range(1, -(-size // part_bytes) + 1):
                with tempfile.SpooledTemporaryFile(max_size=SPOOLED_BYTES) as part:
                    _copy(file, cast(BinaryIO, part), part_bytes)
                    part.seek(0)
                    answer = client.upload_part(
                        **place, UploadId=upload, PartNumber=number, Body=part, ChecksumAlgorithm=algorithm
                    )
                told = {name: answer[name] for name in (f"Checksum{algorithm}", "ETag") if name in answer}
                parts.append({"PartNumber": number, **told})
            done: Mapping[str, Any] = client.complete_multipart_upload(
                **place, UploadId=upload, MultipartUpload={"Parts": parts}, IfMatch=version.etag
            )
        except BaseException:
            client.abort_multipart_upload(**place, UploadId=upload)
            raise
        return done

    def _require_masked(self, counts: Any, judged: Judged) -> None:
        expected = judged.counts.rows - (judged.counts.to_mask if self.contents.rules.delete else 0)
        if counts.to_mask or (counts.rows != expected and not self.contents.rules.delete):
            raise self._incomplete(
                "an object that was rewritten is not what it should be; its older versions were kept",
                "report this with the format of the file",
            )

    def _latest(self, key: str) -> Version | None:
        return next((one for one in self._versions(key) if one.is_latest and not one.is_marker), None)

    def _versions(self, key: str) -> list[Version]:
        """Of exactly this key, the newest first, as S3 lists them."""
        found = (one for page in self.listing.versions(key) for one in page.entries if one.key == key)
        return list(dict.fromkeys(found))

    def _incomplete(self, what: str, remedy: str) -> Incomplete:
        return Incomplete(store=STORE, object_name=self.name, what=what, remedy=f"{remedy}, then resume")


def _copy(source: BinaryIO, sink: BinaryIO, most: int) -> None:
    left = most
    while left and (chunk := source.read(min(CHUNK_BYTES, left))):
        sink.write(chunk)
        left -= len(chunk)
