"""Whether a version of S3 is under a lock, as the server says it now.

Holds: `is_locked`.
Add here: another lock.
Keep out: which versions are asked about (`s3.py`, `s3_rows.py`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# Answers by which a server says that there is no lock, or that it has none for anybody, or that nobody may look.
_NONE = frozenset(
    {
        *("NoSuchObjectLockConfiguration", "InvalidRequest", "NotImplemented", "MethodNotAllowed"),
        *("NoSuchKey", "NoSuchVersion", "404", "AccessDenied", "403", "400"),
    }
)


def is_locked(client: Any, where: Mapping[str, str]) -> bool:
    """Whether nobody may remove it now."""
    head = _asked(client.head_object, where)
    if _is_lock(head.get("ObjectLockLegalHoldStatus"), head.get("ObjectLockRetainUntilDate")):
        return True
    # Not every server's HEAD tells of an older version's.
    hold = _asked(client.get_object_legal_hold, where).get("LegalHold")
    if hold is not None and not hold:
        return False
    retention = _asked(client.get_object_retention, where).get("Retention", {})
    return _is_lock((hold or {}).get("Status"), retention.get("RetainUntilDate"))


def _asked(ask: Any, where: Mapping[str, str]) -> Mapping[str, Any]:
    from botocore.exceptions import ClientError

    try:
        answer: Mapping[str, Any] = ask(**where)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NONE:
            raise
        return {}
    return answer


def _is_lock(hold: str | None, until: datetime | None) -> bool:
    return hold == "ON" or bool(until and until > datetime.now(UTC))
