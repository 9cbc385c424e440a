"""The ledger on a real PostgreSQL: how a batch begins and ends, what its steps keep, and what is forgotten when.

Holds: migrations, the states of a batch, the steps, the permanent list.
Add here: a state or a figure that the ledger learns.
Keep out: who executes (`test_lease.py`), who is in a set (`test_target_set.py`).
"""

import threading
from datetime import timedelta

import pytest

from erasure.counts import Count
from erasure.errors import BadInput, Incomplete, Refused, StoreRefused
from erasure.ledger import batches, steps
from erasure.ledger.database import migrate
from erasure.ledger.freezing import load_targets
from erasure.rules import normalise_email
from tests.contract.sql_world import BATCH, SqlWorld, person_id

EMAIL = " Ann.Ledger@Example.com "
ALIAS = "ann.second@example.org"
NORMALISED = normalise_email(EMAIL)
SHA = "0" * 64


@pytest.fixture
def planned(sql_world: SqlWorld) -> SqlWorld:
    """A plan in force for one contributor with two emails."""
    ann = sql_world.person(1, EMAIL, full_name="Ann Ledger", phone="+1 555 0101")
    sql_world.add("contributor_aliases", contributor_id=ann, email=ALIAS)
    sql_world.freeze((ann, EMAIL))
    batches.keep_plan(sql_world.settings, batch_id=BATCH, fingerprint="f" * 16, plan={"batch_id": BATCH})
    return sql_world


def state(world: SqlWorld) -> str:
    return batches.get(world.settings, BATCH).state


def entries(world: SqlWorld) -> int:
    return int(world.value("select count(*) from erasure.targets where batch_id = %s", BATCH))


def close(world: SqlWorld, *, undo_days: int) -> None:
    batches.start(world.settings, batch_id=BATCH, reviewed=False, undo_days=undo_days)
    batches.remember_erased(world.settings, batch_id=BATCH)
    batches.close(world.settings, batch_id=BATCH)


def test_migrating_twice_keeps_what_is_in_the_ledger(planned: SqlWorld) -> None:
    migrate(planned.settings.database)
    migrate(planned.settings.database)

    assert state(planned) == "planned"
    assert len(planned.rows("select version_num from erasure.alembic_version")) == 1


def test_two_that_migrate_at_once_wait_for_each_other(sql_world: SqlWorld) -> None:
    sql_world.run("drop schema erasure cascade")
    together, failures = threading.Barrier(2), []

    def start() -> None:
        together.wait(10)
        try:
            migrate(sql_world.settings.database)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(sql_world.rows("select version_num from erasure.alembic_version")) == 1
    assert sql_world.value("select count(*) from erasure.batches") == 0


def test_without_a_ledger_there_are_no_batches(sql_world: SqlWorld) -> None:
    sql_world.run("drop schema erasure cascade")
    try:
        assert batches.everyone(sql_world.settings) == []
        assert batches.newest_plan(sql_world.settings, csv_sha256=SHA) is None
        with pytest.raises(BadInput, match=f"no batch {BATCH}"):
            batches.get(sql_world.settings, BATCH)
    finally:
        migrate(sql_world.settings.database)


def test_a_plan_is_found_by_the_hash_of_its_csv_while_it_is_in_force(planned: SqlWorld) -> None:
    found = batches.newest_plan(planned.settings, csv_sha256=SHA)
    assert found is not None
    assert (found.batch_id, found.fingerprint, found.plan) == (BATCH, "f" * 16, {"batch_id": BATCH})
    assert batches.newest_plan(planned.settings, csv_sha256="1" * 64) is None

    planned.run("update erasure.batches set planned_at = now() - interval '24 hours 1 minute'")
    assert batches.newest_plan(planned.settings, csv_sha256=SHA) is None


