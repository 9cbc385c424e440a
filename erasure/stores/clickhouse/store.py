"""ClickHouse, the analytics: carries the target set over, counts and masks through the dbt models, purges old parts.

Add here: the order in which a step asks the other modules of this package.
Keep out: rules and predicates (dbt macros); literals of a person in any statement.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby

from erasure.counts import Count, Counts
from erasure.errors import StoreRefused
from erasure.inventory import InventoryObject
from erasure.inventory_draft.facts import TableFacts
from erasure.store_settings import ClickHouseSettings
from erasure.stores import sql as shared
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.stores.clickhouse import dictionaries, facts, mutations, parity
from erasure.stores.clickhouse.catalog import Table, listed, read_tables
from erasure.stores.clickhouse.cluster import quoted
from erasure.stores.clickhouse.connection import Server, connected
from erasure.stores.clickhouse.obstacles import notices, obstacles
from erasure.stores.clickhouse.purge import purge_parts
from erasure.stores.clickhouse.shadow import Shadow
from erasure.stores.clickhouse.targets import carried_over, forget
from erasure.targets import TargetSet

NAME = "clickhouse"


class ClickHouseStore(shared.SqlStore[ClickHouseSettings]):
    """The world's tables in ClickHouse."""

    name = NAME
    purge_state = PURGED

    def health(self) -> Health:
        """Asks for the server's version."""
        with connected(self._settings) as server:
            return Health(engine="ClickHouse", version=str(server.client.command("select version()")))

    def survey(self) -> Survey:
        """What inventory and catalog do not agree on, what cannot be masked, and what a mask does not reach."""
        found: list[str] = []
        with connected(self._settings) as server:
            for schema in sorted({item.schema for item in self._registered}):
                mine = tuple(item for item in self._registered if item.schema == schema)
                found += shared.unregistered(
                    store=NAME,
                    world=self._world,
                    schema=schema,
                    catalog=listed(server, schema, frozenset(item.location for item in mine)),
                    objects=mine,
                    elsewhere="check [clickhouse] host and port, and that its username may see the tables",
                )
            return Survey(
                problems=(*found, *obstacles(server, self._registered)),
                notices=tuple(notices(server, self._registered)),
            )

    def holdings(self) -> Holdings:
        """The rows of each table, up to a thousand."""
        with connected(self._settings) as server:
            return {item.name: _held(server, item) for item in self._objects}

    def count(self, targets: TargetSet) -> Counts:
        """The rows that each mask would change, among how many; conflicts beside.

        Of a table whose engine makes one row of several these are the rows as it shows them by FINAL: when it merges is
        its own affair, and a plan must not drift by it.
        """
        with connected(self._settings) as server, carried_over(server, targets):
            merging = frozenset(t.item.name for t in read_tables(server, self._objects) if t.merges_rows)
            return self._counted(server, targets, final=merging)

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """One mutation a table, or an exchange where a key is masked; then a recount."""
        with connected(self._settings) as server, carried_over(server, targets):
            tables = read_tables(server, self._objects)
            merging = frozenset(table.item.name for table in tables if table.merges_rows)
            shown = self._counted(server, targets, final=merging) if merging else {}
            expressions = self._models.expressions(NAME, targets.batch_id)
            for table in tables:
                mutations.refuse_stuck(server, table)
                progress(table.item.name, 0, 0)
            changed: dict[str, int] = {}
            for by_exchange, group in groupby(_in_turn(tables), key=lambda table: bool(table.masked_keys)):
                turn = list(group)
                if by_exchange:
                    changed |= _exchanged(server, turn, expressions, progress)
                else:
                    changed |= self._mutated(server, turn, expressions, targets.batch_id)
            dictionaries.reload(server, self._objects)
            # Rows that nobody is shown any more count here: they are on the disk.
            left = self._counted(server, targets)
        changed |= {name: shown[name].records for name in merging & changed.keys()}
        return shared.recounted(store=NAME, changed=changed, left=left, progress=progress)

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Removes the inactive parts of the masked tables, and of no others."""
        counts: dict[str, Count] = {}
        with connected(self._settings) as server:
            for done, table in enumerate(read_tables(server, self._objects)):
                progress(table.item.name, done, len(self._objects))
                purge_parts(server, table)
                counts[table.item.name] = Count(records=0)
        return counts

    def facts(self, database: str) -> list[TableFacts]:
        """What the catalogs tell of a database's tables, described or not, for a draft of the inventory."""
        with connected(self._settings) as server:
            return facts.read(server.client, database)

    def forget(self, *, but: frozenset[str]) -> None:
        """Drops what a crash has left of other batches' target sets; those of `but` may be in use."""
        with connected(self._settings) as server:
            forget(server, but=but)

    def _mutated(
        self,
        server: Server,
        tables: list[Table],
        expressions: Mapping[str, shared.MaskExpressions],
        batch_id: str,
    ) -> Mapping[str, int]:
        """The masks of dbt, between two measures of what they must leave alone."""
        compared = [table for table in tables if parity.stays_in_sight(table.item, self._objects)]
        before = {
            table.item.name: parity.measured(server, table, expressions[table.item.name])
            for table in compared
        }
        storage = {table.item.name: table.storage_relation for table in tables}
        try:
            changed = self._models.mask(NAME, batch_id, self._fence, storage)
        except StoreRefused:
            # A mutation that failed would block its table for ever.
            reasons = {table.item.name: mutations.end_own(server, table) for table in tables}
            failed = {name: found for name, found in reasons.items() if found}
            if not failed:
                raise
            name, codes = next(iter(failed.items()))
            raise StoreRefused(
                store=NAME,
                object_name=name,
                what=f"its mask failed ({', '.join(codes)}) and was taken back from its queue",
                remedy="look the code up, see the columns computed from the ruled ones; then resume",
            ) from None
        for table in compared:
            name = table.item.name
            parity.require_equal(table, before[name], parity.measured(server, table, expressions[name]))
        return changed

    def _counted(self, server: Server, targets: TargetSet, final: frozenset[str] = frozenset()) -> Counts:
        selects = self._models.masked_rows(NAME, targets.batch_id)
        by_name = {item.name: item for item in self._registered}
        return {
            item.name: _count(
                server,
                item,
                by_name.get(item.subject.via.table) if item.subject.via else None,
                selects[item.name],
                targets.batch_id,
                settings={"final": int(item.name in final)},
            )
            for item in self._objects
        }


