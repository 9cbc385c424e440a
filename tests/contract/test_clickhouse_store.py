"""The ClickHouse store on the real engine: a target's rows are masked, controls keep all, no statement names anybody.

Holds: counts and changes, the target set that is carried over and gone, refusals, what is left for others to read.
Add here: a way in which a row may belong to somebody, or a mutation may fail.
Keep out: values of single rules (`test_sql_rules.py`), what the inventory does not know (`test_sql_unregistered.py`),
purging and failing mutations (`test_clickhouse_purge.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dagster_defs.dbt_models import DbtProject
from erasure.errors import StoreRefused, StoreUnavailable
from erasure.ledger.lease import Lease
from erasure.rules import MASK
from erasure.stores.base import no_progress
from erasure.stores.clickhouse.store import ClickHouseStore
from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway, free_port
from tests.contract.sql_world import BATCH, JOB, PROJECT, SqlWorld, make_analytics, person_id, settings_of

ANN, ANNS_OTHER, CONTROL = (person_id(number) for number in (1, 2, 8))
EMAIL, ALIAS, OTHERS = "ann.clicks@example.com", "ann.alias@example.net", "person8@example.com"
Rows = dict[Any, tuple[Any, ...]]


def fill(client: Any) -> None:
    """A target with two accounts and a control, in both tables; some events of nobody."""
    make_analytics(client)
    metrics = [
        (1, ANN, EMAIL),
        (2, ANNS_OTHER, OTHERS.upper()),
        (3, CONTROL, OTHERS),
        (4, CONTROL, ""),
        (5, ANN, ""),
    ]
    client.insert(
        "kepler.unit_metrics",
        [
            (PROJECT, JOB, person_id(number), owner, email, "cat", "DE", number, 0)
            for number, owner, email in metrics
        ],
    )
    events = [
        (1, EMAIL, "192.0.2.9"),
        (2, f" {ALIAS.upper()}\t", "2001:db8:1:2::3"),
        (3, OTHERS, "192.0.2.10"),
        (4, None, "192.0.2.11"),
        (5, f"x{EMAIL}", None),
        (6, EMAIL.title(), None),
    ]
    client.insert("kepler.app_events", [(number, "open", email, ip, 5, 0) for number, email, ip in events])


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL)
    sql_world.person(2, merged_into=ANN)
    sql_world.person(8)
    sql_world.add("contributor_aliases", contributor_id=ANN, email=ALIAS)
    sql_world.freeze((ANN, EMAIL))
    fill(sql_world.analytics)
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Lease:
    return world.execute()


def read(world: SqlWorld, table: str) -> Rows:
    key = {"unit_metrics": "seconds_spent", "app_events": "event_id"}[table]
    return {
        row[0]: tuple(row[1:])
        for row in world.analytics.query(f"select {key}, * from kepler.{table}").result_rows
    }


def changed(before: Rows, after: Rows) -> set[Any]:
    assert before.keys() == after.keys()
    return {key for key, row in before.items() if after[key] != row}


def number(world: SqlWorld, query: str) -> int:
    return int(str(world.analytics.command(query)))


def carried(world: SqlWorld) -> int:
    """Whether the product's table is there, which holds emails while it is."""
    return number(world, "select count() from system.tables where database = 'erasure'")


def test_exactly_the_rows_of_targets_change_and_as_many_as_were_counted(
    world: SqlWorld, lease: Lease
) -> None:
    before = {table: read(world, table) for table in ("unit_metrics", "app_events")}
    planned = world.clickhouse().count(world.targets())

    done = world.mask(world.clickhouse(lease))

    after = {table: read(world, table) for table in before}
    assert changed(before["unit_metrics"], after["unit_metrics"]) == {1, 2, 5}
    assert changed(before["app_events"], after["app_events"]) == {1, 2, 6}
    for name, total in (("unit_metrics", 5), ("app_events", 6)):
        assert (planned[name].records, planned[name].total, planned[name].conflicts) == (3, total, 0)
        assert done[name].records == 3
    assert {key: row[4] for key, row in after["unit_metrics"].items()} == {
        1: MASK,
        2: MASK,
        3: OTHERS,
        4: "",
        5: MASK,
    }
    assert {key: row[2:4] for key, row in after["app_events"].items()} == {
        1: (MASK, "192.0.2.0"),
        2: (MASK, "2001:db8:1::"),
        3: (OTHERS, "192.0.2.10"),
        4: (None, "192.0.2.11"),
        5: (f"x{EMAIL}", None),
        6: (MASK, None),
    }


