"""What PostgreSQL keeps of masked values in its files, and what vacuuming and rewriting leave of it.

Holds: bytes of tables, indexes and statistics, looked for with a bystander's value as the proof that they are found;
locks and old transactions that hold a purge up; which tables are touched.
Add here: another place in which PostgreSQL keeps old values.
Keep out: whose a row is (`test_postgres_store.py`).
"""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from erasure import execution, report
from erasure.errors import Incomplete, StoreRefused
from erasure.ledger import batches, steps
from erasure.ledger.lease import Lease
from erasure.stores.base import no_progress
from erasure.stores.postgres import purge as postgres_purge
from tests.contract.sql_world import BATCH, SqlWorld, person_id, settings_of
from tests.sandbox_fixtures import eventually

ANN, BYSTANDER = person_id(1), person_id(8)
CHANGED, UNCHANGED = ("contributors", "judgments"), ("payments", "login_events", "legal_holds", "projects")
STATES = {"vacuum": "vacuumed", "rewrite": "purged"}


@dataclass(frozen=True, kw_only=True)
class Canaries:
    """Random values, so that a file which holds one holds these very bytes: the target's, and somebody else's."""

    target: str
    bystander: str


@pytest.fixture
def canaries(sql_world: SqlWorld) -> Canaries:
    made = [f"{uuid.uuid4().hex}@example.com" for _ in range(2)]
    for number, email in zip((1, 8), made, strict=True):
        sql_world.person(number, email)
        for _ in range(5):
            sql_world.add("judgments", contributor_id=person_id(number), contributor_email=email)
    sql_world.add("payments", contributor_id=BYSTANDER, payee_name="Somebody Else")
    sql_world.add("login_events", contributor_id=BYSTANDER, ip="192.0.2.9")
    sql_world.run(
        "create index if not exists of_emails on judgments (contributor_email)", "analyze judgments"
    )
    sql_world.freeze((ANN, made[0]))
    return Canaries(target=made[0], bystander=made[1])


@pytest.fixture
def lease(sql_world: SqlWorld, canaries: Canaries) -> Lease:
    lease = sql_world.execute()
    sql_world.mask(sql_world.postgres(lease))
    return lease


def with_settings(world: SqlWorld, **keys: str | int) -> SqlWorld:
    settings = settings_of(world.config, world.settings.database.database, database=keys)
    return replace(world, settings=settings)


def purge(world: SqlWorld, lease: Lease) -> None:
    execution.purge(
        world.settings,
        store=world.postgres(lease),
        targets=world.targets(),
        check=lambda: None,
        progress=no_progress,
    )


@contextmanager
def as_admin(world: SqlWorld) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    database = world.settings.database.database
    with psycopg.connect(world.config.postgres_admin_dsn, dbname=database, autocommit=True) as admin:
        yield admin


def holding(world: SqlWorld, value: str) -> set[str]:
    """The relations among whose bytes a value stands, as PostgreSQL has written them to its files."""
    with as_admin(world) as admin:
        admin.execute("checkpoint")
        row = admin.execute("show data_directory").fetchone()
        files = admin.execute(
            "select relname, pg_relation_filepath(oid) from pg_class where pg_relation_filepath(oid) is not null"
            # The needles, which the purge must leave until the undo window ends, are the ledger's.
            " and relnamespace <> 'erasure'::regnamespace and not relisshared"
        ).fetchall()
    assert row
    root = Path(str(row[0]))
    return {
        str(name)
        for name, path in files
        for file in [root / str(path), *root.glob(f"{path}.*")]
        if file.exists() and value.encode() in file.read_bytes()
    }


def in_wal(world: SqlWorld, value: str) -> bool:
    with as_admin(world) as admin:
        row = admin.execute("show data_directory").fetchone()
    assert row
    return any(value.encode() in file.read_bytes() for file in (Path(str(row[0])) / "pg_wal").glob("0*"))


def filenodes(world: SqlWorld) -> Mapping[str, int]:
    return dict(
        world.rows("select relname, relfilenode from pg_class where relnamespace = 'public'::regnamespace")
    )


def runs(world: SqlWorld) -> dict[str, tuple[int, int]]:
    """Table -> how often it has been vacuumed and analysed."""
    return {
        table: (vacuumed, analysed)
        for table, vacuumed, analysed in world.rows(
            "select relname, vacuum_count, analyze_count from pg_stat_user_tables where schemaname = 'public'"
        )
    }


