"""CSV and TSV: only the ruled cells of targets' rows change, and what cannot be read for sure is an error.

Add here: a way in which somebody writes a table as text.
Keep out: compression (`test_rows_compression.py`).
"""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from tests.unit.rows_support import (
    ANN,
    BOB,
    CONTROL,
    TARGET,
    emails,
    ids,
    is_of_target,
    prepared,
    rewritten,
    texts,
)

ROW = st.tuples(ids, emails, texts)


def cell(text: str, delimiter: str, *, quoted: bool) -> str:
    """A cell as RFC 4180 wants it, or quoted where it need not be."""
    if quoted or any(sign in text for sign in (delimiter, '"', "\n")):
        return '"' + text.replace('"', '""') + '"'
    return text


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(ROW, st.tuples(st.booleans(), st.booleans(), st.booleans())), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    last_end=st.booleans(),
    bom=st.sampled_from(["", "\ufeff"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_only_the_ruled_cells_of_targets_change_and_keep_their_quotes(
    rows: list[tuple[tuple[str, str, str], tuple[bool, bool, bool]]],
    end: str,
    last_end: bool,
    bom: str,
    delimiter: str,
) -> None:
    def written(masked: bool) -> bytes:
        lines = [delimiter.join(["id", "email", "label"])]
        for row, quotes in rows:
            cells = [cell(text, delimiter, quoted=q) for text, q in zip(row, quotes, strict=True)]
            if masked and row[1] and row[1] != MASK and is_of_target(row[0], row[1]):
                cells[1] = cell(MASK, delimiter, quoted=cells[1].startswith('"'))
            lines.append(delimiter.join(cells))
        return (bom + end.join(lines) + (end if last_end else "")).encode()

    key = "a.tsv" if delimiter == "\t" else "a.csv"
    codec, rules = prepared(key, **({"delimiter": ";"} if delimiter == ";" else {}))
    result, counts = rewritten(codec, written(masked=False), rules)
    assert result == written(masked=True)
    assert counts.rows == len(rows)
    assert counts.of_targets == sum(is_of_target(row[0], row[1]) for row, _ in rows)


@settings(max_examples=40)
@given(rows=st.lists(ROW, max_size=8))
def test_rows_of_targets_go_as_a_whole_and_all_others_stay(rows: list[tuple[str, str, str]]) -> None:
    def written(found: list[tuple[str, str, str]]) -> bytes:
        sink = io.StringIO(newline="")
        csv.writer(sink).writerows([("id", "email", "label"), *found])
        return sink.getvalue().encode()

    kept = [
        row
        for row in rows
        if not is_of_target(row[0], row[1]) or (row[1].startswith(MASK) and not is_of_target(row[0], ""))
    ]
    codec, rules = prepared("a.csv", rule="delete")
    result, counts = rewritten(codec, written(rows), rules)
    assert [tuple(row) for row in csv.reader(io.StringIO(result.decode(), newline=""))][1:] == [
        *csv_rows(written(kept))
    ]
    assert counts.to_mask == len(rows) - len(kept)


def csv_rows(raw: bytes) -> list[tuple[str, ...]]:
    """The rows below the header, as Python's own reader sees them."""
    return [tuple(row) for row in csv.reader(io.StringIO(raw.decode(), newline=""))][1:]


def test_every_rule_writes_what_it_says_into_a_cell() -> None:
    columns = [
        ("email", {"rule": "unique"}),
        ("token", {"rule": "hash"}),
        ("ip", {"rule": "truncate_ip"}),
        ("born", {"rule": "coarsen_date"}),
        ("note", {"rule": "scrub_text"}),
        ("phone", {"rule": "clear"}),
    ]
    codec, rules = prepared("a.csv", *columns, subject={"contributor_id": "id", "email": "email"})
    head = "id,email,token,ip,born,note,phone\n"
    tail = ',1.2.3.4,1987-06-05,"Ask Ann Quostovan, or joann@example.com","+1 2"\n'
    raw = f"{head}{TARGET},{ANN},secret{tail}{CONTROL},{BOB},secret{tail}"
    result, counts = rewritten(codec, raw.encode(), rules)
    first, second = result.decode().removeprefix(head).splitlines(keepends=True)
    assert second == f"{CONTROL},{BOB},secret{tail}"
    assert first.startswith(f"{TARGET},{MASK}-{TARGET},{MASK}-")
    assert first.endswith(f',1.2.3.0,1987-01-01,"Ask {MASK}, or joann@example.com",\n')
    assert (counts.to_mask, counts.cells) == (1, 6)


def test_an_empty_cell_is_null_quoted_or_not() -> None:
    codec, rules = prepared("a.csv")
    raw = f'id,email,label\n{TARGET},,x\n{TARGET},"",x\n"",{ANN},x\n'.encode()
    result, counts = rewritten(codec, raw, rules)
    assert result == f'id,email,label\n{TARGET},,x\n{TARGET},"",x\n"",{MASK},x\n'.encode()
    assert (counts.of_targets, counts.to_mask) == (3, 1)


def test_a_row_of_somebody_else_with_an_email_of_a_target_is_a_conflict_and_stays() -> None:
    codec, rules = prepared("a.csv")
    raw = f"id,email,label\n{CONTROL},{ANN},x\n".encode()
    result, counts = rewritten(codec, raw, rules)
    assert result == raw
    assert (counts.conflicts, counts.of_targets, counts.to_mask) == (1, 0, 0)


def test_latin_1_is_read_and_written_as_it_is() -> None:
    codec, rules = prepared("a.csv", encoding="latin-1")
    raw = f"id,email,label\n{TARGET},{ANN},\xe4\n{CONTROL},{BOB},\xe9\n".encode("latin-1")
    result, _ = rewritten(codec, raw, rules)
    assert result == raw.replace(ANN.encode(), MASK.encode())


def test_columns_nobody_registered_are_told_in_counting_and_refused_in_writing() -> None:
    codec, rules = prepared("a.csv")
    raw = b"id,email,label,Full Name,x@example.com\n"
    assert codec.count(io.BytesIO(raw), rules).unregistered == (
        "Full Name",
        "one whose name is no plain word",
    )
    with pytest.raises(UnreadableRows, match="not in the inventory: Full Name"):
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)


GOOD = f"{CONTROL},{BOB},x\n"
HEAD = "id,email,label\n"


@pytest.mark.parametrize(
    ("raw", "kind", "sentence"),
    [
        (f"name,email,label\n{GOOD}", Flaw.HEADER, "its header lacks id"),
        (f"id,mail,label\n{GOOD}", Flaw.HEADER, "its header lacks email"),
        (f"id,email,email\n{GOOD}", Flaw.HEADER, "more than one email"),
        (f"{GOOD}{GOOD}", Flaw.HEADER, "its header lacks email, id"),
        (f"id,email,label\r{GOOD}".replace("\n", "\r"), Flaw.HEADER, "a carriage return stands alone"),
        (f'id,email,"a\rb"\n{GOOD}', Flaw.HEADER, "a carriage return stands alone"),
        (f"{HEAD}{GOOD}a,b\n", Flaw.CELLS, "row 2: it has 2 cells, and the header 3"),
        (f"{HEAD}{GOOD}a,b,c,d", Flaw.CELLS, "row 2: it has 4 cells"),
        (f'{HEAD}{GOOD}a,b,"{BOB}', Flaw.QUOTES, "quotes are not balanced"),
        (f'{HEAD}{GOOD}a,5" disk and 3" disk,c\n', Flaw.QUOTES, "row 2: a quote stands where no cell"),
        (f'{HEAD}a,"b" ,c\n', Flaw.QUOTES, "row 1: a quote stands where no cell"),
        (f"{HEAD}a,b,c\r{GOOD}", Flaw.CELLS, "row 1: "),
        (f"{HEAD}a,b\r,c\n", Flaw.CELLS, "row 1: a carriage return stands alone"),
    ],
)
def test_what_other_readers_could_see_otherwise_is_an_error_without_a_value(
    raw: str, kind: Flaw, sentence: str
) -> None:
    codec, rules = prepared("a.csv")
    for work in (
        lambda: codec.count(io.BytesIO(raw.encode()), rules),
        lambda: codec.rewrite(io.BytesIO(raw.encode()), io.BytesIO(), rules),
    ):
        with pytest.raises(UnreadableRows) as flaw:
            work()
        assert flaw.value.kind is kind
        assert sentence in str(flaw.value)
        assert BOB not in str(flaw.value) and CONTROL not in str(flaw.value)


def test_what_is_not_in_its_encoding_is_an_error() -> None:
    codec, rules = prepared("a.csv")
    for raw in (
        "\ufeffid,email,label\n".encode("utf-16"),
        b"id,email,label\xff\n",
        HEAD.encode() + b"17,\xff,x\n",
    ):
        with pytest.raises(UnreadableRows) as flaw:
            codec.count(io.BytesIO(raw), rules)
        assert flaw.value.kind is Flaw.ENCODING


def test_quotes_that_nobody_closes_do_not_fill_the_memory() -> None:
    codec, rules = prepared("a.csv")
    raw = HEAD.encode() + b'a,b,"' + (b"x" * 1023 + b"\n") * (18 * 1024)
    with pytest.raises(UnreadableRows, match="longer than 16 MiB") as flaw:
        codec.count(io.BytesIO(raw), rules)
    assert flaw.value.kind is Flaw.LENGTH


def test_rows_across_many_blocks_are_seen_once_each() -> None:
    codec, rules = prepared("a.csv")
    row = f'{TARGET},{ANN},"two\nlines"\n{CONTROL},{BOB},{"x" * 91}\n'
    raw = (HEAD + row * 20_000).encode()
    result, counts = rewritten(codec, raw, rules)
    assert (counts.rows, counts.to_mask) == (40_000, 20_000)
    assert result == raw.replace(ANN.encode(), MASK.encode())


def test_an_object_without_a_byte_has_no_rows() -> None:
    codec, rules = prepared("a.csv")
    result, counts = rewritten(codec, b"", rules)
    assert (result, counts.rows) == (b"", 0)
