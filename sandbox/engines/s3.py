"""What both S3 servers have in common: the bucket, and the look whether they answer.

Holds: the client of the sandbox' own and the bucket that the world is loaded into.
Add here: what every server of this protocol is asked.
Keep out: how a server is started (`moto.py`, `versitygw.py`), objects (`sandbox/world/`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.engines.base import Engine

if TYPE_CHECKING:
    from botocore.client import BaseClient


class S3(Engine):
    """A server of the S3 protocol."""

    name: ClassVar[str] = "s3"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (BotoCoreError, ClientError)

    @abstractmethod
    def version(self) -> str:
        """Name and version, from the package or program."""

    def probe(self) -> str:
        self._client().list_buckets()
        return self.version()

    def settle(self) -> None:
        client = self._client()
        bucket = self.config.s3_bucket
        # Looked for first: moto takes a second creation as none, others refuse it.
        if bucket not in {each["Name"] for each in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=bucket)
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})

    def _client(self) -> BaseClient:
        import boto3
        from botocore.config import Config

        # A session of its own: the default one is not safe to share between threads.
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.config.s3_endpoint_url,
            region_name=self.config.s3_region,
            aws_access_key_id=self.config.s3_access_key,
            aws_secret_access_key=self.config.s3_secret_key,
            config=Config(
                connect_timeout=5,
                read_timeout=10,
                retries={"max_attempts": 0},
                proxies={},
                s3={"addressing_style": "path"},
            ),
        )
