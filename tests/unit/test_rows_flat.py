"""Many flat rows of one shape, which are passed by at once: the same is decided as of each by itself.

Add here: what could be hidden between rows that look alike.
Keep out: rows that are not alike (`test_rows_json.py`).
"""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.compression import CHUNK
from erasure.stores.s3.rows.uniform import Filter, Uniform, table_of
from tests.unit.rows_support import ANN, BOB, CONTROL, TARGET, emails, ids, is_of_target, prepared, rewritten

LABELS = st.sampled_from(
    ["x", "", 'a "quote"', "back\\slash", "ä", "日本", "a\nb", 7, -0.5, 1e300, True, None, [1]]
)
ROW = st.fixed_dictionaries(
    {"id": ids | st.none() | st.sampled_from([17, 170, 17.0]), "email": emails | st.none(), "label": LABELS}
)
PLAIN = st.fixed_dictionaries(
    {
        "id": st.sampled_from([TARGET, CONTROL, TARGET.upper(), "17", "17.0", "170"]) | st.none(),
        "email": st.sampled_from([ANN, ANN.upper(), BOB, MASK, f"{MASK}-x"]) | st.none(),
        "label": st.sampled_from(["x", "", 7, True, None]),
    }
)


def masked(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is to be."""
    owner, email = row.get("id"), row.get("email")
    known = email is not None and is_of_target(None if owner is None else str(owner), email)
    return row | {"email": MASK} if known else row


@pytest.mark.parametrize("key", ["a.jsonl", "a.json"])
@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(PLAIN, max_size=14) | st.lists(ROW, max_size=14),
    lacks=st.sets(st.integers(0, 13), max_size=3),
    end=st.sampled_from(["\n", "\r\n", "\n  "]),
    raw_letters=st.booleans(),
)
def test_rows_written_alike_change_only_where_each_by_itself_would(
    key: str, rows: list[dict[str, Any]], lacks: set[int], end: str, raw_letters: bool
) -> None:
    for number in lacks & set(range(len(rows))):
        del rows[number]["email"]

    def written(found: list[dict[str, Any]]) -> bytes:
        texts = [json.dumps(row, ensure_ascii=not raw_letters) for row in found]
        if key == "a.json":
            return f"[{end}{(',' + end).join(texts)}{end}]\n".encode()
        return "".join(text + end.rstrip(" ") for text in texts).encode()

    codec, rules = prepared(key)
    result, counts = rewritten(codec, written(rows), rules)
    assert result == written([masked(row) for row in rows])
    assert counts.rows == len(rows)
    assert counts.to_mask == sum(masked(row) != row for row in rows)
    assert counts.of_targets == sum(
        is_of_target(None if row["id"] is None else str(row["id"]), row.get("email")) for row in rows
    )


TEXTS = st.text(st.characters(codec="ascii", exclude_characters='"\\', min_codepoint=33), max_size=40)
UNIFORM = st.fixed_dictionaries(
    {
        "label": TEXTS,
        "id": TEXTS
        | st.sampled_from([TARGET, TARGET.upper(), f"{TARGET} ", "17", "17.0", "7", "170", CONTROL]),
        "email": TEXTS
        | st.sampled_from([ANN, ANN.upper(), f" {ANN}", BOB, MASK, f"{MASK}-x", "DELETED_", ""]),
    }
)


@pytest.mark.parametrize("key", ["a.jsonl", "a.json"])
@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(UNIFORM, min_size=18, max_size=30),
    end=st.sampled_from(["\n", "", "\r\n  "]),
    email_first=st.booleans(),
)
def test_rows_of_texts_alone_change_only_where_each_by_itself_would(
    key: str, rows: list[dict[str, str]], end: str, *, email_first: bool
) -> None:
    if email_first:
        rows = [dict(reversed(row.items())) for row in rows]

    def written(found: list[dict[str, Any]]) -> bytes:
        if key == "a.json":
            return f"[{(',' + end).join(json.dumps(row) for row in found)}]".encode()
        return "".join(json.dumps(row) + "\n" for row in found).encode()

    codec, rules = prepared(key)
    # Many of the same, so that none of the odd ones keeps the others from being passed by at once.
    plain = [rows[0] | {"id": CONTROL, "email": BOB}] * 20
    for found in (rows, plain + rows, plain + rows[:3] + plain * 20):
        result, counts = rewritten(codec, written(found), rules)
        assert result == written([masked(row) for row in found])
        assert counts.rows == len(found)
        assert counts.of_targets == sum(is_of_target(row["id"], row["email"]) for row in found)


@given(texts=st.lists(TEXTS, min_size=1, max_size=20), others=st.lists(TEXTS, max_size=20), data=st.data())
def test_a_filter_never_says_no_to_a_text_that_is_known(
    texts: list[str], others: list[str], data: st.DataObject
) -> None:
    held = [data.draw(st.sampled_from([text, text.upper(), text.lower()])) for text in texts]
    rows = [f'{{"a": "{text}"}}\n'.encode() for text in (*held, *others)]
    uniform = Uniform(
        pattern=re.compile(rb'(?:\{"a": "[^"]*+"\}\n)*+'),
        quotes=4,
        controls=1,
        begin=1,
        owner=2,
        email=None,
        taken=(2,),
    )
    table = table_of(uniform, b"".join(rows), 0, len(b"".join(rows)))
    assert table is not None
    may_be = Filter([text.lower().encode() for text in texts]).may_have(table, 2)
    assert may_be[: len(held)].all()


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(PLAIN, max_size=14))
def test_rows_written_alike_go_as_a_whole(rows: list[dict[str, Any]]) -> None:
    def stays(row: dict[str, Any]) -> bool:
        email = None if str(row["email"]).startswith(MASK) else row["email"]
        return not is_of_target(row["id"], email)

    raw = "".join(json.dumps(row) + "\n" for row in rows).encode()
    codec, rules = prepared("a.jsonl", rule="delete")
    result, counts = rewritten(codec, raw, rules)
    assert result == "".join(json.dumps(row) + "\n" for row in rows if stays(row)).encode()
    assert counts.to_mask == sum(not stays(row) for row in rows)


@pytest.mark.costly
@settings(max_examples=5, deadline=None)
@given(
    rows=st.lists(
        st.tuples(PLAIN, st.sampled_from([None, "id", "email", "label"])), min_size=10, max_size=60
    ),
    label=st.sampled_from(["x", "a\nb"]),
)
def test_rows_of_several_shapes_in_turns_change_only_where_each_by_itself_would(
    rows: list[tuple[dict[str, Any], str | None]], label: str
) -> None:
    shaped = [
        {key: label if key == "label" else value for key, value in row.items() if key != lacks}
        for row, lacks in rows
    ] * 3

    def expected(row: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in masked({"id": None} | row).items() if key in row}

    raw = "".join(json.dumps(row) + "\n" for row in shaped)
    new = "".join(json.dumps({key: expected(row)[key] for key in row}) + "\n" for row in shaped)
    for work in (raw, raw * (3 * CHUNK // len(raw))):
        codec, rules = prepared("a.jsonl")
        sink = io.BytesIO()
        counts = codec.rewrite(io.BytesIO(work.encode()), sink, rules)
        assert sink.getvalue().decode() == new * (len(work) // len(raw))
        assert counts.rows == work.count("\n")


def rows_around(odd: str) -> Iterator[tuple[str, bytes]]:
    """Forty rows of one shape, and among them something else."""
    plain = [json.dumps({"id": CONTROL, "email": BOB, "label": "x"})] * 20
    lines = [*plain, odd, *plain]
    yield "a.jsonl", ("\n".join(lines) + "\n").encode()
    yield "a.json", ("[\n" + ",\n".join(lines) + "\n]\n").encode()


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "x', Flaw.FORMAT),
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "x\ny"}}', Flaw.FORMAT),
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "x\ty"}}', Flaw.FORMAT),
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": 01}}', Flaw.FORMAT),
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "\\x"}}', Flaw.FORMAT),
        (f'{{"id": "{CONTROL}", "email": "{ANN}", "email": "{BOB}", "label": "x"}}', Flaw.KEYS),
        (f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "x", "extra": 1}}', Flaw.UNREGISTERED),
        (f'{{"id": ["{TARGET}"], "email": "{BOB}", "label": "x"}}', Flaw.VALUE),
    ],
)
def test_what_is_wrong_in_one_row_is_found_among_many_that_look_like_it(odd: str, kind: Flaw) -> None:
    for key, raw in rows_around(odd):
        codec, rules = prepared(key)
        with pytest.raises(UnreadableRows) as flaw:
            codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)
        assert flaw.value.kind is kind
        assert flaw.value.row in (21, None)
        assert ANN not in str(flaw.value) and BOB not in str(flaw.value)


def test_a_row_is_no_text_of_the_one_before_it() -> None:
    inner = json.dumps({"id": TARGET, "email": ANN, "label": "x"})
    odd = json.dumps({"id": CONTROL, "email": BOB, "label": f"a\n{inner}\n"})
    for key, raw in rows_around(odd):
        codec, rules = prepared(key)
        result, counts = rewritten(codec, raw, rules)
        assert result == raw
        assert (counts.rows, counts.of_targets) == (41, 0)


@pytest.mark.parametrize("row", [{"label": "x"}, {"label": "x", "id": CONTROL}, {"email": BOB}, {"label": 1}])
def test_rows_that_say_little_of_whose_they_are_are_nobodys(row: dict[str, Any]) -> None:
    raw = (json.dumps(row) + "\n").encode() * 5
    codec, rules = prepared("a.jsonl")
    result, counts = rewritten(codec, raw, rules)
    assert result == raw
    assert (counts.rows, counts.of_targets) == (5, 0)


def test_every_rule_writes_the_same_among_many_rows() -> None:
    columns = [
        ("email", {"rule": "unique"}),
        ("born", {"rule": "coarsen_date"}),
        ("note", {"rule": "scrub_text"}),
        ("phone", {"rule": "clear"}),
    ]
    row = {"phone": "1", "note": "by Ann Quostovan, \u00e4", "id": TARGET, "born": "1987-06-05", "email": ANN}
    other = row | {"id": CONTROL, "email": BOB}
    new = row | {
        "phone": None,
        "note": f"by {MASK}, \u00e4",
        "born": "1987-01-01",
        "email": f"{MASK}-{TARGET}",
    }
    codec, rules = prepared("a.jsonl", *columns, subject={"contributor_id": "id", "email": "email"})
    for as_ascii in (True, False):
        raw, expected = (
            "".join(
                json.dumps(each, ensure_ascii=as_ascii) + "\n" for each in [other, one, other, one] * 5
            ).encode()
            for one in (row, new)
        )
        result, counts = rewritten(codec, raw, rules)
        assert result == expected
        assert (counts.rows, counts.to_mask, counts.cells) == (20, 10, 40)
