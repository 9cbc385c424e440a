"""The judge's own connection to PostgreSQL, and how its driver's errors are told.

Holds: what `batch.py` and `postgres.py` share.
Add here: a setting of the session that keeps rows from being hidden from the judge.
Keep out: statements, and other engines (each reader opens its own client).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.patience import postgres_parameters
from erasure.settings import Settings

if TYPE_CHECKING:
    import psycopg

_REMEDY = "check [database] in the configuration, and what its user may read"


@contextmanager
def postgres_connection(settings: Settings) -> "Iterator[psycopg.Connection[Any]]":
    """A fresh connection; errors of the driver are told without their text, which may hold whole rows."""
    import psycopg

    with postgres_errors():
        connection = psycopg.connect(
            host=settings.database.host,
            port=settings.database.port,
            dbname=settings.database.database,
            user=settings.database.username,
            password=settings.database.password.get_secret_value(),
            application_name="contributor-deletion verify",
            autocommit=True,
            **postgres_parameters(settings.database.connect_seconds),
        )
        with connection:
            # Row security would hide survivors; switched off, PostgreSQL refuses instead of hiding them.
            connection.execute("set row_security = off")
            connection.execute("set datestyle = 'ISO, YMD'")
            yield connection


@contextmanager
def postgres_errors(object_name: str | None = None) -> Iterator[None]:
    """Turns errors of the driver into StoreUnavailable or StoreRefused; for one object, names it."""
    import psycopg

    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            store="postgres",
            object_name=object_name,
            what=f"could not be read ({safe_reason(error)})",
            remedy=_REMEDY,
        ) from None
    except psycopg.Error as error:
        raise StoreRefused(
            store="postgres",
            object_name=object_name,
            what=f"would not be read ({safe_reason(error)})",
            remedy=_REMEDY,
        ) from None
