"""Settings: an ini file, overridden by the environment, overridden by flags, validated into one frozen object.

Add here: a key of a section, with its type and default, and the environment variable that overrides it.
Keep out: connecting to anything, and defaults that only a sandbox needs.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic import Field as Setting

from erasure.errors import BadInput

CONFIG_VARIABLE = "CONTRIBUTOR_DELETION_CONFIG"
VAR_VARIABLE = "CONTRIBUTOR_DELETION_VAR"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Environment variable -> (section, key). The first seven are those that users of the older scripts know.
ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "CLICKHOUSE_USERNAME": ("clickhouse", "username"),
    "CLICKHOUSE_PASSWORD": ("clickhouse", "password"),
    "ELASTICSEARCH_URL": ("elasticsearch", "url"),
    "AWS_ACCESS_KEY_ID": ("s3", "aws_access_key_id"),
    "AWS_SECRET_ACCESS_KEY": ("s3", "aws_secret_access_key"),
    "AWS_SESSION_TOKEN": ("s3", "aws_session_token"),
    "S3_BUCKET_NAME": ("s3", "bucket_name"),
    "CONTRIBUTOR_DELETION_JOB_URL": ("api", "job_url"),
    "CONTRIBUTOR_DELETION_HASH_KEY": ("erasure", "hash_key"),
}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class DatabaseSettings(_Section):
    """PostgreSQL, the source of truth."""

    host: str
    port: int = 5432
    database: str
    username: str
    password: SecretStr


class ClickHouseSettings(_Section):
    """ClickHouse over HTTP."""

    host: str = "localhost"
    port: int = 8123
    username: str
    password: SecretStr


class ElasticsearchSettings(_Section):
    """Elasticsearch or OpenSearch."""

    url: str


class S3Settings(_Section):
    """S3; without keys boto3 finds its own credentials."""

    bucket_name: str
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    endpoint_url: str | None = None
    region: str = "us-east-1"


class RedisSettings(_Section):
    """Redis: sessions and caches."""

    host: str = "localhost"
    port: int = 6379
    db: int = 0
    password: SecretStr | None = None


class ApiSettings(_Section):
    """The platform's job API; without a job URL the proof of lockout is `not_configured`."""

    url: str | None = None
    job_url: SecretStr | None = None
    timeout_seconds: float = 10.0
    sample_size: int = Setting(default=3, ge=1, le=100)


class ErasureSettings(_Section):
    """The product's own: the world, the key of the suppression hashes, the guards."""

    world: str = "kepler"
    hash_key: SecretStr | None = None
    max_contributors: int = Setting(default=10_000, ge=1)
    max_share_of_contributors: float = Setting(default=0.20, gt=0, le=1)
    max_share_of_records: float = Setting(default=0.50, gt=0, le=1)
    share_from_records: int = Setting(default=1_000, ge=1)
    plan_hours: float = Setting(default=24.0, gt=0)
    lease_seconds: float = Setting(default=60.0, gt=0)
    require_reviewed_plan: bool = False


class Settings(_Section):
    """Everything a run needs to know, validated."""

    database: DatabaseSettings
    clickhouse: ClickHouseSettings
    elasticsearch: ElasticsearchSettings
    s3: S3Settings
    redis: RedisSettings
    api: ApiSettings = ApiSettings()
    erasure: ErasureSettings = ErasureSettings()


def config_path(*, config: str | None, integration: bool, environ: Mapping[str, str]) -> Path:
    """Which ini file counts: the flag, then `--integration`, then the environment, then `~/config.ini`."""
    if config:
        return Path(config).expanduser()
    if integration:
        return Path("~/config_integration.ini").expanduser()
    return Path(environ.get(CONFIG_VARIABLE) or "~/config.ini").expanduser()


def var_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where everything written at run time goes: `var/` of the project, or what CONTRIBUTOR_DELETION_VAR names."""
    named = (os.environ if environ is None else environ).get(VAR_VARIABLE)
    return Path(named).expanduser().resolve() if named else PROJECT_ROOT / "var"


def load_settings(
    path: Path, *, environ: Mapping[str, str], flags: Mapping[tuple[str, str], Any] | None = None
) -> Settings:
    """Reads and validates the settings; a missing file is fine as long as the environment says everything.

    Raises BadInput that names file, section and key, never a value.
    """
    merged = _read_ini(path)
    for variable, (section, key) in ENVIRONMENT.items():
        if environ.get(variable):
            merged.setdefault(section, {})[key] = environ[variable]
    for (section, key), value in (flags or {}).items():
        if value is not None:
            merged.setdefault(section, {})[key] = value
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_sentence(path, item) for item in error.errors()]
    if not path.exists():
        raise BadInput(
            f"No configuration: {path} does not exist, and the environment does not say everything; "
            f"write that file as in the README, or name another by --config or {CONFIG_VARIABLE}."
        )
    raise BadInput(f"{path} is wrong; nothing was changed.", problems)


def _read_ini(path: Path) -> dict[str, dict[str, Any]]:
    # No interpolation: a `%` in a password is a `%`. No inline comments: a `;` in a password is a `;`.
    parser = configparser.RawConfigParser()
    try:
        with path.open(encoding="utf-8-sig") as file:
            parser.read_file(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} cannot be read ({type(error).__name__}); check its rights and that it is UTF-8."
        ) from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        at = f" at line {line}" if line else ""
        raise BadInput(
            f"{path} is not an ini file{at} ({type(error).__name__}); see the README for its form."
        ) from None
    return {
        section: {key: value for key, value in parser.items(section) if value != ""}
        for section in parser.sections()
    }


def _sentence(path: Path, error: Any) -> str:
    section, *key = [str(part) for part in error["loc"]]
    where = f"{path}: [{section}] {' '.join(key)}".rstrip()
    if error["type"] == "missing":
        return f"{where}: is missing"
    if error["type"] == "extra_forbidden":
        return f"{where}: is not a known {'key' if key else 'section'}"
    return f"{where}: {error['msg']}"
