"""PostgreSQL says no: a mask and the ledger's `done` are one transaction, a lost lease stops, no error holds a value.

Holds: what is left behind when masking fails in the middle, and what the store says then.
Add here: another way in which PostgreSQL may refuse or be away.
Keep out: masking that succeeds (`test_postgres_store.py`).
"""

import logging

import pytest

from erasure import execution
from erasure.access import revoke_status
from erasure.errors import ErasureError, LeaseLost, Refused, StoreRefused, StoreUnavailable
from erasure.ledger import batches, steps
from erasure.ledger import lease as leases
from erasure.ledger.lease import Lease
from erasure.rules import MASK
from erasure.stores.base import no_progress
from erasure.stores.postgres.store import PostgresStore
from tests.contract.clickhouse_gateway_support import free_port
from tests.contract.sql_world import BATCH, RUN, SqlWorld, person_id, settings_of

ANN = person_id(1)
EMAIL, NAME, IP = "ann.fails@example.com", "Ann Failworthy", "192.0.2.99"
VALUES = (EMAIL, NAME, IP)


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL, full_name=NAME)
    sql_world.person(8)
    sql_world.add("judgments", judgment_id=1, contributor_id=ANN, contributor_email=EMAIL, ip=IP)
    sql_world.add("disputes", judgment_id=1, claimant_email=EMAIL, statement=f"said by {NAME}")
    sql_world.add("login_events", contributor_id=ANN, ip=IP)
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Lease:
    world.freeze((ANN, EMAIL))
    return world.execute()


def state_of(world: SqlWorld) -> dict[str, tuple[str, int | None]]:
    found = steps.read(world.settings, batch_id=BATCH, stage="mask")
    return {step.object_name: (step.state, step.done) for step in found}


def unmasked(world: SqlWorld) -> set[str]:
    """The tables in which the target can still be seen."""
    tables = ("contributors", "judgments", "disputes", "login_events")
    return {
        table
        for table in tables
        if world.value(f"select count(*) from {table} as t where t::text ~ any (%s)", list(VALUES))
    }


