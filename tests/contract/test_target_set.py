"""Who is erased: dbt's queries of the target set and their freezing, on a hand-made world in PostgreSQL.

Holds: identity, eligibility, the lines of a CSV, shared emails, and what a frozen set withstands.
Add here: a rule of who may be erased, with somebody for whom it does not hold.
Keep out: reading CSV files (no engine is needed for that), who is inactive (`test_inactive_contributors.py`), and the
ledger's states (`test_ledger.py`).
"""

from datetime import UTC, datetime

import pytest

from erasure.errors import BadInput, Refused
from erasure.ledger.database import connect
from erasure.ledger.freezing import differences, targets_digest
from tests.contract.sql_world import BATCH, LEDGER_TABLES, SqlWorld, person_id


def entries(world: SqlWorld, kind: str) -> dict[str, set[str]]:
    """Contributor id -> what is frozen of that kind: the value, or the reason for people."""
    column = "reason" if kind in {"contributor", "excluded"} else "value"
    found: dict[str, set[str]] = {}
    for contributor_id, value in world.rows(
        f"select contributor_id::text, {column} from erasure.targets where batch_id = %s and kind = %s",
        BATCH,
        kind,
    ):
        found.setdefault(contributor_id, set()).add(value)
    return found


def asked(*numbers: int) -> list[tuple[str, str]]:
    return [(person_id(number), f"person{number}@example.com") for number in numbers]


def changed(world: SqlWorld) -> dict[str, int]:
    with connect(world.settings.database) as connection:
        return differences(connection, batch_id=BATCH, queries=world.queries)


def batches_left(world: SqlWorld) -> int:
    return sum(int(world.value(f"select count(*) from erasure.{table}")) for table in LEDGER_TABLES)


# Identity


def test_whoever_is_asked_for_by_one_account_is_erased_with_all_and_all_their_emails(
    sql_world: SqlWorld,
) -> None:
    sql_world.person(1, full_name=" Ann Example ", phone="+1 555 0101")
    sql_world.person(2, email="ANN.two@Example.com\t", merged_into=person_id(1))
    sql_world.person(3, merged_into=person_id(2))
    sql_world.person(9)
    sql_world.add("contributor_aliases", contributor_id=person_id(3), email=" Alias@Example.org")

    frozen = sql_world.freeze(*asked(3))

    assert frozen.contributors == 3
    assert entries(sql_world, "contributor") == {
        person_id(1): {"same person as one requested"},
        person_id(2): {"same person as one requested"},
        person_id(3): {"requested"},
    }
    assert entries(sql_world, "email") == {
        person_id(1): {"person1@example.com"},
        person_id(2): {"ann.two@example.com"},
        person_id(3): {"person3@example.com", "alias@example.org"},
    }
    assert entries(sql_world, "name")[person_id(1)] == {"Ann Example"}
    assert entries(sql_world, "phone") == {person_id(1): {"+1 555 0101"}}
    persons = sql_world.rows("select distinct person_id::text from erasure.targets where kind <> 'requested'")
    assert persons == [(person_id(1),)]


def test_accounts_merged_in_a_circle_are_one_person(sql_world: SqlWorld) -> None:
    for number in (1, 2, 3, 4):
        sql_world.person(number)
    for account, into in ((1, 2), (2, 3), (3, 1)):
        sql_world.run(
            f"update contributors set merged_into = '{person_id(into)}'"
            f" where contributor_id = '{person_id(account)}'"
        )

    assert sql_world.freeze(*asked(2)).contributors == 3
    assert set(entries(sql_world, "contributor")) == {person_id(1), person_id(2), person_id(3)}


def test_an_account_that_leads_into_a_circle_belongs_to_it(sql_world: SqlWorld) -> None:
    for number in (1, 2, 3):
        sql_world.person(number)
    for account, into in ((1, 2), (2, 1), (3, 2)):
        sql_world.run(
            f"update contributors set merged_into = '{person_id(into)}'"
            f" where contributor_id = '{person_id(account)}'"
        )

    assert sql_world.freeze(*asked(3)).contributors == 3


# Eligibility


