"""The PostgreSQL store on a real server: a target's rows are masked wherever they stand, controls keep every byte.

Holds: counts and changes, whose a row is, what masking writes, purging.
Add here: a way in which a row may belong to somebody.
Keep out: values of single rules (`test_sql_rules.py`), what the inventory does not know (`test_sql_unregistered.py`),
and what happens when masking fails (`test_postgres_failures.py`).
"""

from datetime import date
from typing import Any

import pytest

from erasure.counts import Count
from erasure.ledger.lease import Lease
from erasure.rules import MASK
from erasure.stores.base import no_progress
from tests.contract.sql_world import WORLD_TABLES, SqlWorld, person_id
from tests.sandbox_fixtures import eventually

ANN, ANNS_OTHER, CONTROL, NAMESAKE = (person_id(number) for number in (1, 2, 8, 9))
EMAIL, OTHER_EMAIL, ALIAS = "ann.store@example.com", "ann.two@example.org", "ann.alias@example.net"
NAME, PHONE = "Ann Storeworthy", "+1 (555) 0100"
MASKED = tuple(table for table in WORLD_TABLES if table != "legal_holds")
Rows = dict[str, dict[str, str]]


@pytest.fixture
def world(sql_world: SqlWorld) -> SqlWorld:
    """A target with two accounts, a control and the target's namesake, in every table."""
    add = sql_world.add
    sql_world.person(1, EMAIL, full_name=NAME, phone=PHONE, address="1 Way", birth_date=date(1980, 5, 6))
    sql_world.person(2, OTHER_EMAIL, full_name=NAME, merged_into=ANN)
    sql_world.person(8, full_name="Con Trol", phone="+1 (555) 0188", birth_date=date(1990, 5, 6))
    sql_world.person(9, full_name=NAME)
    add("contributor_aliases", contributor_id=ANN, email=ALIAS)
    add("contributor_aliases", contributor_id=CONTROL, email="control.alias@example.com")
    judgments: tuple[tuple[int, str | None, str | None, str | None], ...] = (
        (1, ANN, EMAIL, "192.0.2.9"),
        (2, ANNS_OTHER, None, "2001:db8:1:2::3"),
        (3, None, f" {ALIAS.upper()}\t", "not an address"),
        (4, CONTROL, "person8@example.com", "192.0.2.10"),
        (5, None, "Person8@example.com", "192.0.2.11"),
        (6, None, None, "192.0.2.12"),
        (7, ANN, None, None),
        (8, None, f"x{EMAIL}", None),
    )
    for number, owner, email, ip in judgments:
        add("judgments", judgment_id=number, contributor_id=owner, contributor_email=email, ip=ip)
    for number, claimant, text in (
        (1, EMAIL, f"I, {NAME.upper()}, disagree"),
        (3, EMAIL, f"write to {ALIAS}, not {NAME}"),
        (4, "person8@example.com", f"{NAME} told me"),
        (6, "x@example.com", None),
    ):
        add("disputes", dispute_id=number, judgment_id=number, claimant_email=claimant, statement=text)
    add("payments", payment_id=1, contributor_id=ANNS_OTHER, payee_name=NAME, iban="DE01")
    add("payments", payment_id=8, contributor_id=CONTROL, payee_name="Con Trol", iban="DE08")
    for number, owner, sender, body in (
        (1, ANN, EMAIL, f"{NAME} here, or {OTHER_EMAIL.upper()}; call {PHONE}."),
        (2, None, f"\n{OTHER_EMAIL.title()} ", f"this is {NAME}, not Joann Storeworthy"),
        (3, CONTROL, "person8@example.com", f"a word on {NAME}"),
        (4, None, "person8@example.com", f"again on {EMAIL}"),
        (5, None, None, f"from nobody, on {EMAIL}"),
    ):
        add("support_messages", message_id=number, contributor_id=owner, sender_email=sender, body=body)
    add("login_events", login_event_id=1, contributor_id=ANN, ip="192.0.2.9", user_agent="UA")
    add("login_events", login_event_id=2, contributor_id=ANN)
    add("login_events", login_event_id=8, contributor_id=CONTROL, ip="192.0.2.9", user_agent="UA")
    add("legal_holds", contributor_id=CONTROL)
    return sql_world


