"""Mutations that failed: they stay in the table's queue and block every later one, for ever.

Holds: `refuse_stuck`, before masking; `refuse_waiting`, before an exchange; `end_own`, after a mask of ours has failed.
Add here: another way in which a mutation goes wrong.
Keep out: the mutation itself (the materialization `mask`), and the engine's reasons as texts: they may hold values, so
only their codes and names are told.
"""

import time

from erasure.errors import StoreRefused
from erasure.stores.clickhouse.catalog import Table
from erasure.stores.clickhouse.connection import Server

NAME = "clickhouse"
# Ours alone read the target set.
_OURS = "position(command, 'erasure.targets') > 0"
_UNKNOWN = "no reason yet"
_REASON_SECONDS = 5.0
_POLL_SECONDS = 0.1


def refuse_stuck(server: Server, table: Table) -> None:
    """Ends what a killed run of ours has left failing; raises StoreRefused where it is somebody else's."""
    end_own(server, table, failing_only=True)
    reasons = _reasons(server, table, "latest_fail_reason != ''")
    if reasons:
        raise StoreRefused(
            store=NAME,
            object_name=table.item.name,
            what=f"{len(reasons)} failed mutations block the table ({', '.join(sorted(set(reasons)))})",
            remedy="see system.mutations and end them by KILL MUTATION, then resume",
        )


def refuse_waiting(server: Server, table: Table) -> None:
    """Raises StoreRefused where a mutation has not ended: it would be lost with a table that is exchanged."""
    waiting = server.number(
        f"select count() from {server.system('mutations')}"
        " where database = {database:String} and table = {table:String} and not is_done",
        database=table.database,
        table=table.storage,
    )
    if waiting:
        raise StoreRefused(
            store=NAME,
            object_name=table.item.name,
            what=f"{waiting} mutations of somebody else wait for it",
            remedy="let them end, or end them by KILL MUTATION, then resume",
        )


def end_own(server: Server, table: Table, *, failing_only: bool = False) -> list[str]:
    """Kills our unfinished mutations of a table, so that it can be used again; returns why they failed, as codes.

    A mutation that was refused at once is none: the list is empty then.
    """
    which = _OURS + (" and latest_fail_reason != ''" if failing_only else "")
    reasons = _reasons(server, table, which)
    if not reasons:
        return []
    # The engine learns its reason a moment after it has told the client.
    deadline = time.monotonic() + _REASON_SECONDS
    while not failing_only and _UNKNOWN in reasons and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        reasons = _reasons(server, table, which)
    server.client.command(
        f"kill mutation{server.everywhere} where database = {{database:String}} and table = {{table:String}}"
        f" and not is_done and {which} sync",
        parameters={"database": table.database, "table": table.storage},
    )
    return reasons


def _reasons(server: Server, table: Table, which: str) -> list[str]:
    """A code and its name for each mutation, such as `241 MEMORY_LIMIT_EXCEEDED`; their texts stay in the server."""
    rows = server.rows(
        "select toInt32OrZero(extract(latest_fail_reason, '^Code: ([0-9]+)[.]')) as code, errorCodeToName(code)"
        f" from {server.system('mutations')}"
        f" where database = {{database:String}} and table = {{table:String}} and not is_done and {which}",
        database=table.database,
        table=table.storage,
    )
    return [f"{code} {name}" if code else _UNKNOWN for code, name in rows]