def _exchanged(
    server: Server, tables: list[Table], expressions: Mapping[str, shared.MaskExpressions], progress: Progress
) -> Iterator[tuple[str, int]]:
    """(Object, rows changed) of tables whose keys are masked."""
    for table in tables:
        name = table.item.name
        shadow = Shadow(
            server=server,
            table=table,
            expressions=expressions[name],
            still_ours=lambda name=name: progress(name, 0, 0),  # type: ignore[misc]
        )
        pending = server.number(
            f"select count() from {table.relation}"
            f" where {expressions[name].is_subject} and {expressions[name].not_yet_masked}"
        )
        yield name, shadow.run() if pending or shadow.is_begun else 0


def _in_turn(tables: list[Table]) -> list[Table]:
    """As the inventory has them, children first; where there are none, one call of dbt for all that it masks."""
    if any(table.item.subject.via for table in tables):
        return tables
    return sorted(tables, key=lambda table: bool(table.masked_keys))


def _held(server: Server, item: InventoryObject) -> int:
    glance = f"select 1 from {_relation(item)} limit {COUNTED_AT_MOST}"
    return server.number(f"select count() from ({glance})")


def _count(
    server: Server,
    item: InventoryObject,
    parent: InventoryObject | None,
    select: str,
    batch_id: str,
    settings: Mapping[str, int],
) -> Count:
    """`parent` is what the item is reached through, where it has no id of its own."""

    def number(query: str) -> int:
        return int(server.rows(query, settings=settings)[0][0])

    targets = (
        f"(select contributor_id from erasure.targets where batch_id = '{batch_id}' and kind = 'contributor')"
    )
    conflicts = 0
    if parent is not None and item.subject.via and parent.subject.contributor_id:
        owner = f"toString({quoted(parent.subject.contributor_id)})"
        led_from = f"select {quoted(item.subject.via.parent_column)} from {_relation(parent)} where {owner}"
        column = quoted(item.subject.via.column)
        conflicts = number(
            f"select count() from {_relation(item)} where {column} in ({led_from} in {targets})"
            f" and {column} in ({led_from} not in {targets})"
        )
    if item.subject.contributor_id and item.subject.email:
        contributor_id, email = quoted(item.subject.contributor_id), quoted(item.subject.email)
        # The same normalisation as macros/subjects/normalised_email.sql; a test holds the two together.
        conflicts = number(
            f"select count() from {_relation(item)} where {contributor_id} is not null"
            f" and toString({contributor_id}) not in {targets}"
            f" and lower(trim(both ' \\t\\n\\r\\x0b\\x0c' from toString({email}))) in"
            f" (select value from erasure.targets where batch_id = '{batch_id}' and kind = 'email')"
        )
    return Count(
        records=number(f"select count() from ({select})"),
        total=number(f"select count() from {_relation(item)}"),
        conflicts=conflicts,
    )


def _relation(item: InventoryObject) -> str:
    return f"{quoted(item.schema)}.{quoted(item.location)}"