@pytest.fixture
def lease(world: SqlWorld) -> Lease:
    world.freeze((ANN, EMAIL))
    return world.execute()


def rows_of(world: SqlWorld) -> Rows:
    """Table -> key -> the row's text with the transaction that wrote it: a row that was merely touched shows."""
    return {
        table: dict(
            world.rows(
                f"select (to_jsonb(t) ->> (select a.attname from pg_index i join pg_attribute a"
                " on a.attrelid = i.indrelid and a.attnum = i.indkey[0]"
                f" where i.indrelid = '{table}'::regclass and i.indisprimary)),"
                f" concat_ws(' ', xmin, ctid, t::text) from {table} as t"
            )
        )
        for table in WORLD_TABLES
    }


def changed(before: Rows, after: Rows) -> dict[str, set[str]]:
    assert {table: set(rows) for table, rows in before.items()} == {
        table: set(rows) for table, rows in after.items()
    }
    return {
        table: {key for key, text in rows.items() if after[table][key] != text}
        for table, rows in before.items()
    }


def column(world: SqlWorld, table: str, key: str, name: str) -> dict[Any, Any]:
    return dict(world.rows(f"select {key}, {name} from {table}"))


def test_exactly_the_rows_of_targets_change_and_as_many_as_were_counted(
    world: SqlWorld, lease: Lease
) -> None:
    before = rows_of(world)
    planned = world.postgres().count(world.targets())

    done = world.mask(world.postgres(lease))

    assert changed(before, rows_of(world)) == {
        "contributors": {ANN, ANNS_OTHER},
        "contributor_aliases": {"1"},
        "judgments": {"1", "2", "3"},
        "payments": {"1"},
        "disputes": {"1", "3"},
        "support_messages": {"1", "2"},
        "login_events": {"1"},
        "legal_holds": set(),
    }
    expected = {
        name: len(keys) for name, keys in changed(before, rows_of(world)).items() if name != "legal_holds"
    }
    assert {name: count.records for name, count in planned.items()} == expected
    assert {name: count.records for name, count in done.items()} == expected
    assert {name: count.total for name, count in planned.items()} == {
        table: len(before[table]) for table in MASKED
    }
    assert {count.conflicts for count in planned.values()} == {0}


def test_masking_again_changes_nothing(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.postgres(lease))
    before = rows_of(world)
    assert {count.records for count in world.postgres().count(world.targets()).values()} == {0}
    world.run("delete from erasure.steps")

    again = world.mask(world.postgres(lease))

    assert again == {table: Count(records=0) for table in MASKED}
    assert all(not keys for keys in changed(before, rows_of(world)).values())


def test_the_people_keep_their_ids_and_lose_the_rest(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.postgres(lease))

    masked = world.rows(
        "select contributor_id::text, email, full_name, phone, address, birth_date, country, merged_into::text"
        " from contributors where contributor_id::text = any (%s) order by 1",
        [ANN, ANNS_OTHER],
    )
    assert masked == [
        (ANN, f"{MASK}-{ANN}", MASK, MASK, None, date(1980, 1, 1), "DE", None),
        (ANNS_OTHER, f"{MASK}-{ANNS_OTHER}", MASK, None, None, None, "DE", ANN),
    ]
    assert world.rows("select payee_name, iban, amount from payments where payment_id = 1") == [
        (MASK, MASK, 5)
    ]
    assert world.rows(
        "select ip, user_agent from login_events where contributor_id = %s order by 1", ANN
    ) == [
        ("192.0.2.0", None),
        (None, None),
    ]


def test_a_row_without_an_id_belongs_to_its_email_however_that_is_written(
    world: SqlWorld, lease: Lease
) -> None:
    world.mask(world.postgres(lease))

    emails = column(world, "judgments", "judgment_id", "contributor_email")
    assert emails == {
        1: MASK,
        2: None,
        3: MASK,
        4: "person8@example.com",
        5: "Person8@example.com",
        6: None,
        7: None,
        8: f"x{EMAIL}",
    }
    ips = column(world, "judgments", "judgment_id", "ip")
    assert [ips[number] for number in (1, 2, 3, 4)] == ["192.0.2.0", "2001:db8:1::", MASK, "192.0.2.10"]


