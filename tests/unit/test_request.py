"""CSVs of contributors: what is right is read, what is wrong is listed by line, and no value is repeated.

Holds: tables of right and wrong files, and what holds for any bytes, any email and any number of lines.
Add here: a file that somebody has sent, with what is said of it.
Keep out: what PostgreSQL says of a line (`tests/contract/test_request_outcomes.py`).
"""

import csv
import hashlib
import io
import os
import stat
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from erasure.errors import BadInput
from erasure.request import (
    LINES_SHOWN,
    RequestedContributor,
    WrongLines,
    WrongRequest,
    cell_of,
    email_of,
    read_request,
    write_csv,
)
from erasure.rules import normalise_email

A = "5a0c2c52-9f4e-4c3c-8f0e-0d6a2f3b1c11"
B = "7b1d3d63-0a5f-4d4d-9a1f-1e7b3a4c2d22"
HEADER = "contributor_id,email_address\n"
# What a spreadsheet takes for the beginning of a formula, once its own quotes are gone.
FORMULA_SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
any_file = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(tmp_path: Path, content: bytes | str) -> Path:
    """A CSV with this content."""
    path = tmp_path / "c.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}{A},ann@example.com\n{B},bob@example.com\n",
        f"\ufeff{HEADER}{A},ann@example.com\n{B},bob@example.com\n",
        f"\ufeff\ufeff{HEADER}{A},ann@example.com\n{B},bob@example.com\n",
        f"{HEADER}{A},ann@example.com\n{B},bob@example.com\n".replace("\n", "\r\n"),
        f"{HEADER}{A},ann@example.com\n{B},bob@example.com".replace("\n", "\r"),
        f"name,email_address,contributor_id\nx,ann@example.com,{A.upper()}\n\ny, bob@example.com ,{B}\n",
        f'contributor_id,email_address,note\n"{A}","ann@example.com","two\nlines, =1+1"\n{B},bob@example.com,\n',
        f"contributor_id,email_address,a,b\n{A},ann@example.com,=cmd|' /C calc'!A0,+1\n{B},bob@example.com,@x,-1\n",
        f"{HEADER}{A},ann@example.com\n,\n , \n,,,\n\n{B},bob@example.com\n",
    ],
)
def test_order_marks_quotes_line_ends_blank_rows_and_further_columns_do_not_matter(
    tmp_path: Path, content: str
) -> None:
    rows = read_request(written(tmp_path, content)).rows
    assert [(row.contributor_id, row.email) for row in rows] == [
        (A, "ann@example.com"),
        (B, "bob@example.com"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "line 1 lacks the column contributor_id and email_address"),
        (HEADER, "names no contributor"),
        (f"{HEADER}\n,\n", "names no contributor"),
        (f"{A},ann@example.com\n", "line 1 lacks the column contributor_id and email_address;"),
        (f"id,email_address\n{A},ann@example.com\n", "line 1 lacks the column contributor_id"),
        (f"contributor_id,mail\n{A},ann@example.com\n", "line 1 lacks the column email_address"),
        (
            f"contributor_id;email_address\n{A};ann@example.com\n",
            "and its cells are separated by semicolons; expected a header with contributor_id and email_address, "
            "separated by commas",
        ),
        (f"contributor_id\temail_address\n{A}\tann@example.com\n", "its cells are separated by tabs"),
        (f"{HEADER[:-1]},contributor_id\n{A},a@example.com,{A}\n", "names the column contributor_id twice"),
        (f"{HEADER}u1,ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{A}x,ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{{{A}}},ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}urn:uuid:{A},ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{A.replace('-', '')},ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}\uff15{A[1:]},ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}=1+1,ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER},ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{A},ann.example.com\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},ann@example.com bob@example.com\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},=cmd|' /C calc'!A0\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},@ann\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},+1\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},-1\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A}\n", "line 2: has 1 cells, expected 2"),
        (
            f"{HEADER}{A},ann@example.com\n{A.upper()},b@example.com\n",
            "line 3: contributor_id stands in line 2",
        ),
        (f"{HEADER}{A},ann@example.com\n{B}, ANN@example.com\n", "line 3: email_address stands in line 2"),
        (f'{HEADER}{B},b@example.com\n{A},"ann@example.com\n', "line 3 is not CSV"),
        (f'{HEADER}{A},"ann@example.com"x\n', "line 2 is not CSV"),
        (f'{HEADER}"{A}\n",ann@example.com\nx,y\n', "line 4: contributor_id is not a uuid"),
        (f"{HEADER}{A},ann\0@example.com\n", "line 2 holds a NUL byte"),
        (f"{HEADER}{A},ann@example.com\n".encode() + b"\xff\n", "line 3 is not UTF-8"),
        (f"{HEADER}{A},ann@example.com\n".encode("utf-16"), "line 1 is not UTF-8"),
        (HEADER.encode() + b"x" * 1_000_001, "line 2 is longer than any row"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, content: bytes | str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_request(written(tmp_path, content))
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2
    assert not {"ann", "cmd", A} & set(str(refused.value).lower().replace("@", " ").split())


def test_a_row_is_named_by_the_line_in_which_it_begins(tmp_path: Path) -> None:
    content = (
        f'contributor_id,email_address,note\n{A},ann@example.com,"a\nb\nc"\nx,y,z\n{B},bob@example.com,\n'
    )
    with pytest.raises(WrongRequest) as refused:
        read_request(written(tmp_path, content))
    assert [line for line, _ in refused.value.lines.first] == [5]
    assert [row.line for row in refused.value.right.rows] == [2, 6]


def test_a_quote_that_is_never_closed_is_named_by_the_line_that_opens_it(tmp_path: Path) -> None:
    content = f'{HEADER}{A},"ann@example.com\n' + f"{B},bob@example.com\n" * 10_000
    with pytest.raises(BadInput, match=r"line 2 is not CSV .*; is a quote never closed"):
        read_request(written(tmp_path, content))


def test_many_wrong_lines_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    content = HEADER + "".join(f"u{n},x@example.com\n" for n in range(50))
    with pytest.raises(WrongRequest) as refused:
        read_request(written(tmp_path, content))
    assert refused.value.summary.endswith("is wrong in 50 places; nothing was changed.")
    assert len(refused.value.problems) == LINES_SHOWN + 1
    assert refused.value.problems[-1] == "and 30 more"


lines_wrong = st.lists(st.tuples(st.integers(1, 99), st.just("is wrong")), unique=True, max_size=50)


@given(lines_wrong, lines_wrong)
def test_wrong_lines_of_two_judges_come_together_in_order(
    here: list[tuple[int, str]], there: list[tuple[int, str]]
) -> None:
    parts = [WrongLines(number=len(part), first=tuple(sorted(part)[:LINES_SHOWN])) for part in (here, there)]
    both = parts[0] + parts[1]
    assert both.number == len(here) + len(there)
    assert list(both.first) == sorted([*here, *there])[:LINES_SHOWN]
    assert len(both.sentences) == min(both.number, LINES_SHOWN) + (both.number > LINES_SHOWN)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, "cannot be read (FileNotFoundError)"),
        (lambda path: path.mkdir(), "is a directory"),
        (os.mkfifo, "is no plain file"),
        (lambda path: path.symlink_to(path), "cannot be read (OSError)"),
    ],
    ids=["absent", "directory", "pipe", "link to itself"],
)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: object, sentence: str) -> None:
    path = tmp_path / "c.csv"
    assert callable(make)
    make(path)
    with pytest.raises(BadInput) as refused:
        read_request(path)
    assert sentence in str(refused.value)
    assert "--csv" in str(refused.value)


