"""What the job API is told by its environment.

Holds: the validated settings.
Add here: a setting, with its variable `JOB_API_<NAME>`.
Keep out: defaults for secrets; reading files.
"""

from __future__ import annotations

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class JobApiSettings(BaseSettings):
    """Read from variables that start with `JOB_API_`."""

    model_config = SettingsConfigDict(env_prefix="JOB_API_", frozen=True, hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int
    secret: SecretStr
    postgres_host: str
    postgres_port: int
    postgres_database: str
    postgres_user: str
    postgres_password: SecretStr
    redis_host: str
    redis_port: int
    redis_db: int = 0
    redis_password: SecretStr
