"""Tables of other shapes than kepler's own, masked by the product as a whole: dbt's mutations on the real engine.

Holds: types, engines that merge rows, views, computed columns, dictionaries, what must not change beside a mask.
Add here: another shape of a table that ALTER ... UPDATE can mask.
Keep out: tables whose keys are ruled (`test_clickhouse_shadow.py`), and those that are refused (`*_obstacles.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from erasure.errors import Incomplete
from erasure.ledger.lease import Lease
from erasure.rules import MASK
from erasure.stores.base import no_progress
from erasure.stores.clickhouse.store import ClickHouseStore
from tests.contract.sql_world import JOB, PROJECT, SqlWorld, make_analytics, person_id, render_inline

ANN, CONTROL = person_id(1), person_id(8)
EMAIL, OTHERS = "ann.tables@example.com", "person8@example.com"
EVENTS = (
    "event_id UInt64, event LowCardinality(String), worker_email {type}, ip Nullable(String), duration_ms UInt32,"
    " created_at DateTime64(3, 'UTC')"
)


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL)
    sql_world.person(8)
    sql_world.freeze((ANN, EMAIL))
    make_analytics(sql_world.analytics)
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Lease:
    return world.execute()


def events(
    world: SqlWorld, *, kind: str = "Nullable(String)", engine: str = "MergeTree", more: str = ""
) -> None:
    """The table of events of another shape, with three of Ann's and two of somebody else."""
    world.analytics.command("drop table kepler.app_events sync")
    columns = EVENTS.format(type=kind) + (f", {more}" if more else "")
    world.analytics.command(f"create table kepler.app_events ({columns}) engine = {engine} order by event_id")
    rows = [(1, EMAIL), (2, EMAIL.upper()), (3, f" {EMAIL}"), (4, OTHERS), (5, f"x{EMAIL}")]
    names = ["event_id", "event", "worker_email", "ip", "duration_ms", "created_at"]
    world.analytics.insert(
        "kepler.app_events",
        [(number, "open", email, "192.0.2.9", 5, 0) for number, email in rows],
        column_names=names,
    )


def asked(world: SqlWorld, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in world.analytics.query(query).result_rows]


@pytest.mark.parametrize(
    "kind",
    [
        "String",
        "Nullable(String)",
        "LowCardinality(String)",
        "LowCardinality(Nullable(String))",
        "FixedString(40)",
    ],
)
def test_emails_of_any_type_of_text_are_found_and_masked(world: SqlWorld, lease: Lease, kind: str) -> None:
    events(world, kind=kind)
    assert world.clickhouse().survey().problems == ()
    assert world.clickhouse().count(world.targets())["app_events"].records == 3

    assert world.mask(world.clickhouse(lease))["app_events"].records == 3

    found = asked(world, "select toString(worker_email), ip from kepler.app_events order by event_id")
    assert found == [(MASK, "192.0.2.0")] * 3 + [(OTHERS, "192.0.2.9"), (f"x{EMAIL}", "192.0.2.9")]


def test_old_versions_are_masked_too_and_the_engine_sees_as_many_records(
    world: SqlWorld, lease: Lease
) -> None:
    events(world, engine="ReplacingMergeTree(created_at)")
    world.analytics.command("system stop merges kepler.app_events")
    newer = [(1, "open", EMAIL, "192.0.2.9", 6, 1000), (4, "open", OTHERS, "192.0.2.9", 6, 1000)]
    world.analytics.insert("kepler.app_events", newer)
    final = "select event_id, duration_ms, worker_email = '{}' from kepler.app_events final order by event_id"
    world.analytics.command("system start merges kepler.app_events")

    assert world.mask(world.clickhouse(lease))["app_events"].records in {3, 4}

    rows = asked(world, final.format(MASK))
    assert [row[:2] for row in rows] == [(1, 6), (2, 5), (3, 5), (4, 6), (5, 5)]
    assert [bool(row[2]) for row in rows] == [True, True, True, False, False]
    assert asked(world, f"select count() from kepler.app_events where worker_email ilike '%{EMAIL}'") == [
        (1,)
    ]


def test_computed_columns_follow_and_filled_ones_are_told(world: SqlWorld, lease: Lease) -> None:
    more = (
        "upper_email String materialized upper(ifNull(worker_email, '')),"
        " filled String default lower(ifNull(worker_email, ''))"
    )
    events(world, more=more)
    found = world.clickhouse().survey()
    assert len(found.problems) == 2  # Neither is in the inventory.
    world.mask(world.clickhouse(lease))
    rows = asked(
        world, "select upper_email, filled from kepler.app_events where event_id in (1, 4) order by event_id"
    )
    assert rows == [(MASK, EMAIL), (OTHERS.upper(), OTHERS)]


def test_a_projection_and_a_skip_index_answer_from_masked_rows(world: SqlWorld, lease: Lease) -> None:
    more = (
        "projection by_email (select worker_email, count() group by worker_email),"
        " index at worker_email type bloom_filter"
    )
    events(world, more=more)
    world.mask(world.clickhouse(lease))
    projected = (
        "select worker_email, count() from kepler.app_events group by worker_email order by 2 desc, 1"
        " settings force_optimize_projection = 1"
    )
    assert asked(world, projected) == [(MASK, 3), (OTHERS, 1), (f"x{EMAIL}", 1)]
    indexed = "select count() from kepler.app_events where worker_email = '{}' settings"
    indexed += " force_data_skipping_indices = 'at', optimize_use_projections = 0"
    assert [asked(world, indexed.format(email)) for email in (MASK, OTHERS, EMAIL)] == [
        [(3,)],
        [(1,)],
        [(0,)],
    ]


