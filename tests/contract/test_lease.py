"""The lease on a real PostgreSQL: one run executes, and one that has lost it stops.

Holds: who gets the lease, how it is kept alive, what a former holder may still do (nothing).
Add here: another way in which a holder may vanish.
Keep out: what is executed (`test_postgres_store.py`, `test_clickhouse_store.py`).
"""

import threading
from contextlib import ExitStack

import pytest

from erasure.errors import LeaseLost, Refused
from erasure.execution import leased
from erasure.ledger import lease as leases
from erasure.ledger.lease import Lease
from erasure.settings import Settings
from tests.contract.sql_world import SqlWorld
from tests.sandbox_fixtures import eventually

SHORT = 0.6


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    """Two batches that might execute."""
    sql_world.run(
        "insert into erasure.batches (batch_id, state, world) values"
        " ('b1', 'planned', 'kepler'), ('b2', 'planned', 'kepler')"
    )
    return sql_world


def with_life(settings: Settings, seconds: float) -> Settings:
    return settings.model_copy(
        update={"erasure": settings.erasure.model_copy(update={"lease_seconds": seconds})}
    )


def take(settings: Settings, batch: str, run: str, *, ended: frozenset[str] = frozenset()) -> Lease:
    return leases.take(settings, batch_id=batch, run_id=run, run_ended=lambda run_id: run_id in ended)


def holders(world: SqlWorld) -> list[tuple[str, str]]:
    return [
        (batch, run)
        for batch, run in world.rows("select batch_id, run_id from erasure.lease where released_at is null")
    ]


def test_a_second_run_is_refused_and_told_who_executes(world: SqlWorld) -> None:
    held = take(world.settings, "b1", "run1")

    for batch, run in (("b2", "run2"), ("b1", "run2"), ("b2", "run1")):
        with pytest.raises(Refused, match="Batch b1 is executing in run run1"):
            take(world.settings, batch, run)

    leases.require(world.settings, held)
    assert holders(world) == [("b1", "run1")]


def test_the_holder_that_asks_again_has_the_same_lease(world: SqlWorld) -> None:
    assert take(world.settings, "b1", "run1") == take(world.settings, "b1", "run1")
    assert world.value("select count(*) from erasure.lease") == 1


def test_of_many_at_once_one_gets_it(world: SqlWorld) -> None:
    together = threading.Barrier(6)
    taken: list[Lease] = []
    refused: list[Refused] = []

    def try_it(number: int) -> None:
        together.wait(20)
        try:
            taken.append(take(world.settings, "b1", f"run{number}"))
        except Refused as error:
            refused.append(error)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(taken), len(refused)) == (1, 5)
    assert holders(world) == [("b1", taken[0].run_id)]


def test_a_lease_is_free_when_it_was_released(world: SqlWorld) -> None:
    first = take(world.settings, "b1", "run1")
    leases.release(world.settings, batch_id="b1", run_id="another-run")
    leases.require(world.settings, first)

    leases.release(world.settings, batch_id="b1", run_id="run1")
    second = take(world.settings, "b2", "run2")

    assert second.fence > first.fence
    assert holders(world) == [("b2", "run2")]


def test_a_lease_is_free_at_once_when_its_run_has_ended(world: SqlWorld) -> None:
    first = take(world.settings, "b1", "run1")

    second = take(world.settings, "b2", "run2", ended=frozenset({"run1"}))

    assert second.fence > first.fence
    with pytest.raises(LeaseLost, match="b1"):
        leases.require(world.settings, first)
    leases.require(world.settings, second)


def test_a_lease_is_free_when_its_heart_has_not_beaten_for_its_life(world: SqlWorld) -> None:
    first = take(world.settings, "b1", "run1")
    world.run("update erasure.lease set heartbeat_at = now() - interval '59 seconds'")
    with pytest.raises(Refused):
        take(world.settings, "b2", "run2")

    world.run("update erasure.lease set heartbeat_at = now() - interval '61 seconds'")
    take(world.settings, "b2", "run2")

    with pytest.raises(LeaseLost):
        leases.require(world.settings, first)
    assert holders(world) == [("b2", "run2")]


def test_the_database_itself_refuses_a_second_holder_and_a_former_fence(world: SqlWorld) -> None:
    lease = take(world.settings, "b1", "run1")
    insert = "insert into erasure.lease (fence, batch_id, run_id) values (999, 'b2', 'run2')"
    with pytest.raises(Exception, match="one_executing_batch"):
        world.run(insert)

    world.run(f"select erasure.require_lease('b1', {lease.fence})")
    for batch, fence in (("b2", lease.fence), ("b1", lease.fence + 1)):
        with pytest.raises(Exception, match="no longer held"):
            world.run(f"select erasure.require_lease('{batch}', {fence})")


def test_a_beating_heart_keeps_the_lease_longer_than_its_life(world: SqlWorld) -> None:
    short = with_life(world.settings, SHORT)
    lease, start = take(short, "b1", "run1"), world.value("select now()")
    with leases.beating(short, lease) as check:
        eventually(
            lambda: world.value(
                "select heartbeat_at > %s + make_interval(secs => %s) from erasure.lease", start, 3 * SHORT
            )
        )
        check()
        with pytest.raises(Refused, match="run1"):
            take(short, "b2", "run2")

    eventually(lambda: _expired(world))
    assert take(short, "b2", "run2").fence > lease.fence


def _expired(world: SqlWorld) -> bool:
    return bool(
        world.value("select heartbeat_at < now() - make_interval(secs => %s) from erasure.lease", SHORT)
    )


def test_a_step_learns_from_its_heart_that_another_run_has_taken_over(world: SqlWorld) -> None:
    short = with_life(world.settings, SHORT)
    lease = take(short, "b1", "run1")

    with leases.beating(short, lease) as check:
        check()
        take(short, "b2", "run2", ended=frozenset({"run1"}))
        with pytest.raises(LeaseLost, match="b1"):
            eventually(lambda: check() is not None)

    with pytest.raises(LeaseLost), leases.beating(short, lease):
        pytest.fail("a former holder must not begin a step")
    assert holders(world) == [("b2", "run2")]


def test_the_heart_stops_with_its_step_whatever_ends_it(world: SqlWorld) -> None:
    lease = take(world.settings, "b1", "run1")
    with pytest.raises(RuntimeError, match="made up"), leases.beating(world.settings, lease):
        raise RuntimeError("made up")

    assert [thread.name for thread in threading.enumerate() if thread.name == "lease-heartbeat"] == []


def test_the_steps_of_a_run_share_its_lease(world: SqlWorld) -> None:
    with ExitStack() as both:
        (first, check), (second, _) = (
            both.enter_context(
                leased(world.settings, batch_id="b1", run_id="run1", run_ended=lambda run_id: False)
            )
            for _ in range(2)
        )
        assert first == second
        check()
