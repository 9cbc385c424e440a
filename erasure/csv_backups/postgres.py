"""CSVs of what a batch is about to change in PostgreSQL: whole rows as they are.

Add here: what PostgreSQL knows of its rows besides.
Keep out: which rows change (dbt's mask models say so).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from erasure.csv_backups.files import opened
from erasure.inventory import InventoryObject
from erasure.ledger.database import Connection, connect
from erasure.store_settings import DatabaseSettings
from erasure.stores.postgres.store import refused


def write(
    settings: DatabaseSettings,
    *,
    objects: Sequence[InventoryObject],
    selects: Mapping[str, str],
    folder: Path,
) -> dict[str, int]:
    """Writes a CSV for each object of which rows will change; returns object -> rows.

    selects: object -> the select of the rows that its mask will change, as `MaskModels.masked_rows` has it.
    """
    rows: dict[str, int] = {}
    try:
        with connect(settings) as connection:
            connection.execute("set work_mem = '256MB'")
            for item in objects:
                number = _write(connection, _whole(item, selects[item.name]), folder / f"{item.name}.csv")
                if number:
                    rows[item.name] = number
    except psycopg.Error as error:
        raise refused(error) from None
    return rows


def _whole(item: InventoryObject, select: str) -> sql.Composed:
    """The rows of which the select gives key and new values, as they are now."""
    key = sql.SQL(", ").join(sql.Identifier(name) for name in item.primary_key)
    return sql.SQL(
        "copy (select * from {} where ({}) in (select {} from ({}) as changing)) to stdout with (format csv, header)"
    ).format(sql.Identifier(item.schema, item.location), key, key, sql.SQL(select))


def _write(connection: Connection, statement: sql.Composed, path: Path) -> int:
    with opened(path) as file, connection.cursor() as cursor:
        with cursor.copy(statement) as copied:
            for block in copied:
                file.write(block)
        number = cursor.rowcount
    if not number:
        path.unlink()
    return number