def hold(world: SqlWorld, number: int, how: str, *, over: bool = False) -> None:
    owner = person_id(number)
    if how == "legal hold":
        world.add("legal_holds", contributor_id=owner, released_at="2020-01-01T00:00:00Z" if over else None)
    elif how == "pending payment":
        world.add("payments", contributor_id=owner, status="paid" if over else "pending")
    elif how == "open dispute":
        world.add("judgments", judgment_id=500 + number, contributor_id=owner)
        world.add("disputes", judgment_id=500 + number, status="closed" if over else "open")
    else:
        state = "closed" if over else "failed"
        world.run(
            f"insert into erasure.batches (batch_id, state, world) values ('other', '{state}', 'kepler')",
            "insert into erasure.targets (batch_id, contributor_id, kind, value)"
            f" values ('other', '{owner}', 'contributor', '{owner}')",
        )


HOLDS = ("legal hold", "pending payment", "open dispute", "in another open batch")


@pytest.mark.parametrize("how", HOLDS)
def test_what_holds_one_account_holds_all_of_the_person(sql_world: SqlWorld, how: str) -> None:
    sql_world.person(1)
    sql_world.person(2, merged_into=person_id(1))
    sql_world.person(3)
    hold(sql_world, 2, how)

    frozen = sql_world.freeze(*asked(1, 3))

    assert frozen.contributors == 1
    assert frozen.excluded == {how: 2}
    assert entries(sql_world, "excluded") == {person_id(1): {how}, person_id(2): {how}}
    assert set(entries(sql_world, "contributor")) == {person_id(3)}
    assert set(entries(sql_world, "email")) == {person_id(3)}


@pytest.mark.parametrize("how", HOLDS)
def test_what_is_over_holds_nobody(sql_world: SqlWorld, how: str) -> None:
    sql_world.person(1)
    hold(sql_world, 1, how, over=True)

    assert sql_world.freeze(*asked(1)).contributors == 1
    assert entries(sql_world, "excluded") == {}