@any_file
@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@example(b"\r\r\n\n\x85")
def test_any_bytes_are_read_or_refused_as_bad_input(tmp_path: Path, content: bytes) -> None:
    for start in (b"", HEADER.encode()):
        try:
            request = read_request(written(tmp_path, start + content))
        except BadInput as refused:
            assert "Traceback" not in str(refused)
        else:
            assert request.sha256 == hashlib.sha256(start + content).hexdigest()


SECRET = "zq7secret"
cells = st.lists(
    st.sampled_from(
        [SECRET, f"{SECRET}@x.y", f"={SECRET}", f'"{SECRET}', f"{SECRET};{SECRET}", A, "a@b.c", ""]
    ),
    max_size=4,
)


@any_file
@given(st.lists(cells, max_size=6))
def test_no_refusal_repeats_what_stands_in_a_cell(tmp_path: Path, rows: list[list[str]]) -> None:
    for start in ("", HEADER):
        content = start + "".join(",".join(row) + "\n" for row in rows)
        try:
            read_request(written(tmp_path, content))
        except BadInput as refused:
            assert SECRET not in str(refused)


@given(st.uuids(), st.sampled_from([str.upper, str.lower, str.title]))
@any_file
def test_an_id_is_read_in_any_case(tmp_path: Path, one: uuid.UUID, case: object) -> None:
    assert callable(case)
    rows = read_request(written(tmp_path, f"{HEADER}{case(str(one))},a@b.c\n")).rows
    assert [row.contributor_id for row in rows] == [str(one)]


