"""CSVs of contributors: what is right is read, what is wrong is listed by line, and no value is repeated."""

import csv
import stat
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erasure.errors import BadInput
from erasure.targets import (
    Needle,
    TargetSet,
    mint_batch_id,
    read_request,
    require_batch_id,
    write_csv,
)

A = "5a0c2c52-9f4e-4c3c-8f0e-0d6a2f3b1c11"
B = "7b1d3d63-0a5f-4d4d-9a1f-1e7b3a4c2d22"
HEADER = "contributor_id,email_address\n"


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
        f"{HEADER}{A},ann@example.com\n{B},bob@example.com\n".replace("\n", "\r\n"),
        f"name,email_address,contributor_id\nx,ann@example.com,{A.upper()}\n\ny, bob@example.com ,{B}\n",
        f'contributor_id,email_address,note\n"{A}","ann@example.com","two\nlines, =1+1"\n{B},bob@example.com,\n',
    ],
)
def test_column_order_quotes_line_ends_and_further_columns_do_not_matter(
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
        (f"id,email_address\n{A},ann@example.com\n", "line 1 lacks the column contributor_id"),
        (f"contributor_id,mail\n{A},ann@example.com\n", "line 1 lacks the column email_address"),
        (f"contributor_id;email_address\n{A};ann@example.com\n", "separated by commas"),
        (f"{HEADER[:-1]},contributor_id\n{A},a@example.com,{A}\n", "names the column contributor_id twice"),
        (f"{HEADER}u1,ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{A}x,ann@example.com\n", "line 2: contributor_id is not a uuid"),
        (f"{HEADER}{A},ann.example.com\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A},\n", "line 2: email_address is not an email address"),
        (f"{HEADER}{A}\n", "line 2: has 1 cells, expected 2"),
        (
            f"{HEADER}{A},ann@example.com\n{A.upper()},b@example.com\n",
            "line 3: contributor_id stands in line 2",
        ),
        (f"{HEADER}{A},ann@example.com\n{B}, ANN@example.com\n", "line 3: email_address stands in line 2"),
        (f'{HEADER}{A},"ann@example.com\n', "is not CSV"),
        (f"{HEADER}{A},ann\0@example.com\n", "line 2 holds a NUL byte"),
        (f"{HEADER}{A},ann@example.com\n".encode() + b"\xff\n", "line 3 is not UTF-8"),
        (f"{HEADER}{A},ann@example.com\n".encode("utf-16"), "line 1 is not UTF-8"),
    ],
)
def test_what_is_wrong_is_named_by_line(tmp_path: Path, content: bytes | str, sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read_request(written(tmp_path, content))
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2
    assert "ann" not in str(refused.value).lower()


def test_many_wrong_lines_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    content = HEADER + "".join(f"u{n},x@example.com\n" for n in range(50))
    with pytest.raises(BadInput) as refused:
        read_request(written(tmp_path, content))
    assert refused.value.summary.endswith("is wrong in 50 places; nothing was changed.")
    assert refused.value.problems[-1] == "and 30 more"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_request(tmp_path / "absent.csv")


emails = st.emails().filter(lambda email: not any(c.isspace() for c in email))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.uuids().map(str), emails, min_size=1, max_size=5))
def test_what_is_written_is_read_again(tmp_path: Path, people: dict[str, str]) -> None:
    unique = {email.strip().lower(): key for key, email in people.items()}
    pairs = [(key, people[key]) for key in unique.values()]
    path = tmp_path / f"{uuid.uuid4()}.csv"
    assert write_csv(path, pairs) == len(pairs)
    assert [(row.contributor_id, row.email) for row in read_request(path).rows] == pairs


def test_a_csv_of_ours_is_for_its_owner_alone_and_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "c.csv"
    write_csv(path, [(A, "ann@example.com")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        assert next(csv.reader(file)) == ["contributor_id", "email_address"]
    with pytest.raises(FileExistsError):
        write_csv(path, [])


def test_the_same_content_has_the_same_hash_wherever_it_lies(tmp_path: Path) -> None:
    content = f"{HEADER}{A},ann@example.com\n"
    first, second = tmp_path / "1.csv", tmp_path / "2.csv"
    first.write_text(content)
    second.write_text(content)
    assert read_request(first).sha256 == read_request(second).sha256


def test_batch_ids_are_opaque_and_sort_by_time() -> None:
    early = mint_batch_id(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert early.startswith("b20260102T030405Z-")
    assert early < mint_batch_id(datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))
    assert mint_batch_id() != mint_batch_id()


@pytest.mark.parametrize(
    "name", ["", "b1", "x' or '1'='1", "b20260102T030405Z-abcdef'", "B20260102T030405Z-abcdef"]
)
def test_only_batch_ids_as_we_mint_them_pass(name: str) -> None:
    minted = mint_batch_id()
    assert require_batch_id(minted) == minted
    with pytest.raises(BadInput, match="is no batch id such as"):
        require_batch_id(name)


def test_a_target_set_shows_nobody() -> None:
    targets = TargetSet(
        batch_id="b1",
        contributor_ids=frozenset({A}),
        needles=(Needle(contributor_id=A, kind="email", value="ann@example.com"),),
    )
    assert repr(targets) == "TargetSet(batch_id='b1', contributors=1)"
    assert "ann" not in f"{targets.needles[0]!r}{targets!s}"
    assert targets.emails == {"ann@example.com": A}
