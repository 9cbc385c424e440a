"""Stores that go away in the middle of planning: each is named, nothing is left of the batch, and planning works again.

Holds: connections that break, engines that are killed, and engines that fall silent while they are counted.
Add here: another moment of planning.
Keep out: stores that are wrong from the start (`test_wrong_stores.py`), and execution (`test_store_down.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from sandbox.engines.registry import engine_class
from sandbox.supervisor import Sandbox
from tests.faults.detours import (
    Changes,
    address,
    leaked,
    needles,
    needles_carried_over,
    plans_in_force,
    to_port,
)
from tests.faults.gate import Gate
from tests.flow_fixtures import Answer, Flow
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import STORES, Snapshot, look
from tests.sandbox_fixtures import pids, redis_client

# What each store is asked while it is counted, and at no time before.
COUNTED_BY = {
    "postgres": b") as masked_rows",
    "clickhouse": b"select count() from (",
    "elasticsearch": b"_search?",
    "s3": b"versions&prefix=",
    "redis": b"SCAN",
}
FOUR = tuple(store for store in STORES if store != "postgres")
ROLES = {"elasticsearch": "search"}


@pytest.fixture(scope="module")
def before(flow: Flow) -> Snapshot:
    return look(flow.config)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_stores_that_go_away_while_they_are_counted_are_named_and_nothing_is_left(
    flow: Flow, before: Snapshot, stack: ExitStack
) -> None:
    """Four at once: each is counted whatever became of the others."""
    gates = {store: gate_of(flow, stack, store) for store in FOUR}
    config = flow.variant(through(gates))
    answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute", config=config)
    assert [store for store, gate in gates.items() if not gate.was_reached] == []
    require_given_up(flow, answer, list(gates), before)
    for gate in gates.values():
        gate.open()
    # A target set that lay in ClickHouse when it went away is dropped by the next planning.
    require_plans_again(flow, config, before)


@pytest.mark.parametrize(
    "moment",
    [
        COUNTED_BY["postgres"],
        pytest.param(b"create table erasure.batches", marks=pytest.mark.full),
        pytest.param(b"insert into erasure.targets", marks=pytest.mark.full),
        pytest.param(b"select contributor_id, coalesce(person_id", marks=pytest.mark.full),
        pytest.param(b"insert into erasure.steps", marks=pytest.mark.full),
        pytest.param(b"update erasure.batches set fingerprint", marks=pytest.mark.full),
    ],
)
def test_postgres_that_goes_away_while_it_is_planned_is_named_and_its_needles_go_once_it_is_back(
    flow: Flow, before: Snapshot, stack: ExitStack, moment: bytes
) -> None:
    flow.sql("drop schema if exists erasure cascade")
    gate = gate_of(flow, stack, "postgres", at=moment)
    config = flow.variant(through({"postgres": gate}))
    answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute", config=config)
    assert gate.was_reached
    gate.open()
    require_named(flow, answer, ["postgres"])
    require_unchanged(before, look(flow.config))
    assert plans_in_force(flow) == []
    require_plans_again(flow, config, before)


@pytest.mark.parametrize(
    "store", ["redis", *(pytest.param(s, marks=pytest.mark.full) for s in STORES if s != "redis")]
)
def test_an_engine_that_is_killed_while_it_is_counted_is_named_and_loses_nothing(
    flow: Flow, sandbox: Sandbox, before: Snapshot, stack: ExitStack, store: str
) -> None:
    role = ROLES.get(store, store)
    kept = engine_class(role, sandbox.kind(role)).keeps_data
    if store == "redis":
        # It would come back with what it wrote down last.
        redis_client(sandbox.config).save()

    def kill() -> None:
        engine = psutil.Process(pids(sandbox)[role])
        family = [engine, *engine.children(recursive=True)]
        for process in family:
            process.kill()
        psutil.wait_procs(family, timeout=30)

    # An engine that keeps its data in memory alone is cut off instead.
    gate = stack.enter_context(
        Gate(*address(flow, store), shut_at=COUNTED_BY[store], instead=kill if kept else None)
    )
    config = flow.variant(through({store: gate}))
    try:
        answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute", config=config)
    finally:
        sandbox.up()
        gate.open()
    assert gate.was_reached
    require_named(flow, answer, [store])
    require_unchanged(before, look(flow.config))
    assert plans_in_force(flow) == []
    require_plans_again(flow, config, before)


@pytest.mark.full
def test_stores_that_fall_silent_while_they_are_counted_are_given_up_and_named(
    flow: Flow, before: Snapshot, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a second each instead of the minutes that they have. (The S3 client of Dagster has no setting for it.)"""
    for place in (
        "erasure.stores.clickhouse.connection.CLICKHOUSE_SECONDS",
        "erasure.stores.search.looking._COUNT_SECONDS",
        "dagster_defs.wiring.REDIS_SECONDS",
    ):
        monkeypatch.setattr(place, 1)
    gates = {store: gate_of(flow, stack, store, jams=True) for store in FOUR if store != "s3"}
    config = flow.variant(through(gates))
    answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute", config=config)
    assert [store for store, gate in gates.items() if not gate.was_reached] == []
    require_given_up(flow, answer, list(gates), before)
    for gate in gates.values():
        gate.open()
    require_plans_again(flow, config, before)


def gate_of(flow: Flow, stack: ExitStack, store: str, *, at: bytes | None = None, jams: bool = False) -> Gate:
    return stack.enter_context(Gate(*address(flow, store), shut_at=at or COUNTED_BY[store], jams=jams))


def through(gates: dict[str, Gate]) -> Changes:
    changes: Changes = {}
    for store, gate in gates.items():
        changes |= to_port(store, gate.port)
    return changes


def require_named(flow: Flow, answer: Answer, stores: list[str]) -> None:
    """One sentence of each store and none of any other; exit code 1."""
    assert answer.code == 1, answer.said
    problems = answer.result["problems"]
    assert {problem.partition(":")[0].partition("/")[0] for problem in problems} == set(stores), problems
    assert not [problem for problem in problems if "Unexpected" in problem]
    assert leaked(flow, answer) == []


def require_given_up(flow: Flow, answer: Answer, stores: list[str], before: Snapshot) -> None:
    require_named(flow, answer, stores)
    require_unchanged(before, look(flow.config))
    assert plans_in_force(flow) == []
    assert needles(flow) == 0


def require_plans_again(flow: Flow, config: Path, before: Snapshot) -> None:
    """The same way, with all engines back: nobody's needles are there but the new plan's, and then nobody's."""
    answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:1]), "--dry-run", config=config)
    assert answer.code == 0, answer.said
    batch_id = answer.result["batch_id"]
    assert plans_in_force(flow) == [{"batch_id": batch_id}]
    assert flow.sql("select distinct batch_id from erasure.targets") == [{"batch_id": batch_id}]
    after = look(flow.config)
    require_unchanged(before, after)
    assert needles_carried_over(after) == []
    assert flow.command("cancel", batch_id).code == 0
    assert needles(flow) == 0
