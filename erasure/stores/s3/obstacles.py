"""What S3 would not let go of, found before anything is changed: locks, archives, closed doors, foreign keys.

Holds: `Obstacle`, `locked_among`, and the looks by which each is found.
Add here: another reason for which an object stays as it is.
Keep out: rows that cannot be read (`rows/`), and what is done about an obstacle.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from erasure.stores.s3.failures import code_of, errors
from erasure.stores.s3.listing import Listing, Version, pooled

# Storage classes that give nothing to read before a restore; deleting needs none.
ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
# What the encryption clients of Amazon's SDKs write into the user metadata.
_CLIENT_SIDE = frozenset({"x-amz-key", "x-amz-key-v2", "x-amz-iv", "x-amz-matdesc", "x-amz-3", "x-amz-w"})
_NO_LOCKS = frozenset({"ObjectLockConfigurationNotFoundError", "NotImplemented", "MethodNotAllowed"})
_NO_LOCK = frozenset(
    {"NoSuchObjectLockConfiguration", "InvalidRequest", "NotImplemented", "MethodNotAllowed"}
)
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403"})
GONE = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
# Another content than the one that was asked for by its ETag.
CHANGED = frozenset({"PreconditionFailed", "412"})


class Obstacle(StrEnum):
    """Why an object cannot be erased."""

    RETAINED = "locked by a retention that has not ended"
    HELD = "under a legal hold"
    ARCHIVED = "archived and not restored"
    DENIED = "not ours to read"
    CLIENT_SIDE = "encrypted by the client that wrote it"
    CUSTOMER_KEY = "encrypted with a key that only its writer has"
    HIDDEN_METADATA = "carrying metadata that S3 does not show"
    FOREIGN_METADATA = "carrying metadata beyond ASCII, which nobody can write again"
    NO_KEY = "encrypted with a key of KMS that is not ours to use"
    UNREADABLE = "unreadable"


# What stands in the way of writing an object anew, and not of removing it.
OF_WRITING = frozenset({Obstacle.HIDDEN_METADATA, Obstacle.FOREIGN_METADATA})


def locked_among(listing: Listing, versions: Sequence[Version]) -> Mapping[Version, Obstacle]:
    """The versions that a lock protects. One request where the bucket has no locks, else one a version, and two
    more for an older one.

    Who may not see retention and holds is shown none; their refusal then comes when the version is to go.
    """
    if not versions or not _has_locks(listing):
        return {}
    objects = [version for version in versions if not version.is_marker]
    found = zip(objects, pooled(lambda version: _lock(listing, version), objects), strict=True)
    return {version: lock for version, lock in found if lock is not None}


def of_head(head: Mapping[str, Any]) -> Obstacle | None:
    """What the answer to a HEAD or GET says of an object that is to be rewritten."""
    names = {name.lower() for name in head.get("Metadata", {})}
    if names & _CLIENT_SIDE:
        return Obstacle.CLIENT_SIDE
    if head.get("MissingMeta"):
        return Obstacle.HIDDEN_METADATA
    if not all(value.isascii() for value in head.get("Metadata", {}).values()):
        return Obstacle.FOREIGN_METADATA
    if head.get("StorageClass") in ARCHIVED and 'ongoing-request="false"' not in head.get("Restore", ""):
        return Obstacle.ARCHIVED
    return lock_of(head)


def lock_of(head: Mapping[str, Any]) -> Obstacle | None:
    """The lock that stands at a version, if any; a governance lock counts although some may pass it by."""
    if head.get("ObjectLockLegalHoldStatus") == "ON":
        return Obstacle.HELD
    until = head.get("ObjectLockRetainUntilDate")
    return Obstacle.RETAINED if until is not None and until > datetime.now(UTC) else None


def of_refusal(error: Any) -> Obstacle | None:
    """What a refused GET or HEAD means for this one object; None where it says nothing of the object."""
    code = code_of(error)
    if code in DENIED:
        return Obstacle.DENIED
    if code in {"InvalidObjectState"}:
        return Obstacle.ARCHIVED
    if code.startswith("KMS.") and "Throttling" not in code:
        return Obstacle.NO_KEY
    # Without the key that it was written with, S3 takes even a HEAD for a bad request.
    if code in {"InvalidRequest", "400"} and error.operation_name in {"GetObject", "HeadObject"}:
        return Obstacle.CUSTOMER_KEY
    return None


def _has_locks(listing: Listing) -> bool:
    from botocore.exceptions import ClientError

    with errors(listing.object_name):
        try:
            listing.client.get_object_lock_configuration(Bucket=listing.bucket)
        except ClientError as error:
            if code_of(error) in _NO_LOCKS:
                return False
            # Who may not look at the bucket's may still be shown those of its objects.
            if code_of(error) not in DENIED:
                raise
    return True


def _lock(listing: Listing, version: Version) -> Obstacle | None:
    from botocore.exceptions import ClientError

    is_told = version.is_latest
    with errors(listing.object_name):
        try:
            found = lock_of(listing.client.head_object(Bucket=listing.bucket, **version.named))
        except ClientError as error:
            if code_of(error) in GONE:
                return None
            # Deleting needs no reading.
            if code_of(error) not in DENIED | {"400"}:
                raise
            found, is_told = None, False
        # versitygw's HEAD says nothing of the locks of a version that is not the current one.
        return found if found is not None or is_told else _asked_lock(listing, version)


def _asked_lock(listing: Listing, version: Version) -> Obstacle | None:
    """The same by requests of their own."""
    hold = _answer_of(listing.client.get_object_legal_hold, listing, version).get("LegalHold")
    if hold is not None and not hold:
        # So says moto of what has no hold; its HEAD has told all, and it fails where a retention is asked for.
        return None
    retention = _answer_of(listing.client.get_object_retention, listing, version).get("Retention", {})
    told = {"ObjectLockRetainUntilDate": retention.get("RetainUntilDate")}
    return lock_of(told | {"ObjectLockLegalHoldStatus": (hold or {}).get("Status")})


def _answer_of(ask: Callable[..., Any], listing: Listing, version: Version) -> Mapping[str, Any]:
    from botocore.exceptions import ClientError

    try:
        answer: Mapping[str, Any] = ask(Bucket=listing.bucket, **version.named)
    except ClientError as error:
        if code_of(error) in _NO_LOCK | GONE | DENIED:
            return {}
        raise
    return answer
