"""Masks a table whose ruled columns are keys: a masked copy beside it, exchanged with it in one step.

ALTER ... UPDATE refuses columns of a sorting, partition, primary or sampling key (420). The order here is: no merges,
so that parts are only added; note the parts; copy exactly their rows, masked; again for what came meanwhile; compare;
EXCHANGE TABLES. What writers put into the old table until the exchange, or began before it, lies in parts that are not
noted: these are copied, masked, into a staging table and moved over as parts. (An INSERT would run the materialized
views of the table a second time; a part that is moved runs none.)
The notes are in `erasure.unfinished`. The uuid there says after a crash whether the exchange has happened: a table
keeps its uuid under its new name.
Add here: what another kind of table needs to be copied whole.
Keep out: predicates and masks (dbt macros), and which tables need this (`catalog.py`).
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from erasure.errors import Incomplete
from erasure.stores.clickhouse.catalog import Table
from erasure.stores.clickhouse.cluster import literal, quoted
from erasure.stores.clickhouse.connection import Server
from erasure.stores.clickhouse.mutations import refuse_waiting
from erasure.stores.clickhouse.unfinished import Unfinished
from erasure.stores.sql import MaskExpressions

NAME = "clickhouse"
# A copy keeps every row as it is: none is merged on its way, and computed columns go along.
_COPY = {
    "insert_allow_materialized_columns": 1,
    "optimize_on_insert": 0,
    "max_partitions_per_insert_block": 0,
}
# Rows of one key keep the order in which they were written: the later one counts in a Replacing table.
_IN_ORDER = {"max_threads": 1, "max_insert_threads": 1}
_MERGES_SECONDS = 60.0
_WRITERS_SECONDS = 600.0
_POLL_SECONDS = 0.1
_QUIET_LOOKS = 2
_NOTES = ("original", "copied", "tail", "filled", "moved")
_WRITING = "('Insert', 'AsyncInsertFlush', 'Alter')"


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """The masking of one table; `still_ours` raises where another run has taken over."""

    server: Server
    table: Table
    expressions: MaskExpressions
    still_ours: Callable[[], None]

    @property
    def copy(self) -> str:
        """The masked copy, which is the old table once the two are exchanged."""
        return f"erasure.{quoted(f'shadow_{self._slug}')}"

    @property
    def staging(self) -> str:
        """Where rows wait that came while the table was copied."""
        return f"erasure.{quoted(f'staging_{self._slug}')}"

    @property
    def notes(self) -> Unfinished:
        """What has been done so far."""
        return Unfinished(server=self.server, relation=self.table.relation)

    @property
    def is_begun(self) -> bool:
        """Whether somebody was stopped on the way."""
        return bool(self.notes.values("original"))

    def run(self) -> int:
        """Begins, or goes on where somebody was stopped; returns the rows changed by this call."""
        changed = 0
        original = next(iter(self.notes.values("original")), None)
        if original is None or original == self._uuid(self.table.relation):
            self._clear()
            changed += self._exchange()
            original = self.notes.values("original")[0]
        changed += self._follow(original)
        self._clear()
        return changed

    def _exchange(self) -> int:
        """Up to the exchange. Whatever fails before it leaves the table as it was, and merging again."""
        relation = self.table.relation
        refuse_waiting(self.server, self.table)
        self.notes.note("original", [self._uuid(relation)])
        try:
            self.server.run(f"system stop merges {relation}")
            self._await_merges()
            self.server.run(f"create table {self.copy} as {relation}")
            changed = 0
            for _ in ("what is there", "what has come meanwhile"):
                fresh = self._fresh(relation)
                self.notes.note("copied", fresh)
                changed += self._copy(relation, self.copy, fresh)
            self._compare(relation, self.copy, self.notes.select("copied"))
            self.still_ours()
            refuse_waiting(self.server, self.table)
            self._refuse_lost_parts(relation)
            self.server.run(f"exchange tables {self.copy} and {relation}")
        except BaseException:
            if self._uuid(relation) == self.notes.values("original")[0]:
                self._clear()
            raise
        return changed

    def _await_merges(self) -> None:
        """A merge that runs is called off, unless it was about to end: then it ends, and replaces parts."""
        deadline = time.monotonic() + _MERGES_SECONDS
        running = (
            "select count() from system.merges where database = {database:String} and table = {table:String}"
        )
        place = {"database": self.table.database, "table": self.table.storage}
        while self.server.number(running, **place) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _follow(self, original: str) -> int:
        """Takes over what was written into the old table, until nobody can write into it any more."""
        if self._uuid(self.copy) != original:
            return 0
        # A restart of the server forgets the first, and would merge what is copied with what is not.
        self.server.run(f"system stop merges {self.copy}")
        self.server.run(f"alter table {self.copy} modify setting max_bytes_to_merge_at_max_space_in_pool = 1")
        changed, quiet, writers = 0, 0, self._writers()
        deadline = time.monotonic() + _WRITERS_SECONDS
        changed += self._finish_round()
        while quiet < _QUIET_LOOKS:
            self.still_ours()
            writers &= self._writers()
            self._refuse_lost_parts(self.copy)
            fresh = self._fresh(self.copy)
            if fresh:
                self.notes.note("tail", fresh, round_number=self._round())
                changed += self._finish_round()
            quiet = 0 if fresh or writers else quiet + 1
            if writers and time.monotonic() > deadline:
                raise Incomplete(
                    store=NAME,
                    object_name=self.table.item.name,
                    what=f"{len(writers)} writers that began before the exchange have not ended",
                    remedy="see system.processes for long INSERTs, then resume",
                )
            if quiet < _QUIET_LOOKS:
                time.sleep(_POLL_SECONDS)
        return changed

    def _finish_round(self) -> int:
        """Brings the round that is noted to its end: rows into staging, then its parts into the table."""
        number = self._round()
        parts = self.notes.values("tail", round_number=number)
        if not parts:
            return 0
        changed = 0
        if not self.notes.values("filled", round_number=number):
            # Anew, not emptied: a statement of somebody who was killed may still be filling the former one.
            self.server.run(f"drop table if exists {self.staging} sync")
            self.server.run(f"create table {self.staging} as {self.table.relation}")
            changed = self._copy(self.copy, self.staging, parts)
            self._compare(self.copy, self.staging, self.notes.select_round("tail", number))
            self.notes.note("filled", ["yes"], round_number=number)
        self.still_ours()
        for partition in self._partitions(self.staging):
            self.server.run(
                f"alter table {self.staging} move partition id {literal(partition)} to table {self.table.relation}"
            )
        self.notes.note("moved", ["yes"], round_number=number)
        self.server.run(f"drop table if exists {self.staging} sync")
        return changed

    def _round(self) -> int:
        """The number of the round that is under way, or of the next one."""
        number = 1
        while self.notes.values("moved", round_number=number):
            number += 1
        return number

    def _copy(self, source: str, target: str, parts: list[str]) -> int:
        """Copies the rows of these parts, masked; returns how many are."""
        stored = self.table.stored
        columns = ", ".join(quoted(column.name) for column in stored)
        values = ", ".join(self._value(column.name, column.type) for column in stored)
        # One statement where the order of rows says nothing.
        groups = [[part] for part in parts] if self.table.merges_rows else [parts]
        changed = 0
        for group in filter(None, groups):
            self.still_ours()
            within = f"_part in ({', '.join(map(literal, group))})"
            changed += self.server.number(f"select countIf({self._changes}) from {source} where {within}")
            self.server.run(
                f"insert into {target} ({columns}) select {values} from {source} where {within}",
                settings=_COPY | (_IN_ORDER if self.table.merges_rows else {}),
            )
        return changed

    def _compare(self, source: str, target: str, parts: str) -> None:
        """Every row must be there, masked where it is a subject's and else the same to the last column."""
        stored = self.table.stored
        expected = self._sums(
            source, [self._value(c.name, c.type) for c in stored], f" where _part in {parts}"
        )
        found = self._sums(target, [quoted(c.name) for c in stored], "")
        if expected != found:
            raise Incomplete(
                store=NAME,
                object_name=self.table.item.name,
                what=f"its masked copy has {found[0]} rows where {expected[0]} were copied, or others",
                remedy="rows past their TTL vanish when they are copied: OPTIMIZE the table FINAL, then resume",
            )

    def _sums(self, relation: str, values: list[str], where: str) -> tuple[int, int]:
        query = f"select count(), sum(cityHash64({', '.join(values)})) from {relation}{where}"
        count, checksum = self.server.rows(query)[0]
        return int(count), int(checksum)

    @property
    def _changes(self) -> str:
        return f"({self.expressions.is_subject} and {self.expressions.not_yet_masked})"

    def _value(self, column: str, kind: str) -> str:
        if column not in self.expressions.values:
            return quoted(column)
        masked = f"cast({self.expressions.values[column]} as {kind})"
        return f"if({self._changes}, {masked}, {quoted(column)})"

    def _fresh(self, relation: str) -> list[str]:
        """Its active parts that no note names, in the order of their rows."""
        database, name = self._place(relation)
        rows = self.server.rows(
            "select name from system.parts where database = {database:String} and table = {name:String} and active"
            f" and name not in {self.notes.select('copied')} and name not in {self.notes.select('tail')}"
            " order by partition_id, min_block_number",
            database=database,
            name=name,
        )
        return [str(part) for (part,) in rows]

    def _refuse_lost_parts(self, relation: str) -> None:
        """What is copied must still be what it was; a part that is gone was merged, dropped or mutated."""
        database, name = self._place(relation)
        rows = self.server.rows(
            "select count() from (select value from"
            f" {self.notes.select('copied')} union all select value from {self.notes.select('tail')})"
            " where value not in (select name from system.parts"
            " where database = {database:String} and table = {name:String} and active)",
            database=database,
            name=name,
        )
        if rows[0][0]:
            raise Incomplete(
                store=NAME,
                object_name=self.table.item.name,
                what=f"{rows[0][0]} of its parts were replaced while they were copied",
                remedy=f"let nobody alter it meanwhile, then resume; once {self.copy} is there, "
                "copy what it has more and drop it before",
            )

    def _writers(self) -> set[str]:
        rows = self.server.rows(
            f"select query_id from {self.server.system('processes')} where query_kind in {_WRITING}"
        )
        return {str(query_id) for (query_id,) in rows}

    def _partitions(self, relation: str) -> list[str]:
        database, name = self._place(relation)
        rows = self.server.rows(
            "select distinct partition_id from system.parts"
            " where database = {database:String} and table = {name:String} and active order by 1",
            database=database,
            name=name,
        )
        return [str(partition) for (partition,) in rows]

    def _clear(self) -> None:
        """No copy, no notes, and merges again; the order lets whoever is stopped in here begin anew."""
        self.server.run(f"drop table if exists {self.staging} sync")
        self.server.run(f"drop table if exists {self.copy} sync")
        self.server.run(f"system start merges {self.table.relation}")
        self.notes.forget(*_NOTES)

    def _uuid(self, relation: str) -> str:
        database, name = self._place(relation)
        rows = self.server.rows(
            "select toString(uuid) from system.tables where database = {database:String} and name = {name:String}",
            database=database,
            name=name,
        )
        return str(rows[0][0]) if rows else ""

    def _place(self, relation: str) -> tuple[str, str]:
        if relation == self.table.relation:
            return self.table.item.schema, self.table.item.location
        return "erasure", f"{'shadow' if relation == self.copy else 'staging'}_{self._slug}"

    @property
    def _slug(self) -> str:
        # Two tables of one name in two databases are two; the digest keeps names short and plain.
        return hashlib.sha256(self.table.relation.encode()).hexdigest()[:16]
