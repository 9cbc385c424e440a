"""One mask's transactions in PostgreSQL: in stretches, within its time limits, and touching nothing but what it rules.

Holds: `chunk_rows`, the lock and statement timeouts, and the checksum of the columns that must stay.
Add here: another promise that a mask's own transaction keeps.
Keep out: what is masked (`test_postgres_store.py`), and failures of rows or ledger (`test_postgres_failures.py`).
"""

from collections.abc import Iterator

import psycopg
import pytest

from dagster_defs.dbt_models import DbtProject
from erasure.errors import StoreRefused
from erasure.ledger.lease import Lease
from erasure.rules import MASK
from erasure.settings import Settings
from erasure.stores.postgres.store import PostgresStore
from tests.contract.sql_world import BATCH, JOB, UNIT, SqlWorld, person_id

ANN, CONTROL = person_id(1), person_id(8)
EMAIL = "ann.stretches@example.com"
ROWS = 6_000
_FUNCTION = (
    "create function public.meddle() returns trigger language plpgsql as $$ begin {} return new; end $$;"
)
_TRIGGER = "create trigger meddle before update on judgments for each row execute function public.meddle()"
_REMOVE = "drop function public.meddle() cascade"


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    """A table of many pages, of which every third row is the target's."""
    sql_world.person(1, EMAIL)
    sql_world.person(8)
    sql_world.run(
        "insert into judgments (judgment_id, unit_id, job_id, contributor_id, contributor_email, label, ip, created_at)"
        f" select n, '{UNIT}', '{JOB}', case when n % 3 = 0 then '{ANN}' else '{CONTROL}' end::uuid,"
        f" case when n % 3 = 0 then '{EMAIL}' else 'person8@example.com' end, 'label ' || n, '192.0.2.9', now()"
        f" from generate_series(1, {ROWS}) as n",
        "analyze judgments",
    )
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Iterator[Lease]:
    world.freeze((ANN, EMAIL))
    yield world.execute()


def store(world: SqlWorld, lease: Lease, settings: Settings) -> PostgresStore:
    return PostgresStore(
        settings=settings.database,
        world="kepler",
        registered=world.inventory.registered("postgres"),
        objects=world.inventory.of("postgres"),
        models=DbtProject(settings),
        fence=lease.fence,
    )


def limited(world: SqlWorld, **database: int) -> Settings:
    changed = world.settings.database.model_copy(update=database)
    return world.settings.model_copy(update={"database": changed})


def in_stretches(world: SqlWorld, rows: int) -> Settings:
    changed = world.settings.erasure.model_copy(update={"chunk_rows": rows})
    return world.settings.model_copy(update={"erasure": changed})


def transactions(world: SqlWorld) -> list[int]:
    """How many rows of the target each transaction has written."""
    rows = world.rows(
        f"select count(*) from judgments where contributor_id = '{ANN}' group by xmin::text order by count(*) desc"
    )
    return [number for (number,) in rows]


def seen(world: SqlWorld) -> tuple[int, int]:
    """(Unmasked rows of the target, rows of the control as they were)."""
    return (
        world.value("select count(*) from judgments where contributor_email = %s", EMAIL),
        world.value(
            "select count(*) from judgments where contributor_email = 'person8@example.com' and ip = '192.0.2.9'"
            " and label = 'label ' || judgment_id"
        ),
    )


def step(world: SqlWorld) -> tuple[str, int | None, int | None]:
    (found,) = world.rows(
        f"select state, pending, done from erasure.steps where batch_id = '{BATCH}' and store = 'postgres'"
        " and object = 'judgments' and stage = 'mask'"
    )
    state, pending, done = found
    return state, pending, done


