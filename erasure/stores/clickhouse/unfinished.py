"""What this product has begun in ClickHouse and must bring to an end, also after it was killed: a small table there.

Holds: `Unfinished`, the rows of one table of the world in `erasure.unfinished`.
Add here: a kind of note.
Keep out: values of persons; names of tables, parts and settings stand here, and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from erasure.stores.clickhouse.connection import Server

_TABLE = "erasure.unfinished"
_DDL = f"""
create table if not exists {_TABLE} (
    relation String, kind LowCardinality(String), round UInt32, value String
) engine = MergeTree order by (relation, kind, round, value)
"""


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """The notes about one table, by its quoted name."""

    server: Server
    relation: str

    def note(self, kind: str, values: Sequence[str], *, round_number: int = 0) -> None:
        """Writes notes down; they are there when this returns."""
        if values:
            self.server.run("create database if not exists erasure")
            self.server.run(_DDL)
            self.server.client.insert(
                _TABLE,
                [(self.relation, kind, round_number, value) for value in values],
                column_names=["relation", "kind", "round", "value"],
            )

    def values(self, kind: str, *, round_number: int = 0) -> list[str]:
        """The notes of a kind and round."""
        if not self.server.exists(_TABLE):
            return []
        rows = self.server.rows(
            f"select value from {_TABLE} where relation = {{relation:String}} and kind = {{kind:String}}"
            " and round = {round:UInt32} order by value",
            relation=self.relation,
            kind=kind,
            round=round_number,
        )
        return [str(value) for (value,) in rows]

    def select(self, kind: str) -> str:
        """A subquery of the values of a kind, of every round."""
        relation = self.relation.replace("\\", "\\\\").replace("'", "\\'")
        return f"(select value from {_TABLE} where relation = '{relation}' and kind = '{kind}')"

    def select_round(self, kind: str, round_number: int) -> str:
        """The same of one round."""
        return f"{self.select(kind)[:-1]} and round = {round_number})"

    def forget(self, *kinds: str) -> None:
        """Removes the notes of these kinds, and the table with the last note of all."""
        if not self.server.exists(_TABLE):
            return
        self.server.client.command(
            f"alter table {_TABLE} delete where relation = {{relation:String}} and kind in {{kinds:Array(String)}}",
            parameters={"relation": self.relation, "kinds": list(kinds)},
            settings={"mutations_sync": 2},
        )
        if self.server.number(f"select count() from {_TABLE}") == 0:
            self.server.run(f"drop table if exists {_TABLE} sync")
