"""The client of S3: keys, profile or role, the way a bucket is addressed, and how long it is patient.

Holds: `s3_client`, the one way in which the stores and the judge are let in; what they then ask is their own.
Add here: another way of being let in.
Keep out: requests, and what their errors mean (`stores/s3/failures.py`).
"""

import random
from typing import Any

from erasure.patience import S3_SECONDS, TRIES
from erasure.store_settings import S3Settings

# A bucket that is asked too much says so for some seconds, and is not away.
_THROTTLED = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503"})
THROTTLED_TRIES = 8
_MOST_SECONDS = 10.0
# What CloudTrail shows of who took the role on.
_SESSION_NAME = "contributor-deletion"


def s3_client(settings: S3Settings, *, most_connections: int = 32) -> Any:
    """A client of its own session, whose methods may be called from several threads; asks nobody anything yet.

    A request that fails is sent three times in all, one that is throttled eight times, each time later.
    """
    import boto3
    from botocore.config import Config

    session = boto3.session.Session(**_keys(settings), region_name=settings.region)
    if settings.role_arn is not None:
        _take_role(session, settings)
    style = settings.addressing_style
    if style == "auto" and settings.endpoint_url:
        style = "path"
    client = session.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        config=Config(
            connect_timeout=settings.connect_seconds,
            read_timeout=S3_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
            max_pool_connections=most_connections,
            s3={"addressing_style": style},
        ),
    )
    # Behind botocore's own, which has given up by the time that this one is asked.
    client.meta.events.register_last("needs-retry.s3", _wait_when_throttled)
    return client


def _keys(settings: S3Settings) -> dict[str, str | None]:
    secret, token = settings.aws_secret_access_key, settings.aws_session_token
    return {
        "aws_access_key_id": settings.aws_access_key_id,
        "aws_secret_access_key": secret.get_secret_value() if secret else None,
        "aws_session_token": token.get_secret_value() if token else None,
        "profile_name": settings.profile,
    }


def _take_role(session: Any, settings: S3Settings) -> None:
    """The session's keys become those of the role, fetched with the first request and again before they expire."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    core = session._session

    def sts(service: str, **options: Any) -> Any:
        return core.create_client(service, endpoint_url=settings.sts_endpoint_url, **options)

    more = {"RoleSessionName": _SESSION_NAME, "DurationSeconds": 3_600}
    if settings.external_id is not None:
        more["ExternalId"] = settings.external_id.get_secret_value()
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts,
        source_credentials=session.get_credentials(),
        role_arn=settings.role_arn,
        extra_args=more,
    )
    core._credentials = DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


def _wait_when_throttled(response: Any, attempts: int, **_: Any) -> float | None:
    """Seconds to wait before the request is sent again; None where it is not."""
    if response is None or attempts >= THROTTLED_TRIES:
        return None
    _, parsed = response
    code = parsed.get("Error", {}).get("Code") if isinstance(parsed, dict) else None
    return random.uniform(0.5, 1) * min(_MOST_SECONDS, 0.2 * 2**attempts) if code in _THROTTLED else None