def test_of_several_plans_of_a_csv_the_newest_counts_and_one_never_kept_does_not(planned: SqlWorld) -> None:
    planned.run(
        "insert into erasure.batches (batch_id, state, world, csv_sha256, fingerprint, planned_at) values"
        f" ('older', 'planned', 'kepler', '{SHA}', 'a', now() - interval '1 hour'),"
        f" ('half-made', 'planned', 'kepler', '{SHA}', null, now() + interval '1 minute'),"
        f" ('cancelled', 'cancelled', 'kepler', '{SHA}', 'b', now() + interval '1 minute')"
    )

    found = batches.newest_plan(planned.settings, csv_sha256=SHA)

    assert found is not None and found.batch_id == BATCH
    assert [batch.batch_id for batch in batches.everyone(planned.settings)][-1] == "older"


def test_a_plan_lapses_with_its_needles_and_a_younger_one_does_not(planned: SqlWorld) -> None:
    assert batches.lapse_old_plans(planned.settings) == 0
    assert (state(planned), entries(planned) > 0) == ("planned", True)

    planned.run("update erasure.batches set planned_at = now() - interval '24 hours 1 minute'")

    assert batches.lapse_old_plans(planned.settings) == 1
    assert (state(planned), entries(planned)) == ("lapsed", 0)


def test_a_plan_that_is_cancelled_forgets_its_needles(planned: SqlWorld) -> None:
    batches.cancel(planned.settings, batch_id=BATCH)

    assert (state(planned), entries(planned)) == ("cancelled", 0)
    with pytest.raises(Refused, match="not planned any more"):
        batches.cancel(planned.settings, batch_id=BATCH)


def test_what_has_been_executed_is_neither_cancelled_nor_lapsed_nor_planned_anew(planned: SqlWorld) -> None:
    planned.run("update erasure.batches set planned_at = now() - interval '2 days'")
    batches.start(planned.settings, batch_id=BATCH, reviewed=True, undo_days=7)
    before = entries(planned)

    with pytest.raises(Refused, match="only a plan can be cancelled"):
        batches.cancel(planned.settings, batch_id=BATCH)
    batches.lapse_old_plans(planned.settings)
    with pytest.raises(Refused, match="no longer being planned"):
        batches.keep_plan(planned.settings, batch_id=BATCH, fingerprint="e" * 16, plan={})

    assert (state(planned), entries(planned)) == ("executing", before)
    assert batches.get(planned.settings, BATCH).fingerprint == "f" * 16


def test_a_batch_that_failed_goes_on_with_its_first_undo_window(planned: SqlWorld) -> None:
    batches.start(planned.settings, batch_id=BATCH, reviewed=True, undo_days=3)
    started = batches.get(planned.settings, BATCH).executed_at
    batches.fail(planned.settings, batch_id=BATCH)
    assert state(planned) == "failed"

    batches.start(planned.settings, batch_id=BATCH, reviewed=False, undo_days=9)

    again = batches.get(planned.settings, BATCH)
    assert (again.state, again.reviewed, again.undo_days) == ("executing", True, 3)
    assert again.executed_at == started


def test_closing_sets_the_day_on_which_the_needles_go(planned: SqlWorld) -> None:
    with pytest.raises(Refused, match="is not executing"):
        batches.close(planned.settings, batch_id=BATCH)
    assert state(planned) == "planned"

    close(planned, undo_days=7)

    batch = batches.get(planned.settings, BATCH)
    assert batch.state == "closed"
    assert batch.closed_at is not None and batch.due_at == batch.closed_at + timedelta(days=7)
    batches.fail(planned.settings, batch_id=BATCH)
    assert state(planned) == "closed"


def test_expiring_waits_for_the_day_and_then_leaves_ids_and_hashes_alone(planned: SqlWorld) -> None:
    close(planned, undo_days=7)
    assert batches.expire_due(planned.settings) == []
    assert (state(planned), entries(planned) > 0) == ("closed", True)
    planned.run("update erasure.batches set due_at = now()")

    assert batches.expire_due(planned.settings) == [BATCH]

    assert (state(planned), entries(planned)) == ("erased", 0)
    assert batches.expire_due(planned.settings) == []
    kept = "".join(
        str(planned.rows(f"select * from erasure.{table}"))
        for table in ("batches", "targets", "steps", "erased")
    )
    assert person_id(1) in kept
    for value in (NORMALISED, EMAIL.strip(), ALIAS, "Ann Ledger", "555 0101"):
        assert value not in kept
    assert load_targets(planned.settings, batch_id=BATCH).contributor_ids == {person_id(1)}


