"""What ClickHouse keeps of a mutation: replaced parts, which purging removes, and mutations that failed.

Holds: inactive parts and `old_parts_lifetime`, mutations that fail within the engine and stay there.
Add here: another place in which ClickHouse keeps old values.
Keep out: whose a row is (`test_clickhouse_store.py`).
"""

import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.ledger import steps
from erasure.ledger.lease import Lease
from erasure.settings import PROJECT_ROOT
from erasure.stores.base import no_progress
from erasure.stores.clickhouse import purge
from tests.contract.sql_world import BATCH, JOB, PROJECT, SqlWorld, make_analytics, person_id
from tests.sandbox_fixtures import eventually

ANN, EMAIL = person_id(1), "ann.purged@example.com"
TABLES = ("unit_metrics", "app_events")


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    sql_world.person(1, EMAIL)
    sql_world.freeze((ANN, EMAIL))
    client = sql_world.analytics
    make_analytics(client)
    for number in range(4):
        row = (PROJECT, JOB, person_id(number), ANN, EMAIL, "cat", "DE", number, 0)
        client.insert("kepler.unit_metrics", [row])
        client.insert("kepler.app_events", [(number, "open", EMAIL, "192.0.2.9", 5, 0)])
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Lease:
    return world.execute()


def number(world: SqlWorld, query: str) -> int:
    return int(str(world.analytics.command(query)))


def inactive_parts(world: SqlWorld, table: str) -> int:
    where = f"database = 'kepler' and table = '{table}' and not active"
    return number(world, f"select count() from system.parts where {where}")


def emails(world: SqlWorld) -> set[str]:
    return {
        row[0]
        for table, column in (("unit_metrics", "email"), ("app_events", "worker_email"))
        for row in world.analytics.query(f"select distinct {column} from kepler.{table}").result_rows
    }


def lifetime(world: SqlWorld, table: str) -> str:
    """What the table itself says of old_parts_lifetime; empty where it says nothing."""
    engine = world.analytics.command(
        f"select engine_full from system.tables where database = 'kepler' and name = '{table}'"
    )
    return str(engine).partition("old_parts_lifetime = ")[2].partition(",")[0]


def test_no_replaced_part_is_left_and_settings_are_as_they_were(world: SqlWorld, lease: Lease) -> None:
    world.analytics.command("alter table kepler.app_events modify setting old_parts_lifetime = 7777")
    world.mask(world.clickhouse(lease))
    assert all(inactive_parts(world, table) > 0 for table in TABLES)

    purged = world.clickhouse(lease).purge(world.targets(), no_progress)

    assert purged == {item.name: Count(records=0) for item in world.inventory.of("clickhouse")}
    assert [inactive_parts(world, table) for table in TABLES] == [0, 0]
    assert (lifetime(world, "unit_metrics"), lifetime(world, "app_events")) == ("", "7777")
    rows = world.analytics.query("select count(), uniq(email) from kepler.unit_metrics").result_rows
    assert rows == [(4, 1)]


def test_what_a_killed_purge_has_left_set_is_put_back(world: SqlWorld, lease: Lease) -> None:
    world.analytics.command("alter table kepler.app_events modify setting old_parts_lifetime = 7777")
    with held_parts(world, "app_events"):
        world.mask(world.clickhouse(lease))
        killed_purge(world, "app_events")
        assert lifetime(world, "app_events") == "0"

    world.clickhouse(lease).purge(world.targets(), no_progress)

    assert (lifetime(world, "app_events"), inactive_parts(world, "app_events")) == ("7777", 0)
    assert number(world, "select count() from system.tables where database = 'erasure'") == 0


def killed_purge(world: SqlWorld, table: str) -> None:
    """A purge in a process of its own, killed once it has changed the table's setting."""
    clickhouse = world.settings.clickhouse
    environment = dict(os.environ) | {
        "STORE_HOST": clickhouse.host,
        "STORE_PORT": str(clickhouse.port),
        "STORE_USER": clickhouse.username,
        "STORE_PASSWORD": clickhouse.password.get_secret_value(),
    }
    command = [sys.executable, "-m", "tests.contract.purge_in_process", table]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment) as process:
        eventually(lambda: lifetime(world, table) == "0", within=30)
        process.send_signal(signal.SIGKILL)


@contextmanager
def held_parts(world: SqlWorld, table: str) -> Iterator[None]:
    """A query holds the parts that are there, so that they cannot be removed."""
    column = {"app_events": "worker_email", "unit_metrics": "email"}[table]
    mark = f"held_{table}"
    slow = f"select sleepEachRow(3) as {mark}, {column} from kepler.{table}"
    slow += " settings max_block_size = 1, max_threads = 1"

    def read() -> None:
        with pytest.raises(Exception, match=r"394|cancelled|killed"):
            world.analytics.query(slow)

    its = f"query like '%as {mark}%' and query not like '%system.processes%'"
    reader = threading.Thread(target=read)
    reader.start()
    eventually(
        lambda: number(world, f"select count() from system.processes where elapsed > 0.2 and {its}") == 1
    )
    try:
        yield
    finally:
        world.analytics.command(f"kill query where {its} sync")
        reader.join()


def test_a_query_that_still_reads_old_parts_makes_a_purge_incomplete(
    world: SqlWorld, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "PURGE_SECONDS", 0.5)
    with held_parts(world, "unit_metrics"):
        world.mask(world.clickhouse(lease))
        with pytest.raises(Incomplete, match=r"clickhouse/unit_metrics: \d inactive parts"):
            world.clickhouse(lease).purge(world.targets(), no_progress)
        assert inactive_parts(world, "unit_metrics") > 0
        assert lifetime(world, "unit_metrics") == ""
    monkeypatch.undo()
    world.clickhouse(lease).purge(world.targets(), no_progress)
    assert inactive_parts(world, "unit_metrics") == 0


