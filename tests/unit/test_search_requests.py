"""What the search store sends: the table of ruled fields, the candidates, names in groups.

Add here: a form of path, a limit of requests.
Keep out: what an engine makes of it (`tests/contract/test_search_store.py`).
"""

import json
from dataclasses import replace

from erasure.inventory import Field, InventoryObject
from erasure.rules import MASK, Rule
from erasure.stores.search.layout import in_groups, keeps_whole_source, leaf_fields
from erasure.stores.search.script import COUNTING, MASKING, counting_body, masking_body, places
from erasure.targets import Needle, TargetSet
from tests.inventory_fixtures import kepler_inventory

UNITS = kepler_inventory().of("elasticsearch")[0]


def item_with(*fields: tuple[str, Rule, str]) -> InventoryObject:
    return replace(
        UNITS, fields=tuple(Field(name=name, rule=rule, owner=owner) for name, rule, owner in fields)
    )


def targets_of(size: int) -> TargetSet:
    ids = [f"id-{number}" for number in range(size)]
    needles = tuple(Needle(contributor_id=one, kind="email", value=f"{one}@example.com") for one in ids)
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(ids), needles=needles)


def test_each_element_is_looked_for_in_every_way_to_write_its_path() -> None:
    table = places(item_with(("a[].b.email", Rule.CONSTANT, "a[].b.id")))

    assert [(place["keys"], place["owner"], place["fields"]) for place in table] == [
        ([], "a.b.id", {"a.b.email": "constant"}),
        (["a"], "b.id", {"b.email": "constant"}),
        (["a", "b"], "id", {"email": "constant"}),
        (["a.b"], "id", {"email": "constant"}),
    ]


def test_fields_of_one_owner_are_one_element_and_fields_of_two_owners_are_two() -> None:
    table = places(
        item_with(
            ("email", Rule.CONSTANT, "id"),
            ("name", Rule.CLEAR, "id"),
            ("reviewer", Rule.CONSTANT, "reviewer_id"),
        )
    )

    assert [(place["owner"], place["fields"]) for place in table] == [
        ("id", {"email": "constant", "name": "clear"}),
        ("reviewer_id", {"reviewer": "constant"}),
    ]


def test_fields_that_are_kept_are_not_in_the_table() -> None:
    assert "label" not in json.dumps(places(UNITS))


def test_the_sources_of_the_scripts_are_the_same_for_every_batch() -> None:
    for size in (1, 3):
        targets = targets_of(size)
        counting = counting_body(UNITS, targets, indices=1)["aggs"]["indices"]["aggs"]["figures"][
            "scripted_metric"
        ]
        masking = masking_body(UNITS, targets, everything=False, by_email=False)["script"]
        assert (counting["map_script"], masking["source"]) == (COUNTING, MASKING)
        assert "id-0" in counting["params"]["ids"]
        assert "id-0" in masking["params"]["ids"]


def test_emails_go_into_a_tasks_parameters_only_on_demand() -> None:
    targets = targets_of(2)

    for everything in (True, False):
        without = masking_body(UNITS, targets, everything=everything, by_email=False)
        assert "example.com" not in json.dumps(without)
    assert "id-0@example.com" in json.dumps(masking_body(UNITS, targets, everything=True, by_email=True))


def test_more_ids_than_an_engine_takes_in_one_clause_are_spread_over_several() -> None:
    targets = targets_of(120_000)

    query = masking_body(UNITS, targets, everything=False, by_email=False)["query"]["bool"]

    sizes = [len(ids) for clause in query["should"] for ids in clause["terms"].values()]
    assert max(sizes) <= 65_536
    assert sum(sizes) == 2 * 120_000
    assert query["minimum_should_match"] == 1


def test_masked_values_are_candidates_only_where_a_neighbour_may_be_unmasked() -> None:
    alone = masking_body(UNITS, targets_of(1), everything=False, by_email=False)
    several = item_with(("email", Rule.CONSTANT, "id"), ("name", Rule.CLEAR, "id"))

    together = masking_body(several, targets_of(1), everything=False, by_email=False)

    assert "prefix" not in json.dumps(alone["query"])
    assert {"prefix": {"email": MASK}} in together["query"]["bool"]["should"]


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
