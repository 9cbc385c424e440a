"""What S3's refusals mean to a person: store, object, and the key of [s3] to look at; nothing of the request.

Holds: `errors`, `require_listing_of`, `code_of`.
Add here: an error code of S3 with what to look at.
Keep out: texts of the server. They repeat keys, and keys name people.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from erasure.errors import StoreError, StoreRefused, StoreUnavailable, safe_reason

STORE = "s3"
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
    "TokenRefreshRequired": "aws_session_token",
    "RequestTimeTooSkewed": "endpoint_url, and the clock of this machine",
    "PermanentRedirect": "region",
    "AuthorizationHeaderMalformed": "region",
    "IllegalLocationConstraintException": "region",
}


@contextmanager
def errors(object_name: str | None = None, bucket: str | None = None) -> Iterator[None]:
    """Turns what boto3 raises into StoreUnavailable and StoreRefused; `bucket` where it is not the configured one."""
    # Imported here: botocore takes a while, and no command but those that reach S3 needs it.
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        yield
    except ClientError as error:
        if error.operation_name == "AssumeRole":
            raise _no_role(error.response, object_name) from None
        raise _answered(error.response, object_name, bucket) from None
    except ResponseParserError as error:
        raise _not_s3(safe_reason(error), object_name) from None
    except BotoCoreError as error:
        raise _unanswered(error, object_name) from None


def code_of(error: Any) -> str:
    """The error code of a ClientError; where a HEAD has no body to say it, the status stands for it."""
    return str(error.response.get("Error", {}).get("Code", ""))


def require_listing_of(bucket: str, page: Mapping[str, Any], object_name: str | None = None) -> None:
    """A listing of versions names its bucket as Name, one of uploads as Bucket."""
    if bucket not in (page.get("Name"), page.get("Bucket")):
        raise _not_s3("a listing without the bucket's name", object_name)


def _not_s3(reason: str, object_name: str | None) -> StoreUnavailable:
    what = f"what answers is not S3 ({reason})"
    return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy="check [s3] endpoint_url")


def _no_role(response: Mapping[str, Any], object_name: str | None) -> StoreUnavailable:
    code = str(response.get("Error", {}).get("Code", ""))
    return StoreUnavailable(
        store=STORE,
        object_name=object_name,
        what=f"STS answered {code}",
        remedy="check [s3] role_arn and external_id, and whether the keys may take the role on",
    )


def _answered(response: Mapping[str, Any], object_name: str | None, bucket: str | None) -> StoreError:
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _KEYS_BY_CODE:
        keys = _KEYS_BY_CODE[code]
        if bucket is not None and keys.endswith("bucket_name"):
            before = keys.removesuffix("bucket_name")
            remedy = (
                f"check {f'[s3] {before}' if before else ''}bucket: {bucket} in the inventory file s3.yml"
            )
            what = f"S3 answered {code}"
            return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy=remedy)
    elif code.isdigit() and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        # botocore's makeshift where the body does not say what is wrong, as S3's does.
        return _not_s3(code, object_name)
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        keys = "endpoint_url, or try again later"
    else:
        remedy = f"see what S3 says of {code} and whether [s3] endpoint_url offers it"
        return StoreRefused(store=STORE, object_name=object_name, what=f"S3 answered {code}", remedy=remedy)
    remedy = f"check [s3] {keys}"
    return StoreUnavailable(store=STORE, object_name=object_name, what=f"S3 answered {code}", remedy=remedy)


def _unanswered(error: Exception, object_name: str | None) -> StoreError:
    from botocore.exceptions import (
        NoCredentialsError,
        ParamValidationError,
        PartialCredentialsError,
        ProfileNotFound,
        SSLError,
    )

    if isinstance(error, SSLError):
        keys = (
            "endpoint_url: https wants a trusted certificate; AWS_CA_BUNDLE names the file of its authority"
        )
    elif isinstance(error, ProfileNotFound):
        keys = "profile"
    elif isinstance(error, NoCredentialsError | PartialCredentialsError):
        keys = "aws_access_key_id and aws_secret_access_key"
    elif isinstance(error, ParamValidationError):
        keys = "bucket_name"
    else:
        keys = "endpoint_url and region"
    what = f"S3 could not be asked ({safe_reason(error)})"
    return StoreUnavailable(store=STORE, object_name=object_name, what=what, remedy=f"check [s3] {keys}")
