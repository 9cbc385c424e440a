"""Values of Redis rewritten: what is ruled is in its masked form, and no other byte has changed.

Add here: another property that every value must have after masking.
Keep out: servers (`contract/test_redis_masking.py`).
"""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from erasure.inventory import Field
from erasure.rules import MASK, Person, Rule
from erasure.stores.redis.values import Unreadable, masked_value

PERSON = Person(contributor_id="u1", needles=("ann@example.com",))
names = st.sampled_from(["a", "b", "c", "é", 'q"'])
documents: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["ann@example.com", "😀"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, documents, max_size=4)
paths = st.lists(names, min_size=1, max_size=3)
rules = st.sampled_from(
    [Rule.CONSTANT, Rule.UNIQUE, Rule.CLEAR, Rule.HASH, Rule.TRUNCATE_IP, Rule.SCRUB_TEXT]
)


def expected(node: Any, path: list[str], change: Any) -> Any:
    """The same by another way: the document rebuilt."""
    if isinstance(node, list):
        return [expected(each, path, change) for each in node]
    if not isinstance(node, dict):
        return node
    if len(path) == 1:
        return {key: change(value) if key == path[0] else value for key, value in node.items()}
    return {
        key: expected(value, path[1:], change) if key == path[0] else value for key, value in node.items()
    }


def constant(value: Any) -> Any:
    if isinstance(value, list):
        return [constant(each) for each in value]
    return None if value is None else MASK


@given(document=objects, path=paths, indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
@example(document={"a": [{"b": 1}, {"b": [2]}]}, path=["a", "b"], indent=2, ascii_only=True)
def test_values_at_a_path_are_masked_and_all_others_are_what_they_were(
    document: Any, path: list[str], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    value = text.encode("utf-8", "surrogatepass")
    masked = masked_value(value, (Field(name=".".join(path), rule=Rule.CONSTANT),), PERSON)
    assert json.loads(masked) == expected(document, path, constant)


@given(document=objects, path=paths, rule=rules)
def test_masking_twice_changes_nothing_more(document: Any, path: list[str], rule: Rule) -> None:
    ruled = (Field(name=".".join(path), rule=rule),)
    once = masked_value(json.dumps(document).encode(), ruled, PERSON)
    assert masked_value(once, ruled, PERSON) == once


@given(document=objects, path=paths)
def test_keeping_changes_no_byte(document: Any, path: list[str]) -> None:
    value = json.dumps(document, indent=1).encode()
    assert masked_value(value, (Field(name=".".join(path), rule=Rule.KEEP),), PERSON) == value


@given(value=st.binary(max_size=20))
@example(value=b"[" * 100_000)
@example(value=b'{"a": 1} x')
@example(value=b'{"a": "x", "a": "y"}')
def test_any_bytes_are_masked_or_unreadable(value: bytes) -> None:
    try:
        masked = masked_value(value, (Field(name="a", rule=Rule.CONSTANT),), PERSON)
    except Unreadable:
        return
    assert json.loads(masked).get("a") in (None, MASK) or masked != value


def test_a_name_that_stands_there_twice_is_masked_twice() -> None:
    value = b'{"a": "x", "b": 1.0, "a": "y"}'
    masked = masked_value(value, (Field(name="a", rule=Rule.CONSTANT),), PERSON)
    assert masked == b'{"a": "DELETED_USER", "b": 1.0, "a": "DELETED_USER"}'
