"""Where the five stores of a sandbox are reached.

Holds: one frozen dataclass with the addresses and secrets that loading a world needs.
Add here: an address or a credential that a writer needs.
Keep out: starting engines, reading ini files, opening connections.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class WorldStores:
    """Addresses of the stores; whatever is secret stays out of the repr."""

    postgres_dsn: str = field(repr=False)  # a DSN may carry a password
    clickhouse_host: str
    clickhouse_port: int
    clickhouse_username: str
    clickhouse_password: str = field(repr=False)
    clickhouse_database: str = "kepler"
    search_url: str = field(repr=False)  # may carry user and password
    s3_endpoint_url: str
    s3_region: str
    s3_key: str = field(repr=False)
    s3_secret: str = field(repr=False)
    s3_bucket: str
    redis_host: str
    redis_port: int
    redis_password: str | None = field(default=None, repr=False)
    redis_db: int = 0