def test_several_reasons_are_all_told(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    hold(sql_world, 1, "pending payment")
    hold(sql_world, 1, "legal hold")

    assert sql_world.freeze(*asked(1)).excluded == {"legal hold, pending payment": 1}


def test_a_plan_that_nobody_executes_holds_nobody(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    hold(sql_world, 1, "in another open batch")
    sql_world.run("update erasure.batches set state = 'planned' where batch_id = 'other'")

    assert sql_world.freeze(*asked(1)).contributors == 1


# The lines of a CSV


def test_lines_that_postgres_disagrees_with_are_listed_by_number_and_leave_nothing(
    sql_world: SqlWorld,
) -> None:
    sql_world.person(1)
    sql_world.person(2)
    wrong = [(person_id(1), "person2@example.com"), (person_id(7), "stranger@example.net")]

    with pytest.raises(BadInput) as refused:
        sql_world.freeze(*asked(2), *wrong)

    assert refused.value.problems == (
        "line 3: email_address is not that contributor's in PostgreSQL",
        "line 4: contributor_id is unknown in PostgreSQL",
        "--skip-unknown leaves the unknown ones out",
    )
    assert "stranger" not in str(refused.value) and person_id(7) not in str(refused.value)
    assert batches_left(sql_world) == 0


def test_unknown_lines_are_left_out_where_that_is_asked_for_and_other_emails_are_not(
    sql_world: SqlWorld,
) -> None:
    sql_world.person(1)
    unknown = (person_id(7), "stranger@example.net")

    frozen = sql_world.freeze(*asked(1), unknown, skip_unknown=True)

    assert (frozen.contributors, frozen.skipped_unknown) == (1, 1)
    assert set(entries(sql_world, "contributor")) == {person_id(1)}
    sql_world.run("truncate erasure.batches cascade")
    with pytest.raises(BadInput, match="line 2: email_address"):
        sql_world.freeze((person_id(1), "wrong@example.com"), unknown, skip_unknown=True)
    assert batches_left(sql_world) == 0


def test_an_alias_and_another_way_of_writing_an_email_are_that_contributors(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.person(2, email="\t Person2@EXAMPLE.com ")
    sql_world.add("contributor_aliases", contributor_id=person_id(1), email="Other@Example.org ")

    frozen = sql_world.freeze((person_id(1), "OTHER@example.ORG"), *asked(2))

    assert frozen.contributors == 2


def test_who_is_erased_already_is_recognised_before_anything_else(sql_world: SqlWorld) -> None:
    sql_world.person(1, email=f"DELETED_USER-{person_id(1)}", full_name="DELETED_USER")
    sql_world.person(2)
    sql_world.run(
        "insert into erasure.batches (batch_id, state, world) values ('former', 'erased', 'kepler')",
        "insert into erasure.erased (contributor_id, email_hash, batch_id) values"
        f" ('{person_id(1)}', 'h1', 'former'), ('{person_id(1)}', 'h2', 'former'),"
        f" ('{person_id(8)}', 'h3', 'former')",
    )

    frozen = sql_world.freeze(*asked(1, 2, 8))

    assert (frozen.contributors, frozen.already_erased) == (1, 2)
    assert set(entries(sql_world, "contributor")) == {person_id(2)}
    assert entries(sql_world, "excluded") == {}


def test_who_was_restored_may_be_erased_again(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.run(
        "insert into erasure.batches (batch_id, state, world) values ('former', 'restored', 'kepler')",
        "insert into erasure.erased (contributor_id, email_hash, batch_id, restored_at)"
        f" values ('{person_id(1)}', 'h1', 'former', now())",
    )

    frozen = sql_world.freeze(*asked(1))

    assert (frozen.contributors, frozen.already_erased) == (1, 0)


def test_the_mask_is_nobodys_needle(sql_world: SqlWorld) -> None:
    sql_world.person(1, full_name="DELETED_USER", phone="DELETED_USER")
    for email in ("DELETED_USER", " deleted_user-1 ", ""):
        sql_world.add("contributor_aliases", contributor_id=person_id(1), email=email)

    sql_world.freeze(*asked(1))

    assert entries(sql_world, "email") == {person_id(1): {"person1@example.com"}}
    assert entries(sql_world, "name") == entries(sql_world, "phone") == {}


# Shared emails


def test_an_email_of_a_target_and_somebody_else_refuses_and_leaves_nothing(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.person(2)
    sql_world.add("contributor_aliases", contributor_id=person_id(2), email=" PERSON1@example.com")

    with pytest.raises(Refused, match="1 contributors outside the target set") as refused:
        sql_world.freeze(*asked(1))

    assert "person1" not in str(refused.value)
    assert batches_left(sql_world) == 0
    assert sql_world.freeze(*asked(1, 2)).contributors == 2


def test_one_person_may_use_an_email_in_two_accounts(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.person(2, merged_into=person_id(1))
    sql_world.add("contributor_aliases", contributor_id=person_id(2), email="person1@example.com")

    assert sql_world.freeze(*asked(2)).contributors == 2


# Frozen


def test_a_frozen_set_stays_until_somebody_comes_under_a_hold(sql_world: SqlWorld) -> None:
    for number in (1, 2, 3):
        sql_world.person(number)
    sql_world.freeze(*asked(1, 2))
    digest = targets_digest(sql_world.settings, batch_id=BATCH)
    sql_world.add("login_events", contributor_id=person_id(1), created_at=datetime.now(UTC))
    hold(sql_world, 3, "legal hold")
    assert changed(sql_world) == {}

    hold(sql_world, 2, "legal hold")

    # One contributor became an excluded one, and has a needle less of each kind that was there.
    assert changed(sql_world) == {"contributor": 1, "email": 1, "excluded": 1, "name": 1}
    assert targets_digest(sql_world.settings, batch_id=BATCH) == digest
    assert set(entries(sql_world, "contributor")) == {person_id(1), person_id(2)}


def test_a_new_account_or_email_of_a_target_is_a_difference(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.freeze(*asked(1))
    sql_world.add("contributor_aliases", contributor_id=person_id(1), email="new@example.com")
    assert changed(sql_world) == {"email": 1}

    sql_world.person(2, merged_into=person_id(1))
    assert changed(sql_world) == {"contributor": 1, "email": 2, "name": 1}


def test_the_same_batch_cannot_be_frozen_twice(sql_world: SqlWorld) -> None:
    sql_world.person(1)
    sql_world.freeze(*asked(1))
    before = targets_digest(sql_world.settings, batch_id=BATCH)

    with pytest.raises(Exception, match=r"could not be frozen \(UniqueViolation 23505\)") as refused:
        sql_world.freeze(*asked(1))

    assert "person1" not in str(refused.value)
    assert targets_digest(sql_world.settings, batch_id=BATCH) == before != ""