def test_what_users_look_for_is_found(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.clickhouse(lease))
    assert number(world, f"SELECT COUNT(*) FROM kepler.unit_metrics WHERE email = '{MASK}'") == 3


def test_masking_again_changes_nothing_and_starts_no_mutation(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.clickhouse(lease))
    before = {table: read(world, table) for table in ("unit_metrics", "app_events")}
    mutations = number(world, "select count() from system.mutations where database = 'kepler'")
    assert {count.records for count in world.clickhouse().count(world.targets()).values()} == {0}

    again = world.clickhouse(lease).mask(world.targets(), no_progress)

    assert {count.records for count in again.values()} == {0}
    assert {table: read(world, table) for table in before} == before
    assert number(world, "select count() from system.mutations where database = 'kepler'") == mutations == 2


def test_a_record_stays_in_sight_after_its_email_has_been_masked(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.clickhouse(lease))
    world.analytics.command(
        "alter table kepler.app_events update ip = '192.0.2.77' where event_id in (1, 3) settings mutations_sync = 2"
    )

    assert world.clickhouse().count(world.targets())["app_events"].records == 1
    world.clickhouse(lease).mask(world.targets(), no_progress)

    after = read(world, "app_events")
    assert (after[1][3], after[3][3]) == ("192.0.2.0", "192.0.2.77")


def test_somebody_elses_row_with_a_targets_email_is_a_conflict_and_is_left_alone(
    world: SqlWorld, lease: Lease
) -> None:
    row = (PROJECT, JOB, person_id(9), CONTROL, f"{ALIAS.upper()} ", "cat", "DE", 9, 0)
    world.analytics.insert("kepler.unit_metrics", [row])

    counts = world.clickhouse().count(world.targets())
    world.mask(world.clickhouse(lease))

    assert {name: count.conflicts for name, count in counts.items()} == {
        "unit_metrics": 1,
        "app_events": 0,
        "notifications": 0,
        "slow_units": 0,
    }
    assert read(world, "unit_metrics")[9][4] == f"{ALIAS.upper()} "


# The target set in ClickHouse


def test_the_carried_targets_are_gone_after_counting_masking_and_failing(
    world: SqlWorld, lease: Lease
) -> None:
    world.clickhouse().count(world.targets())
    assert carried(world) == 0
    world.mask(world.clickhouse(lease))
    assert carried(world) == 0

    world.analytics.command("rename table kepler.app_events to kepler.elsewhere")
    try:
        with pytest.raises(
            StoreRefused, match=r"clickhouse: refused a statement \(DatabaseError 60\)"
        ) as refused:
            world.clickhouse().count(world.targets())
    finally:
        world.analytics.command("drop table kepler.elsewhere sync")
    assert carried(world) == 0
    assert EMAIL not in str(refused.value)


def test_another_batch_that_is_being_planned_keeps_its_targets(world: SqlWorld) -> None:
    other = "b20260202T000000Z-ffffff"
    world.clickhouse().count(world.targets())
    world.analytics.command(
        "create table erasure.targets (batch_id String, contributor_id UUID, kind LowCardinality(String), value String)"
        " engine = MergeTree order by (kind, value) partition by batch_id"
    )
    world.analytics.insert(
        "erasure.targets", [(other, CONTROL, "contributor", CONTROL), (other, CONTROL, "email", OTHERS)]
    )

    counts = world.clickhouse().count(world.targets())

    assert {name: count.records for name, count in counts.items() if count.records} == {
        "unit_metrics": 3,
        "app_events": 3,
    }
    left = world.analytics.query(
        "select distinct batch_id, count() from erasure.targets group by batch_id"
    ).result_rows
    assert left == [(other, 2)]
    world.analytics.command("drop database erasure sync")


def test_what_a_killed_run_has_left_there_does_not_count(world: SqlWorld) -> None:
    world.clickhouse().count(world.targets())
    world.analytics.command(
        "create table erasure.targets (batch_id String, contributor_id UUID, kind LowCardinality(String), value String)"
        " engine = MergeTree order by (kind, value) partition by batch_id"
    )
    world.analytics.insert("erasure.targets", [(BATCH, CONTROL, "contributor", CONTROL)])

    assert world.clickhouse().count(world.targets())["unit_metrics"].records == 3
    assert carried(world) == 0


