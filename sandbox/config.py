"""Addresses and credentials of one sandbox.

Holds: `SandboxConfig`, what every client of a sandbox needs, and the ini file written from it.
Add here: a value that a client must know to reach an engine.
Keep out: processes and ports in use (`state.py`), what the product makes of the ini (its own settings).
"""

from __future__ import annotations

import configparser
import io
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.private_files import write_private


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """Everything a client needs; secrets are left out of the representation."""

    root: Path
    config_path: Path
    host: str = "127.0.0.1"

    postgres_port: int
    postgres_database: str = "kepler_dev"
    postgres_user: str = "kepler"
    postgres_password: str = field(repr=False)
    # The superuser: for tests that need one (reading files, ending other people's backends). The product
    # gets the plain owner of its database, as it would in production.
    postgres_admin_user: str = "sandbox_admin"
    postgres_admin_password: str = field(repr=False)

    redis_port: int
    redis_db: int = 0
    redis_password: str = field(repr=False)

    clickhouse_port: int
    clickhouse_database: str = "kepler"
    clickhouse_user: str = "kepler"
    clickhouse_password: str = field(repr=False)

    search_http_port: int

    s3_port: int
    s3_region: str = "us-east-1"
    s3_bucket: str = "kepler-contributors"
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)

    api_port: int
    api_secret: str = field(repr=False)
    # The product's own key, for the hashes of its suppression list.
    hash_key: str = field(repr=False)
    # The job that the loaded world works on; None until a world is loaded.
    job_id: str | None = None

    @property
    def search_url(self) -> str:
        return f"http://{self.host}:{self.search_http_port}"

    @property
    def s3_endpoint_url(self) -> str:
        return f"http://{self.host}:{self.s3_port}"

    @property
    def clickhouse_url(self) -> str:
        return f"http://{self.host}:{self.clickhouse_port}"

    @property
    def api_url(self) -> str:
        return f"http://{self.host}:{self.api_port}"

    @property
    def postgres_dsn(self) -> str:
        """A DSN of key=value pairs for the product's user; it holds the password."""
        return self._dsn(self.postgres_database, self.postgres_user, self.postgres_password)

    @property
    def postgres_admin_dsn(self) -> str:
        """The same for the superuser, in the maintenance database."""
        return self._dsn("postgres", self.postgres_admin_user, self.postgres_admin_password)

    @property
    def job_url(self) -> str | None:
        """The loaded world's job with its secret, as users pass it around."""
        return None if self.job_id is None else self.job_url_of(self.job_id)

    def job_url_of(self, job_id: str) -> str:
        return f"{self.api_url}/quality/jobs/{job_id}?secret={self.api_secret}"

    def _dsn(self, database: str, user: str, password: str) -> str:
        return f"host={self.host} port={self.postgres_port} dbname={database} user={user} password={password}"


def write_config(config: SandboxConfig) -> None:
    """Write the ini that the product reads, readable by its owner only."""
    ini = configparser.ConfigParser(interpolation=None)
    ini.read_dict(_sections(config))
    text = io.StringIO()
    ini.write(text)
    write_private(config.config_path, text.getvalue())


def _sections(config: SandboxConfig) -> dict[str, dict[str, str]]:
    api = {"url": config.api_url}
    if config.job_url is not None:
        api["job_url"] = config.job_url
    return {
        "database": {
            "host": config.host,
            "port": str(config.postgres_port),
            "database": config.postgres_database,
            "username": config.postgres_user,
            "password": config.postgres_password,
        },
        "redis": {
            "host": config.host,
            "port": str(config.redis_port),
            "password": config.redis_password,
            "db": str(config.redis_db),
        },
        "elasticsearch": {"url": config.search_url},
        "s3": {
            "aws_access_key_id": config.s3_access_key,
            "aws_secret_access_key": config.s3_secret_key,
            "bucket_name": config.s3_bucket,
            "endpoint_url": config.s3_endpoint_url,
            "region": config.s3_region,
        },
        "clickhouse": {
            "username": config.clickhouse_user,
            "password": config.clickhouse_password,
            "host": config.host,
            "port": str(config.clickhouse_port),
        },
        "api": api,
        "erasure": {"hash_key": config.hash_key},
    }