def test_after_a_rewrite_no_table_index_or_statistic_holds_the_value(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease
) -> None:
    everywhere = {"contributors", "contributors_email_key", "judgments", "of_emails"}
    assert everywhere <= holding(sql_world, canaries.target)
    before = filenodes(sql_world)

    purge(with_settings(sql_world, purge="rewrite"), lease)

    assert holding(sql_world, canaries.target) == set()
    assert everywhere <= holding(sql_world, canaries.bystander)
    # Out of reach, and said to be.
    assert in_wal(sql_world, canaries.target)
    after = filenodes(sql_world)
    assert {name for name in before if before[name] != after[name]} >= everywhere
    of_others = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
    unchanged = {name for (name,) in sql_world.rows(of_others)} - set(CHANGED)
    assert {name for name in unchanged if before[name] == after[name]} == unchanged


def test_after_a_vacuum_no_row_and_no_statistic_shows_the_value_and_files_may_still_hold_it(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease, record_property: Callable[[str, object], None]
) -> None:
    common = "select coalesce(string_agg(most_common_vals::text, ' '), '') from pg_stats where tablename = 'judgments'"
    assert canaries.target in sql_world.value(common)
    before = filenodes(sql_world)

    purge(sql_world, lease)

    assert canaries.target not in sql_world.value(common)
    assert canaries.bystander in sql_world.value(common)
    assert filenodes(sql_world) == before
    # Which pages are written over is chance, so it is measured and not asserted; the WAL holds it for sure.
    left = holding(sql_world, canaries.target)
    record_property("holding_the_value_after_vacuum", ", ".join(sorted(left)) or "no relation")
    assert in_wal(sql_world, canaries.target)
    assert {"contributors", "judgments"} <= holding(sql_world, canaries.bystander)


@pytest.mark.parametrize("how", STATES)
def test_only_tables_that_the_batch_has_changed_are_touched(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease, how: str
) -> None:
    before = runs(sql_world)
    purge(with_settings(sql_world, purge=how), lease)
    eventually(lambda: all(runs(sql_world)[name][1] == before[name][1] + 1 for name in CHANGED))
    assert {name: runs(sql_world)[name] for name in UNCHANGED} == {name: before[name] for name in UNCHANGED}


@pytest.mark.parametrize(("how", "state"), STATES.items())
def test_ledger_and_summary_say_which_of_the_two_it_was(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease, how: str, state: str
) -> None:
    purge(with_settings(sql_world, purge=how), lease)
    found = steps.read(sql_world.settings, batch_id=BATCH, stage="purge")
    assert {(step.state, step.detail["called"]) for step in found} == {("done", state)}
    batch = batches.get(sql_world.settings, BATCH)
    (line,) = (line for line in report.summary_lines(sql_world.settings, batch) if "WAL" in line)
    assert line.startswith(f"✅ PostgreSQL {state}: ")


def test_a_rewrite_that_could_not_reach_the_statistics_is_refused_at_planning(sql_world: SqlWorld) -> None:
    rewrite, password = with_settings(sql_world, purge="rewrite"), uuid.uuid4().hex
    assert rewrite.postgres().survey().problems == ()
    with as_admin(sql_world) as admin:
        admin.execute(f"create role owner_of_tables login password '{password}'".encode())
        try:
            keys = {"username": "owner_of_tables", "password": password}
            for world, number in (
                (with_settings(sql_world, purge="rewrite", **keys), 1),
                (with_settings(sql_world, **keys), 0),
            ):
                found = [
                    line
                    for line in world.postgres().survey().problems
                    if "may not rewrite the statistics" in line
                ]
                assert len(found) == number
        finally:
            admin.execute(b"drop role owner_of_tables")


def test_a_table_that_stays_locked_is_told_with_the_setting_and_purged_later(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease
) -> None:
    world = with_settings(sql_world, purge="rewrite", lock_timeout_seconds=1)
    before = filenodes(world)
    with as_admin(world) as other, other.transaction():
        other.execute("lock table judgments in share mode")
        with pytest.raises(
            StoreRefused, match=r"stayed locked for 1 s.*\[database\] lock_timeout_seconds"
        ) as told:
            purge(world, lease)
    assert told.value.object_name == "judgments"
    assert filenodes(world)["judgments"] == before["judgments"]
    states = {
        step.object_name: step.state for step in steps.read(world.settings, batch_id=BATCH, stage="purge")
    }
    assert states["judgments"] == "failed"

    purge(world, lease)
    assert holding(world, canaries.target) == set()


