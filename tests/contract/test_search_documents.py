"""The search store on a real engine: it finds a worker in any form that a document or a mapping may have.

Holds: paths, arrays, dotted keys, mappings that hide a field from queries, aliases.
Add here: a form of document that the store learns.
Keep out: whose an element is (`test_search_store.py`).
"""

import json
import uuid
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from tests.contract.search_support import (
    ANY_MAPPING,
    CONTROLS,
    MAPPING,
    TARGETS,
    Ground,
    expected_after,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")


def reviews(location: str) -> InventoryObject:
    """An object with several ruled fields an element, arrays within arrays, and a field to clear."""
    ruled = (
        ("workerEmail", Rule.CONSTANT, "workerId"),
        ("workerName", Rule.CLEAR, "workerId"),
        ("tasks[].review.by.email", Rule.CONSTANT, "tasks[].review.by.id"),
    )
    return InventoryObject(
        store="elasticsearch",
        name="reviews",
        source="kepler_elasticsearch",
        schema="kepler_elasticsearch",
        location=location,
        subject=Subject(),
        fields=tuple(Field(name=name, rule=rule, owner=owner) for name, rule, owner in ruled),
    )


def test_paths_are_followed_through_objects_arrays_and_dotted_keys(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    target, control = TARGETS[0], CONTROLS[0]
    mine, others = {"id": target.id, "email": target.email}, {"id": control.id, "email": control.email}
    documents = [
        {"n": 0, "tasks": [{"review": {"by": [mine, others]}}, {"review": {"by": others}}, {}, None]},
        {"n": 1, "tasks": {"review.by": mine}},
        {"n": 2, "tasks.review.by.id": target.id, "tasks.review.by.email": target.email},
        {"n": 3, "tasks": [{"review": {"by.id": control.id, "by.email": control.email}}]},
        {"n": 4, "tasks": {"review": {"by": mine | {"email": [target.email, None, "second@example.com"]}}}},
    ]
    ground.fill(index, documents)

    done = only(ground.store(reviews(f"{ground.prefix}-*")).mask(target_set(target), no_progress))

    masked = mine | {"email": MASK}
    after = ground.read_sources(index, by="n")
    assert after == {
        0: {"n": 0, "tasks": [{"review": {"by": [masked, others]}}, {"review": {"by": others}}, {}, None]},
        1: {"n": 1, "tasks": {"review.by": masked}},
        2: documents[2] | {"tasks.review.by.email": MASK},
        3: documents[3],
        4: {"n": 4, "tasks": {"review": {"by": mine | {"email": [MASK, None, MASK]}}}},
    }
    assert (done.records, done.elements) == (4, 4)


def test_a_masked_value_makes_its_neighbours_subject_too(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    stranger = str(uuid.uuid4())
    documents: list[dict[str, Any]] = [
        {"n": 0, "workerId": None, "workerEmail": MASK, "workerName": "Ada Example"},
        {"n": 1, "workerId": stranger, "workerEmail": f"{MASK}-{stranger}", "workerName": "Ada Example"},
        {"n": 2, "workerId": CONTROLS[0].id, "workerEmail": CONTROLS[0].email, "workerName": "Bo Example"},
        {"n": 3, "workerId": TARGETS[0].id, "workerEmail": None, "workerName": "Cy Example"},
    ]
    ground.fill(index, documents)
    store = ground.store(reviews(f"{ground.prefix}-*"))

    plan = only(store.count(target_set(TARGETS[0])))
    done = only(store.mask(target_set(TARGETS[0]), no_progress))

    after = ground.read_sources(index, by="n")
    assert [after[number]["workerName"] for number in range(4)] == [None, None, "Bo Example", None]
    assert [after[number]["workerEmail"] for number in range(4)] == [MASK, MASK, CONTROLS[0].email, None]
    assert plan.records == done.records == 3
    assert only(store.mask(target_set(TARGETS[0]), no_progress)).records == 0


@pytest.mark.parametrize(
    "worker_id",
    [
        {"type": "text"},
        {"type": "keyword", "index": False, "doc_values": False},
        {"type": "keyword", "ignore_above": 8},
        {"type": "object", "enabled": False},
    ],
    ids=["text", "not indexed", "too long for the index", "stored unseen"],
)
def test_a_mapping_that_hides_the_owner_from_queries_hides_nobody(
    ground: Ground, worker_id: dict[str, Any]
) -> None:
    mapping = deepcopy(MAPPING)
    for parent in ("latest", "judgments"):
        mapping["properties"][parent]["properties"]["workerId"] = worker_id
    index = ground.index("a", mapping)
    documents = many_units()
    ground.fill(index, documents)

    done = only(ground.store().mask(target_set(*TARGETS), no_progress))

    after = ground.read(index)
    assert done.records > 0
    for document in documents:
        assert json.loads(after[document["unit_id"]]["source"]) == expected_after(document, *TARGETS)


def test_nested_arrays_are_masked_like_plain_ones(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["judgments"]["type"] = "nested"
    index = ground.index("a", mapping)
    document = unit(judgment(TARGETS[0]), judgment(CONTROLS[0]))
    ground.fill(index, [document, unit(judgment(CONTROLS[0]))])

    done = only(ground.store().mask(target_set(TARGETS[0]), no_progress))

    assert (done.records, done.total) == (1, 2)
    after = json.loads(ground.read(index)[document["unit_id"]]["source"])
    assert after == expected_after(document, TARGETS[0])


def test_neither_a_filtered_alias_nor_a_hidden_index_hides_a_document(ground: Ground) -> None:
    index = ground.index("a")
    hidden = ground.index("b", settings={"hidden": True})
    ground.fill(index, [unit(judgment(TARGETS[0]))])
    ground.fill(hidden, [unit(judgment(TARGETS[0]))])
    alias = f"only-cats-{uuid.uuid4().hex[:8]}"
    ground.client.indices.put_alias(
        index=index, name=alias, body={"filter": {"term": {"latest.workerId": CONTROLS[0].id}}}
    )

    by_alias = ground.store(replace(ground.units, location=alias)).count(target_set(TARGETS[0]))
    by_pattern = ground.store().count(target_set(TARGETS[0]))

    assert only(by_alias).records == 1
    assert only(by_pattern).records == 2
