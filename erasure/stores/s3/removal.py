"""Removing for good: versions a thousand a call, and uploads that nobody finished.

Holds: `remove_versions`, `abort_uploads`.
Add here: another thing that is removed as a whole.
Keep out: which ones go, and whether anything is left: that is for a new listing to say.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from threading import Event
from typing import Any

from erasure.errors import StoreUnavailable
from erasure.stores.s3.failures import STORE, code_of, errors
from erasure.stores.s3.listing import Listing, Upload, Version, pooled
from erasure.stores.s3.obstacles import DENIED

# What one DeleteObjects call takes.
DELETED_AT_ONCE = 1_000
_LANES = 4
# Of single keys in an answer that is otherwise a success: asked again, later each time.
_PASSING = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "OperationAborted"})
_TRIES = 6
# What XML has no way to write: DeleteObjects cannot name such a key, DeleteObject can.
_NOT_OF_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
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
    refused: Counter[str] = Counter()
    done = 0
    for answers in pooled(
        lambda calls: [_remove(listing, one) for one in calls], _lanes(versions), threads=_LANES
    ):
        for answer in answers:
            done += answer.done
            refused.update(answer.refused)
        told(done)
    return Removed(done=done, refused=refused)


def _lanes(versions: Sequence[Version]) -> list[list[list[Version]]]:
    """Calls that may be made at once, and in each lane those that follow one another; no two lanes share a key.

    versitygw was seen to leave a version behind where two calls took versions of one key at the same moment.
    """
    lanes: list[list[list[Version]]] = []
    for _, group in groupby(sorted(versions, key=attrgetter("key")), key=attrgetter("key")):
        mine = list(group)
        if lanes and len(lanes[-1][-1]) + len(mine) <= DELETED_AT_ONCE:
            lanes[-1][-1].extend(mine)
        else:
            lanes.append(
                [mine[start : start + DELETED_AT_ONCE] for start in range(0, len(mine), DELETED_AT_ONCE)]
            )
    return lanes


def _remove(listing: Listing, chunk: Sequence[Version]) -> Removed:
    alone = [version for version in chunk if _NOT_OF_XML.search(version.key)]
    if not alone:
        return _remove_at_once(listing, chunk)
    answers = [_remove_alone(listing, version) for version in alone]
    if others := [version for version in chunk if not _NOT_OF_XML.search(version.key)]:
        answers.append(_remove_at_once(listing, others))
    refused = sum((Counter(answer.refused) for answer in answers), Counter[str]())
    return Removed(done=sum(answer.done for answer in answers), refused=refused)


def _remove_alone(listing: Listing, version: Version) -> Removed:
    from botocore.exceptions import ClientError

    with errors(listing.object_name):
        try:
            listing.client.delete_object(Bucket=listing.bucket, Key=version.key, VersionId=version.version_id)
        except ClientError as error:
            if code_of(error) not in DENIED:
                raise
            return Removed(done=0, refused={code_of(error): 1})
    return Removed(done=1, refused={})


def _remove_at_once(listing: Listing, chunk: Sequence[Version]) -> Removed:
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
