"""CSVs that must not be executed: each is refused as bad input, by line, and nothing is changed.

The table is one of whole files, since every one of them has been sent by somebody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.flow_fixtures import Flow, Person
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import Snapshot, look

HEADER = "contributor_id,email_address\n"
UNKNOWN = "99999999-9999-4999-8999-999999999999"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file made from three people of the world, and what the refusal says, line by line."""

    name: str
    content: Callable[[Person, Person, Person], str | bytes]
    says: tuple[str, ...]


def row(person: Person) -> str:
    return f"{person.contributor_id},{person.email}\n"


CASES = (
    Case(
        name="no contributor_id",
        content=lambda a, b, c: f"email_address\n{a.email}\n",
        says=("line 1 lacks the column contributor_id",),
    ),
    Case(
        name="no email_address",
        content=lambda a, b, c: f"contributor_id,email\n{row(a)}",
        says=("line 1 lacks the column email_address",),
    ),
    Case(
        name="unknown contributor",
        content=lambda a, b, c: f"{HEADER}{row(a)}{UNKNOWN},{b.email}\n",
        says=("line 3: contributor_id is unknown", "--skip-unknown"),
    ),
    Case(
        name="double contributor",
        content=lambda a, b, c: f"{HEADER}{row(a)}{row(b)}{row(a)}",
        says=("line 4: contributor_id stands in line 2 already",),
    ),
    Case(
        name="double email in another case",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},{a.email.upper()}\n",
        says=("line 3: email_address stands in line 2 already",),
    ),
    Case(
        name="malformed id",
        content=lambda a, b, c: f"{HEADER}{row(a)}12345,{b.email}\n{row(c)}",
        says=("line 3: contributor_id is not a uuid",),
    ),
    Case(
        name="malformed emails",
        content=lambda a, b, c: (
            f"{HEADER}{a.contributor_id},nobody\n{row(b)}{c.contributor_id},a b@example.com\n"
        ),
        says=("line 2: email_address is not an email", "line 4: email_address is not an email"),
    ),
    Case(
        name="email of somebody else",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},{c.email}\n",
        says=("line 3: email_address is not that contributor's",),
    ),
    Case(name="empty file", content=lambda a, b, c: "", says=("line 1 lacks the column",)),
    Case(name="header only", content=lambda a, b, c: HEADER, says=("names no contributor",)),
    Case(
        name="UTF-16",
        content=lambda a, b, c: f"{HEADER}{row(a)}".encode("utf-16"),
        says=("line 1 is not UTF-8",),
    ),
    Case(
        name="Latin-1",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},zoë@example.com\n".encode("latin-1"),
        says=("line 3 is not UTF-8",),
    ),
    Case(
        name="semicolons",
        content=lambda a, b, c: f"{HEADER}{row(a)}{row(b)}".replace(",", ";"),
        says=("line 1 lacks the column", "separated by commas"),
    ),
    Case(
        name="a cell too many",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},{b.email},\n",
        says=("line 3: has 3 cells, expected 2",),
    ),
)


@pytest.fixture(scope="module")
def before(flow: Flow) -> Snapshot:
    return look(flow.config)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_csv_that_is_wrong_is_refused_by_line_and_changes_nothing(
    flow: Flow, before: Snapshot, case: Case
) -> None:
    people = flow.plain()[:3]
    csv = flow.file(case.content(people[0], people[1], people[2]))
    answer = flow.command("delete", "--csv", csv, "--execute", "--undo-days", "0")
    assert answer.code == 2, answer.said
    told = "\n".join(answer.result["problems"])
    for text in case.says:
        assert text in told
    assert [value for person in people for value in person.values if value in answer.said] == []
    require_unchanged(before, look(flow.config))
    assert needles(flow) == 0


def test_a_csv_that_does_not_exist_is_bad_input(flow: Flow, before: Snapshot) -> None:
    answer = flow.command("delete", "--csv", flow.root / "nowhere.csv", "--execute")
    assert answer.code == 2
    assert "nowhere.csv cannot be read" in answer.result["problems"][0]
    require_unchanged(before, look(flow.config))


def test_the_same_people_in_a_right_csv_are_accepted(flow: Flow, before: Snapshot) -> None:
    """With a byte order mark, Windows line ends, further columns and an unknown id that may be skipped."""
    first, second, _ = flow.plain()[:3]
    lines = ["note,email_address,contributor_id"]
    lines += [f"x,{person.email.upper()},{person.contributor_id.upper()}" for person in (first, second)]
    lines += [f"x,nobody@example.com,{UNKNOWN}", ""]
    csv = flow.file("\r\n".join(lines).encode("utf-8-sig"))
    answer = flow.command("delete", "--csv", csv, "--dry-run", "--skip-unknown")
    assert answer.code == 0, answer.said
    assert answer.result["contributors"] == 2
    require_unchanged(before, look(flow.config))
    assert needles(flow) > 0
    assert flow.command("cancel", answer.result["batch_id"]).code == 0
    assert needles(flow) == 0


def needles(flow: Flow) -> int:
    """Rows of the target sets: a refused request leaves none."""
    (found,) = flow.sql("select to_regclass('erasure.targets') is not null as there")
    return int(flow.sql("select count(*) from erasure.targets")[0]["count"]) if found["there"] else 0
