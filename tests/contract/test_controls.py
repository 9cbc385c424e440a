"""Reports and control records before masking and after it, read from PostgreSQL and ClickHouse.

Holds: a small world with a target and controls in every table that can hold both, and what is told when something else
than the target's records changes.
Add here: another change that must be noticed, or that must not.
Keep out: figures without an engine (`unit/test_controls.py`), the flow around them (`integration/test_controls.py`).
"""

from collections.abc import Callable, Iterator, Mapping

import pytest

from erasure.controls import AllFigures, Controls, all_differing, is_report, records
from erasure.errors import ControlsChanged
from erasure.inventory import SQL_STORES
from erasure.ledger import controls as ledger
from erasure.ledger import steps
from expectations.controls import read_controls
from tests.contract.sql_world import BATCH, JOB, PROJECT, UNIT, SqlWorld, make_analytics, person_id

TARGET, CONTROL = 1, 2
ZONE = "2025-03-04 05:06:07"


@pytest.fixture(scope="module")
def reports(_sql_database: SqlWorld) -> Mapping[str, Mapping[str, str]]:
    return {store: _sql_database.project.reports(store) for store in SQL_STORES}


@pytest.fixture
def world(sql_world: SqlWorld) -> Iterator[SqlWorld]:
    make_analytics(sql_world.analytics)
    for number in (TARGET, CONTROL):
        contributor_id = sql_world.person(number, phone=f"+49 30 55512{number}")
        email = f"person{number}@example.com"
        for label in ("cat", "dog", "cat")[:number]:
            sql_world.add(
                "judgments",
                contributor_id=contributor_id,
                contributor_email=email,
                label=label,
                ip="192.0.2.7",
            )
        sql_world.add("judgments", judgment_id=900 + number, contributor_id=None, contributor_email=email)
        sql_world.add("disputes", judgment_id=900 + number, claimant_email=email)
        sql_world.add("payments", contributor_id=contributor_id, iban="DE00", payee_name="Made Up")
        sql_world.add("login_events", contributor_id=contributor_id)
        sql_world.add("support_messages", contributor_id=None, sender_email=email)
        metric = f"('{PROJECT}', '{JOB}', '{UNIT}', '{contributor_id}', '{email}', 'cat', 'DE', {number}, '{ZONE}')"
        sql_world.analytics.command(f"insert into kepler.unit_metrics values {metric}")
        event = f"({number}, 'work', '{email}', '192.0.2.7', 5, '{ZONE}')"
        sql_world.analytics.command(f"insert into kepler.app_events values {event}")
    # Of nobody: a NULL must neither hide a record nor make a target of it.
    sql_world.add("judgments", judgment_id=990, contributor_id=None, contributor_email=None)
    sql_world.add("legal_holds", contributor_id=person_id(CONTROL))
    sql_world.analytics.command(f"insert into kepler.app_events values (9, 'close', null, null, 5, '{ZONE}')")
    sql_world.freeze((person_id(TARGET), f"person{TARGET}@example.com"))
    yield sql_world


def read(world: SqlWorld, reports: Mapping[str, Mapping[str, str]]) -> AllFigures:
    return read_controls(world.settings, world.inventory, BATCH, reports)


def mask(world: SqlWorld) -> None:
    lease = world.execute()
    for store in (world.clickhouse(lease), world.postgres(lease)):
        world.mask(store)
        assert sum(count.records for count in store.count(world.targets()).values()) == 0


def mutate(world: SqlWorld, statement: str) -> None:
    world.analytics.command(f"alter table kepler.{statement} settings mutations_sync = 2")


def test_masking_changes_no_report_and_no_control_record(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    before = read(world, reports)
    mask(world)
    assert all_differing(before, read(world, reports)) == {}
    # Each had something to compare; the target's records are not among them.
    control_records = {
        name: records(figures)
        for figures_of_store in before.values()
        for name, figures in figures_of_store.items()
        if not is_report(name)
    }
    everything = {item.name for store in SQL_STORES for item in world.inventory.registered(store)}
    assert control_records.keys() == everything
    assert control_records["contributors"] == control_records["payments"] == 1
    assert control_records["judgments"] == 4
    assert control_records["disputes"] == control_records["support_messages"] == 1
    assert (control_records["unit_metrics"], control_records["app_events"]) == (1, 2)
    assert control_records["jobs"] == control_records["legal_holds"] == 1
    assert all(
        records(figures) for store in before.values() for name, figures in store.items() if is_report(name)
    )


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda w: w.run(f"update payments set amount = 6 where contributor_id = '{person_id(CONTROL)}'"),
            {
                "payments": 1,
                "report__postgres__payments_by_country": 1,
                "report__postgres__payments_by_month": 1,
            },
        ),
        (
            lambda w: w.run(
                f"update contributors set phone = null where contributor_id = '{person_id(CONTROL)}'"
            ),
            {"contributors": 1},
        ),
        (
            lambda w: w.run("update judgments set ip = '198.51.100.1' where judgment_id = 990"),
            {"judgments": 1},
        ),
        (lambda w: w.run("update disputes set statement = 'x' where judgment_id = 902"), {"disputes": 1}),
        (lambda w: w.run("update legal_holds set reason = 'another'"), {"legal_holds": 1}),
        (lambda w: w.run("delete from login_events"), {"login_events": 1}),
        (
            lambda w: mutate(w, "app_events update duration_ms = 6 where event_id = 9"),
            {"app_events": 1, "report__clickhouse__events_by_month": 1},
        ),
        (lambda w: mutate(w, "app_events update ip = '' where event_id = 9"), {"app_events": 1}),
        # A target's own column that no rule names shows where it is reported.
        (
            lambda w: w.run(
                f"update payments set status = 'pending' where contributor_id = '{person_id(TARGET)}'"
            ),
            {"report__postgres__payments_by_country": 2, "report__postgres__payments_by_month": 2},
        ),
    ],
)
def test_any_other_change_is_told_by_its_table_or_report(
    world: SqlWorld,
    reports: Mapping[str, Mapping[str, str]],
    change: Callable[[SqlWorld], None],
    told: Mapping[str, int],
) -> None:
    before = read(world, reports)
    change(world)
    (found,) = all_differing(before, read(world, reports)).values()
    assert found == told


