"""Buckets of S3 for tests, each test's own, on whichever server the sandbox runs.

Holds: clients, buckets and what is in them, and stores over one.
Add here: what several modules of tests of S3 need.
Keep out: tests, and the sandbox' own bucket.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config

from erasure.inventory import InventoryObject, Subject
from erasure.rules import Rule
from erasure.settings import Settings
from erasure.stores.s3.store import S3Store
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.contract.sql_world import settings_of
from tests.inventory_fixtures import kepler_inventory

OBJECT = "contributor_files"
VERSIONINGS = ("Off", "Enabled", "Suspended")


def targets(*contributor_ids: str, emails: dict[str, str] | None = None) -> TargetSet:
    """`emails`: contributor id -> email, as the ledger keeps it."""
    needles = [
        Needle(contributor_id=owner, kind="email", value=email) for owner, email in (emails or {}).items()
    ]
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(contributor_ids), needles=tuple(needles))


def client_for(config: SandboxConfig, **changes: Any) -> Any:
    options: dict[str, Any] = {
        "endpoint_url": config.s3_endpoint_url,
        "region_name": config.s3_region,
        "aws_access_key_id": config.s3_access_key,
        "aws_secret_access_key": config.s3_secret_key,
        "config": Config(connect_timeout=2, read_timeout=30, retries={"max_attempts": 1}),
    }
    return boto3.client("s3", **(options | changes))


@pytest.fixture
def s3_config(sandbox: Sandbox) -> SandboxConfig:
    return sandbox.config


@pytest.fixture
def s3_client(s3_config: SandboxConfig) -> Any:
    return client_for(s3_config)


@pytest.fixture
def credentials_are_checked(s3_config: SandboxConfig) -> Iterator[None]:
    """Lets moto look at access keys, which it otherwise takes unseen; other servers always look."""

    def from_call(number: str) -> None:
        # Another server than moto answers that it knows no such path, which is fine.
        url = f"{s3_config.s3_endpoint_url}/moto-api/reset-auth"
        httpx.post(url, content=number, headers={"Content-Type": "text/plain"}, trust_env=False)

    from_call("0")
    yield
    from_call("inf")


def new_bucket(client: Any, versioning: str = "Enabled", *, locking: bool = False) -> str:
    bucket = f"test-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=locking)
    if versioning != "Off":
        set_versioning(client, bucket, "Enabled")
    return bucket


def set_versioning(client: Any, bucket: str, status: str) -> None:
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def hold(client: Any, bucket: str, key: str, version: str, status: str) -> None:
    client.put_object_legal_hold(Bucket=bucket, Key=key, VersionId=version, LegalHold={"Status": status})


def lock_version(client: Any, bucket: str, key: str, version: str, lock: str) -> None:
    """`lock`: `hold`, or the mode of a retention."""
    if lock == "hold":
        hold(client, bucket, key, version, "ON")
        return
    retention = {"Mode": lock, "RetainUntilDate": datetime.now(UTC) + timedelta(days=1)}
    client.put_object_retention(Bucket=bucket, Key=key, VersionId=version, Retention=retention)


def put(client: Any, bucket: str, *keys: str) -> None:
    for key in keys:
        client.put_object(Bucket=bucket, Key=key, Body=b"made up")


def everything(client: Any, bucket: str) -> list[tuple[str, str]]:
    """Every version and delete marker of a bucket, asked for without our code."""
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket)
    entries = [
        entry for page in pages for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, [])
    ]
    return sorted({(entry["Key"], entry["VersionId"]) for entry in entries})


def store_on(client: Any, bucket: str) -> S3Store:
    files = [item for item in kepler_inventory().of("s3") if item.name == OBJECT]
    return S3Store(client, bucket, files)


def s3_object(location: str, **more: Any) -> InventoryObject:
    """An object of the inventory; by itself one whose records go as a whole."""
    told: dict[str, Any] = {"name": OBJECT, "subject": Subject(), "rule": Rule.DELETE} | more
    return InventoryObject(store="s3", source="kepler_s3", schema="kepler_s3", location=location, **told)


def store_with_key(client: Any, bucket: str, location: str, **more: Any) -> S3Store:
    return S3Store(client, bucket, [s3_object(location, **more)])


def settings_for(config: SandboxConfig, bucket: str) -> Settings:
    """Settings as a reader takes them, with a bucket of one's own."""
    return settings_of(
        config,
        "unused",
        s3={
            "bucket_name": bucket,
            "endpoint_url": config.s3_endpoint_url,
            "region": config.s3_region,
            "aws_access_key_id": config.s3_access_key,
            "aws_secret_access_key": config.s3_secret_key,
        },
    )
