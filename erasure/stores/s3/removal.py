"""Removing for good: versions a thousand a call, and uploads that nobody finished.

Holds: `remove_versions`, `abort_uploads`.
Add here: another thing that is removed as a whole.
Keep out: which ones go, and whether anything is left: that is for a new listing to say.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

from erasure.errors import StoreUnavailable
from erasure.stores.s3.failures import STORE, errors
from erasure.stores.s3.listing import Listing, Upload, Version, pooled

# What one DeleteObjects call takes.
DELETED_AT_ONCE = 1_000
_CALLS_AT_ONCE = 4
# Of single keys in an answer that is otherwise a success: asked again, later each time.
_PASSING = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted"})
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Removed:
    """How many versions went, and why others did not: error code -> how many."""

    done: int
    refused: Mapping[str, int]


def remove_versions(
    listing: Listing, versions: Sequence[Version], told: Callable[[int], None] = lambda done: None
) -> Removed:
    """Exactly these; `told` how many are gone so far. Missing versions count as gone: only a new listing tells."""
    chunks = [versions[start : start + DELETED_AT_ONCE] for start in range(0, len(versions), DELETED_AT_ONCE)]
    refused: Counter[str] = Counter()
    done = 0
    for answer in pooled(lambda chunk: _remove(listing, chunk), chunks, threads=_CALLS_AT_ONCE):
        done += answer.done
        refused.update(answer.refused)
        told(done)
    return Removed(done=done, refused=refused)


def _remove(listing: Listing, chunk: Sequence[Version]) -> Removed:
    left: list[dict[str, str]] = [{"Key": version.key, "VersionId": version.version_id} for version in chunk]
    for attempt in range(_TRIES):
        with errors(listing.object_name):
            answer = listing.client.delete_objects(
                Bucket=listing.bucket, Delete={"Objects": left, "Quiet": True}
            )
        # The answer is 200 even where versions are locked, or the server has enough.
        found: Sequence[Mapping[str, Any]] = answer.get("Errors", [])
        passing = [error for error in found if error.get("Code") in _PASSING]
        if not passing:
            refused = Counter(str(error.get("Code", "")) for error in found)
            return Removed(done=len(chunk) - len(found), refused=refused)
        if attempt < _TRIES - 1:
            # All of it again: what is gone is gone, and an error need not name its version.
            Event().wait(_FIRST_PAUSE_SECONDS * 2**attempt)
    raise StoreUnavailable(
        store=STORE,
        object_name=listing.object_name,
        what=f"S3 answered {passing[0].get('Code')} for {len(passing)} versions, {_TRIES} times",
        remedy="wait until the bucket is asked less, then resume",
    )


def abort_uploads(listing: Listing, uploads: Iterable[Upload]) -> None:
    """Their parts are gone then; one that somebody has finished meanwhile is a version, and found as such."""

    def abort(upload: Upload) -> None:
        with errors(listing.object_name):
            try:
                listing.client.abort_multipart_upload(
                    Bucket=listing.bucket, Key=upload.key, UploadId=upload.upload_id
                )
            except listing.client.exceptions.NoSuchUpload:
                return

    for _ in pooled(abort, uploads):
        pass