def test_rows_that_an_engine_merges_by_itself_are_no_difference(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    for statement in (
        "create table kepler.merging as kepler.app_events engine = ReplacingMergeTree order by event_id",
        *(f"insert into kepler.merging values (7, 'work', null, null, {n}, '{ZONE}')" for n in (1, 2)),
        "exchange tables kepler.merging and kepler.app_events",
    ):
        world.analytics.command(statement)
    before = read(world, reports)
    world.analytics.command("optimize table kepler.app_events final")
    assert all_differing(before, read(world, reports)) == {}
    assert records(before["clickhouse"]["app_events"]) == 1
    mutate(world, "app_events update duration_ms = 3 where event_id = 7")
    assert all_differing(before, read(world, reports))["clickhouse"]["app_events"] == 1


def test_a_control_record_that_changes_while_the_batch_is_masked_fails_the_comparison(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    """The figures kept are those of before the first masking, whatever a resumed run reads."""
    ledger.ask(world.settings, batch_id=BATCH, controls=Controls.FULL)
    ledger.keep_before(world.settings, batch_id=BATCH, figures=read(world, reports))
    world.run(
        "create function meddle() returns trigger language plpgsql as $$ begin"
        f" update payments set amount = amount + 1 where contributor_id = '{person_id(CONTROL)}'; return null; end $$",
        "create trigger meddle after update on contributors execute function meddle()",
    )
    try:
        mask(world)
    finally:
        world.run("drop trigger meddle on contributors", "drop function meddle")
    ledger.keep_before(world.settings, batch_id=BATCH, figures=read(world, reports))

    for _ in range(2):
        with pytest.raises(ControlsChanged) as changed:
            ledger.compare(world.settings, batch_id=BATCH, figures=read(world, reports))
        assert changed.value.problems[0] == (
            "postgres/payments: at least 1 control record differs from before masking"
        )
        assert len(changed.value.problems) == 3
        assert "person" not in str(changed.value) and person_id(CONTROL) not in str(changed.value)
    states = {step.store: step.state for step in steps.read(world.settings, batch_id=BATCH, stage="controls")}
    assert states == {"postgres": "failed", "clickhouse": "done"}

    world.run(f"update payments set amount = amount - 1 where contributor_id = '{person_id(CONTROL)}'")
    ledger.compare(world.settings, batch_id=BATCH, figures=read(world, reports))
    (of_postgres,) = (
        step for step in ledger.asked(world.settings, batch_id=BATCH) if step.store == "postgres"
    )
    assert (of_postgres.state, of_postgres.pending, of_postgres.error_class) == (
        "done",
        of_postgres.done,
        None,
    )


def test_what_is_kept_are_digests_and_counts(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    ledger.ask(world.settings, batch_id=BATCH, controls=Controls.FULL)
    ledger.keep_before(world.settings, batch_id=BATCH, figures=read(world, reports))
    kept = world.value("select string_agg(detail::text, '') from erasure.steps where stage = 'controls'")
    assert "judgments" in kept
    assert "example.com" not in kept and person_id(CONTROL) not in kept and "Nobody" not in kept


def test_parity_keeps_and_compares_nothing_also_where_full_was_asked_for_first(world: SqlWorld) -> None:
    ledger.ask(world.settings, batch_id=BATCH, controls=Controls.FULL)
    assert {step.store for step in ledger.asked(world.settings, batch_id=BATCH)} == SQL_STORES
    ledger.ask(world.settings, batch_id=BATCH, controls=Controls.PARITY)
    assert ledger.asked(world.settings, batch_id=BATCH) == []


def test_comparing_can_be_given_up_and_the_ledger_remembers_that(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    ledger.ask(world.settings, batch_id=BATCH, controls=Controls.FULL)
    ledger.keep_before(world.settings, batch_id=BATCH, figures=read(world, reports))
    ledger.give_up(world.settings, batch_id=BATCH)
    assert ledger.asked(world.settings, batch_id=BATCH) == []
    found = steps.read(world.settings, batch_id=BATCH, stage="controls")
    assert [step.detail for step in found] == [{"given_up": True}] * 2


def test_the_server_s_settings_of_the_moment_change_no_digest(
    world: SqlWorld, reports: Mapping[str, Mapping[str, str]]
) -> None:
    before = read(world, reports)
    user = world.settings.database.username
    with world.altered(
        f"alter role {user} set timezone = 'Asia/Tokyo'; alter role {user} set extra_float_digits = 0",
        f"alter role {user} reset timezone; alter role {user} reset extra_float_digits",
    ):
        assert all_differing(before, read(world, reports)) == {}