def test_what_a_killed_run_has_left_is_dropped_unless_its_batch_is_in_force(world: SqlWorld) -> None:
    kept, stale = "b20260202T000000Z-ffffff", "b20260101T000000Z-eeeeee"
    world.clickhouse().count(world.targets())
    world.analytics.command("create database if not exists erasure")
    world.analytics.command(
        "create table erasure.targets (batch_id String, contributor_id UUID, kind LowCardinality(String), value String)"
        " engine = MergeTree order by (kind, value) partition by batch_id"
    )
    world.analytics.insert("erasure.targets", [(batch, CONTROL, "email", OTHERS) for batch in (kept, stale)])

    world.clickhouse().forget(but=frozenset({kept}))

    assert world.analytics.query("select batch_id from erasure.targets").result_rows == [(kept,)]
    world.clickhouse().forget(but=frozenset())
    assert world.analytics.query("exists table erasure.targets").result_rows == [(0,)]
    world.clickhouse().forget(but=frozenset())


@contextmanager
def listening_gateway(folder: Path) -> Iterator[Gateway]:
    """An engine of its own that writes down every statement."""
    gateway = Gateway(data=folder / "data", log=folder / "log", options=("--query-log",))
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()


def test_no_statement_and_no_mutation_names_anybody(world: SqlWorld, lease: Lease, tmp_path: Path) -> None:
    with listening_gateway(tmp_path) as gateway:
        own = {"host": "127.0.0.1", "port": gateway.port, "username": USER, "password": PASSWORD}
        settings = settings_of(world.config, world.settings.database.database, clickhouse=own)
        with gateway.client() as client:
            fill(client)
            # Its mask is no mutation: the key is masked in a copy, which takes other statements.
            client.insert("kepler.notifications", [(1, EMAIL, "paid", 0), (2, OTHERS, "paid", 0)])
            client.command("system flush logs")
            client.command("truncate table system.query_log")
        store = ClickHouseStore(
            settings=settings.clickhouse,
            world="kepler",
            registered=world.inventory.registered("clickhouse"),
            objects=world.inventory.of("clickhouse"),
            models=DbtProject(settings),
            fence=lease.fence,
        )
        assert store.survey().problems == ()
        store.count(world.targets())
        done = world.mask(store)
        assert (done["app_events"].records, done["notifications"].records) == (3, 1)
        store.purge(world.targets(), no_progress)
        planted = "planted.literal@example.com"
        gateway.sql(
            f"alter table kepler.app_events delete where worker_email = '{planted}' settings mutations_sync = 2"
        )
        gateway.sql("system flush logs")
        statements = gateway.sql("select query from system.query_log format TSVRaw")
        mutations = gateway.sql("select command from system.mutations format TSVRaw")
        files = "".join(path.read_text() for path in (tmp_path / "data").rglob("mutation_*.txt"))
        log = gateway.log.read_text()

    # The other direction: what names somebody is found wherever it is written down.
    assert all(planted in text for text in (statements, mutations, files))
    assert "exchange tables" in statements and "`kepler`.`unit_metrics`" in statements
    assert "worker_email" in mutations and BATCH in mutations
    for text in (statements, mutations, files, log):
        for value in (EMAIL, ALIAS, "person2@example.com", ANN, ANNS_OTHER, PASSWORD):
            assert value.lower() not in text.lower()


# Away


@pytest.mark.parametrize("changes", [{"password": "wr0ng-pass"}, {"username": "nobody"}, {"port": None}])
def test_who_cannot_get_in_learns_which_section_to_check(
    world: SqlWorld, changes: dict[str, str | int | None]
) -> None:
    wanted = changes | ({"port": free_port()} if "port" in changes else {})
    settings = settings_of(world.config, world.settings.database.database, clickhouse=wanted)
    store = ClickHouseStore(
        settings=settings.clickhouse,
        world="kepler",
        registered=world.inventory.registered("clickhouse"),
        objects=world.inventory.of("clickhouse"),
        models=world.project,
    )
    for step in (store.health, store.survey, lambda: store.mask(world.targets(), no_progress)):
        with pytest.raises(StoreUnavailable, match=r"clickhouse: .*check \[clickhouse\] ") as caught:
            step()
        assert "wr0ng-pass" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_health_names_the_engine_and_its_version(world: SqlWorld) -> None:
    health = world.clickhouse().health()
    assert (health.engine, health.version) == ("ClickHouse", world.analytics.server_version)