def test_a_view_and_the_table_that_it_fills_are_masked_and_the_view_still_works(
    world: SqlWorld, lease: Lease
) -> None:
    slow, quick = 600, 10
    rows = [
        (PROJECT, JOB, person_id(number), who, email, "cat", "DE", seconds, 0)
        for number, (who, email, seconds) in enumerate(
            [(ANN, EMAIL, slow), (ANN, EMAIL, quick), (CONTROL, OTHERS, slow)]
        )
    ]
    world.analytics.insert("kepler.unit_metrics", rows)
    done = world.mask(world.clickhouse(lease))
    assert (done["unit_metrics"].records, done["slow_units"].records) == (2, 1)
    emails = "select email from kepler.{} order by email"
    assert asked(world, emails.format("unit_metrics")) == [(MASK,), (MASK,), (OTHERS,)]
    assert asked(world, emails.format("slow_units")) == [(MASK,), (OTHERS,)]

    world.analytics.insert("kepler.unit_metrics", rows[2:])
    assert asked(world, emails.format("slow_units")) == [(MASK,), (OTHERS,), (OTHERS,)]


def test_a_view_without_a_table_of_its_own_is_masked_by_its_name(world: SqlWorld, lease: Lease) -> None:
    client = world.analytics
    client.command("drop view kepler.slow_units_mv sync")
    client.command("drop table kepler.slow_units sync")
    client.command(
        "create materialized view kepler.slow_units engine = MergeTree order by (created_at, unit_id, contributor_id)"
        " as select unit_id, contributor_id, email, seconds_spent, created_at from kepler.unit_metrics"
    )
    rows = [
        (PROJECT, JOB, person_id(number), who, email, "cat", "DE", number, 0)
        for number, (who, email) in enumerate([(ANN, EMAIL), (CONTROL, OTHERS)])
    ]
    client.insert("kepler.unit_metrics", rows)
    store = world.clickhouse(lease)
    assert store.survey().problems == ()
    assert store.holdings()["slow_units"] == 2
    assert world.clickhouse().count(world.targets())["slow_units"].records == 1

    assert world.mask(store)["slow_units"].records == 1
    inner = (
        "select count() from system.parts where database = 'kepler' and table like '.inner%' and not active"
    )
    assert asked(world, inner) != [(0,)]
    store.purge(world.targets(), no_progress)

    assert asked(world, inner) == [(0,)]
    assert asked(world, "select email from kepler.slow_units order by email") == [(MASK,), (OTHERS,)]
    client.insert("kepler.unit_metrics", rows[1:])
    assert asked(world, "select count() from kepler.slow_units") == [(3,)]


def test_a_dictionary_of_a_masked_table_forgets_the_email(world: SqlWorld, lease: Lease) -> None:
    events(world)
    client = world.analytics
    client.command(
        "create dictionary kepler.by_event (event_id UInt64, worker_email String) primary key event_id"
        " source(clickhouse(db 'kepler' table 'app_events')) layout(hashed()) lifetime(0)"
    )
    ask = "select dictGet('kepler.by_event', 'worker_email', arrayJoin([1, 4]::Array(UInt64)))"
    try:
        assert world.clickhouse().survey().problems == ()
        assert asked(world, ask) == [(EMAIL,), (OTHERS,)]
        world.mask(world.clickhouse(lease))
        assert asked(world, ask) == [(MASK,), (OTHERS,)]
    finally:
        client.command("drop dictionary kepler.by_event")


class Careless:
    """The project's own masks, and behind them a change of a kept column in somebody's row."""

    def __init__(self, world: SqlWorld, event_id: int) -> None:
        self._world, self._event_id = world, event_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.project, name)

    def mask(
        self, store: str, batch_id: str, fence: int, storage: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        changed = self._world.project.mask(store, batch_id, fence, storage)
        self._world.analytics.command(
            f"alter table kepler.app_events update duration_ms = 6 where event_id = {self._event_id}"
            " settings mutations_sync = 2"
        )
        return changed


def careless(world: SqlWorld, lease: Lease, event_id: int) -> ClickHouseStore:
    return ClickHouseStore(
        settings=world.settings.clickhouse,
        world="kepler",
        registered=world.inventory.registered("clickhouse"),
        objects=world.inventory.of("clickhouse"),
        models=Careless(world, event_id),
        fence=lease.fence,
    )


def test_a_kept_column_that_changes_in_a_masked_row_makes_the_mask_incomplete(
    world: SqlWorld, lease: Lease
) -> None:
    events(world)
    with pytest.raises(Incomplete, match="clickhouse/app_events: kept columns of its 3 masked rows") as found:
        world.mask(careless(world, lease, event_id=2))
    assert EMAIL not in str(found.value)
    # Whoever resumes goes on from what is there.
    assert world.mask(world.clickhouse(lease))["app_events"].records in {0, 3}


def test_what_others_change_in_their_own_rows_meanwhile_is_their_business(
    world: SqlWorld, lease: Lease
) -> None:
    events(world)
    assert world.mask(careless(world, lease, event_id=4))["app_events"].records == 3


def test_a_mutation_goes_to_the_local_table_on_every_node_of_a_cluster(world: SqlWorld) -> None:
    """As text: one node runs here."""
    world.analytics.command("create database if not exists erasure")
    call = "mutation(mask_spec('kepler_clickhouse', 'unit_metrics'), '`kepler`.`local`', '{}')"
    alone, everywhere = (
        " ".join(render_inline(world, "clickhouse", f"{{{{ {call.format(cluster)} }}}}").split())
        for cluster in ("", "main")
    )
    assert alone.startswith("alter table `kepler`.`local` update `email` = ")
    assert everywhere == alone.replace("`local` update", "`local` on cluster `main` update")
    assert alone.endswith(" settings mutations_sync = 2")