def assert_names_nobody(
    error: BaseException, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = capsys.readouterr()
    told = [str(error), repr(error), str(error.__cause__), caplog.text, printed.out, printed.err]
    for value in VALUES:
        assert not any(value in text for text in told)


RAISE = (
    "create function public.say_no() returns trigger language plpgsql as $$ begin"
    " raise exception 'made-up failure, the row is %', old; end $$;"
)
REMOVE = "drop function public.say_no() cascade"
# How it fails, how that is undone, and what stays unmasked.
FAILURES = {
    "the table's own trigger": (
        RAISE + "create trigger no before update on judgments for each row execute function public.say_no()",
        REMOVE,
        "judgments",
    ),
    "a check whose DETAIL prints the row": (
        f"alter table judgments add constraint no check (contributor_email <> '{MASK}')",
        "alter table judgments drop constraint no",
        "judgments",
    ),
    "the ledger, when the rows have been changed": (
        RAISE + "create trigger no before update on erasure.steps for each row"
        " when (new.state = 'done' and new.object = 'judgments') execute function public.say_no()",
        REMOVE,
        "judgments",
    ),
}


@pytest.mark.parametrize("how", FAILURES)
def test_where_rows_or_ledger_refuse_neither_is_changed(
    world: SqlWorld,
    lease: Lease,
    how: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    do, undo, table = FAILURES[how]

    with (
        world.altered(do, undo),
        pytest.raises(StoreRefused, match=f"postgres/{table}: its mask failed") as refused,
    ):
        world.mask(world.postgres(lease))

    assert unmasked(world) == {table}
    assert state_of(world)[table] == ("failed", None)
    assert {state for name, (state, _) in state_of(world).items() if name != table} == {"done"}
    assert f"mask__kepler_postgres__{table}" in str(refused.value)
    assert_names_nobody(refused.value, caplog, capsys)

    done = world.mask(world.postgres(lease))
    assert unmasked(world) == set()
    assert state_of(world)[table] == ("done", 1)
    assert done["disputes"].records == 1


def test_a_parent_waits_for_its_child(world: SqlWorld, lease: Lease) -> None:
    do = RAISE + "create trigger no before update on disputes for each row execute function public.say_no()"

    with world.altered(do, REMOVE), pytest.raises(StoreRefused, match="postgres/disputes"):
        world.mask(world.postgres(lease))

    assert unmasked(world) == {"disputes", "judgments"}


def test_a_run_that_has_lost_the_lease_changes_nothing(world: SqlWorld, lease: Lease) -> None:
    batches.fail(world.settings, batch_id=BATCH)
    later = leases.take(world.settings, batch_id=BATCH, run_id="later", run_ended=lambda run_id: True)

    with pytest.raises(LeaseLost, match=BATCH):
        world.mask(world.postgres(lease))

    assert unmasked(world) == {"contributors", "judgments", "disputes", "login_events"}
    assert {state for state, _ in state_of(world).values()} == {"failed"}
    world.mask(world.postgres(later))
    assert unmasked(world) == set()


def test_a_step_whose_heart_has_stopped_does_not_reach_the_store(world: SqlWorld, lease: Lease) -> None:
    def check() -> None:
        leases.require(world.settings, lease)

    leases.release(world.settings, batch_id=BATCH, run_id=RUN)
    with pytest.raises(LeaseLost):
        execution.mask(
            world.settings,
            store=world.postgres(lease),
            targets=world.targets(),
            check=check,
            progress=no_progress,
        )
    assert unmasked(world) == {"contributors", "judgments", "disputes", "login_events"}


def test_masking_without_a_pending_step_changes_nothing(world: SqlWorld, lease: Lease) -> None:
    with pytest.raises(StoreRefused):
        world.postgres(lease).mask(world.targets(), no_progress)
    assert unmasked(world) == {"contributors", "judgments", "disputes", "login_events"}


# Access


def revoke(world: SqlWorld, lease: Lease) -> int:
    return revoke_status(
        world.settings,
        batch_id=BATCH,
        contributors=world.inventory.contributors,
        queries=world.queries,
        fence=lease.fence,
    )


def status(world: SqlWorld) -> list[str]:
    return [row[0] for row in world.rows("select status from contributors order by contributor_id")]


def test_access_ends_once_and_the_former_status_is_kept(world: SqlWorld, lease: Lease) -> None:
    assert (revoke(world, lease), status(world)) == (1, ["erased", "active"])
    assert revoke(world, lease) == 0
    former = world.rows(
        "select contributor_id::text, value from erasure.targets where kind = 'former_status'"
    )
    assert former == [(ANN, "active")]


def test_a_hold_since_the_plan_refuses_and_leaves_access_as_it_was(world: SqlWorld, lease: Lease) -> None:
    world.add("legal_holds", contributor_id=ANN)

    with pytest.raises(Refused, match="changed since the plan") as refused:
        revoke(world, lease)

    assert "1 entries of kind excluded" in str(refused.value)
    assert status(world) == ["active", "active"]
    world.run("update legal_holds set released_at = now()")
    assert revoke(world, lease) == 1


def test_a_hold_after_access_has_ended_changes_nothing_any_more(world: SqlWorld, lease: Lease) -> None:
    revoke(world, lease)
    world.add("legal_holds", contributor_id=ANN)
    assert revoke(world, lease) == 0


def test_a_run_without_the_lease_ends_nobodys_access(world: SqlWorld, lease: Lease) -> None:
    leases.release(world.settings, batch_id=BATCH, run_id=RUN)
    with pytest.raises(ErasureError):
        revoke(world, lease)
    assert status(world) == ["active", "active"]


# Away


@pytest.mark.parametrize(
    "changes", [{"password": "wr0ng-pass"}, {"port": None}, {"database": "no_such_database"}]
)
def test_who_cannot_get_in_learns_which_section_to_check(
    world: SqlWorld, lease: Lease, changes: dict[str, str | int | None]
) -> None:
    wanted = changes | ({"port": free_port()} if "port" in changes else {})
    settings = settings_of(world.config, world.settings.database.database, database=wanted)
    store = PostgresStore(
        settings=settings.database,
        world="kepler",
        registered=world.inventory.registered("postgres"),
        objects=world.inventory.of("postgres"),
        models=world.project,
        fence=lease.fence,
    )
    for step in (
        store.health,
        store.survey,
        lambda: store.count(world.targets()),
        lambda: store.purge(world.targets(), no_progress),
    ):
        with pytest.raises(StoreUnavailable, match=r"postgres: .*check \[database\] ") as caught:
            step()
        assert "wr0ng-pass" not in str(caught.value)
        assert caught.value.__cause__ is None
