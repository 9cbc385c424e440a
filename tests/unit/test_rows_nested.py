"""JSON rows with objects and arrays in them, many at once: held to what is decided of each row by itself.

A row that stands alone in its object is always judged by its parsed document.
Add here: what could be nested in rows that look alike, and be taken for something else.
Keep out: flat rows (`test_rows_flat.py`), and what a document changes to (`test_rows_json.py`).
"""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Codec, Flaw, RowCounts, RowRules, UnreadableRows
from tests.unit.rows_support import ANN, BOB, CONTROL, KEPT, TARGET, prepared, rewritten

# Keys that nobody ruled, and such as decide where they stand at the top.
NAMES = st.sampled_from(["a", "b", "ä", "id", "email", 'q"', ""])
SCALARS = st.sampled_from(["x", ANN, "", 'a "q"', "back\\slash", "a\nb", "日本", 7, -0.5, 1e300, True, None])
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
# As most writers have them: the same keys in each row, of which some hold lists.
REGULAR = st.fixed_dictionaries(
    {
        "id": st.sampled_from([TARGET, 5, None]),
        "tags": st.lists(st.sampled_from(["x", "y"]), max_size=3),
        "items": st.lists(st.fixed_dictionaries({"id": st.integers(0, 9), "name": SCALARS}), max_size=3),
    }
)
WRITERS = st.sampled_from([{}, {"separators": (",", ":")}, {"ensure_ascii": False}])
COLUMNS = (("email", {"rule": "constant"}), ("meta", KEPT), ("label", KEPT))


