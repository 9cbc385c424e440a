"""JSON lines and JSON: only the ruled values of targets change, whatever the rest of a document looks like.

Add here: a shape of documents that somebody writes.
Keep out: compression (`test_rows_compression.py`).
"""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Codec, Flaw, RowRules, UnreadableRows
from tests.unit.rows_support import (
    ANN,
    BOB,
    CONTROL,
    KEPT,
    TARGET,
    emails,
    ids,
    is_of_target,
    prepared,
    rewritten,
)

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": ids | st.none() | st.just(17), "email": emails | st.none(), "label": ANYTHING}
    ),
    max_size=6,
)
WRITERS = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (", ", " : ")},
        {"ensure_ascii": False},
        {"sort_keys": True},
    ]
)
NESTED = (
    ("latest.email", {"rule": "constant", "owner": "latest.id"}),
    ("judgments[].email", {"rule": "constant", "owner": "judgments[].id"}),
    ("judgments[].notes[].text", {"rule": "scrub_text", "owner": "judgments[].id"}),
    ("unit", KEPT),
)


def masked(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it is to be."""
    owner, email = row["id"], row["email"]
    known = is_of_target(None if owner is None else str(owner), email)
    return row | {"email": MASK} if email is not None and known else row


@pytest.mark.parametrize("key", ["a.jsonl", "a.json", "objects.json"])
@settings(max_examples=40)
@given(rows=ROWS, writer=WRITERS, indent=st.sampled_from([None, 2]))
def test_only_the_ruled_values_of_targets_change_and_every_other_byte_stays(
    key: str, rows: list[dict[str, Any]], writer: dict[str, Any], indent: int | None
) -> None:
    def written(found: list[dict[str, Any]]) -> bytes:
        if key == "a.jsonl":
            return "\n\n".join(json.dumps(row, **writer) for row in found).encode()
        if key == "a.json":
            return json.dumps(found, indent=indent, **writer).encode() + b"\n"
        return "\n".join(json.dumps(row, indent=indent, **writer) for row in found).encode()

    codec, rules = prepared(key)
    result, counts = rewritten(codec, written(rows), rules)
    assert result == written([masked(row) for row in rows])
    assert counts.rows == len(rows)
    assert counts.to_mask == sum(masked(row) != row for row in rows)


@pytest.mark.parametrize("key", ["a.jsonl", "a.json"])
@settings(max_examples=40)
@given(rows=ROWS)
def test_rows_of_targets_go_as_a_whole_and_what_is_left_is_json(key: str, rows: list[dict[str, Any]]) -> None:
    codec, rules = prepared(key, rule="delete")
    raw = json.dumps(rows) if key == "a.json" else "".join(json.dumps(row) + "\n" for row in rows)
    kept = [
        row
        for row in rows
        if not is_of_target(
            None if row["id"] is None else str(row["id"]),
            None if str(row["email"]).startswith(MASK) else row["email"],
        )
    ]
    result, counts = rewritten(codec, raw.encode(), rules)
    found = json.loads(result) if key == "a.json" else [json.loads(line) for line in result.splitlines()]
    assert found == kept
    assert counts.to_mask == len(rows) - len(kept)


def test_elements_have_owners_of_their_own_or_around_them() -> None:
    codec, rules = prepared("a.jsonl", *NESTED)
    document = {
        "unit": 1,
        "latest": {"id": CONTROL, "email": BOB},
        "judgments": [
            {"id": TARGET, "email": ANN, "notes": [{"text": "by Ann Quostovan"}, {"text": "plain"}]},
            {"id": CONTROL, "email": BOB, "notes": [{"text": "about Ann Quostovan"}]},
            {"email": ANN.upper(), "notes": None},
        ],
    }
    result, counts = rewritten(codec, json.dumps(document).encode(), rules)
    found = json.loads(result)
    assert found["latest"] == document["latest"]
    assert found["judgments"] == [
        {"id": TARGET, "email": MASK, "notes": [{"text": f"by {MASK}"}, {"text": "plain"}]},
        {"id": CONTROL, "email": BOB, "notes": [{"text": "about Ann Quostovan"}]},
        {"email": MASK, "notes": None},
    ]
    assert (counts.of_targets, counts.to_mask, counts.cells) == (2, 2, 3)


def test_what_no_parser_keeps_stays_because_it_is_never_written_anew() -> None:
    codec, rules = prepared("a.jsonl")
    raw = (
        f'{{ "label":[1e2,1.0,123456789012345678901234567890,NaN,"\\u00e4\\/","\\ud800"] , "id":"{TARGET}",\t"email" :'
        f' "{ANN}" }}\r\n'
    ).encode()
    result, _ = rewritten(codec, raw, rules)
    assert result == raw.replace(ANN.encode(), MASK.encode())


def test_lists_of_values_are_masked_one_by_one_and_cleared_as_a_whole() -> None:
    codec, rules = prepared(
        "a.jsonl",
        ("email", {"rule": "constant"}),
        ("phones", {"rule": "clear"}),
        subject={"contributor_id": "id"},
    )
    raw = f'{{"id":"{TARGET}","email":["{ANN}",null,5],"phones":["1",[2]]}}'.encode()
    result, _ = rewritten(codec, raw, rules)
    assert result == f'{{"id":"{TARGET}","email":["{MASK}",null,"{MASK}"],"phones":null}}'.encode()


def test_keys_nobody_registered_are_told_in_counting_and_refused_in_writing() -> None:
    codec, rules = prepared("a.jsonl")
    raw = f'{{"id":"x","email":null,"extra":1,"{BOB}":2}}'.encode()
    assert codec.count(io.BytesIO(raw), rules).unregistered == ("extra", "one whose name is no plain word")
    with pytest.raises(UnreadableRows, match="row 1: not in the inventory: extra"):
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)
    nested, nested_rules = prepared("a.jsonl", *NESTED)
    raw = b'{"latest":{"phone":1},"judgments":["x"]}'
    assert nested.count(io.BytesIO(raw), nested_rules).unregistered == ("judgments", "latest.phone")


@pytest.mark.parametrize(
    ("key", "raw", "kind", "row"),
    [
        ("a.jsonl", '{"id":1}\n{"id":', Flaw.FORMAT, 2),
        ("a.jsonl", '{"id":1}\n[1]\n', Flaw.FORMAT, 2),
        ("a.jsonl", f'{{"id":"x","email":"{ANN}","email":"{BOB}"}}', Flaw.KEYS, 1),
        ("a.jsonl", f'{{"id":"x","email" :"{ANN}","email" :"{BOB}"}}', Flaw.KEYS, 1),
        ("a.jsonl", f'{{"id":"{TARGET}","email":{{"a":"{ANN}"}}}}', Flaw.VALUE, 1),
        ("a.jsonl", f'{{"id":["{TARGET}"],"email":"{ANN}"}}', Flaw.VALUE, 1),
        ("a.json", f'[{{"id":1}},{{"id":"{BOB}"', Flaw.FORMAT, None),
        ("a.json", '[{"id":1},]', Flaw.FORMAT, None),
        ("a.json", '[{"id":1}] x', Flaw.FORMAT, None),
        ("a.json", '[{"id":1} {"id":2}]', Flaw.FORMAT, None),
        ("a.json", '{"id":1},{"id":2}', Flaw.FORMAT, None),
        ("a.json", '[{"id":1}', Flaw.FORMAT, None),
        ("a.json", "[1]", Flaw.FORMAT, None),
        ("a.json", '"text"', Flaw.FORMAT, None),
        ("a.json", '{"label":' + "[" * 3_000 + "]" * 3_000 + "}", Flaw.FORMAT, 1),
    ],
)
def test_what_is_broken_or_has_two_meanings_is_an_error_without_a_value(
    key: str, raw: str, kind: Flaw, row: int | None
) -> None:
    codec, rules = prepared(key)
    with pytest.raises(UnreadableRows) as flaw:
        codec.rewrite(io.BytesIO(raw.encode()), io.BytesIO(), rules)
    assert (flaw.value.kind, flaw.value.row) == (kind, row)
    assert ANN not in str(flaw.value) and BOB not in str(flaw.value)
    with pytest.raises(UnreadableRows):
        codec.count(io.BytesIO(raw.encode()), rules)


def test_a_document_that_is_one_row_cannot_lose_it() -> None:
    codec, rules = prepared("a.json", rule="delete")
    with pytest.raises(UnreadableRows, match="the whole object is one row"):
        codec.count(io.BytesIO(f'{{"id":"{TARGET}"}}'.encode()), rules)
    result, _ = rewritten(codec, f'{{"id":"{CONTROL}"}}'.encode(), rules)
    assert result == f'{{"id":"{CONTROL}"}}'.encode()


class Dribble(io.RawIOBase):
    """Reads short, as a socket does."""

    def __init__(self, raw: bytes, most: int) -> None:
        self._raw = io.BytesIO(raw)
        self._most = most

    def read(self, size: int = -1) -> bytes:
        """A few bytes at a time."""
        return self._raw.read(min(size, self._most) if size >= 0 else self._most)


@settings(max_examples=40)
@given(most=st.integers(1, 9))
def test_a_source_that_reads_short_is_read_to_its_end(most: int) -> None:
    def passed(codec: Codec, rules: RowRules) -> bytes:
        sink = io.BytesIO()
        codec.rewrite(Dribble(raw, most), sink, rules)  # type: ignore[arg-type]
        return sink.getvalue()

    raw = json.dumps([{"id": TARGET, "email": ANN}, {"id": CONTROL, "email": BOB}], indent=1).encode()
    assert passed(*prepared("a.json")) == raw.replace(ANN.encode(), MASK.encode())
    raw = f"id,email,label\r\n{TARGET},{ANN},x\r\n".encode()
    assert passed(*prepared("a.csv")) == raw.replace(ANN.encode(), MASK.encode())


def test_an_array_across_many_blocks_is_seen_once() -> None:
    codec, rules = prepared("a.json")
    one = json.dumps({"id": TARGET, "email": ANN, "label": "x" * 400})
    other = json.dumps({"id": CONTROL, "email": BOB, "label": [[[[[[[[[{"deep": 1}]]]]]]]]]})
    raw = ("[" + " ,\n ".join([one, other] * 3_000) + "]").encode()
    result, counts = rewritten(codec, raw, rules)
    assert (counts.rows, counts.to_mask) == (6_000, 3_000)
    assert result == raw.replace(ANN.encode(), MASK.encode())
