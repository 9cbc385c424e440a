"""ClickHouse, the analytics: carries the target set over, counts and masks through the dbt models, purges old parts.

Add here: what only ClickHouse needs.
Keep out: rules and predicates (dbt macros); literals of a person in any statement (they stay in `system.mutations`,
in mutation files and in the query log, so the set is a table there).
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from erasure.counts import Count, Counts
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.patience import CLICKHOUSE_SECONDS, within
from erasure.settings import ClickHouseSettings
from erasure.stores import clickhouse_failures as failures
from erasure.stores import sql as shared
from erasure.stores.base import COUNTED_AT_MOST, Health, Holdings, Progress, Survey
from erasure.stores.clickhouse_subjects import described, forget_subjects
from erasure.targets import TargetSet

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

NAME = "clickhouse"
_PURGE_SECONDS = 120.0
_POLL_SECONDS = 0.25
_TARGETS_DDL = """
create table if not exists erasure.targets (
    batch_id String, contributor_id String, kind LowCardinality(String), value String
) engine = MergeTree order by (kind, value) partition by batch_id settings old_parts_lifetime = 1
"""


class ClickHouseStore(shared.SqlStore[ClickHouseSettings]):
    """The world's tables in ClickHouse."""

    name = NAME

    def health(self) -> Health:
        """Asks for the server's version."""
        with self._connect() as client:
            return Health(engine="ClickHouse", version=str(client.command("select version()")))

    def survey(self) -> Survey:
        """Tables and columns of the world's databases that inventory and catalog do not agree on."""
        found: list[str] = []
        with self._connect() as client:
            for schema in sorted({item.schema for item in self._registered}):
                mine = tuple(item for item in self._registered if item.schema == schema)
                catalog = _catalog(client, schema)
                found += shared.unregistered(
                    store=NAME,
                    world=self._world,
                    schema=schema,
                    catalog=catalog,
                    objects=mine,
                    elsewhere="check [clickhouse] host and port, and that its username may see the tables",
                )
        return Survey(problems=tuple(found))

    def holdings(self) -> Holdings:
        """The rows of each table, up to a thousand."""
        with self._connect() as client:
            return {item.name: _held(client, item) for item in self._objects}

    def count(self, targets: TargetSet) -> Counts:
        """The rows that each mask would change, among how many; conflicts beside."""
        with self._connect() as client, _carried_over(client, targets):
            return self._counted(client, targets)

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """One mutation a table, waited for; then a recount."""
        with self._connect() as client, _carried_over(client, targets):
            for item in self._objects:
                _refuse_stuck_mutation(client, item)
                progress(item.name, 0, 0)
            changed = self._models.mask(NAME, targets.batch_id, self._fence)
            left = self._counted(client, targets)
        return shared.recounted(store=NAME, changed=changed, left=left, progress=progress)

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Removes the inactive parts of the masked tables, which would stay for eight minutes and hold old values."""
        counts: dict[str, Count] = {}
        with self._connect() as client:
            for done, item in enumerate(self._objects):
                progress(item.name, done, len(self._objects))
                _purge_parts(client, item)
                counts[item.name] = Count(records=0)
        return counts

    def forget(self, *, but: frozenset[str]) -> None:
        """Drops what a crash has left of other batches' target sets; those of `but` may be in use."""
        with self._connect() as client:
            forget_subjects(client, but=but)
            if not client.command("exists table erasure.targets"):
                return
            found = client.query("select distinct batch_id from erasure.targets").result_rows
            for (batch_id,) in found:
                if batch_id not in but:
                    client.command(f"alter table erasure.targets drop partition '{batch_id}'")
            _drop_if_empty(client)

    def _counted(self, client: "Client", targets: TargetSet) -> Counts:
        selects = self._models.masked_rows(NAME, targets.batch_id)
        return {
            item.name: _count(client, item, selects[item.name], targets.batch_id) for item in self._objects
        }

    @contextmanager
    def _connect(self) -> Iterator["Client"]:
        from clickhouse_connect.driver.exceptions import ClickHouseError
        from urllib3.exceptions import HTTPError

        client = self._client()
        try:
            yield client
        except (ClickHouseError, HTTPError) as error:
            raise failures.in_the_middle(error) from None
        finally:
            client.close()

    def _client(self) -> "Client":
        """A client that has asked the server for its version and settings."""
        import clickhouse_connect

        seconds = self._settings.connect_seconds
        try:
            return within(
                seconds,
                lambda: clickhouse_connect.get_client(
                    host=self._settings.host,
                    port=self._settings.port,
                    username=self._settings.username,
                    password=self._settings.password.get_secret_value(),
                    connect_timeout=seconds,
                    send_receive_timeout=CLICKHOUSE_SECONDS,
                    autogenerate_session_id=False,
                    query_limit=0,
                ),
            )
        # What is no ClickHouse makes the client stumble in any way: it reads lengths and types from what it is sent.
        except Exception as error:
            raise failures.at_the_door(error, seconds=seconds) from None


