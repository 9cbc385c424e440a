"""CSVs as they are sent: those that are wrong are refused by line, those that are merely odd are planned.

Holds: the table of whole files, a CSV of a hundred thousand lines, and the way of an email that looks like a formula.
Add here: a file that somebody has sent, with its exit code and what is said of it.
Keep out: forms of lines one by one (`tests/unit/test_request.py`).
"""

from __future__ import annotations

import csv
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.flow_fixtures import Flow, Person
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import look
from tests.integration.wrong_input import Case, Trial, tried

HEADER = "contributor_id,email_address\n"
UNKNOWN = "99999999-9999-4999-8999-999999999999"
FORMULA = "=cmd|' /C calc'!A0"


@dataclass(frozen=True, kw_only=True)
class File:
    """A file made from three people of the world, and what is said of it."""

    name: str
    content: Callable[[Person, Person, Person], str | bytes]
    says: tuple[str, ...] = ()
    code: int = 2
    flags: tuple[str, ...] = ("--execute", "--undo-days", "0")
    max_contributors: int = 10_000


def row(person: Person) -> str:
    return f"{person.contributor_id},{person.email}\n"


WRONG = (
    File(
        name="no contributor_id",
        content=lambda a, b, c: f"email_address\n{a.email}\n",
        says=("line 1 lacks the column contributor_id",),
    ),
    File(
        name="no email_address",
        content=lambda a, b, c: f"contributor_id,email\n{row(a)}",
        says=("line 1 lacks the column email_address",),
    ),
    File(
        name="no header",
        content=lambda a, b, c: row(a) + row(b),
        says=("line 1 lacks the column contributor_id and email_address", "expected a header"),
    ),
    File(
        name="a column twice",
        content=lambda a, b, c: f"contributor_id,email_address,email_address\n{row(a)}",
        says=("line 1 names the column email_address twice",),
    ),
    File(name="empty", content=lambda a, b, c: "", says=("line 1 lacks the column",)),
    File(name="header only", content=lambda a, b, c: HEADER, says=("names no contributor",)),
    File(
        name="semicolons",
        content=lambda a, b, c: f"{HEADER}{row(a)}{row(b)}".replace(",", ";"),
        says=("line 1 lacks the column", "its cells are separated by semicolons", "separated by commas"),
    ),
    File(
        name="UTF-16",
        content=lambda a, b, c: f"{HEADER}{row(a)}".encode("utf-16"),
        says=("line 1 is not UTF-8",),
    ),
    File(
        name="Latin-1",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},zoë@example.com\n".encode("latin-1"),
        says=("line 3 is not UTF-8",),
    ),
    File(
        name="NUL byte",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},{b.email}\0\n",
        says=("line 3 holds a NUL byte",),
    ),
    File(
        name="a quote never closed",
        content=lambda a, b, c: f'{HEADER}{row(a)}{b.contributor_id},"{b.email}\n{row(c)}',
        says=("line 3 is not CSV",),
    ),
    File(
        name="no line end",
        content=lambda a, b, c: f"{HEADER}{a.contributor_id},{a.email * 100_000}",
        says=("line 2 is longer than any row of a CSV",),
    ),
    File(
        name="a cell too many and one too few",
        content=lambda a, b, c: f"{HEADER}{b.contributor_id},{b.email},\n{c.contributor_id}\n",
        says=("line 2: has 3 cells, expected 2", "line 3: has 1 cells, expected 2"),
    ),
    File(
        name="ids of the wrong form",
        content=lambda a, b, c: (
            f"{HEADER}12345,{a.email}\n{{{b.contributor_id}}},{b.email}\n"
            f"{c.contributor_id.replace('-', '')},{c.email}\n{FORMULA},{FORMULA}\n"
        ),
        says=tuple(f"line {line}: contributor_id is not a uuid" for line in (2, 3, 4, 5)),
    ),
    File(
        name="emails of the wrong form, formulas among them",
        content=lambda a, b, c: "".join(
            [
                HEADER,
                *(
                    f"{uuid.UUID(int=n)},{e}\n"
                    for n, e in enumerate(("nobody", "a b@c.de", FORMULA, "@x", "+1"))
                ),
            ]
        ),
        says=tuple(f"line {line}: email_address is not an email" for line in (2, 3, 4, 5, 6)),
    ),
    File(
        name="double contributor in another case",
        content=lambda a, b, c: f"{HEADER}{row(a)}{row(b)}{a.contributor_id.upper()},{c.email}\n",
        says=(
            "line 4: contributor_id stands in line 2 already",
            "line 4: email_address is not that contributor's",
        ),
    ),
    File(
        name="double email in another case",
        content=lambda a, b, c: f"{HEADER}{row(a)}{b.contributor_id},{a.email.upper()}\n",
        says=("line 3: email_address stands in line 2 already",),
    ),
    File(
        name="wrong in form, unknown and at odds, all told at once",
        content=lambda a, b, c: (
            f"{HEADER}12345,{a.email}\n{UNKNOWN},x@example.com\n{b.contributor_id},{c.email}\n"
        ),
        says=(
            "is wrong in 3 places",
            "line 2: contributor_id is not a uuid",
            "line 3: contributor_id is unknown in PostgreSQL",
            "line 4: email_address is not that contributor's in PostgreSQL",
            "--skip-unknown",
        ),
    ),
    File(
        name="unknown contributor and somebody else's email",
        content=lambda a, b, c: f"{HEADER}{row(a)}{UNKNOWN},{b.email}\n{b.contributor_id},{c.email}\n",
        says=(
            "disagrees with PostgreSQL in 2 lines",
            "line 3: contributor_id is unknown",
            "line 4: email_address is not that contributor's",
            "--skip-unknown",
        ),
    ),
    File(
        name="a hundred thousand lines, far beyond the cap",
        content=lambda a, b, c: HEADER + strangers(100_000),
        says=(
            "100000 contributors are asked for; [erasure] max_contributors is 1000",
            "--exceed-caps REASON",
        ),
        code=3,
        max_contributors=1_000,
    ),
    File(
        name="a hundred thousand unknown ones",
        content=lambda a, b, c: HEADER + strangers(100_000),
        says=("disagrees with PostgreSQL in 100000 lines", "line 21: ", "and 99980 more"),
    ),
)