def rows_of(meta: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows with that in one of their values."""
    row = st.fixed_dictionaries(
        {
            "id": st.sampled_from([TARGET, CONTROL, 17, None]),
            "meta": meta,
            "email": st.sampled_from([ANN, BOB, MASK, None]),
            "label": SCALARS,
        }
    )
    lacking = st.tuples(row, st.sets(st.sampled_from(["id", "email", "label"]), max_size=1)).map(
        lambda both: {key: value for key, value in both[0].items() if key not in both[1]}
    )
    return st.lists(row, min_size=3, max_size=12) | st.lists(lacking, min_size=8, max_size=30)


ROWS = rows_of(REGULAR) | rows_of(REGULAR | NESTED) | rows_of(NESTED)


# Rows are only learned where many follow.
MANY = 160 * 1024


def by_itself(codec: Codec, rules: RowRules, lines: list[bytes]) -> tuple[bytes, list[RowCounts]] | Flaw:
    """What becomes of each line where it stands alone, or the flaw of the first that has one."""
    known: dict[bytes, tuple[bytes, RowCounts]] = {}
    for line in lines:
        if line not in known:
            sink = io.BytesIO()
            try:
                counts = codec.rewrite(io.BytesIO(line), sink, rules)
            except UnreadableRows as flaw:
                return flaw.kind
            known[line] = sink.getvalue(), counts
    return b"".join(known[line][0] for line in lines), [known[line][1] for line in lines]


def together(codec: Codec, rules: RowRules, raw: bytes) -> tuple[bytes, RowCounts] | Flaw:
    """The same of all of them."""
    sink = io.BytesIO()
    try:
        counts = codec.rewrite(io.BytesIO(raw), sink, rules)
    except UnreadableRows as flaw:
        assert ANN not in str(flaw)
        return flaw.kind
    return sink.getvalue(), counts


def hold(codec: Codec, rules: RowRules, lines: list[bytes]) -> None:
    """Both ways come to the same bytes and counts, or to the same flaw."""
    expected, found = by_itself(codec, rules, lines), together(codec, rules, b"".join(lines))
    if isinstance(expected, Flaw) or isinstance(found, Flaw):
        assert found == expected
        return
    assert found[0] == expected[0]
    for figure in ("rows", "of_targets", "to_mask", "cells", "conflicts"):
        assert getattr(found[1], figure) == sum(getattr(one, figure) for one in expected[1])


def many(lines: list[bytes]) -> list[bytes]:
    """The same again and again, so that it is worth while to learn from them."""
    return lines * (MANY // len(b"".join(lines)) + 1)


@pytest.mark.costly
@pytest.mark.parametrize("rule", ["mask", "delete"])
@settings(max_examples=20, deadline=None)
@given(rows=ROWS, writer=WRITERS)
def test_rows_with_something_nested_change_only_where_each_by_itself_would(
    rule: str, rows: list[dict[str, Any]], writer: dict[str, Any]
) -> None:
    codec, rules = prepared(
        "a.jsonl",
        *(COLUMNS if rule == "mask" else ()),
        **({} if rule == "mask" else {"rule": rule}),
        subject={"contributor_id": "id", "email": "email"},
    )
    hold(codec, rules, many([json.dumps(row, **writer).encode() + b"\n" for row in rows]))


@pytest.mark.costly
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, writer=WRITERS, data=st.data())
def test_what_somebody_broke_in_a_nested_value_is_found_or_harmless(
    rows: list[dict[str, Any]], writer: dict[str, Any], data: st.DataObject
) -> None:
    codec, rules = prepared("a.jsonl", *COLUMNS, subject={"contributor_id": "id", "email": "email"})
    lines = many([json.dumps(row, **writer).encode() + b"\n" for row in rows])
    which = data.draw(st.integers(0, len(rows) - 1)) - len(rows)
    old = lines[which].decode()
    at = data.draw(st.integers(0, len(old)))
    size = data.draw(st.integers(0, 2))
    new = data.draw(
        st.sampled_from(["", ",", "]", "}", "{", "[", '"', ":", "0", " ", "\t", "\\", "\x01", "é"])
    )
    lines[which] = (old[:at] + new + old[at + size :]).encode()
    # Without its end it is one with the next.
    hold(codec, rules, b"".join(lines).splitlines(keepends=True))


@pytest.mark.costly
@settings(max_examples=15, deadline=None)
@given(rows=ROWS, writer=WRITERS, end=st.sampled_from([",\n", ", ", ",\r\n  "]))
def test_elements_with_something_nested_are_masked_like_lines(
    rows: list[dict[str, Any]], writer: dict[str, Any], end: str
) -> None:
    meta = {"subject": {"contributor_id": "id", "email": "email"}}
    lines, line_rules = prepared("a.jsonl", *COLUMNS, **meta)
    values, rules = prepared("a.json", *COLUMNS, **meta)
    texts = [json.dumps(row, **writer) for row in rows]
    texts *= MANY // len("".join(texts)) + 1
    expected, _ = rewritten(lines, "\n".join(texts).encode(), line_rules)
    raw = f"[{end[1:]}{end.join(texts)}{end[1:]}]".encode()
    result, counts = rewritten(values, raw, rules)
    joined = end.join(expected.decode().split("\n"))
    assert result.decode() == f"[{end[1:]}{joined}{end[1:]}]"
    assert counts.rows == len(texts)


PLAIN = {"id": CONTROL, "meta": {"a": 1, "tags": ["x"], "items": [{"id": 1}]}, "email": BOB, "label": "x"}


@pytest.mark.parametrize(
    ("meta", "kind"),
    [
        ('{"email": 1, "email": 2}', Flaw.KEYS),
        ('{"a": 1, "tags": [{"id": 1, "b": 2, "id": 3}]}', Flaw.KEYS),
        ('{"a": 1, "tags": ["x"], "items": [{"id": 1, "id": 2}]}', Flaw.KEYS),
        ('{"a": 1, "tags": ["x"], "items": [{"\\u0069d": 1, "id": 2}]}', Flaw.KEYS),
        ('{"a": 1, "tags": ["x",]}', Flaw.FORMAT),
        ('{"a": 1, "tags": ["x"}]', Flaw.FORMAT),
        ('{"a": 1, "tags": [01]}', Flaw.FORMAT),
        ('{"a": 1, "tags": ["x" "y"]}', Flaw.FORMAT),
        ('{"a": 1, "tags": ["x\ty"]}', Flaw.FORMAT),
        ('{"a": 1, "tags": ["\\x"]}', Flaw.FORMAT),
        ('{"a": 1, "tags": ["x"]', Flaw.FORMAT),
        ('{"a": 1}, "extra": {"a": 1}', Flaw.UNREGISTERED),
        ('{"a": 1}, "email": {"a": 1}', Flaw.KEYS),
    ],
)
def test_what_is_wrong_inside_one_value_is_found_among_many_rows(meta: str, kind: Flaw) -> None:
    plain = json.dumps(PLAIN)
    odd = plain.replace(json.dumps(PLAIN["meta"]), meta)
    assert odd != plain
    for key, raw in (
        ("a.jsonl", "\n".join([plain] * 1_500 + [odd] + [plain] * 1_500)),
        ("a.json", "[\n" + ",\n".join([plain] * 1_500 + [odd] + [plain] * 1_500) + "\n]\n"),
    ):
        codec, rules = prepared(key, *COLUMNS, subject={"contributor_id": "id", "email": "email"})
        with pytest.raises(UnreadableRows) as flaw:
            codec.rewrite(io.BytesIO(raw.encode()), io.BytesIO(), rules)
        assert flaw.value.kind is kind
        assert flaw.value.row in (1_501, None)


def test_a_key_below_one_that_is_ruled_deeper_is_still_unregistered() -> None:
    columns = (("email", {"rule": "constant"}), ("meta.phone", {"rule": "clear"}), ("label", KEPT))
    codec, rules = prepared("a.jsonl", *columns, subject={"contributor_id": "id", "email": "email"})
    row = {"id": TARGET, "email": ANN, "meta": {"phone": "1"}, "label": {"any": ["x"]}}
    result, _ = rewritten(codec, (json.dumps(row) + "\n").encode() * 2_000, rules)
    masked = row | {"email": MASK, "meta": {"phone": None}}
    assert result == (json.dumps(masked) + "\n").encode() * 2_000
    odd = row | {"meta": {"phone": "1", "mail": "x"}}
    raw = ((json.dumps(row) + "\n") * 2_000 + json.dumps(odd)).encode()
    with pytest.raises(UnreadableRows, match=r"row 2001: not in the inventory: meta\.mail"):
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)


def test_escapes_elsewhere_do_not_hide_a_target() -> None:
    rows = [
        {"id": who, "meta": {"note": note}, "email": email, "label": note}
        for who, email in ((TARGET, ANN), (CONTROL, BOB), (None, ANN.upper()))
        for note in ("a\nb", 'q"', "\u00e4", "back\\slash", "plain")
    ] * 200
    codec, rules = prepared("a.jsonl", *COLUMNS, subject={"contributor_id": "id", "email": "email"})
    result, counts = rewritten(codec, "".join(json.dumps(row) + "\n" for row in rows).encode(), rules)
    expected = [row if row["id"] == CONTROL else row | {"email": MASK} for row in rows]
    assert result == "".join(json.dumps(row) + "\n" for row in expected).encode()
    assert (counts.rows, counts.to_mask) == (3_000, 2_000)
