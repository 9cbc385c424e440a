"""What PostgreSQL says of the lines of a CSV: how many of which kind, the first of them, and nothing kept of a refusal.

Holds: long lists, lines that are wrong in form beside lines that are at odds, the cap on contributors.
Add here: another thing that is said of a request as a whole.
Keep out: who is in a set (`test_target_set.py`), and forms of lines (`tests/unit/test_request.py`).
"""

from dataclasses import replace
from pathlib import Path

import pytest

from erasure.errors import BadInput, Refused
from erasure.ledger.freezing import freeze
from erasure.ledger.outcomes import with_disagreements
from erasure.request import LINES_SHOWN, Request, RequestedContributor, WrongRequest, read_request
from tests.contract.sql_world import BATCH, LEDGER_TABLES, SqlWorld, person_id

FORMER = "b20200101T000000Z-ffffff"


def asked(*numbers: int) -> list[tuple[str, str]]:
    return [(person_id(number), f"person{number}@example.com") for number in numbers]


def kept(world: SqlWorld) -> int:
    return sum(int(world.value(f"select count(*) from erasure.{table}")) for table in LEDGER_TABLES)


def wrong_request(tmp_path: Path, *lines: str) -> WrongRequest:
    path = tmp_path / "c.csv"
    path.write_text("\n".join(["contributor_id,email_address", *lines, ""]))
    with pytest.raises(WrongRequest) as refused:
        read_request(path)
    return refused.value


def told(world: SqlWorld, wrong: WrongRequest, *, skip_unknown: bool = False) -> BadInput:
    return with_disagreements(
        world.settings,
        wrong,
        batch_id=BATCH,
        query=lambda: world.queries.requested_contributors,
        skip_unknown=skip_unknown,
    )


def test_of_many_lines_that_disagree_the_first_are_shown_in_order_and_all_are_counted(
    sql_world: SqlWorld,
) -> None:
    for number in range(1, 61):
        sql_world.person(number)
    # Odd lines are unknown, even ones carry somebody else's email.
    rows = [
        (person_id(1_000 + n), f"x{n}@example.com") if n % 2 else (person_id(n + 1), "y@example.com")
        for n in range(60)
    ]

    with pytest.raises(BadInput) as refused:
        sql_world.freeze(*rows)

    assert refused.value.summary == "The CSV disagrees with PostgreSQL in 60 lines; nothing was changed."
    *lines, rest, hint = refused.value.problems
    assert [line.partition(":")[0] for line in lines] == [f"line {n}" for n in range(2, 2 + LINES_SHOWN)]
    assert {line.partition(": ")[2] for line in lines} == {
        "contributor_id is unknown in PostgreSQL",
        "email_address is not that contributor's in PostgreSQL",
    }
    assert (rest, hint) == ("and 40 more", "--skip-unknown leaves the unknown ones out")
    assert kept(sql_world) == 0


def test_lines_wrong_in_form_and_lines_at_odds_are_told_at_once_and_nothing_is_kept(
    sql_world: SqlWorld, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        sql_world.person(number)
    wrong = wrong_request(
        tmp_path,
        "12345,person9@example.com",
        f"{person_id(1)},person1@example.com",
        f"{person_id(2)},person3@example.com",
        f"{person_id(3)},nobody",
        f"{person_id(8)},person8@example.com",
    )
    expected = [
        "line 2: contributor_id is not a uuid such as 00000000-0000-0000-0000-000000000000",
        "line 4: email_address is not that contributor's in PostgreSQL",
        "line 5: email_address is not an email address",
        "line 6: contributor_id is unknown in PostgreSQL",
    ]

    assert told(sql_world, wrong).problems == (*expected, "--skip-unknown leaves the unknown ones out")
    assert told(sql_world, wrong, skip_unknown=True).problems == tuple(expected[:3])
    assert "is wrong in 4 places" in told(sql_world, wrong).summary
    assert kept(sql_world) == 0


def test_where_no_line_is_right_or_all_right_ones_agree_nothing_is_added(
    sql_world: SqlWorld, tmp_path: Path
) -> None:
    sql_world.person(1)
    nothing_right = wrong_request(tmp_path, "12345,person9@example.com")
    assert told(sql_world, nothing_right) is nothing_right
    rest_right = wrong_request(tmp_path, "12345,person9@example.com", f"{person_id(1)},person1@example.com")
    assert told(sql_world, rest_right).problems == rest_right.problems


def test_where_postgres_is_away_the_lines_wrong_in_form_are_told_all_the_same(
    sql_world: SqlWorld, tmp_path: Path
) -> None:
    wrong = wrong_request(tmp_path, "12345,person9@example.com", f"{person_id(1)},person1@example.com")
    database = sql_world.settings.database.model_copy(update={"port": 1})
    away = replace(sql_world, settings=sql_world.settings.model_copy(update={"database": database}))
    assert told(away, wrong).problems == (
        *wrong.problems,
        "the other lines could not be held against PostgreSQL (StoreUnavailable)",
    )


def test_far_more_contributors_than_the_cap_are_refused_before_they_are_frozen(sql_world: SqlWorld) -> None:
    """And whoever was erased already does not count. What is near the cap, the plan's summary judges exactly."""
    for number in range(1, 13):
        sql_world.person(number)
    sql_world.run(
        f"insert into erasure.batches (batch_id, state, world) values ('{FORMER}', 'erased', 'kepler')",
        "insert into erasure.erased (contributor_id, email_hash, batch_id) values"
        f" ('{person_id(1)}', 'h1', '{FORMER}'), ('{person_id(1)}', 'h2', '{FORMER}')",
    )
    before = kept(sql_world)
    erasure = sql_world.settings.erasure.model_copy(update={"max_contributors": 1})
    settings = sql_world.settings.model_copy(update={"erasure": erasure})
    twelve, eleven = request(*asked(*range(1, 13))), request(*asked(*range(1, 12)))

    with pytest.raises(Refused) as refused:
        freeze(settings, batch_id=BATCH, request=twelve, queries=sql_world.queries)

    assert "--exceed-caps REASON" in refused.value.summary
    assert refused.value.problems == ("11 contributors are asked for; [erasure] max_contributors is 1",)
    assert kept(sql_world) == before
    with pytest.raises(BadInput, match="disagrees with PostgreSQL in 1 lines"):
        unknown = request(*asked(*range(1, 11), 99))
        freeze(settings, batch_id=BATCH, request=unknown, queries=sql_world.queries)
    frozen = freeze(settings, batch_id=BATCH, request=eleven, queries=sql_world.queries)
    assert (frozen.contributors, frozen.already_erased) == (10, 1)
    sql_world.run(
        f"delete from erasure.targets where batch_id = '{BATCH}'",
        f"delete from erasure.batches where batch_id = '{BATCH}'",
    )
    frozen = freeze(settings, batch_id=BATCH, request=twelve, queries=sql_world.queries, cap_reason="a test")
    assert frozen.contributors == 11


def request(*rows: tuple[str, str]) -> Request:
    return Request(
        rows=tuple(
            RequestedContributor(line=line, contributor_id=contributor_id, email=email)
            for line, (contributor_id, email) in enumerate(rows, start=2)
        ),
        sha256="0" * 64,
    )