@given(st.uuids().map(str), st.integers(0, 35), st.characters(exclude_characters='\0\r\n,"', codec="utf-8"))
@any_file
def test_an_id_with_one_character_changed_is_another_id_or_none(
    tmp_path: Path, one: str, at: int, character: str
) -> None:
    text = one[:at] + character + one[at + 1 :]
    try:
        rows = read_request(written(tmp_path, f"{HEADER}{text},a@b.c\n")).rows
    except BadInput as refused:
        assert "is not a uuid" in str(refused)
    else:
        assert [row.contributor_id for row in rows] == [str(uuid.UUID(text))]


emails = st.emails() | st.builds(
    "{}{}@{}".format,
    st.text("'=+-@;\"\uff1d", max_size=3),
    st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=8),
    st.sampled_from(["example.com", "[::1]", "b=c", "-x"]),
)


@given(emails)
@example("=ann@example.com")
@example("'=ann@example.com")
@example("''-ann@example.com")
@example("'ann@example.com")
@example("@@example.com")
def test_a_cell_leads_back_to_its_email_and_is_no_formula(email: str) -> None:
    cell = cell_of(email)
    if cell is not None:
        assert normalise_email(email_of(cell)) == normalise_email(email)
        assert cell[0] not in FORMULA_SIGNS
        for part in cell.split(";")[1:]:
            assert part.lstrip("'\"")[:1] not in list(FORMULA_SIGNS)


@given(st.emails())
def test_every_ordinary_email_has_a_cell(email: str) -> None:
    cell = cell_of(email)
    assert cell is not None
    assert cell in (email, f"'{email}")
    assert email_of(email) == email or email.startswith("'")


@pytest.mark.parametrize(
    "email", ["", "None", "nobody", "a b@example.com", "\u00a0a@example.com", "a;=b@example.com"]
)
def test_an_email_that_no_cell_can_hold_has_none(email: str) -> None:
    assert cell_of(email) is None


@any_file
@given(st.dictionaries(st.uuids().map(str), emails, min_size=1, max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, people: dict[str, str]) -> None:
    unique = {normalise_email(email): key for key, email in people.items() if cell_of(email) is not None}
    pairs = [(key, people[key]) for key in unique.values()]
    path = tmp_path / f"{uuid.uuid4()}.csv"
    assert write_csv(path, pairs) == len(pairs)
    if pairs:
        read = [(row.contributor_id, normalise_email(row.email)) for row in read_request(path).rows]
        assert read == [(key, normalise_email(email)) for key, email in pairs]
    with path.open(newline="") as file:
        assert [cell for row in csv.reader(file) for cell in row if cell[0] in FORMULA_SIGNS] == []


def test_a_csv_of_ours_is_for_its_owner_alone_and_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "c.csv"
    write_csv(path, [(A, "ann@example.com")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        assert next(csv.reader(file)) == ["contributor_id", "email_address"]
    before = path.read_bytes()
    with pytest.raises(BadInput, match="exists already; name another file by --csv"):
        write_csv(path, [])
    assert path.read_bytes() == before


def test_a_csv_that_cannot_be_finished_is_removed(tmp_path: Path) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        yield A, "ann@example.com"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_csv(tmp_path / "c.csv", rows())
    with pytest.raises(ValueError, match="no cell can hold"):
        write_csv(tmp_path / "c.csv", [(A, "nobody")])
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match=r"x\.csv cannot be written"):
        write_csv(tmp_path / "file" / "x.csv", [])


def test_the_same_content_has_the_same_hash_wherever_it_lies(tmp_path: Path) -> None:
    content = f"{HEADER}{A},ann@example.com\n"
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(content)
    second.write_text(content)
    assert read_request(first).sha256 == read_request(second).sha256
    assert read_request(first).sha256 == hashlib.sha256(content.encode()).hexdigest()


def test_a_long_csv_is_read_line_by_line(tmp_path: Path) -> None:
    """Far more bytes than are kept: the cells beside id and email pass through."""
    path = tmp_path / "c.csv"
    with path.open("w") as file:
        file.write("contributor_id,email_address,note\n")
        for number in range(5_000):
            file.write(f"{uuid.UUID(int=number)},person{number}@example.com,{'x' * 10_000}\n")
    tracemalloc.start()
    try:
        request = read_request(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(request.rows) == 5_000
    assert peak < path.stat().st_size / 5


def test_a_row_shows_nobody() -> None:
    row = RequestedContributor(line=2, contributor_id=A, email="ann@example.com")
    assert "ann" not in f"{row!r}{io.StringIO(str(row)).read()}"
