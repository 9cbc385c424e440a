"""Settings: an ini file, overridden by the environment, overridden by flags, validated into one frozen object.

Add here: a key of a section, with its type and default, and the environment variable that overrides it.
Keep out: reading the file itself (`ini.py`), connecting to anything, and defaults that only a sandbox needs.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator, model_validator
from pydantic import Field as Setting
from pydantic_core import PydanticCustomError

from erasure.api_settings import ApiSettings
from erasure.errors import BadInput, nearest
from erasure.ini import read_ini
from erasure.redis_url import ELSEWHERE, address_of, redis_url_parts
from erasure.setting_types import ApiKey, AwsRegion, ExpandedPath, Host, Port, Url, UrlWithCredentials, User

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


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class _StoreSection(_Section):
    """Of every store: in how many whole seconds it must have let us in and said who it is."""

    connect_seconds: int = Setting(default=10, ge=1)


class DatabaseSettings(_StoreSection):
    """PostgreSQL, the source of truth."""

    host: Host
    port: Port = 5432
    database: str
    username: str
    password: SecretStr
    # `rewrite` locks each masked table against everybody while it is rewritten, and needs room for a second copy.
    purge: Literal["vacuum", "rewrite"] = "vacuum"
    # Of masking and purging; 0 waits for as long as it takes.
    lock_timeout_seconds: int = Setting(default=0, ge=0)
    statement_timeout_seconds: int = Setting(default=0, ge=0)


class ClickHouseSettings(_StoreSection):
    """ClickHouse over HTTP."""

    host: Host = "localhost"
    port: Port = 8123
    username: str
    password: SecretStr
    # The name of a cluster, as system.clusters has it; empty for a server on its own.
    cluster: str = Setting(default="", pattern=r"^[A-Za-z0-9_.{}-]*$")


class ElasticsearchSettings(_StoreSection):
    """Elasticsearch or OpenSearch. Who asks is said in one way: in the URL, by user and password, by an API key, or by
    a signature of AWS, whose keys are found as boto3 finds them."""

    url: UrlWithCredentials
    username: User | None = None
    password: SecretStr | None = None
    api_key: ApiKey | None = None
    aws_region: AwsRegion | None = None
    # OpenSearch Serverless (`aoss`) has no updates by query.
    aws_service: Literal["es"] = "es"
    # A file in PEM of the authorities that may sign the server's certificate, instead of the usual ones.
    ca_certs: ExpandedPath | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        url = urlsplit(self.url)
        ways = {
            "url": "@" in url.netloc,
            "username": self.username is not None,
            "api_key": self.api_key is not None,
            "aws_region": self.aws_region is not None,
        }
        first, *more = [key for key, given in ways.items() if given] or ["url"]
        if more:
            raise _keys((first, more[0]), "both say who asks; leave one out")
        if (self.username is None) != (self.password is None):
            raise _keys(("username", "password"), "are wanted together or not at all")
        if self.ca_certs is not None and url.scheme != "https":
            raise _keys(("ca_certs", "url"), "do not fit: a certificate is for https")
        return self


def _keys(keys: tuple[str, str], what: str) -> PydanticCustomError:
    """The error of two keys of a section that are right each for itself."""
    return PydanticCustomError("keys", "{what}", {"keys": list(keys), "what": what})


class S3Settings(_StoreSection):
    """S3; without keys boto3 finds its own credentials."""

    bucket_name: str
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    endpoint_url: Url | None = None
    region: str = "us-east-1"
    # A profile of ~/.aws that has keys, region or role; keys named here come first.
    profile: str | None = None
    # Where it is set, the keys only serve to take this role on; its own last an hour and are renewed.
    role_arn: str | None = Setting(default=None, pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/.+$")
    external_id: SecretStr | None = None
    sts_endpoint_url: Url | None = None
    # `auto`: servers other than Amazon's know no bucket by a host name.
    addressing_style: Literal["auto", "path", "virtual"] = "auto"


class RedisSettings(_StoreSection):
    """Redis: sessions and caches; one server, or a cluster that is known by one or more of its nodes."""

    # redis://, rediss://, redis+cluster:// or rediss+cluster://USER:PASSWORD@HOST:PORT/DB; it counts before the keys
    # below that it speaks of, so that the environment can lead elsewhere than the file.
    url: SecretStr | None = None
    host: Host = "localhost"
    port: Port = 6379
    db: int = Setting(default=0, ge=0)
    username: str | None = None
    password: SecretStr | None = None
    tls: bool = False
    # Who has signed the server's certificate, where the system does not know.
    ca_certs: Path | None = None
    cluster: bool = False
    # More nodes of the cluster, HOST:PORT with commas, for when the first is away.
    nodes: str = ""
    # `rewrite` makes the server write its files anew, which forks it; `none` leaves them to the server.
    purge: Literal["rewrite", "none"] = "rewrite"

    @model_validator(mode="before")
    @classmethod
    def _of_url(cls, data: Any) -> Any:
        url = data.get("url") if isinstance(data, Mapping) else None
        parts = (
            redis_url_parts(url.get_secret_value() if isinstance(url, SecretStr) else str(url))
            if url
            else None
        )
        # A URL that is none is told of by the field itself.
        return data if parts is None else {**data, **ELSEWHERE, **parts, "url": None}

    @field_validator("url")
    @classmethod
    def _url_is_one(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None or redis_url_parts(url.get_secret_value()) is not None:
            return url
        raise PydanticCustomError(
            "redis_url",
            "expected redis://HOST:PORT/DB, rediss:// for TLS, redis+cluster:// or rediss+cluster:// for a cluster",
        )

    @field_validator("ca_certs")
    @classmethod
    def _is_a_file(cls, path: Path | None) -> Path | None:
        found = None if path is None else path.expanduser()
        if found is not None and not found.is_file():
            raise PydanticCustomError("file", "expected a file with certificates in PEM form")
        return found

    @field_validator("nodes")
    @classmethod
    def _are_addresses(cls, nodes: str) -> str:
        if nodes and any(address_of(node) is None for node in nodes.split(",")):
            raise PydanticCustomError("nodes", "expected HOST:PORT, with commas between several")
        return nodes

    @model_validator(mode="after")
    def _one_database_in_a_cluster(self) -> "RedisSettings":
        if self.cluster and self.db:
            raise PydanticCustomError("cluster_db", "a cluster has database 0 alone; leave out db")
        return self

    @property
    def addresses(self) -> tuple[tuple[str, int], ...]:
        """Host and port of each node that is named, the first one first."""
        more = (address_of(node) for node in self.nodes.split(",") if node)
        return ((self.host, self.port), *(node for node in more if node is not None))

    def client_options(self) -> dict[str, Any]:
        """What a client of Redis is given beside host, port and its patience."""
        options: dict[str, Any] = {
            "username": self.username,
            "password": self.password.get_secret_value() if self.password else None,
        }
        if not self.cluster:
            options["db"] = self.db
        if self.tls:
            options |= {"ssl": True, "ssl_ca_certs": None if self.ca_certs is None else str(self.ca_certs)}
        return options


class ErasureSettings(_Section):
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