@contextmanager
def _carried_over(client: "Client", targets: TargetSet) -> Iterator[None]:
    """The target set as a partition of `erasure.targets`, checked on both sides, gone at the end."""
    rows = sorted(
        [("contributor", contributor_id, contributor_id) for contributor_id in targets.contributor_ids]
        + [
            ("email", needle.value, needle.contributor_id)
            for needle in targets.needles
            if needle.kind == "email"
        ]
    )
    client.command("create database if not exists erasure")
    client.command(_TARGETS_DDL)
    client.command(f"alter table erasure.targets drop partition '{targets.batch_id}'")
    try:
        if rows:
            client.insert(
                "erasure.targets",
                [(targets.batch_id, contributor_id, kind, value) for kind, value, contributor_id in rows],
                column_names=["batch_id", "contributor_id", "kind", "value"],
            )
        _check_carried_over(client, targets.batch_id, rows, did_not="arrive as it was sent")
        with described(client, targets):
            yield
        # Whoever found the table empty just before may have dropped it just after: then nobody was found by it.
        _check_carried_over(client, targets.batch_id, rows, did_not="stay as long as it was needed")
    finally:
        if client.command("exists table erasure.targets"):
            client.command(f"alter table erasure.targets drop partition '{targets.batch_id}'")
            _drop_if_empty(client)


def _drop_if_empty(client: "Client") -> None:
    # Planning one batch while another executes shares the table: only the last one out drops it.
    if client.command("select count() from erasure.targets") == 0:
        client.command("drop table if exists erasure.targets sync")


def _check_carried_over(
    client: "Client", batch_id: str, rows: list[tuple[str, str, str]], *, did_not: str
) -> None:
    found = client.query(
        "select lower(hex(SHA256(arrayStringConcat(arraySort(groupArray("
        "concat(kind, '|', value, '|', contributor_id))), '\\n'))))"
        f" from erasure.targets where batch_id = '{batch_id}'"
    ).result_rows[0][0]
    lines = sorted("|".join(row) for row in rows)
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if found != expected:
        raise Incomplete(
            store=NAME,
            object_name="erasure.targets",
            what=f"the target set did not {did_not}",
            remedy="plan or resume again, while nobody else plans",
        )


def _catalog(client: "Client", schema: str) -> shared.Catalog:
    rows = client.query(
        "select table, groupArray(name) from system.columns where database = {schema:String}"
        " and (database, table) in (select database, name from system.tables"
        " where engine not in ('View', 'MaterializedView')) group by table",
        parameters={"schema": schema},
    ).result_rows
    return {str(table): frozenset(columns) for table, columns in rows}


def _held(client: "Client", item: InventoryObject) -> int:
    glance = f"select 1 from {item.schema}.{item.location} limit {COUNTED_AT_MOST}"
    return int(str(client.command(f"select count() from ({glance})")))


def _count(client: "Client", item: InventoryObject, select: str, batch_id: str) -> Count:
    table = f"{item.schema}.{item.location}"
    conflicts: Any = 0
    if item.subject.contributor_id and item.subject.email:
        # The same normalisation as macros/subjects/normalised_email.sql; a test holds the two together.
        conflicts = client.command(
            f"select count() from {table} where {item.subject.contributor_id} is not null"
            f" and toString({item.subject.contributor_id}) not in"
            f" (select contributor_id from erasure.targets where batch_id = '{batch_id}' and kind = 'contributor')"
            f" and lower(trim(both ' \\t\\n\\r\\x0b\\x0c' from {item.subject.email})) in"
            f" (select value from erasure.targets where batch_id = '{batch_id}' and kind = 'email')"
        )
    return Count(
        records=int(str(client.command(f"select count() from ({select})"))),
        total=int(str(client.command(f"select count() from {table}"))),
        conflicts=int(str(conflicts)),
    )


def _refuse_stuck_mutation(client: "Client", item: InventoryObject) -> None:
    """A mutation that failed at run time blocks every later one of its table, and waits for ever."""
    stuck = client.query(
        "select count() from system.mutations where database = {schema:String} and table = {table:String}"
        " and not is_done and latest_fail_reason != ''",
        parameters={"schema": item.schema, "table": item.location},
    ).result_rows[0][0]
    if stuck:
        raise StoreRefused(
            store=NAME,
            object_name=item.name,
            what=f"{stuck} failed mutations block the table",
            remedy="see system.mutations and end them by KILL MUTATION, then resume",
        )


def _purge_parts(client: "Client", item: InventoryObject) -> None:
    table = f"{item.schema}.{item.location}"
    before = _own_lifetime(client, item)
    client.command(f"alter table {table} modify setting old_parts_lifetime = 0")
    try:
        deadline = time.monotonic() + _PURGE_SECONDS
        while left := _inactive_parts(client, item):
            if time.monotonic() > deadline:
                raise Incomplete(
                    store=NAME,
                    object_name=item.name,
                    what=f"{left} inactive parts are still there",
                    remedy="a long query may hold them; see system.parts, then resume",
                )
            # Dropping a partition that does not exist makes the server clean up at once.
            client.command(f"alter table {table} drop partition id 'none'")
            time.sleep(_POLL_SECONDS)
    finally:
        if before is None:
            client.command(f"alter table {table} reset setting old_parts_lifetime")
        else:
            client.command(f"alter table {table} modify setting old_parts_lifetime = {before}")


def _own_lifetime(client: "Client", item: InventoryObject) -> int | None:
    """The table's own old_parts_lifetime; 0 is what a purge that was killed has left, and counts as none."""
    engine = client.query(
        "select engine_full from system.tables where database = {schema:String} and name = {table:String}",
        parameters={"schema": item.schema, "table": item.location},
    ).result_rows[0][0]
    found = re.search(r"old_parts_lifetime = (\d+)", str(engine))
    return int(found.group(1)) or None if found else None


def _inactive_parts(client: "Client", item: InventoryObject) -> int:
    return int(
        client.query(
            "select count() from system.parts"
            " where database = {schema:String} and table = {table:String} and not active",
            parameters={"schema": item.schema, "table": item.location},
        ).result_rows[0][0]
    )
