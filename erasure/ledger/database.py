"""How the ledger is reached: connections to PostgreSQL with safe errors, and the migrations of schema `erasure`.

Add here: what every part of the ledger needs of a connection.
Keep out: queries; each part of the ledger has its own module.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import InventoryObject
from erasure.patience import postgres_parameters
from erasure.settings import PROJECT_ROOT
from erasure.store_settings import DatabaseSettings

Connection = psycopg.Connection[dict[str, Any]]
_CREDENTIALS = "check [database] username and password"
_ADDRESS = "check [database] host and port"
_OTHER = ("what answers is not PostgreSQL", _ADDRESS)
_FULL = ("the server takes no more connections", "try again later, or raise its max_connections")
# libpq tells what went wrong before there is a session in its text alone. A part of that text -> what is said of it.
_AT_THE_DOOR = {
    "password authentication failed": ("the server does not accept the credentials", _CREDENTIALS),
    "no password supplied": ("the server does not accept the credentials", _CREDENTIALS),
    "no pg_hba.conf entry": (
        "the server does not let this user in from here",
        "check [database] username, and the server's pg_hba.conf",
    ),
    "permission denied for database": (
        "the user may not connect to the database",
        "check [database] database and username",
    ),
    'database "': ("there is no such database", "check [database] database"),
    'role "': ("the server does not know the user", _CREDENTIALS),
    "Connection refused": ("nobody listens there", _ADDRESS),
    "could not translate host name": ("the host is not known", _ADDRESS),
    "failed to resolve host": ("the host is not known", _ADDRESS),
    "invalid response to SSL negotiation": _OTHER,
    "expected authentication request": _OTHER,
    "server closed the connection unexpectedly": (
        "what answers closes the connection at once",
        _ADDRESS,
    ),
    "too many clients": _FULL,
    "connection slots": _FULL,
}
_GOING_DOWN = ("57P01", "57P02", "57P03")


def unavailable(error: BaseException, *, connect_seconds: int | None = None) -> StoreUnavailable:
    """PostgreSQL did not answer; says which setting to look at, and nothing of the driver's text."""
    what, remedy = "connection failed", "check [database] host, port, database, username and password"
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        what = f"nothing that speaks as PostgreSQL does answered within {connect_seconds} s"
        remedy = "check [database] host and port, or raise connect_seconds there"
    elif connect_seconds is not None:
        text = str(error)
        what, remedy = next(
            (said for part, said in _AT_THE_DOOR.items() if part in text),
            (what, remedy),
        )
    return StoreUnavailable(store="postgres", what=f"{what} ({safe_reason(error)})", remedy=remedy)


@contextmanager
def connect(settings: DatabaseSettings) -> Iterator[Connection]:
    """A connection whose block is one transaction: committed at its end, rolled back by an exception.

    Raises StoreUnavailable, also where the connection is lost; errors of statements pass as they are, for the caller
    to scrub.
    """
    try:
        connection = psycopg.connect(
            host=settings.host,
            port=settings.port,
            dbname=settings.database,
            user=settings.username,
            password=settings.password.get_secret_value(),
            application_name="contributor-deletion",
            row_factory=dict_row,
            **postgres_parameters(settings.connect_seconds),
        )
    except psycopg.OperationalError as error:
        raise unavailable(error, connect_seconds=settings.connect_seconds) from None
    try:
        with connection:
            yield connection
    except psycopg.OperationalError as error:
        if connection.broken or error.sqlstate in _GOING_DOWN:
            raise lost(error) from None
        raise


def lost(error: BaseException) -> StoreUnavailable:
    """PostgreSQL went away in the middle of the work."""
    return StoreUnavailable(
        store="postgres",
        what=f"the connection was lost ({safe_reason(error)})",
        remedy="see whether the server of [database] runs, then do it again",
    )


def migrate(settings: DatabaseSettings, *, beside: Sequence[InventoryObject] = ()) -> None:
    """Creates or upgrades schema `erasure`; cheap where it is up to date. Two at once wait for each other.

    `beside`: the world's tables. Raises StoreRefused where they are not all there, so that no
    ledger is ever created in a database that is not the world's.
    """
    with connect(settings) as connection:
        _require_tables(connection, sorted((item.schema, item.location) for item in beside))
        if _revision(connection) == _newest_revision():
            return
    _upgrade(settings)


def _require_tables(connection: Connection, tables: list[tuple[str, str]]) -> None:
    missing = [
        f"{schema}.{table}"
        for schema, table in tables
        if not connection.execute(
            "select 1 from pg_catalog.pg_class as tables"
            " inner join pg_catalog.pg_namespace as schemas on tables.relnamespace = schemas.oid"
            " where schemas.nspname = %s and tables.relname = %s",
            (schema, table),
        ).fetchone()
    ]
    if missing:
        raise StoreRefused(
            store="postgres",
            object_name=missing[0],
            what=f"the database lacks {len(missing)} of the {len(tables)} tables of the inventory",
            remedy="check [database] database, or correct the inventory file postgres.yml",
        )


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
    from sqlalchemy.exc import DBAPIError, OperationalError
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
    parameters = postgres_parameters(settings.connect_seconds)
    try:
        with create_engine(url, poolclass=NullPool, connect_args=parameters).begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(hashtext('erasure.migrations'))"))
            connection.execute(text("create schema if not exists erasure"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DBAPIError as error:
        if error.connection_invalidated or isinstance(error, OperationalError):
            raise lost(error.orig or error) from None
        raise StoreRefused(
            store="postgres",
            object_name="erasure",
            what=f"the ledger could not be created or upgraded ({safe_reason(error.orig or error)})",
            remedy="let [database] username create schema erasure, and let nobody else own what is in it",
        ) from None
