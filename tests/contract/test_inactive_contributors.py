"""Who counts as inactive, and in which order: dbt's query on a hand-made world in PostgreSQL.

Holds: activity, joined accounts, the order of `fetch` and its maximum.
Add here: another kind of activity, with somebody who shows no other.
Keep out: who may be erased (`test_target_set.py`), and writing the CSV.
"""

import pytest

from tests.contract.sql_world import SqlWorld, person_id

YEAR_AGO = "now() - interval '366 days'"
ALMOST = "now() - interval '364 days'"


@pytest.fixture(scope="module")
def inactive_query(_sql_database: SqlWorld) -> str:
    return _sql_database.project.inactive_contributors(365)


def inactive(world: SqlWorld, query: str, maximum: int = 1000) -> list[str]:
    """As `fetch` asks: the eligible ones up to a maximum, oldest first."""
    return [
        row[0]
        for row in world.rows(
            f"select contributor_id::text from ({query}) as found"
            " where excluded_because is null and contributors_so_far <= %s"
            " order by contributors_so_far, contributor_id",
            maximum,
        )
    ]


def seen(world: SqlWorld, number: int, when: str, *, by: str) -> None:
    moment = world.value(f"select {when}")
    email = {"contributor_email": "x@example.com"} if by == "judgments" else {}
    world.add(by, contributor_id=person_id(number), created_at=moment, **email)


def test_activity_is_the_latest_of_logins_and_judgments(sql_world: SqlWorld, inactive_query: str) -> None:
    for number in range(1, 6):
        sql_world.person(number)
    seen(sql_world, 1, YEAR_AGO, by="login_events")
    seen(sql_world, 1, YEAR_AGO, by="judgments")
    seen(sql_world, 2, YEAR_AGO, by="login_events")
    seen(sql_world, 2, ALMOST, by="judgments")
    seen(sql_world, 3, ALMOST, by="login_events")
    seen(sql_world, 3, YEAR_AGO, by="judgments")
    sql_world.run(f"update contributors set created_at = {ALMOST} where contributor_id = '{person_id(5)}'")

    # The fourth was made long ago and never came; the fifth never came either, and is new.
    assert inactive(sql_world, inactive_query) == [person_id(4), person_id(1)]


def test_who_was_active_in_one_account_is_active_in_all(sql_world: SqlWorld, inactive_query: str) -> None:
    sql_world.person(1)
    sql_world.person(2, merged_into=person_id(1))
    sql_world.person(3, merged_into=person_id(2))
    sql_world.person(4)
    sql_world.person(5, merged_into=person_id(4))
    seen(sql_world, 3, ALMOST, by="judgments")
    seen(sql_world, 5, YEAR_AGO, by="judgments")

    assert inactive(sql_world, inactive_query) == [person_id(4), person_id(5)]


def test_a_maximum_takes_the_oldest_first_and_never_half_of_a_person(
    sql_world: SqlWorld, inactive_query: str
) -> None:
    for number in (6, 5, 4, 2, 1):
        sql_world.person(number)
    sql_world.person(3, merged_into=person_id(5))
    for number, days in ((1, 600), (2, 500), (4, 700), (5, 550), (6, 500)):
        seen(sql_world, number, f"date_trunc('day', now()) - interval '{days} days'", by="login_events")

    everybody = [4, 1, 3, 5, 2, 6]
    for maximum, numbers in ((0, 0), (1, 1), (2, 2), (3, 2), (4, 4), (5, 5), (6, 6)):
        assert inactive(sql_world, inactive_query, maximum) == [person_id(n) for n in everybody[:numbers]]


def test_the_held_are_listed_with_the_reason_and_take_nobodys_place(
    sql_world: SqlWorld, inactive_query: str
) -> None:
    for number in (1, 2, 3):
        sql_world.person(number)
    sql_world.add("legal_holds", contributor_id=person_id(1))

    held = sql_world.rows(
        f"select contributor_id::text, excluded_because from ({inactive_query}) as found"
        " where excluded_because is not null"
    )

    assert held == [(person_id(1), "legal hold")]
    assert inactive(sql_world, inactive_query, 2) == [person_id(2), person_id(3)]