def test_parts_of_tables_that_are_not_masked_stay(world: SqlWorld, lease: Lease) -> None:
    client = world.analytics
    client.command("insert into kepler.job_totals values (generateUUIDv4(), 1, 1)")
    client.command("insert into kepler.job_totals values (generateUUIDv4(), 2, 2)")
    client.command("optimize table kepler.job_totals final")
    assert inactive_parts(world, "job_totals") == 2
    world.mask(world.clickhouse(lease))
    world.clickhouse(lease).purge(world.targets(), no_progress)
    assert inactive_parts(world, "job_totals") == 2


def test_no_byte_of_a_masked_value_is_left_in_the_data_directory_and_a_bystanders_is(
    world: SqlWorld, lease: Lease
) -> None:
    """Values that nothing can compress, so that they would lie in the files as they are."""
    theirs, bystanders = (f"{secrets.token_hex(24)}@example.com" for _ in range(2))
    client = world.analytics
    for name, email in ((ANN, theirs), (person_id(9), bystanders)):
        client.insert(
            "kepler.unit_metrics", [(PROJECT, JOB, person_id(77), name, email, "cat", "DE", 600, 0)]
        )
        client.insert("kepler.notifications", [(1, email, "paid", 0)])
    world.raw.execute("update erasure.targets set value = %s where kind = 'email'", [theirs])
    data = world.config.root
    assert lies_below(data, theirs) and lies_below(data, bystanders)

    done = world.mask(world.clickhouse(lease))
    assert (done["unit_metrics"].records, done["slow_units"].records, done["notifications"].records) == (
        5,
        1,
        1,
    )
    # What was masked by a mutation lies in inactive parts; what was exchanged is gone with its table.
    assert lies_below(data, theirs)
    world.clickhouse(lease).purge(world.targets(), no_progress)

    eventually(lambda: not lies_below(data, theirs))
    assert lies_below(data, bystanders)


def lies_below(root: Path, value: str) -> bool:
    """Whether a value stands in one of the engine's files."""
    for path in (root / "clickhouse").rglob("*"):
        # What the engine removes meanwhile is gone for us too.
        with suppress(OSError):
            if value.encode() in path.read_bytes():
                return True
    return False


def test_a_mask_that_fails_in_the_engine_is_not_done_and_leaves_no_targets_behind(
    world: SqlWorld, lease: Lease
) -> None:
    # A materialized column is computed anew by the mutation, and fails on the mask.
    world.analytics.command(
        "alter table kepler.app_events add column derived UInt8"
        " materialized throwIf(worker_email = 'DELETED_USER', 'made-up failure') "
    )

    with pytest.raises(StoreRefused, match="clickhouse/app_events: its mask failed") as refused:
        world.mask(world.clickhouse(lease))

    assert "395 FUNCTION_THROW_IF_VALUE_IS_NON_ZERO" in str(refused.value)
    assert not [text for text in (EMAIL, "made-up failure") if text in str(refused.value)]
    found = {step.object_name: step for step in steps.read(world.settings, batch_id=BATCH, stage="mask")}
    assert (found["app_events"].state, found["app_events"].pending, found["app_events"].done) == (
        "failed",
        4,
        None,
    )
    assert number(world, "select count() from system.tables where database = 'erasure'") == 0
    # It does not block the table for whoever else uses it.
    stuck = "select count() from system.mutations where database = 'kepler' and not is_done"
    assert number(world, stuck) == 0
    world.analytics.command(
        "alter table kepler.app_events update duration_ms = 6 where event_id = 1 settings mutations_sync = 2"
    )
    assert emails(world) == {EMAIL, "DELETED_USER"}

    world.analytics.command("alter table kepler.app_events drop column derived")
    assert world.mask(world.clickhouse(lease))["app_events"].records == 4


def test_a_failing_mutation_that_a_killed_run_has_left_is_ended_by_the_next(
    world: SqlWorld, lease: Lease
) -> None:
    world.analytics.command("create database if not exists erasure")
    world.analytics.command("create table erasure.targets (value String) engine = MergeTree order by value")
    world.analytics.command(
        "alter table kepler.app_events update event = toString(throwIf(event_id > 0))"
        " where worker_email not in (select value from erasure.targets) settings mutations_sync = 0"
    )
    stuck = "select count() from system.mutations where table = 'app_events' and latest_fail_reason != ''"
    eventually(lambda: number(world, stuck) == 1)
    world.analytics.command("drop database erasure sync")

    assert world.mask(world.clickhouse(lease))["app_events"].records == 4
    assert emails(world) == {"DELETED_USER"}


def test_a_mutation_that_hangs_refuses_masking_until_it_is_ended(world: SqlWorld, lease: Lease) -> None:
    world.analytics.command(
        "alter table kepler.app_events update event = toString(throwIf(event_id > 0)) where 1"
        " settings mutations_sync = 0"
    )
    stuck = "select count() from system.mutations where table = 'app_events' and latest_fail_reason != ''"
    eventually(lambda: number(world, stuck) == 1)
    before = emails(world)

    with pytest.raises(
        StoreRefused, match=r"clickhouse/app_events: 1 failed mutations .*\(395 FUNCTION"
    ) as refused:
        world.mask(world.clickhouse(lease))

    assert "KILL MUTATION" in str(refused.value)
    assert emails(world) == before == {EMAIL}
    assert number(world, "select count() from system.tables where database = 'erasure'") == 0
    world.analytics.command("kill mutation where database = 'kepler' and table = 'app_events' sync")
    assert world.mask(world.clickhouse(lease))["app_events"].records == 4
