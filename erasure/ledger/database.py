"""How the ledger is reached: connections to PostgreSQL with safe errors, and the migrations of schema `erasure`.

Add here: what every part of the ledger needs of a connection.
Keep out: queries; each part of the ledger has its own module.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erasure.errors import StoreUnavailable, safe_reason
from erasure.settings import PROJECT_ROOT, DatabaseSettings

Connection = psycopg.Connection[dict[str, Any]]
_CONNECT_SECONDS = 10


def unavailable(error: BaseException) -> StoreUnavailable:
    """PostgreSQL did not answer; says which setting to look at, and nothing of the driver's text."""
    return StoreUnavailable(
        store="postgres",
        what=f"connection failed ({safe_reason(error)})",
        remedy="check host, port, database, username and password in [database]",
    )


@contextmanager
def connect(settings: DatabaseSettings) -> Iterator[Connection]:
    """A connection whose block is one transaction: committed at its end, rolled back by an exception.

    Raises StoreUnavailable; errors of statements pass as they are, for the caller to scrub.
    """
    try:
        connection = psycopg.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.database,
            user=settings.username,
            password=settings.password.get_secret_value(),
            connect_timeout=_CONNECT_SECONDS,
            application_name="contributor-deletion",
            row_factory=dict_row,
        )
    except psycopg.OperationalError as error:
        raise unavailable(error) from None
    with connection:
        yield connection


def migrate(settings: DatabaseSettings) -> None:
    """Creates or upgrades schema `erasure`; cheap where it is up to date. Two at once wait for each other."""
    with connect(settings) as connection:
        if _revision(connection) == _newest_revision():
            return
    _upgrade(settings)


def exists(connection: Connection) -> bool:
    """Whether there is a ledger at all."""
    row = connection.execute("select to_regclass('erasure.batches') is not null as found").fetchone()
    return bool(row and row["found"])


def _revision(connection: Connection) -> str | None:
    found = connection.execute(
        "select to_regclass('erasure.alembic_version') is not null as found"
    ).fetchone()
    if not found or not found["found"]:
        return None
    row = connection.execute("select version_num from erasure.alembic_version").fetchone()
    return str(row["version_num"]) if row else None


def _newest_revision() -> str:
    versions = PROJECT_ROOT / "erasure" / "migrations" / "versions"
    return max(file.name for file in versions.glob("[0-9]*.py")).partition("_")[0]


def _upgrade(settings: DatabaseSettings) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import URL, create_engine, text
    from sqlalchemy.pool import NullPool

    url = URL.create(
        "postgresql+psycopg",
        username=settings.username,
        password=settings.password.get_secret_value(),
        host=settings.host,
        port=settings.port,
        database=settings.database,
    )
    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "erasure" / "migrations"))
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext('erasure.migrations'))"))
        connection.execute(text("create schema if not exists erasure"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
