"""What the gateway's scanner says of statements and of rows, without an engine.

Add here: a property of `sandbox.clickhouse.sql` or `sandbox.clickhouse.values`.
Keep out: whether the engine agrees (`tests/contract/test_clickhouse_gateway_engine.py`).
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clickhouse.compression import PIECE
from sandbox.clickhouse.sql import examine, inline_insert, scan
from sandbox.clickhouse.values import look_through
from tests.clickhouse_bytes import cut
from tests.clickhouse_text import blanks, gaps, identifiers, rows, selects, tricky_text

hostile = st.one_of(st.binary(max_size=60), tricky_text.map(str.encode))
cuts = st.lists(st.integers(0, 80), max_size=6)


@given(text=hostile, cuts=cuts)
def test_no_text_is_too_strange_to_be_scanned(text: bytes, cuts: list[int]) -> None:
    tokens = list(scan(text))
    positions = [position for token in tokens for position in (token.start, token.end)]
    assert positions == sorted(positions)
    assert all(0 <= position <= len(text) for position in positions)
    assert all(token.start < token.end for token in tokens)
    examine(text)
    insert = inline_insert(text)
    assert insert is None or text.startswith(insert.head)
    look_through(cut(text, cuts))


@given(text=selects(), end=blanks)
def test_one_statement_is_one_whatever_hides_in_its_quotes_and_comments(text: str, end: str) -> None:
    statement = examine(f"{text}{end}".encode())
    assert (statement.verb, statement.followed_by_another) == ("SELECT", False)
    assert (statement.output_format, statement.touches_files, statement.ends_process) == (None, False, False)


@given(
    text=selects(),
    between=blanks,
    other=st.one_of(selects(), st.sampled_from(["x", "1", "-", "'", ")", "/*", "é"])),
)
def test_anything_but_blanks_behind_a_semicolon_is_another_statement(
    text: str, between: str, other: str
) -> None:
    assert examine(f"{text};{between}{other}".encode()).followed_by_another


@given(text=selects(), gap=gaps, end=blanks, name=st.sampled_from(["CSV", "JSONEachRow", "tsv"]))
def test_the_format_is_found_at_the_end_and_nowhere_else(text: str, gap: str, end: str, name: str) -> None:
    assert examine(f"{text}{gap}FORMAT{gap}{name}{end}".encode()).output_format == name
    assert examine(f"{text}{gap}format{gap}{name}{gap}settings{gap}a = 1".encode()).output_format == name
    assert examine(f"{text} FORMAT{gap}{name}, 1{end}".encode()).output_format is None
    assert examine(f"SELECT (SELECT 1 FORMAT {name}){end}".encode()).output_format is None


@given(gap=gaps, other=selects())
def test_files_and_the_end_of_the_process_are_named_by_words_and_not_by_text(gap: str, other: str) -> None:
    assert examine(f"SELECT 1{gap}INTO{gap}OUTFILE{gap}'x'".encode()).touches_files
    assert examine(f"INSERT INTO t{gap}from{gap}infile{gap}'x' FORMAT CSV".encode()).touches_files
    for word in ("SHUTDOWN", "kill"):
        assert examine(f"{gap}SYSTEM{gap}{word}{gap};".encode()).ends_process
        assert not examine(f"{gap}SYSTEM{gap}'{word}'".encode()).ends_process
        assert not examine(f"{other}, SYSTEM{gap}{word}".encode()).ends_process
    assert examine(f"SELECT * FROM (SELECT 1 FROM{gap}python{gap}(x))".encode()).looks_into_process
    assert not examine(f"{other}, python, (1), f(')')".encode()).looks_into_process


@given(gap=gaps, name=identifiers, columns=st.lists(identifiers, max_size=3), values=rows())
def test_rows_of_an_insert_begin_behind_values_or_format(
    gap: str, name: str, columns: list[str], values: str
) -> None:
    listed = f"({', '.join(columns)})" if columns else ""
    head = f"{gap}INSERT{gap}INTO{gap}{name}{gap}{listed}{gap}"
    found = inline_insert(f"{head}VALUES{values}".encode())
    assert found is not None
    assert (found.head, found.input_format) == (head.encode(), "Values")
    assert f"{head}VALUES{values}".encode()[found.data_at :] == values.encode()
    found = inline_insert(f"{head}FORMAT{gap}CSV\n{values}".encode())
    assert found is not None
    assert (found.head, found.input_format) == (head.encode(), "CSV")
    assert f"{head}FORMAT{gap}CSV\n{values}".encode()[found.data_at :] == values.encode()
    for other in (
        f"{head}SELECT 1 FORMAT CSV\n1",
        f"{head}WITH 1 AS x SELECT x",
        f"{head}; VALUES (1)",
        head,
    ):
        assert inline_insert(other.encode()) is None


@given(
    text=rows(),
    end=blanks,
    other=st.sampled_from(["", "DROP TABLE t", "1", "(7)", "-", "/* open"]),
    cuts=cuts,
)
def test_a_second_statement_behind_rows_is_found_wherever_the_rows_are_cut(
    text: str, end: str, other: str, cuts: list[int]
) -> None:
    data = f"{text};{end}{other}".encode()
    assert look_through([data]).second_statement is bool(other)
    assert look_through(cut(data, cuts)).second_statement is bool(other)
    assert look_through(data[at : at + 1] for at in range(len(data))).second_statement is bool(other)


@given(text=hostile, cuts=cuts)
def test_pieces_of_any_rows_say_what_the_whole_says(text: bytes, cuts: list[int]) -> None:
    assert look_through(cut(text, cuts)) == look_through([text])


UNITS = (
    *(
        "'",
        "''",
        '"',
        "`",
        "\\",
        "/*",
        "*/",
        "/**/",
        "-",
        "--\n",
        "#",
        "(",
        ")",
        "(1),",
        "$",
        "$$",
        "$a",
        "a$",
        "a ",
    ),
    *("1", "‘", "FORMAT ", "INSERT INTO t ", ";", "; ", ";/**/", "\u00a0", "'a',", "INTO OUTFILE "),
)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("unit", UNITS)
def test_a_long_text_of_anything_takes_time_in_proportion(unit: str) -> None:
    """150 kB of it: what was quadratic would take minutes, and run into the time-out."""
    text = (unit * (150_000 // len(unit.encode()))).encode()
    for whole in (b"SELECT " + text, b"INSERT INTO t VALUES " + text, b"SELECT 1;" + text):
        examine(whole)
        inline_insert(whole)
    for data in (text, b"(1);" + text):
        look_through(data[at : at + 4096] for at in range(0, len(data), 4096))


@pytest.mark.timeout(120)
def test_heredocs_that_nobody_closes_take_time_in_proportion() -> None:
    text = b" ".join(b"$t%d$" % number for number in range(60_000))
    assert not examine(text).followed_by_another
    assert examine(text + b"; DROP TABLE t").followed_by_another
    look_through([text])


def test_the_fewest_rows_of_a_piece_tell_how_wide_rows_are() -> None:
    narrow, wide = b"(1, '(a'), ", b"(-2, '" + b"x(\\'" * 300 + b"'),\n"
    dense, sparse = (unit * (PIECE // len(unit)) for unit in (narrow, wide))
    body = dense + sparse * 3 + dense
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    fewest = look_through([b"(1), ", *pieces, b"(2)"]).fewest_in_a_piece
    assert abs(fewest - PIECE // len(wide)) <= 1
    assert look_through([b"(1)", b"(2)"]).fewest_in_a_piece == 0
