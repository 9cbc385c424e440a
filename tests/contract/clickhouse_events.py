"""Kepler's tables in ClickHouse with Ann as the target, and its table of events in any shape.

Holds: the fixtures `events_world` and `events_lease`, `events`, `asked`.
Add here: what several modules of tests for masked tables need.
Keep out: assertions, and tables outside of kepler's inventory (`clickhouse_shapes.py`).
"""

from __future__ import annotations

from typing import Any

import pytest

from erasure.ledger.lease import Lease
from tests.contract.sql_world import SqlWorld, make_analytics, person_id

ANN, CONTROL = person_id(1), person_id(8)
EMAIL, OTHERS = "ann.tables@example.com", "person8@example.com"
EVENTS = (
    "event_id UInt64, event LowCardinality(String), worker_email {type}, ip Nullable(String), duration_ms UInt32,"
    " created_at DateTime64(3, 'UTC')"
)


@pytest.fixture
def events_world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL)
    sql_world.person(8)
    sql_world.freeze((ANN, EMAIL))
    make_analytics(sql_world.analytics)
    return sql_world


@pytest.fixture
def events_lease(events_world: SqlWorld) -> Lease:
    return events_world.execute()


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
