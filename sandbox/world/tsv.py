"""Rows as lines of text, as Postgres' COPY and ClickHouse's TabSeparated both read them.

Holds: how a value is written. Both engines are told that times are in UTC.
Add here: another type of value.
Keep out: which rows there are (tables.py, writers/clickhouse.py).
"""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

NULL = "\\N"
_TO_THE_SECOND = len("2026-03-01T12:00:00")
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Value = str | int | Decimal | date | datetime | None


def line(values: Iterable[Value]) -> str:
    """One row, with its line end."""
    return "\t".join([field(value) for value in values]) + "\n"


def field(value: Value) -> str:
    """One value; a datetime is in UTC and written to the second."""
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    if value is None:
        return NULL
    if isinstance(value, datetime):
        return value.isoformat()[:_TO_THE_SECOND]
    return str(value)