@pytest.fixture(params=["in one pass", "by place"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a server from 18 on masks, and how one before it does; the second is told to this one."""
    if request.param == "by place":
        limits = DbtProject._limits
        monkeypatch.setattr(DbtProject, "_limits", lambda project: {**limits(project), "by_place": True})
    return str(request.param)


def test_a_table_is_masked_in_one_transaction_where_nothing_else_is_said(
    way: str, world: SqlWorld, lease: Lease
) -> None:
    world.mask(world.postgres(lease))
    assert transactions(world) == [ROWS // 3]
    assert seen(world) == (0, ROWS * 2 // 3)
    assert step(world) == ("done", ROWS // 3, ROWS // 3)


def test_with_chunk_rows_each_transaction_is_bounded_and_all_rows_are_masked(
    way: str, world: SqlWorld, lease: Lease
) -> None:
    world.mask(store(world, lease, in_stretches(world, 1_000)))
    found = transactions(world)
    assert len(found) >= 5 and max(found) <= 1_000
    assert seen(world) == (0, ROWS * 2 // 3)
    assert step(world) == ("done", ROWS // 3, ROWS // 3)


def test_stretches_that_were_interrupted_go_on_with_what_is_left(world: SqlWorld, lease: Lease) -> None:
    stop_late = f"if new.judgment_id > {ROWS // 2} then raise exception 'made-up failure'; end if;"
    with world.altered(_FUNCTION.format(stop_late) + _TRIGGER, _REMOVE), pytest.raises(StoreRefused):
        world.mask(store(world, lease, in_stretches(world, 1_000)))
    left, controls = seen(world)
    assert 0 < left < ROWS // 3 and controls == ROWS * 2 // 3
    state, pending, done = step(world)
    assert state == "failed" and pending == ROWS // 3
    assert done == ROWS // 3 - left

    world.mask(store(world, lease, in_stretches(world, 1_000)))
    assert seen(world) == (0, ROWS * 2 // 3)
    assert step(world) == ("done", ROWS // 3, ROWS // 3)


def test_a_column_that_a_trigger_changes_with_the_mask_takes_everything_back(
    way: str, world: SqlWorld, lease: Lease
) -> None:
    meddle = _FUNCTION.format("if new.judgment_id = 3 then new.label = 'other'; end if;")
    with world.altered(meddle + _TRIGGER, _REMOVE):
        with pytest.raises(
            StoreRefused, match="postgres/judgments: columns that masking must not touch"
        ) as refused:
            world.mask(world.postgres(lease))
        assert "volatile" in str(refused.value)
        assert seen(world) == (ROWS // 3, ROWS * 2 // 3)
        assert step(world)[0] == "failed"

    world.mask(world.postgres(lease))
    assert seen(world) == (0, ROWS * 2 // 3)
    assert world.value("select label from judgments where judgment_id = 3") == "label 3"


def test_a_lock_that_somebody_holds_is_waited_for_no_longer_than_is_said(
    world: SqlWorld, lease: Lease
) -> None:
    database = world.settings.database
    with psycopg.connect(
        host=database.host,
        port=database.port,
        dbname=database.database,
        user=database.username,
        password=database.password.get_secret_value(),
    ) as holder:
        holder.execute("lock table judgments in share mode")
        with pytest.raises(
            StoreRefused, match=r"postgres/judgments: somebody held a lock .* lock_timeout_seconds"
        ):
            world.mask(store(world, lease, limited(world, lock_timeout_seconds=1)))
        assert seen(world) == (ROWS // 3, ROWS * 2 // 3)
        holder.rollback()
    world.mask(store(world, lease, limited(world, lock_timeout_seconds=1)))
    assert seen(world) == (0, ROWS * 2 // 3)


def test_a_mask_that_takes_too_long_is_taken_back(world: SqlWorld, lease: Lease) -> None:
    slow = _FUNCTION.format("perform pg_sleep(0.01);")
    with (
        world.altered(slow + _TRIGGER, _REMOVE),
        pytest.raises(
            StoreRefused, match=r"postgres/judgments: its mask took longer .* statement_timeout_seconds"
        ),
    ):
        world.mask(store(world, lease, limited(world, statement_timeout_seconds=1)))
    assert seen(world) == (ROWS // 3, ROWS * 2 // 3)
    world.mask(store(world, lease, limited(world, statement_timeout_seconds=60)))
    assert seen(world) == (0, ROWS * 2 // 3)
    assert world.value(f"select count(*) from judgments where contributor_email = '{MASK}'") == ROWS // 3