def strangers(number: int) -> str:
    """Lines of people who are unknown, each with an id of its own that says nothing of the next."""
    return "".join(f"{uuid.uuid5(uuid.NAMESPACE_OID, str(n))},person{n}@example.com\n" for n in range(number))


def case_of(flow: Flow, file: File) -> Case:
    first, second, third, *_ = flow.plain()
    path = flow.file(file.content(first, second, third))
    config = flow.variant({("erasure", "max_contributors"): str(file.max_contributors)})
    arguments = ("delete", "--csv", path, *file.flags)
    return Case(name=file.name, arguments=arguments, says=file.says, code=file.code, config=config)


def no_files(flow: Flow) -> list[Case]:
    """What is named by --csv and is no file at all, or cannot become one."""
    pipe = flow.root / "pipe.csv"
    os.mkfifo(pipe)
    to_read = (
        (flow.root / "absent.csv", "absent.csv cannot be read (FileNotFoundError)"),
        (flow.root, "is a directory; save the CSV"),
        ("", "is a directory; save the CSV"),
        (pipe, "is no plain file; save the CSV"),
        ("~no-such-user/c.csv", "begins with a home that does not exist"),
    )
    to_write = (
        (flow.config, "exists already; name another file by --csv"),
        (flow.config / "c.csv", "c.csv cannot be written"),
    )
    return [
        *(
            Case(name=f"read {path}", arguments=("delete", "--csv", path), says=(says,))
            for path, says in to_read
        ),
        *(
            Case(name=f"write {path}", arguments=("fetch", "--csv", path, "--execute"), says=(says,))
            for path, says in to_write
        ),
    ]


@pytest.fixture(scope="module")
def trial(flow: Flow) -> Trial:
    return tried(flow, [*(case_of(flow, file) for file in WRONG), *no_files(flow)])


@pytest.mark.parametrize("file", WRONG, ids=lambda file: file.name)
def test_a_csv_that_is_wrong_is_refused_by_line(trial: Trial, file: File) -> None:
    (case,) = (case for case in trial.cases if case.name == file.name)
    trial.require_told(case)
    assert len(trial.answers[case.name].result["problems"]) <= 25


def test_what_is_no_file_is_refused(trial: Trial) -> None:
    for case in trial.cases[len(WRONG) :]:
        trial.require_told(case)


def test_no_wrong_csv_changes_anything_or_leaves_a_needle(trial: Trial) -> None:
    trial.require_nothing_changed()
    assert needles(trial.flow) == 0


def test_nobody_in_a_wrong_csv_is_named_in_any_output_or_log(trial: Trial) -> None:
    trial.require_nobody_named(["cmd|", "nobody,", "person77@", "a b@c.de"])