def test_postgres_keeps_no_statistics_of_the_needles(planned: SqlWorld) -> None:
    # Of a table that has been emptied ANALYZE keeps what it knew: so it must never have known.
    planned.run("analyze erasure.targets")
    known = str(planned.rows("select attname, most_common_vals from pg_stats where tablename = 'targets'"))
    assert "requested" in known
    assert NORMALISED not in known and "Ann Ledger" not in known


def test_an_undo_window_of_no_days_expires_at_once(planned: SqlWorld) -> None:
    close(planned, undo_days=0)
    assert batches.expire_due(planned.settings) == [BATCH]


def test_the_permanent_list_has_a_keyed_hash_of_each_email_once(planned: SqlWorld) -> None:
    assert batches.remember_erased(planned.settings, batch_id=BATCH) == 1
    assert batches.remember_erased(planned.settings, batch_id=BATCH) == 1

    key = planned.settings.erasure.hash_key
    assert key is not None
    hashes = {row[0] for row in planned.rows("select email_hash from erasure.erased")}
    assert planned.value("select count(*) from erasure.erased") == 2
    assert hashes == {batches.email_hash(email, key=key.get_secret_value()) for email in (NORMALISED, ALIAS)}
    assert hashes.isdisjoint({batches.email_hash(email, key="another key") for email in (NORMALISED, ALIAS)})
    assert batches.email_hash("", key="any") == ""


def test_without_a_key_nobody_is_entered_into_the_permanent_list(planned: SqlWorld) -> None:
    keyless = planned.settings.model_copy(
        update={"erasure": planned.settings.erasure.model_copy(update={"hash_key": None})}
    )
    with pytest.raises(BadInput, match="hash_key"):
        batches.remember_erased(keyless, batch_id=BATCH)
    assert planned.value("select count(*) from erasure.erased") == 0


# Steps


def begin(world: SqlWorld, records: int, elements: int = 0) -> None:
    counts = {"judgments": Count(records=records, elements=elements)}
    steps.begin(world.settings, batch_id=BATCH, store="postgres", stage="mask", counts=counts)


def finish(world: SqlWorld, records: int, elements: int = 0) -> None:
    counts = {"judgments": Count(records=records, elements=elements)}
    steps.finish(world.settings, batch_id=BATCH, store="postgres", stage="mask", counts=counts)


def only_step(world: SqlWorld) -> steps.Step:
    (step,) = steps.read(world.settings, batch_id=BATCH, stage="mask")
    return step


def test_a_step_is_planned_pending_and_done_with_its_counts(planned: SqlWorld) -> None:
    counted = Count(records=5, elements=6, total=70, total_elements=80, conflicts=1, expiring=2)
    steps.plan(
        planned.settings, batch_id=BATCH, store="postgres", stage="mask", counts={"judgments": counted}
    )
    assert (only_step(planned).state, only_step(planned).planned) == ("planned", 5)
    assert steps.planned_counts(planned.settings, batch_id=BATCH) == {"postgres": {"judgments": counted}}

    begin(planned, 4, 9)
    assert (only_step(planned).state, only_step(planned).pending, only_step(planned).done) == (
        "pending",
        4,
        None,
    )
    assert steps.planned_counts(planned.settings, batch_id=BATCH) == {"postgres": {"judgments": counted}}

    finish(planned, 4, 9)
    step = only_step(planned)
    assert (step.state, step.planned, step.pending, step.done) == ("done", 5, 4, 4)
    assert step.detail["done_elements"] == 9


def test_after_an_interrupted_attempt_the_first_and_larger_number_stays(planned: SqlWorld) -> None:
    begin(planned, 10, 30)
    begin(planned, 3, 8)
    assert (only_step(planned).pending, only_step(planned).detail["pending_elements"]) == (10, 30)

    finish(planned, 3)

    assert only_step(planned).done == 10


def test_a_second_attempt_that_finds_more_keeps_the_more(planned: SqlWorld) -> None:
    begin(planned, 3)
    begin(planned, 10)
    assert only_step(planned).pending == 10


