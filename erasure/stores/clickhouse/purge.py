"""Removes the inactive parts of the masked tables, which would stay for eight minutes and hold old values.

Holds: `purge_parts`.
Add here: another physical copy that ClickHouse keeps of a masked row.
Keep out: tables that are not masked: their old parts are none of ours.
"""

import re
import time

from erasure.errors import Incomplete
from erasure.stores.clickhouse.catalog import Table
from erasure.stores.clickhouse.connection import Server
from erasure.stores.clickhouse.unfinished import Unfinished

NAME = "clickhouse"
PURGE_SECONDS = 120.0
_POLL_SECONDS = 0.25
_NOTE = "lifetime"
# What the note says of a table that has no lifetime of its own.
_NONE = "none"


def purge_parts(server: Server, table: Table) -> None:
    """Makes the server remove what is inactive now; the table's own setting is put back, also by whoever resumes."""
    if not table.has_parts:
        return
    notes = Unfinished(server=server, relation=table.storage_relation)
    own = next(iter(notes.values(_NOTE)), None) or _own_lifetime(table)
    if not notes.values(_NOTE):
        notes.note(_NOTE, [own])
    alter = f"alter table {table.storage_relation}{server.everywhere}"
    server.run(f"{alter} modify setting old_parts_lifetime = 0")
    try:
        _until_none_is_left(server, table, alter)
    finally:
        if own == _NONE:
            server.run(f"{alter} reset setting old_parts_lifetime")
        else:
            server.run(f"{alter} modify setting old_parts_lifetime = {int(own)}")
        notes.forget(_NOTE)


def _until_none_is_left(server: Server, table: Table, alter: str) -> None:
    deadline = time.monotonic() + PURGE_SECONDS
    while left := inactive_parts(server, table):
        if time.monotonic() > deadline:
            raise Incomplete(
                store=NAME,
                object_name=table.item.name,
                what=f"{left} inactive parts are still there",
                remedy="a long query may hold them; see system.parts, then resume",
            )
        # Dropping a partition that does not exist makes the server clean up at once.
        server.run(f"{alter} drop partition id 'none'")
        time.sleep(_POLL_SECONDS)


def inactive_parts(server: Server, table: Table) -> int:
    """How many there are, on every replica."""
    return server.number(
        f"select count() from {server.system('parts')}"
        " where database = {database:String} and table = {table:String} and not active",
        database=table.database,
        table=table.storage,
    )


def _own_lifetime(table: Table) -> str:
    """The table's own old_parts_lifetime."""
    found = re.search(r"old_parts_lifetime = (\d+)", table.storage_engine_full)
    return found.group(1) if found else _NONE
