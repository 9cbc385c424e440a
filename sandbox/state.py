"""What a sandbox remembers between two commands.

Holds: secrets, ports, processes and the loaded job of one sandbox, as a private JSON file.
Add here: a fact that the next `up`, `down` or `status` must know.
Keep out: acting on processes (`processes.py`), the ini for clients (`config.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sandbox.config import SandboxConfig
from sandbox.paths import SandboxPaths
from sandbox.ports import choose_ports
from sandbox.private_files import write_private


def _secret() -> str:
    # Hexadecimal: needs no quoting in an ini, a redis.conf, a DSN or a URL.
    return secrets.token_hex(16)


class Secrets(BaseModel):
    """Random values, made once per sandbox."""

    model_config = ConfigDict(extra="forbid")

    postgres: str = Field(default_factory=_secret, repr=False)
    postgres_admin: str = Field(default_factory=_secret, repr=False)
    redis: str = Field(default_factory=_secret, repr=False)
    clickhouse: str = Field(default_factory=_secret, repr=False)
    s3_access_key: str = Field(default_factory=_secret, repr=False)
    s3_secret_key: str = Field(default_factory=_secret, repr=False)
    api: str = Field(default_factory=_secret, repr=False)
    hash_key: str = Field(default_factory=_secret, repr=False)


class Running(BaseModel):
    """A process that was started: the start time tells it from a later one with the same number."""

    model_config = ConfigDict(extra="forbid")

    pid: int
    started: float
    version: str = ""


class LoadedWorld(BaseModel):
    """What the loaded world was made from: with it the same one is made again."""

    model_config = ConfigDict(extra="forbid")

    labels: Path | None = None
    contributors: int
    judgments: int | None = None
    seed: int
    as_of: datetime


class State(BaseModel):
    """The content of the state file."""

    model_config = ConfigDict(extra="forbid")

    secrets: Secrets = Field(default_factory=Secrets)
    # Role -> kind, as last chosen; and as it was when the world was loaded.
    kinds: dict[str, str] = Field(default_factory=dict)
    loaded_into: dict[str, str] = Field(default_factory=dict)
    ports: dict[str, int] = Field(default_factory=dict)
    running: dict[str, Running] = Field(default_factory=dict)
    job_id: str | None = None
    world: LoadedWorld | None = None

    @classmethod
    def read(cls, path: Path) -> State:
        """The stored state, or a new one with new secrets."""
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()

    def write(self, path: Path) -> None:
        write_private(path, self.model_dump_json(indent=1))

    def keep_or_choose_ports(self, engines: Iterable[str]) -> None:
        """Give these engines, none of which is running, their former ports where those are still free."""
        self.ports = choose_ports(engines, former=self.ports)

    def config(self, paths: SandboxPaths) -> SandboxConfig:
        return SandboxConfig(
            root=paths.root,
            config_path=paths.config,
            postgres_port=self.ports["postgres"],
            postgres_password=self.secrets.postgres,
            postgres_admin_password=self.secrets.postgres_admin,
            redis_port=self.ports["redis"],
            redis_password=self.secrets.redis,
            clickhouse_port=self.ports["clickhouse"],
            clickhouse_password=self.secrets.clickhouse,
            search_http_port=self.ports["search"],
            s3_port=self.ports["s3"],
            s3_access_key=self.secrets.s3_access_key,
            s3_secret_key=self.secrets.s3_secret_key,
            api_port=self.ports["job_api"],
            api_secret=self.secrets.api,
            hash_key=self.secrets.hash_key,
            job_id=self.job_id,
        )
