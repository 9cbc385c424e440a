"""Dictionaries: copies of tables in the memory of the server, with the old values until they are loaded again.

Holds: `reload`, and `dictionaries_of`, which finds them by the tables that they are loaded from.
Add here: another copy in memory that the server makes of a table.
Keep out: dictionaries with a source outside the inventory, which planning refuses (`obstacles.py`).
"""

from dataclasses import dataclass

from erasure.errors import Incomplete
from erasure.inventory import InventoryObject
from erasure.stores.clickhouse.cluster import quoted
from erasure.stores.clickhouse.connection import Server

NAME = "clickhouse"


@dataclass(frozen=True, kw_only=True)
class Dictionary:
    """A dictionary, and the tables (database, name) that it is loaded from, as far as the server knows them."""

    database: str
    name: str
    sources: frozenset[tuple[str, str]]

    @property
    def where(self) -> str:
        return f"{self.database}.{self.name}"


def dictionaries_of(server: Server, databases: frozenset[str]) -> list[Dictionary]:
    """Those that stand in these databases, or are loaded from a table there."""
    rows = server.rows(
        "select database, name, loading_dependencies_database, loading_dependencies_table from system.tables"
        " where engine = 'Dictionary' and (database in {databases:Array(String)}"
        " or hasAny(loading_dependencies_database, {databases:Array(String)})) order by database, name",
        databases=sorted(databases),
    )
    return [
        Dictionary(
            database=str(database),
            name=str(name),
            sources=frozenset(zip(map(str, schemas), map(str, tables), strict=True)),
        )
        for database, name, schemas, tables in rows
    ]


def reload(server: Server, items: tuple[InventoryObject, ...]) -> None:
    """Loads again whatever is loaded from these tables. Raises Incomplete where a dictionary still has what it had."""
    masked = {(item.schema, item.location) for item in items}
    for dictionary in dictionaries_of(server, frozenset(item.schema for item in items)):
        if not dictionary.sources & masked or not _is_loaded(server, dictionary):
            continue
        before = server.rows("select now64(6)")[0][0]
        server.run(
            f"system reload dictionary{server.everywhere} {quoted(dictionary.database)}.{quoted(dictionary.name)}"
        )
        stale = server.number(
            f"select count() from {server.system('dictionaries')}"
            " where database = {database:String} and name = {name:String}"
            " and (last_exception != '' or status not in ('LOADED', 'NOT_LOADED')"
            " or (status = 'LOADED' and loading_start_time < toDateTime({before:DateTime64(6)})))",
            database=dictionary.database,
            name=dictionary.name,
            before=before,
        )
        if stale:
            raise Incomplete(
                store=NAME,
                object_name=next(
                    item.name for item in items if (item.schema, item.location) in dictionary.sources
                ),
                what=f"the dictionary {dictionary.where} could not be loaded again and holds what was there before",
                remedy="see system.dictionaries, mend it, then resume",
            )


def _is_loaded(server: Server, dictionary: Dictionary) -> bool:
    """One that was never asked holds nothing yet."""
    return bool(
        server.number(
            f"select count() from {server.system('dictionaries')}"
            " where database = {database:String} and name = {name:String} and status != 'NOT_LOADED'",
            database=dictionary.database,
            name=dictionary.name,
        )
    )
