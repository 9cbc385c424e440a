"""Tables of other shapes than kepler's own, masked by the product as a whole: dbt's mutations on the real engine.

Holds: types, engines that merge rows, views, computed columns, dictionaries, clusters.
Add here: another shape of a table that ALTER ... UPDATE can mask.
Keep out: more of tables whose keys are ruled (`test_clickhouse_shadow.py`), and those refused (`*_obstacles.py`).
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from erasure.inventory import Field
from erasure.ledger.lease import Lease
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from erasure.stores.clickhouse.catalog import read_tables
from erasure.stores.clickhouse.connection import connected
from erasure.stores.clickhouse.obstacles import obstacles
from erasure.stores.clickhouse.shadow import Shadow
from erasure.stores.clickhouse.targets import carried_over
from erasure.stores.sql import MaskExpressions
from tests.contract.clickhouse_events import ANN, CONTROL, EMAIL, OTHERS, asked, events
from tests.contract.sql_world import JOB, PROJECT, SqlWorld, person_id, render_inline


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
def test_emails_of_any_type_of_text_are_found_and_masked(
    events_world: SqlWorld, events_lease: Lease, kind: str
) -> None:
    events(events_world, kind=kind)
    assert events_world.clickhouse().survey().problems == ()
    assert events_world.clickhouse().count(events_world.targets())["app_events"].records == 3

    assert events_world.mask(events_world.clickhouse(events_lease))["app_events"].records == 3

    found = asked(events_world, "select toString(worker_email), ip from kepler.app_events order by event_id")
    assert found == [(MASK, "192.0.2.0")] * 3 + [(OTHERS, "192.0.2.9"), (f"x{EMAIL}", "192.0.2.9")]


def test_old_versions_are_masked_too_and_the_engine_sees_as_many_records(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    events(events_world, engine="ReplacingMergeTree(created_at)")
    events_world.analytics.command("system stop merges kepler.app_events")
    newer = [(1, "open", EMAIL, "192.0.2.9", 6, 1000), (4, "open", OTHERS, "192.0.2.9", 6, 1000)]
    events_world.analytics.insert("kepler.app_events", newer)
    final = "select event_id, duration_ms, worker_email = '{}' from kepler.app_events final order by event_id"
    events_world.analytics.command("system start merges kepler.app_events")

    assert events_world.mask(events_world.clickhouse(events_lease))["app_events"].records == 3

    rows = asked(events_world, final.format(MASK))
    assert [row[:2] for row in rows] == [(1, 6), (2, 5), (3, 5), (4, 6), (5, 5)]
    assert [bool(row[2]) for row in rows] == [True, True, True, False, False]
    assert asked(
        events_world, f"select count() from kepler.app_events where worker_email ilike '%{EMAIL}'"
    ) == [(1,)]


def test_computed_columns_follow_and_filled_ones_are_told(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    more = (
        "upper_email String materialized upper(ifNull(worker_email, '')),"
        " filled String default lower(ifNull(worker_email, ''))"
    )
    events(events_world, more=more)
    found = events_world.clickhouse().survey()
    assert len(found.problems) == 2  # Neither is in the inventory.
    events_world.mask(events_world.clickhouse(events_lease))
    rows = asked(
        events_world,
        "select upper_email, filled from kepler.app_events where event_id in (1, 4) order by event_id",
    )
    assert rows == [(MASK, EMAIL), (OTHERS.upper(), OTHERS)]


def test_a_projection_and_a_skip_index_answer_from_masked_rows(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    more = (
        "projection by_email (select worker_email, count() group by worker_email),"
        " index at worker_email type bloom_filter"
    )
    events(events_world, more=more)
    events_world.mask(events_world.clickhouse(events_lease))
    projected = (
        "select worker_email, count() from kepler.app_events group by worker_email order by 2 desc, 1"
        " settings force_optimize_projection = 1"
    )
    assert asked(events_world, projected) == [(MASK, 3), (OTHERS, 1), (f"x{EMAIL}", 1)]
    indexed = "select count() from kepler.app_events where worker_email = '{}' settings"
    indexed += " force_data_skipping_indices = 'at', optimize_use_projections = 0"
    assert [asked(events_world, indexed.format(email)) for email in (MASK, OTHERS, EMAIL)] == [
        [(3,)],
        [(1,)],
        [(0,)],
    ]


def test_a_view_and_the_table_that_it_fills_are_masked_and_the_view_still_works(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    slow, quick = 600, 10
    rows = [
        (PROJECT, JOB, person_id(number), who, email, "cat", "DE", seconds, 0)
        for number, (who, email, seconds) in enumerate(
            [(ANN, EMAIL, slow), (ANN, EMAIL, quick), (CONTROL, OTHERS, slow)]
        )
    ]
    events_world.analytics.insert("kepler.unit_metrics", rows)
    done = events_world.mask(events_world.clickhouse(events_lease))
    assert (done["unit_metrics"].records, done["slow_units"].records) == (2, 1)
    emails = "select email from kepler.{} order by email"
    assert asked(events_world, emails.format("unit_metrics")) == [(MASK,), (MASK,), (OTHERS,)]
    assert asked(events_world, emails.format("slow_units")) == [(MASK,), (OTHERS,)]

    events_world.analytics.insert("kepler.unit_metrics", rows[2:])
    assert asked(events_world, emails.format("slow_units")) == [(MASK,), (OTHERS,), (OTHERS,)]


def test_a_view_without_a_table_of_its_own_is_masked_by_its_name(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    client = events_world.analytics
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
    store = events_world.clickhouse(events_lease)
    assert store.survey().problems == ()
    assert store.holdings()["slow_units"] == 2
    assert events_world.clickhouse().count(events_world.targets())["slow_units"].records == 1

    assert events_world.mask(store)["slow_units"].records == 1
    inner = (
        "select count() from system.parts where database = 'kepler' and table like '.inner%' and not active"
    )
    assert asked(events_world, inner) != [(0,)]
    store.purge(events_world.targets(), no_progress)

    assert asked(events_world, inner) == [(0,)]
    assert asked(events_world, "select email from kepler.slow_units order by email") == [(MASK,), (OTHERS,)]
    client.insert("kepler.unit_metrics", rows[1:])
    assert asked(events_world, "select count() from kepler.slow_units") == [(3,)]


def test_a_dictionary_of_a_masked_table_forgets_the_email(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    events(events_world)
    client = events_world.analytics
    client.command(
        "create dictionary kepler.by_event (event_id UInt64, worker_email String) primary key event_id"
        " source(clickhouse(db 'kepler' table 'app_events')) layout(hashed()) lifetime(0)"
    )
    ask = "select dictGet('kepler.by_event', 'worker_email', arrayJoin([1, 4]::Array(UInt64)))"
    try:
        assert events_world.clickhouse().survey().problems == ()
        assert asked(events_world, ask) == [(EMAIL,), (OTHERS,)]
        events_world.mask(events_world.clickhouse(events_lease))
        assert asked(events_world, ask) == [(MASK,), (OTHERS,)]
    finally:
        client.command("drop dictionary kepler.by_event")


def test_a_mutation_goes_to_the_local_table_on_every_node_of_a_cluster(events_world: SqlWorld) -> None:
    """As text: one node runs here."""
    events_world.analytics.command("create database if not exists erasure")
    call = "mutation(mask_spec('kepler_clickhouse', 'unit_metrics'), '`kepler`.`local`', '{}')"
    alone, everywhere = (
        " ".join(render_inline(events_world, "clickhouse", f"{{{{ {call.format(cluster)} }}}}").split())
        for cluster in ("", "main")
    )
    assert alone.startswith("alter table `kepler`.`local` update `email` = ")
    assert everywhere == alone.replace("`local` update", "`local` on cluster `main` update")
    assert alone.endswith(" settings mutations_sync = 2")


HASHED = {
    "source": "kepler_clickhouse",
    "table": "notifications",
    "relation": "`kepler`.`notifications`",
    "rule": None,
    "primary_key": ["notification_id"],
    "subject": {"email": "recipient"},
    "subject_types": {},
    "columns": [
        {"name": "recipient", "type": "String", "elements": False, "parts": [{"path": [], "rule": "hash"}]}
    ],
    "untouched": [],
}


def test_a_hashed_key_keeps_the_records_of_an_engine_that_merges_apart(events_world: SqlWorld) -> None:
    client = events_world.analytics
    client.command("drop table kepler.notifications sync")
    client.command(
        "create table kepler.notifications (notification_id UInt64, recipient String, kind LowCardinality(String),"
        " sent_at DateTime64(3, 'UTC')) engine = ReplacingMergeTree(sent_at) order by (recipient, kind)"
    )
    rows = [
        (1, EMAIL, "paid", 1),
        (2, EMAIL.upper(), "paid", 2),
        (3, EMAIL, "paid", 3),
        (4, OTHERS, "paid", 4),
    ]
    for row in rows:
        client.insert("kepler.notifications", [row])
    client.command("create database if not exists erasure")
    rendered = render_inline(
        events_world, "clickhouse", f"{{{{ mask_expressions({HASHED!r}) }}}}".replace("None", "none")
    )
    notifications = next(
        item for item in events_world.inventory.of("clickhouse") if item.name == "notifications"
    )
    hashed = replace(notifications, fields=(Field(name="recipient", rule=Rule.HASH),))

    with connected(events_world.settings.clickhouse) as server, carried_over(server, events_world.targets()):
        assert obstacles(server, [hashed]) == []
        (table,) = read_tables(server, [hashed])
        expressions = MaskExpressions(**json.loads(rendered))
        shadow = Shadow(server=server, table=table, expressions=expressions, still_ours=lambda: None)
        assert shadow.run() in {2, 3}

    found = asked(
        events_world, "select notification_id, recipient from kepler.notifications final order by 1"
    )
    assert [number for number, _ in found] == [2, 3, 4]
    assert all(re.fullmatch(rf"{MASK}-[0-9a-f]{{32}}", email) for _, email in found[:2])
    assert len({email for _, email in found}) == 3
    assert found[2][1] == OTHERS
