"""CSVs of what a batch is about to change in PostgreSQL, whole rows as they are; taken by the command, by itself.

They hold personal data: in a folder and files that only their owner can read, and gone when the undo window ends.
Add here: another store whose records fit a table.
Keep out: which rows change (dbt's mask models say so), and restoring.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from erasure.inventory import InventoryObject
from erasure.ledger.database import Connection, connect
from erasure.settings import Settings
from erasure.stores.postgres.store import refused


def folder_of(var: Path, batch_id: str) -> Path:
    """Where the CSVs of a batch are; a batch that is repeated writes them anew."""
    return var / "backups" / batch_id


def take(
    settings: Settings,
    *,
    batch_id: str,
    objects: Sequence[InventoryObject],
    selects: Mapping[str, str],
    var: Path,
) -> tuple[Path, dict[str, int]]:
    """Writes a CSV for each object of which rows will change; returns the folder, and object -> rows.

    selects: object -> the select of the rows that its mask will change, as `MaskModels.masked_rows` has it.
    """
    folder = folder_of(var, batch_id)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    rows: dict[str, int] = {}
    try:
        with connect(settings.database) as connection:
            connection.execute("set work_mem = '256MB'")
            for item in objects:
                number = _write(connection, _whole(item, selects[item.name]), folder / f"{item.name}.csv")
                if number:
                    rows[item.name] = number
    except psycopg.Error as error:
        destroy(var, batch_id)
        raise refused(error) from None
    except BaseException:
        destroy(var, batch_id)
        raise
    return folder, rows


def destroy(var: Path, batch_id: str) -> None:
    """Removes the CSVs of a batch; nothing happens where there are none."""
    shutil.rmtree(folder_of(var, batch_id), ignore_errors=True)


def _whole(item: InventoryObject, select: str) -> sql.Composed:
    """The rows of which the select gives key and new values, as they are now."""
    key = sql.SQL(", ").join(sql.Identifier(name) for name in item.primary_key)
    return sql.SQL(
        "copy (select * from {} where ({}) in (select {} from ({}) as changing)) to stdout with (format csv, header)"
    ).format(sql.Identifier(item.schema, item.location), key, key, sql.SQL(select))


def _write(connection: Connection, statement: sql.Composed, path: Path) -> int:
    # Opened with the narrow mode at once: a chmod afterwards would leave a moment in which others can read.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file, connection.cursor() as cursor:
        with cursor.copy(statement) as copied:
            for block in copied:
                file.write(block)
        number = cursor.rowcount
    if not number:
        path.unlink()
    return number