def test_a_failed_step_keeps_the_class_of_its_error_and_nothing_of_its_text(planned: SqlWorld) -> None:
    begin(planned, 3)
    error = StoreRefused(store="postgres", what=f"said {NORMALISED}", remedy="none")
    steps.fail(planned.settings, batch_id=BATCH, store="postgres", stage="mask", error=error)

    assert (only_step(planned).state, only_step(planned).error_class) == ("failed", "StoreRefused")
    assert NORMALISED not in str(planned.rows("select * from erasure.steps"))

    begin(planned, 3)
    assert (only_step(planned).state, only_step(planned).error_class) == ("pending", None)
    finish(planned, 3)
    steps.fail(planned.settings, batch_id=BATCH, store="postgres", stage="mask", error=error)
    assert only_step(planned).state == "done"


def test_what_a_finished_step_finds_later_is_added_to_what_it_has_changed(planned: SqlWorld) -> None:
    begin(planned, 100)
    finish(planned, 100)
    begin(planned, 5)
    assert only_step(planned).pending == 105
    finish(planned, 5)
    assert only_step(planned).done == 105


def test_a_done_step_that_is_found_unfinished_is_failed(planned: SqlWorld) -> None:
    begin(planned, 3)
    finish(planned, 3)
    name = only_step(planned).object_name
    error = Incomplete(store="postgres", object_name=name, what="1 rows are left", remedy="resume")
    steps.fail(planned.settings, batch_id=BATCH, store="postgres", stage="mask", error=error)
    assert (only_step(planned).state, only_step(planned).error_class) == ("failed", "Incomplete")


def test_a_batch_that_failed_before_access_ended_can_be_given_up(planned: SqlWorld) -> None:
    planned.run(f"update erasure.batches set state = 'failed' where batch_id = '{BATCH}'")
    batches.cancel(planned.settings, batch_id=BATCH)
    assert state(planned) == "cancelled"
    assert planned.rows("select * from erasure.targets") == []


def test_a_batch_that_failed_after_access_ended_can_not(planned: SqlWorld) -> None:
    planned.run(f"update erasure.batches set state = 'failed', watermark = now() where batch_id = '{BATCH}'")
    with pytest.raises(Refused, match="only a plan can be cancelled"):
        batches.cancel(planned.settings, batch_id=BATCH)
    assert planned.rows("select * from erasure.targets") != []


# What cannot be erased


def test_a_step_that_leaves_what_nobody_can_erase_says_so_and_closes_its_batch_with_exceptions(
    planned: SqlWorld,
) -> None:
    begin(planned, 3)
    counts = {"judgments": Count(records=3, not_erasable={"legal hold": 2})}
    steps.finish(planned.settings, batch_id=BATCH, store="postgres", stage="mask", counts=counts)
    step = only_step(planned)
    assert (step.state, step.done, step.not_erasable) == ("not_erasable", 3, {"legal hold": 2})

    close(planned, undo_days=1)
    assert state(planned) == "closed_with_exceptions"
    planned.run(f"update erasure.batches set due_at = now() where batch_id = '{BATCH}'")
    assert batches.expire_due(planned.settings) == [BATCH]
    assert entries(planned) == 0


def test_a_step_that_can_be_finished_after_all_leaves_nothing(planned: SqlWorld) -> None:
    begin(planned, 3)
    counts = {"judgments": Count(records=3, not_erasable={"legal hold": 2})}
    steps.finish(planned.settings, batch_id=BATCH, store="postgres", stage="mask", counts=counts)
    begin(planned, 2)
    finish(planned, 2)
    step = only_step(planned)
    assert (step.state, step.done, step.not_erasable) == ("done", 5, {})

    close(planned, undo_days=1)
    assert state(planned) == "closed"


def test_that_something_cannot_be_erased_is_accepted_once_and_stays_so(planned: SqlWorld) -> None:
    def start(*, accepts: bool) -> bool:
        batches.start(
            planned.settings, batch_id=BATCH, reviewed=True, undo_days=7, accepts_not_erasable=accepts
        )
        return batches.get(planned.settings, BATCH).accepts_not_erasable

    assert [start(accepts=False), start(accepts=True), start(accepts=False)] == [False, True, True]
