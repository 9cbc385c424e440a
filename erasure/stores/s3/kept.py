"""What stays of an object that is written anew: headers, user metadata, tags, grants, storage class, encryption.

Holds: `kept_of`, which reads it; the same words then go into the request that writes.
Add here: another property of an object that a PUT would lose.
Keep out: contents, and locks: what is locked is not written anew (`obstacles.py`).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from erasure.stores.s3.failures import code_of
from erasure.stores.s3.listing import Listing, Version

# Of the answer to a GET, by the same name in a PUT.
_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "StorageClass",
    "WebsiteRedirectLocation",
)
# Those that botocore can compute; of the others (CRC32C, CRC64NVME) it needs a library of Amazon's in C.
_CHECKSUMS = ("CRC32", "SHA1", "SHA256")
_GRANTS = {
    "FULL_CONTROL": "GrantFullControl",
    "READ": "GrantRead",
    "READ_ACP": "GrantReadACP",
    "WRITE_ACP": "GrantWriteACP",
}
_NO_TAGS = frozenset({"NotImplemented", "NoSuchTagSet"})
_NO_GRANTS = frozenset({"NotImplemented", "AccessControlListNotSupported", "MethodNotAllowed"})


def kept_of(listing: Listing, version: Version, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for the PUT or the multipart upload; `answer` is that to a GET with its checksum.

    Raises botocore's ClientError where tags or grants may not be read: what cannot be seen cannot be kept.
    """
    kept: dict[str, Any] = {name: answer[name] for name in _HEADERS if answer.get(name) not in (None, "", {})}
    # As it was written; botocore's own reading of it is a date, and of nonsense none.
    if answer.get("ExpiresString"):
        kept["Expires"] = answer["ExpiresString"]
    checksum = next((name for name in _CHECKSUMS if answer.get(f"Checksum{name}")), None)
    if checksum is not None:
        kept["ChecksumAlgorithm"] = checksum
    # Asked for always: who may not read them is told of no number of tags either.
    if tags := _tags(listing, version):
        kept["Tagging"] = urlencode(tags)
    return kept | _grants(listing, version)


def _tags(listing: Listing, version: Version) -> dict[str, str]:
    answer = _asked(listing.client.get_object_tagging, listing, version, _NO_TAGS)
    return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", [])}


def _asked(
    ask: Callable[..., Any], listing: Listing, version: Version, without: frozenset[str]
) -> Mapping[str, Any]:
    """What is said of a version; nothing where the server has no such thing."""
    from botocore.exceptions import ClientError

    try:
        answer: Mapping[str, Any] = ask(Bucket=listing.bucket, **version.named)
    except ClientError as error:
        if code_of(error) not in without and not _fell_over(error):
            raise
        return {}
    return answer


def _fell_over(error: Any) -> bool:
    """moto's server does, over grants of what was uploaded in parts: it has none for it.

    A 500 of any other is an error: an object would lose its grants where something before S3 is out of order.
    """
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    is_moto = str(headers.get("server", "")).startswith("Werkzeug")
    return is_moto and code_of(error) == "500" and error.operation_name == "GetObjectAcl"


def _grants(listing: Listing, version: Version) -> dict[str, str]:
    """As headers, so that the object is never there with fewer or more; none where its owner alone is granted all."""
    answer = _asked(listing.client.get_object_acl, listing, version, _NO_GRANTS)
    owner = answer.get("Owner", {}).get("ID")
    grants = [(grant["Permission"], grant["Grantee"]) for grant in answer.get("Grants", [])]
    if all((right, grantee.get("ID")) == ("FULL_CONTROL", owner) for right, grantee in grants):
        return {}
    found: dict[str, list[str]] = {}
    for right, grantee in grants:
        # WRITE, which gives nobody anything at an object, and which a PUT cannot grant.
        if right not in _GRANTS:
            continue
        found.setdefault(_GRANTS[right], []).extend(_named(grantee))
    return {name: ", ".join(grantees) for name, grantees in found.items()}


def _named(grantee: Mapping[str, str]) -> Iterator[str]:
    for key, word in (("ID", "id"), ("URI", "uri"), ("EmailAddress", "emailAddress")):
        if grantee.get(key):
            yield f'{word}="{grantee[key]}"'
            return
