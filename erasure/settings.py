"""Settings: an ini file, overridden by the environment, overridden by flags, validated into one frozen object.

Add here: a key of `[erasure]`, with its type and default, and the environment variable that overrides any key.
Keep out: the sections of the stores (`store_settings.py`) and of the job API (`api_settings.py`), reading the file
itself (`ini.py`), connecting to anything, and defaults that only a sandbox needs.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic import Field as Setting

from erasure.api_settings import ApiSettings
from erasure.errors import BadInput, nearest
from erasure.ini import read_ini
from erasure.store_settings import (
    ClickHouseSettings,
    DatabaseSettings,
    ElasticsearchSettings,
    RedisSettings,
    S3Settings,
    Section,
)

CONFIG_VARIABLE = "CONTRIBUTOR_DELETION_CONFIG"
VAR_VARIABLE = "CONTRIBUTOR_DELETION_VAR"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_WORLD = "kepler"
# Environment variable -> (section, key). Those of the older scripts are among them.
ENVIRONMENT: Mapping[str, tuple[str, str]] = {
    "CLICKHOUSE_USERNAME": ("clickhouse", "username"),
    "CLICKHOUSE_PASSWORD": ("clickhouse", "password"),
    "ELASTICSEARCH_URL": ("elasticsearch", "url"),
    "ELASTICSEARCH_USERNAME": ("elasticsearch", "username"),
    "ELASTICSEARCH_PASSWORD": ("elasticsearch", "password"),
    "ELASTICSEARCH_API_KEY": ("elasticsearch", "api_key"),
    "ELASTICSEARCH_CA_CERTS": ("elasticsearch", "ca_certs"),
    "AWS_ACCESS_KEY_ID": ("s3", "aws_access_key_id"),
    "AWS_SECRET_ACCESS_KEY": ("s3", "aws_secret_access_key"),
    "AWS_SESSION_TOKEN": ("s3", "aws_session_token"),
    "S3_BUCKET_NAME": ("s3", "bucket_name"),
    "CONTRIBUTOR_DELETION_REDIS_URL": ("redis", "url"),
    "CONTRIBUTOR_DELETION_JOB_URL": ("api", "job_url"),
    "CONTRIBUTOR_DELETION_JOB_SECRET": ("api", "job_secret"),
    "CONTRIBUTOR_DELETION_HASH_KEY": ("erasure", "hash_key"),
}


class ErasureSettings(Section):
    """The product's own: the world, the key of the suppression hashes, the guards."""

    world: str = Setting(default=DEFAULT_WORLD, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")
    hash_key: SecretStr | None = None
    max_contributors: int = Setting(default=10_000, ge=1)
    max_share_of_contributors: float = Setting(default=0.20, gt=0, le=1)
    max_share_of_records: float = Setting(default=0.50, gt=0, le=1)
    share_from_records: int = Setting(default=1_000, ge=1)
    plan_hours: float = Setting(default=24.0, gt=0, le=8_760)
    lease_seconds: float = Setting(default=60.0, gt=0, le=86_400)
    require_reviewed_plan: bool = False
    # PostgreSQL masks about so many rows a transaction; 0 masks a table in one.
    chunk_rows: int = Setting(default=0, ge=0)


class Settings(Section):
    """Everything a run needs to know, validated."""

    database: DatabaseSettings
    clickhouse: ClickHouseSettings
    elasticsearch: ElasticsearchSettings
    s3: S3Settings
    redis: RedisSettings
    api: ApiSettings = ApiSettings()
    erasure: ErasureSettings = ErasureSettings()


def config_path(*, config: str | None, integration: bool, environ: Mapping[str, str]) -> Path:
    """Which ini file counts: the flag, then `--integration`, then the environment, then `~/config.ini`.

    Raises BadInput for a flag that names nothing: an unset variable of a shell must not lead to another file.
    """
    if config is not None:
        if not config.strip():
            raise BadInput("--config names no file; give the path of an ini file.")
        return expanded(config)
    if integration:
        return expanded("~/config_integration.ini")
    return expanded(environ.get(CONFIG_VARIABLE) or "~/config.ini")


def expanded(path: str) -> Path:
    """A path as users write it, `~` included; links are left alone. Raises BadInput where there is no such home."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise BadInput(f"{path} begins with a home that does not exist; write the whole path.") from None


def var_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where everything written at run time goes: `var/` of the project, or what CONTRIBUTOR_DELETION_VAR names."""
    named = (os.environ if environ is None else environ).get(VAR_VARIABLE)
    return Path(named).expanduser().resolve() if named else PROJECT_ROOT / "var"


def load_settings(
    path: Path, *, environ: Mapping[str, str], flags: Mapping[tuple[str, str], Any] | None = None
) -> Settings:
    """Reads and validates the settings; a missing file is fine as long as the environment says everything.

    Raises BadInput that names file or variable, section and key, never a value.
    """
    found = read_ini(path)
    merged: dict[str, dict[str, Any]] = {
        section: _without_empty(section, keys) for section, keys in found.items()
    }
    variables: dict[tuple[str, str], str] = {}
    for variable, (section, key) in ENVIRONMENT.items():
        if environ.get(variable):
            merged.setdefault(section, {})[key] = environ[variable]
            variables[section, key] = variable
    for (section, key), value in (flags or {}).items():
        if value is not None:
            merged.setdefault(section, {})[key] = value
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_sentence(path, variables, item) for item in error.errors()]
    if not path.exists():
        raise BadInput(
            f"No configuration: {path} does not exist, and the environment does not say everything; "
            f"write that file as in the README, or name another by --config or {CONFIG_VARIABLE}.",
            [problem for problem in problems if not problem.startswith(f"{path}:")],
        )
    raise BadInput(f"{path} is wrong; nothing was changed.", problems)


def _without_empty(section: str, keys: Mapping[str, str]) -> dict[str, Any]:
    """An empty text is a key left out, as templates have them; an empty number is none, and is refused."""
    fields = _keys_of(section)
    return {
        key: value
        for key, value in keys.items()
        if value != "" or (key in fields and fields[key].annotation in (int, float, bool))
    }


def _keys_of(section: str) -> Mapping[str, Any]:
    known = Settings.model_fields.get(section)
    kind = known.annotation if known else None
    return kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else {}


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "bool_parsing": "expected true or false",
    "finite_number": "expected a number",
    "string_pattern_mismatch": "expected letters, digits and underscores",
}


def _sentence(path: Path, variables: Mapping[tuple[str, str], str], error: Any) -> str:
    section, *rest = [str(part) for part in error["loc"]]
    key = " ".join(rest)

    def place(key: str) -> str:
        return variables.get((section, key)) or f"{path}: [{section}] {key}".rstrip()

    where = place(key)
    if error["type"] == "keys":
        where = " and ".join(place(key) for key in error["ctx"]["keys"])
    if error["type"] == "missing":
        return f"{where}: is missing or empty" if key else f"{where}: is missing"
    if error["type"] == "extra_forbidden":
        known = list(_keys_of(section) if key else Settings.model_fields)
        return f"{where}: is not a known {'key' if key else 'section'}; {nearest(key or section, known)}"
    return f"{where}: {_EXPECTED.get(error['type'], error['msg'])}"