ODD = (
    File(
        name="BOM, CRLF, further columns with formulas, ids and emails in capitals, an unknown one skipped",
        content=lambda a, b, c: "\r\n".join(
            [
                "note,email_address,contributor_id,=1+1",
                f"{FORMULA},{a.email.upper()},{a.contributor_id.upper()},+1",
                f"@x, {b.email} ,{b.contributor_id},-1",
                f"x,nobody@example.com,{UNKNOWN},x",
                "",
            ]
        ).encode("utf-8-sig"),
        code=0,
        flags=("--dry-run", "--skip-unknown"),
    ),
    File(
        name="quotes, line breaks in cells, line ends of old machines, blank rows",
        content=lambda a, b, c: (
            f'contributor_id,"email_address",note\r"{a.contributor_id}","{a.email}","two\rlines; ""quoted"""\r,,\r'
            f"{b.contributor_id},{b.email},\r"
        ),
        code=0,
        flags=("--dry-run",),
    ),
)


@pytest.mark.parametrize(
    "file",
    [ODD[0], *(pytest.param(file, marks=pytest.mark.full) for file in ODD[1:])],
    ids=lambda file: file.name,
)
def test_a_csv_that_is_merely_odd_is_planned_as_it_is_meant(flow: Flow, file: File) -> None:
    before = look(flow.config)
    answer = case_of(flow, file).run(flow)
    assert answer.code == 0, answer.said
    assert answer.result["contributors"] == 2
    assert "cmd|" not in answer.said
    require_unchanged(before, look(flow.config))
    assert needles(flow) > 0
    assert flow.command("cancel", answer.result["batch_id"]).code == 0
    assert needles(flow) == 0


@pytest.fixture
def formula_like(flow: Flow) -> Iterator[Person]:
    """Somebody whose email is one that a spreadsheet would run; the first of the inactive ones."""
    person = flow.plain()[0]
    email = f"=HYPERLINK(1;2)+{person.email}"
    flow.sql(
        "update contributors set email = %s, created_at = '1990-01-01' where contributor_id = %s",
        email,
        person.contributor_id,
    )
    flow.sql(
        "update login_events set created_at = '1990-01-02' where contributor_id = %s", person.contributor_id
    )
    yield person
    flow.sql(
        "update contributors set email = %s where contributor_id = %s", person.email, person.contributor_id
    )


def test_an_email_like_a_formula_is_fetched_as_a_text_and_leads_back_to_its_person(
    flow: Flow, formula_like: Person, tmp_path: Path
) -> None:
    path = tmp_path / "fetched.csv"
    fetched = flow.command("fetch", "--csv", path, "--execute")
    assert fetched.code == 0, fetched.said

    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [cell for line in rows for cell in line if cell[0] in "=+-@\t\r"] == []
    (mine,) = (line for line in rows if line[0] == formula_like.contributor_id)
    assert mine[1] == f"'=HYPERLINK(1;2)+{formula_like.email}"

    asked = flow.file(HEADER + ",".join(mine) + "\n")
    planned = flow.command("delete", "--csv", asked, "--dry-run")
    assert planned.code == 0, planned.said
    assert planned.result["contributors"] == 1
    assert "HYPERLINK" not in fetched.said + planned.said
    flow.command("cancel", planned.result["batch_id"])


def test_whom_no_csv_can_lead_back_to_is_left_out_and_told(flow: Flow, tmp_path: Path) -> None:
    person = flow.plain()[1]
    path = tmp_path / "fetched.csv"
    flow.sql(
        "update contributors set email = %s where contributor_id = %s", "no email", person.contributor_id
    )
    try:
        fetched = flow.command("fetch", "--csv", path, "--execute")
    finally:
        flow.sql(
            "update contributors set email = %s where contributor_id = %s",
            person.email,
            person.contributor_id,
        )
    assert fetched.code == 0, fetched.said
    assert fetched.result["excluded"]["no email that a CSV can hold; mend it in PostgreSQL"] == 1
    assert person.contributor_id not in path.read_text()


@pytest.mark.full
def test_a_million_lines_are_refused_in_minutes_and_listed_in_a_screenful(flow: Flow) -> None:
    path = flow.file(HEADER + strangers(1_000_000))
    cases = [
        Case(
            name="capped",
            arguments=("delete", "--csv", path, "--execute"),
            says=("1000000 contributors are asked for", "--exceed-caps REASON"),
            code=3,
        ),
        Case(
            name="unknown",
            arguments=("delete", "--csv", path, "--execute", "--exceed-caps", "a test"),
            says=("disagrees with PostgreSQL in 1000000 lines", "and 999980 more"),
        ),
    ]
    trial = tried(flow, cases)
    for case in cases:
        trial.require_told(case)
        assert len(trial.answers[case.name].result["problems"]) <= 25
    trial.require_nothing_changed()
    assert needles(flow) == 0


def needles(flow: Flow) -> int:
    """Rows of the target sets: a refused request leaves none."""
    (found,) = flow.sql("select to_regclass('erasure.targets') is not null as there")
    return int(flow.sql("select count(*) from erasure.targets")[0]["count"]) if found["there"] else 0