def test_a_child_belongs_to_its_parents_person_even_where_the_parent_has_no_id(
    world: SqlWorld, lease: Lease
) -> None:
    world.mask(world.postgres(lease))

    assert column(world, "disputes", "dispute_id", "claimant_email") == {
        1: MASK,
        3: MASK,
        4: "person8@example.com",
        6: "x@example.com",
    }
    assert column(world, "disputes", "dispute_id", "statement") == {
        1: f"I, {MASK}, disagree",
        3: f"write to {MASK}, not {MASK}",
        4: f"{NAME} told me",
        6: None,
    }


def test_free_text_loses_the_needles_of_all_of_its_writers_accounts_and_nobody_elses_text_does(
    world: SqlWorld, lease: Lease
) -> None:
    world.mask(world.postgres(lease))

    assert column(world, "support_messages", "message_id", "body") == {
        1: f"{MASK} here, or {MASK}; call {MASK}.",
        2: f"this is {MASK}, not Joann Storeworthy",
        3: f"a word on {NAME}",
        4: f"again on {EMAIL}",
        5: f"from nobody, on {EMAIL}",
    }
    assert column(world, "support_messages", "message_id", "sender_email")[2] == MASK


def test_a_record_stays_in_sight_after_its_key_has_been_masked(world: SqlWorld, lease: Lease) -> None:
    world.mask(world.postgres(lease))
    world.run("update judgments set ip = '192.0.2.77' where judgment_id in (3, 4)")

    assert world.postgres().count(world.targets())["judgments"].records == 1
    world.mask(world.postgres(lease))

    ips = column(world, "judgments", "judgment_id", "ip")
    assert (ips[3], ips[4]) == ("192.0.2.0", "192.0.2.77")


def test_somebody_elses_row_with_a_targets_email_is_a_conflict_and_is_left_alone(
    world: SqlWorld, lease: Lease
) -> None:
    world.add(
        "judgments",
        judgment_id=50,
        contributor_id=CONTROL,
        contributor_email=f"{EMAIL.upper()} ",
        ip="192.0.2.9",
    )
    world.add("support_messages", message_id=51, contributor_id=NAMESAKE, sender_email=ALIAS)

    counts = world.postgres().count(world.targets())
    world.mask(world.postgres(lease))

    assert {name: count.conflicts for name, count in counts.items() if count.conflicts} == {
        "judgments": 1,
        "support_messages": 1,
    }
    assert column(world, "judgments", "judgment_id", "contributor_email")[50] == f"{EMAIL.upper()} "


# Purging, and the rest


def test_purging_vacuums_and_analyses_the_masked_tables_alone(world: SqlWorld, lease: Lease) -> None:
    def runs(what: str) -> dict[str, int]:
        return dict(
            world.rows(f"select relname, {what} from pg_stat_user_tables where schemaname = 'public'")
        )

    world.run("analyze judgments")
    common = "select most_common_vals::text from pg_stats where tablename = 'judgments'"
    world.add("judgments", judgment_id=60, contributor_id=ANN, contributor_email=EMAIL)
    world.run("analyze judgments")
    assert EMAIL in str(world.rows(common))
    world.mask(world.postgres(lease))
    vacuumed, analysed = runs("vacuum_count"), runs("analyze_count")

    assert world.postgres(lease).purge(world.targets(), no_progress) == {t: Count(records=0) for t in MASKED}

    eventually(lambda: all(runs("vacuum_count")[table] == vacuumed[table] + 1 for table in MASKED))
    eventually(lambda: all(runs("analyze_count")[table] == analysed[table] + 1 for table in MASKED))
    assert runs("vacuum_count")["legal_holds"] == vacuumed["legal_holds"]
    assert all(runs("n_dead_tup")[table] == 0 for table in MASKED)
    assert EMAIL not in str(world.rows(common))


def test_the_share_is_of_all_contributors_who_are_not_erased_yet(world: SqlWorld) -> None:
    contributors = world.inventory.contributors
    assert world.postgres().contributors_in_all(contributors) == 4
    world.run(f"update contributors set status = 'erased' where contributor_id = '{NAMESAKE}'")
    assert world.postgres().contributors_in_all(contributors) == 3


def test_health_names_the_engine_and_its_version(world: SqlWorld) -> None:
    health = world.postgres().health()
    assert (health.engine, health.version) == ("PostgreSQL", world.value("show server_version"))