@pytest.mark.full
def test_a_purge_that_takes_too_long_is_told_with_the_setting(
    sql_world: SqlWorld, canaries: Canaries, lease: Lease
) -> None:
    world = with_settings(sql_world, purge="rewrite", statement_timeout_seconds=1)
    with as_admin(world) as other, other.transaction():
        other.execute("lock table judgments in share mode")
        with pytest.raises(StoreRefused, match=r"within 1 s.*\[database\] statement_timeout_seconds"):
            purge(world, lease)


@pytest.mark.parametrize("how", ["rewrite", pytest.param("vacuum", marks=pytest.mark.full)])
def test_rows_that_an_older_transaction_may_still_see_are_not_called_gone(
    sql_world: SqlWorld,
    canaries: Canaries,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """VACUUM reports success and keeps them, and so does a rewrite, which copies them."""
    monkeypatch.setattr(postgres_purge, "_HORIZON_SECONDS", 0.5)
    world = with_settings(sql_world, purge=how)
    held = world.execute()
    with as_admin(world) as reader, reader.transaction():
        reader.execute("set transaction isolation level repeatable read")
        assert reader.execute("select count(*) from payments").fetchone() == (1,)
        world.mask(world.postgres(held))
        with pytest.raises(Incomplete, match="a transaction older than the masking is still open"):
            purge(world, held)
    assert world.value("select count(*) from pg_class where starts_with(relname, 'horizon_')") == 0
    purge(world, held)
    assert how == "vacuum" or holding(world, canaries.target) == set()


@pytest.mark.full
def test_a_purge_waits_for_an_older_transaction_that_ends(sql_world: SqlWorld, canaries: Canaries) -> None:
    world = with_settings(sql_world, purge="rewrite")
    held = world.execute()
    with as_admin(world) as reader:
        reader.execute("begin isolation level repeatable read")
        reader.execute("select count(*) from payments")
        world.mask(world.postgres(held))
        ended = threading.Timer(1.0, reader.execute, ["commit"])
        ended.start()
        purge(world, held)
        ended.join()
    assert holding(world, canaries.target) == set()


@contextmanager
def partitioned(world: SqlWorld) -> Iterator[None]:
    """`login_events` in two partitions, as long as the block runs."""
    world.run(
        "alter table login_events rename to login_events_of_the_world",
        "create table login_events (like login_events_of_the_world) partition by hash (contributor_id)",
        "create table events_even partition of login_events for values with (modulus 2, remainder 0)",
        "create table events_odd partition of login_events for values with (modulus 2, remainder 1)",
        "create index of_agents on login_events (user_agent)",
    )
    try:
        yield
    finally:
        world.run("drop table login_events", "alter table login_events_of_the_world rename to login_events")


def test_a_partitioned_table_is_purged_in_all_of_its_partitions(sql_world: SqlWorld) -> None:
    world = with_settings(sql_world, purge="rewrite")
    canary, bystander = uuid.uuid4().hex, uuid.uuid4().hex
    with partitioned(world):
        for number, value in ((1, canary), (2, canary), (3, canary), (8, bystander), (9, bystander)):
            world.person(number)
            world.add("login_events", contributor_id=person_id(number), ip="192.0.2.9", user_agent=value)
        world.freeze(*((person_id(number), f"person{number}@example.com") for number in (1, 2, 3)))
        held = world.execute()
        assert world.mask(world.postgres(held))["login_events"].records == 3
        assert {"events_even", "events_odd"} & holding(world, canary)
        purge(world, held)
        assert holding(world, canary) == set()
        assert {"events_even", "events_odd"} & holding(world, bystander)
        analysed = dict(world.rows("select relname, analyze_count from pg_stat_user_tables"))
        assert analysed["events_even"] and analysed["events_odd"] and analysed["login_events"]


def test_heirs_are_purged_with_their_parent(sql_world: SqlWorld) -> None:
    """They are registered as tables of their own, and their rows are masked through the parent."""
    world = with_settings(sql_world, purge="rewrite")
    canary = uuid.uuid4().hex
    world.run("create table more_events () inherits (login_events)")
    try:
        world.person(1)
        world.rows(
            "insert into more_events (login_event_id, contributor_id, created_at, user_agent)"
            " values (1, %s, now(), %s) returning 1",
            ANN,
            canary,
        )
        world.freeze((ANN, "person1@example.com"))
        held = world.execute()
        world.mask(world.postgres(held))
        assert "more_events" in holding(world, canary)
        purge(world, held)
        assert holding(world, canary) == set()
    finally:
        world.run("drop table more_events")
