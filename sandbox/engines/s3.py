"""S3, by moto's server.

Holds: how the server is started, its bucket and its health check. It keeps objects in memory: they are
gone when it stops, and any credentials are good enough for it.
Add here: another server for the same protocol.
Keep out: objects (`sandbox/world/`), other engines.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.engines.base import Engine, python_launch
from sandbox.processes import Launch

if TYPE_CHECKING:
    from botocore.client import BaseClient


class S3(Engine):
    name: ClassVar[str] = "s3"
    not_ready: ClassVar[tuple[type[Exception], ...]] = (BotoCoreError, ClientError)

    def launch(self) -> Launch:
        return python_launch(
            "sandbox.engines.moto_server",
            self.config.host,
            str(self.config.s3_port),
            directory=self.directory,
            environment={},
        )

    def probe(self) -> str:
        self._client().list_buckets()
        return f"moto {version('moto')}"

    def settle(self) -> None:
        client = self._client()
        # In us-east-1 creating a bucket that is already ours is no error.
        client.create_bucket(Bucket=self.config.s3_bucket)
        client.put_bucket_versioning(
            Bucket=self.config.s3_bucket, VersioningConfiguration={"Status": "Enabled"}
        )

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
