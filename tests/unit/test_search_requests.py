"""What the search store sends: the table of ruled fields, the candidates, names in groups.

Add here: a form of path, a limit of requests.
Keep out: what an engine makes of it (`tests/contract/test_search_store.py`).
"""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.stores.search.layout import in_groups, keeps_whole_source, leaf_fields
from erasure.stores.search.requests import (
    Candidates,
    counting_body,
    everybody,
    masking_body,
    parts_of,
    query_of,
    trail_name,
)
from erasure.stores.search.script import COUNTING, MASKING
from erasure.stores.search.shapes import places_of
from erasure.targets import Needle, TargetSet
from tests.inventory_fixtures import kepler_inventory

UNITS = kepler_inventory().of("elasticsearch")[0]
OWNERS = (Candidates(field="latest.workerId"), Candidates(field="judgments.workerId"))


def item_with(*fields: tuple[str, Rule, str]) -> InventoryObject:
    return replace(
        UNITS, fields=tuple(Field(name=name, rule=rule, owner=owner) for name, rule, owner in fields)
    )


def targets_of(size: int) -> TargetSet:
    ids = [f"id-{number}" for number in range(size)]
    needles = tuple(Needle(contributor_id=one, kind="email", value=f"{one}@example.com") for one in ids)
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(ids), needles=needles)


def test_a_field_is_looked_for_in_every_way_to_write_its_path() -> None:
    (place,) = places_of(item_with(("a[].b.email", Rule.CONSTANT, "a[].b.id")))

    assert place.ways == ((("a", 1), ("a.b", 2)), (("b", 2),), ())
    assert [list(names) for names in place.fields] == [["a.b.email"], ["b.email"], ["email"]]
    assert place.owner is not None
    assert (place.owner.depth, place.owner.ways[2]) == (2, (("id", 3),))


def test_fields_of_one_owner_are_one_place_and_fields_of_two_owners_are_two() -> None:
    places = places_of(
        item_with(
            ("email", Rule.CONSTANT, "id"),
            ("name", Rule.CLEAR, "id"),
            ("reviewer", Rule.CONSTANT, "reviewer_id"),
        )
    )

    assert [place.fields for place in places] == [
        ({"email": "constant", "name": "clear"},),
        ({"reviewer": "constant"},),
    ]


def test_fields_without_words_of_their_own_belong_to_the_documents_subject() -> None:
    subject = Subject(contributor_id="who.id", email="contact.email")
    fields = (Field(name="contact.email", rule=Rule.CONSTANT), Field(name="name", rule=Rule.CLEAR))

    own, other = places_of(replace(UNITS, subject=subject, fields=fields))

    assert own.owner is not None
    assert own.owner.depth == 0
    assert own.email is None
    assert other.email is not None
    assert trail_name(other.email) == "contact.email"


def test_fields_that_are_kept_are_in_no_place() -> None:
    assert not any("label" in name for place in places_of(UNITS) for name in place.fields[0])


def test_the_sources_of_the_scripts_are_the_same_for_every_batch() -> None:
    for size in (1, 3):
        targets = targets_of(size)
        counting = counting_body(UNITS, targets, indices=1)["aggs"]["indices"]["aggs"]["figures"][
            "scripted_metric"
        ]
        masking = masking_body(UNITS, everybody(targets), candidates=None)["script"]
        assert (counting["map_script"], masking["source"]) == (COUNTING, MASKING)
        assert "id-0" in counting["params"]["ids"]
        assert "id-0" in masking["params"]["ids"]


@given(size=st.integers(0, 40), at_once=st.integers(1, 50), by_email=st.booleans())
def test_every_target_is_in_one_part_and_emails_are_only_where_they_are_needed(
    size: int, at_once: int, by_email: bool
) -> None:
    targets = targets_of(size)

    parts = list(parts_of(targets, size=at_once, by_email=by_email))

    assert sorted(one for part in parts for one in part.contributor_ids) == sorted(targets.contributor_ids)
    assert all(len(part.contributor_ids) <= at_once for part in parts)
    for part in parts:
        expected = {f"{one}@example.com" for one in part.contributor_ids} if by_email else set()
        assert set(part.emails) == expected
        body = json.dumps(masking_body(UNITS, part, candidates=OWNERS))
        assert ("example.com" in body) is bool(expected)


def test_more_ids_than_an_engine_takes_in_one_clause_are_spread_over_several() -> None:
    query = query_of(UNITS, everybody(targets_of(120_000)), OWNERS, first=True)["bool"]

    sizes = [len(ids) for clause in query["should"] for ids in clause["terms"].values()]
    assert max(sizes) <= 65_536
    assert sum(sizes) == 2 * 120_000
    assert query["minimum_should_match"] == 1


def test_masked_values_are_candidates_once_and_only_where_a_neighbour_may_be_unmasked() -> None:
    part = everybody(targets_of(1))
    several = item_with(("email", Rule.CONSTANT, "id"), ("name", Rule.CLEAR, "id"))

    assert "prefix" not in json.dumps(query_of(UNITS, part, OWNERS, first=True))
    assert "prefix" not in json.dumps(query_of(several, part, OWNERS, first=False))
    assert {"prefix": {"email": MASK}} in query_of(several, part, OWNERS, first=True)["bool"]["should"]


def test_names_are_grouped_so_that_a_request_line_can_hold_them() -> None:
    names = [f"project-{number:036d}" for number in range(300)]

    groups = list(in_groups(names))

    assert [name for group in groups for name in group.split(",")] == names
    assert 1 < len(groups) < 10
    assert all(len(group) < 3_500 for group in groups)
    assert list(in_groups([])) == []


def test_leaf_fields_are_those_that_hold_values() -> None:
    mapping = {
        "properties": {
            "plain": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
            "inner": {"properties": {"email": {"type": "keyword"}, "empty": {"type": "object"}}},
            "many": {"type": "nested", "properties": {"ip": {"type": "ip"}}},
            "unseen": {"type": "object", "enabled": False},
            "loose": {"type": "object", "dynamic": "false"},
            "other_name": {"type": "alias", "path": "plain"},
        }
    }

    assert sorted(leaf_fields(mapping)) == ["inner.email", "loose", "many.ip", "plain", "unseen"]


def test_a_source_that_leaves_something_out_is_not_whole() -> None:
    assert keeps_whole_source({})
    assert keeps_whole_source({"_source": {"enabled": True}})
    for source in ({"enabled": False}, {"excludes": ["latest.*"]}, {"includes": ["url"]}):
        assert not keeps_whole_source({"_source": source})
