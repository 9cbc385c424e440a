"""Reads files of S3 with rows of many people: every version of every key that a glob means.

Holds: `read_rows`.
Add here: another reason why nobody can erase a file.
Keep out: formats (`rows.py`), objects that are one person's as a whole (`s3.py`).
"""

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from shutil import copyfileobj
from typing import Any, BinaryIO, cast

from erasure.errors import StoreRefused, StoreUnavailable
from erasure.inventory import InventoryObject
from erasure.rules import Rule
from expectations.readers.base import RECORD, FieldReading, Tally, VerifiedBatch
from expectations.readers.rows import judge_rows
from expectations.readers.s3_locks import is_locked

_THREADS = 4
# Answers to a GET that say that nobody can read the object, and so rewrite it.
_SHUT = frozenset({"AccessDenied", "InvalidObjectState", "InvalidRequest"})
_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What one version holds."""

    tallies: Mapping[str, Tally]
    records: int = 0
    is_beyond_reach: bool = False


def read_rows(
    client: Any, bucket: str, item: InventoryObject, batch: VerifiedBatch, unjudged: frozenset[str]
) -> Iterator[FieldReading]:
    """One reading a field, or one of the rows where these go as a whole. A record is a version with rows of targets.

    not_erasable: versions that are locked and hold targets, and those that nobody can read.
    """
    labels = [RECORD] if item.rule is Rule.DELETE else [field.label for field in item.ruled_fields]
    with ThreadPoolExecutor(_THREADS) as pool:
        seen = list(
            pool.map(lambda one: _seen(client, bucket, one, item, batch), _versions(client, bucket, item))
        )
    for label in labels:
        if f"{item.name}.{label}" in unjudged:
            continue
        within = [one for one in seen if not one.is_beyond_reach]
        yield FieldReading(
            object=item.name,
            field=label,
            survivors=sum(one.tallies[label].survivors for one in within),
            masked=sum(one.tallies[label].masked for one in within),
            records=sum(one.records for one in seen),
            not_erasable=len(seen) - len(within),
        )


def _versions(client: Any, bucket: str, item: InventoryObject) -> list[Mapping[str, Any]]:
    pattern = _pattern_of(item.location)
    prefix = re.split(r"[*?]", item.location, maxsplit=1)[0]
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        if page.get("Name") != bucket:
            raise StoreUnavailable(
                store="s3", what="what answers does not list the bucket", remedy="check [s3] endpoint_url"
            )
        for one in page.get("Versions", ()):
            if pattern.fullmatch(one["Key"]):
                found[one["Key"], one["VersionId"]] = one
    return list(found.values())


def _pattern_of(glob: str) -> re.Pattern[str]:
    """`*` and `?` within a folder, `**` through any number of them."""
    meanings = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    return re.compile("".join(meanings.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _seen(
    client: Any, bucket: str, version: Mapping[str, Any], item: InventoryObject, batch: VerifiedBatch
) -> _Seen:
    from botocore.exceptions import ClientError

    labels = [RECORD] if item.rule is Rule.DELETE else [field.label for field in item.ruled_fields]
    tallies = {label: Tally() for label in labels}
    named = (
        {} if version["VersionId"] == "null" and version["IsLatest"] else {"VersionId": version["VersionId"]}
    )
    where = {"Bucket": bucket, "Key": version["Key"], **named}
    if not version["Size"]:
        return _Seen(tallies=tallies)
    try:
        with tempfile.TemporaryFile() as file:
            copyfileobj(client.get_object(**where)["Body"], file)
            file.seek(0)
            records = judge_rows(cast(BinaryIO, file), version["Key"], item, batch, tallies)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            return _Seen(tallies=tallies)
        if code not in _SHUT and not (code.startswith("KMS.") and "Throttling" not in code):
            raise
        return _Seen(tallies=tallies, is_beyond_reach=True)
    except StoreRefused:
        return _Seen(tallies=tallies, is_beyond_reach=True)
    held = any(tally.survivors for tally in tallies.values())
    beyond = held and _is_beyond_reach(client, where, is_latest=version["IsLatest"])
    return _Seen(tallies=tallies, records=min(records, 1), is_beyond_reach=beyond)


def _is_beyond_reach(client: Any, where: Mapping[str, str], *, is_latest: bool) -> bool:
    """Whether a lock keeps what is there, or what goes with it could not be written again with another content."""
    if is_locked(client, where):
        return True
    if not is_latest:
        return False
    head = client.head_object(**where)
    if head.get("MissingMeta") or not all(value.isascii() for value in head.get("Metadata", {}).values()):
        return True
    # What nobody may read of it would be lost with another content.
    return any(_is_shut(ask, where) for ask in (client.get_object_tagging, client.get_object_acl))


def _is_shut(ask: Callable[..., Any], where: Mapping[str, str]) -> bool:
    from botocore.exceptions import ClientError

    try:
        ask(**where)
    except ClientError as error:
        return error.response["Error"]["Code"] in _SHUT
    return False
