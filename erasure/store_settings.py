"""The sections of the five stores: how each is reached, and what it may do there.

Holds: `[database]`, `[clickhouse]`, `[elasticsearch]`, `[s3]` and `[redis]`, each with what its keys must be together.
Add here: a key of a store, with its type and default.
Keep out: the product's own sections and reading files (`settings.py`), and what a single host or URL looks like
(`setting_types.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator, model_validator
from pydantic import Field as Setting
from pydantic_core import PydanticCustomError

from erasure.redis_url import ELSEWHERE, address_of, redis_url_parts
from erasure.setting_types import ApiKey, AwsRegion, ExpandedPath, Host, Port, Url, UrlWithCredentials, User


class Section(BaseModel):
    """What every section of the product's own shares: frozen, and nothing in it that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class _StoreSection(Section):
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
