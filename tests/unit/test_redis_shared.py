"""Values that list many people: only the objects of targets change, and of those only what is ruled.

Add here: another property that such a value must have after masking.
Keep out: servers (`contract/test_redis_masking.py`), values of one person (`test_redis_values.py`).
"""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erasure.inventory import Field, InventoryObject, Subject
from erasure.inventory_checks.redis_keys import problems_of_redis_keys
from erasure.rules import MASK, Rule
from erasure.stores.redis.json_text import Unreadable
from erasure.stores.redis.shared import masked_shared
from erasure.stores.redis.templates import Wanted
from erasure.targets import Needle, TargetSet

WANTED = Wanted(
    TargetSet(
        batch_id="b1",
        contributor_ids=frozenset({"u1", "u3"}),
        needles=(Needle(contributor_id="u1", kind="email", value="ann@example.com"),),
    ),
    "text",
)
emails = (
    st.sampled_from(["ann@example.com", " ANN@Example.com", "bob@example.com", MASK, "", "é😀"]) | st.none()
)
people = st.fixed_dictionaries(
    {"id": st.sampled_from(["u1", "u10", "u2", "u3", "U1"]) | st.none()},
    optional={"email": emails, "score": st.integers() | st.floats(allow_nan=False), "more": st.lists(emails)},
)
teams = st.lists(people | st.none(), max_size=5)


def item_of(prefix: str, **changes: Any) -> InventoryObject:
    fields = (
        Field(name=f"{prefix}email", rule=Rule.CONSTANT, owner=f"{prefix}id", email=f"{prefix}email"),
        Field(name=f"{prefix}more", rule=Rule.CLEAR, owner=f"{prefix}id", email=f"{prefix}email"),
        Field(name=f"{prefix}score", rule=Rule.KEEP, reason="made up"),
    )
    declared = {"location": "team:*", "subject": Subject(), "fields": fields} | changes
    return InventoryObject(store="redis", name="teams", source="s", schema="s", **declared)


def is_target(person: dict[str, Any]) -> bool:
    if person["id"] is not None:
        return person["id"] in ("u1", "u3")
    return (person.get("email") or "").strip().lower() == "ann@example.com"


def expected(person: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same by another way: the person rebuilt."""
    if person is None or not is_target(person):
        return person
    masked = {
        "email": lambda email: None if email is None else MASK,
        "more": lambda more: [None for _ in more],
    }
    return {name: masked.get(name, lambda kept: kept)(value) for name, value in person.items()}


@given(team=teams, within=st.booleans(), indent=st.sampled_from([None, 0, 2]), ascii_only=st.booleans())
@example(
    team=[{"id": "u1", "email": "ann@example.com"}, {"id": "u10"}], within=True, indent=2, ascii_only=True
)
def test_objects_of_targets_are_masked_and_every_other_byte_is_what_it_was(
    team: list[Any], within: bool, indent: int | None, ascii_only: bool
) -> None:
    def written(people: list[Any]) -> bytes:
        document = {"people": people} if within else people
        return json.dumps(document, indent=indent, ensure_ascii=ascii_only).encode()

    item = item_of("people[]." if within else "[].")
    assert list(problems_of_redis_keys(item)) == []
    before, after = written(team), written([expected(person) for person in team])

    shared = masked_shared(before, item, WANTED)

    assert shared.value == after
    assert shared.elements == sum(expected(person) != person for person in team)
    assert shared.total == sum(person is not None for person in team)
    assert shared.unknown == 0
    again = masked_shared(after, item, WANTED)
    assert (again.value, again.elements) == (after, 0)


@given(value=st.binary(max_size=20) | st.recursive(st.none() | st.text(max_size=3), st.lists).map(json.dumps))
def test_any_bytes_are_read_or_unreadable(value: bytes | str) -> None:
    raw = value.encode() if isinstance(value, str) else value
    try:
        shared = masked_shared(raw, item_of("[]."), WANTED)
    except Unreadable:
        return
    assert shared.value == raw


@pytest.mark.parametrize(
    ("value", "unknown"),
    [
        ({"people": [{"id": "u2", "street": "Main Street"}]}, 1),
        ({"people": ["ann@example.com", "bob@example.com"]}, 2),
        ({"people": "ann@example.com"}, 1),
        ({"peopel": [{"id": "u1"}]}, 1),
        ({"people": [{"id": "u2"}]}, 0),
        ({"people": None}, 0),
    ],
)
def test_what_nobody_has_ruled_is_counted_whosever_it_is(value: Any, unknown: int) -> None:
    assert masked_shared(json.dumps(value).encode(), item_of("people[]."), WANTED).unknown == unknown


@pytest.mark.parametrize(
    "person", [{"email": ["ann@example.com"]}, {"id": True, "email": "x"}, {"more": ["x"]}]
)
def test_an_object_that_does_not_say_whose_it_is_is_unreadable(person: Any) -> None:
    with pytest.raises(Unreadable):
        masked_shared(json.dumps([{"id": "u2"}, person]).encode(), item_of("[]."), WANTED)


def test_ids_in_the_object_around_own_what_is_within() -> None:
    ruled = (Field(name="jobs[].notes[].text", rule=Rule.CONSTANT, owner="jobs[].worker"),)
    first, second = ({"text": "a"}, {"text": "b"}), ({"text": "c"},)
    value = json.dumps({"jobs": [{"worker": "u1", "notes": first}, {"worker": "u2", "notes": second}]})
    masked = masked_shared(value.encode(), item_of("", fields=ruled), WANTED)
    assert masked.value.decode() == value.replace('"a"', f'"{MASK}"').replace('"b"', f'"{MASK}"')


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"subject": Subject(contributor_id="id")}, "name the owner twice"),
        ({"location": "team:{contributor_id}"}, "name the owner twice"),
        ({"members": "value"}, "members have one owner each"),
        ({"fields": (Field(name="$", rule=Rule.CONSTANT, owner="id"),)}, "is the whole value"),
        (
            {"fields": (Field(name="[].a", rule=Rule.CONSTANT, owner="[].b[].id"),)},
            "leads into another array",
        ),
        ({"fields": (Field(name="a[].b", rule=Rule.CONSTANT, owner="a.id"),)}, "marks other arrays"),
        (
            {
                "fields": (
                    Field(name="a", rule=Rule.CONSTANT, owner="id"),
                    Field(name="b", rule=Rule.CONSTANT),
                )
            },
            "needs owner or email",
        ),
    ],
)
def test_owners_that_cannot_be_told_are_refused_with_the_inventory(
    changes: dict[str, Any], says: str
) -> None:
    problems = list(problems_of_redis_keys(item_of("[].", **changes)))
    assert any(says in problem for problem in problems), problems
