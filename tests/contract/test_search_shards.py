"""The search store on a real engine that lacks a shard: what the others have is never taken for all there is.

Holds: an index that no node has taken, and one that lost one shard of several, in every operation.
Add here: another way in which a part of an index does not answer.
Keep out: copies on other nodes (`test_search_nodes.py`), and a server that is away.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from erasure.errors import StoreRefused
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import (
    ANY_MAPPING,
    CONTROLS,
    TARGETS,
    Ground,
    assert_names_nobody,
    only,
)

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, C = TARGETS[0], CONTROLS[0]
REQUIRED = "index.routing.allocation.require.somewhere"
DOCUMENTS: list[dict[str, Any]] = [
    {"n": n, "id": worker.id, "email": worker.email, "text": worker.email}
    for n, worker in enumerate([T, C] * 20)
]
RULES = [ruled("email", "id"), ruled("text", "id", Rule.SCRUB_TEXT)]


def lose_a_shard(ground: Ground, index: str) -> None:
    """Shard 0 leaves its node, which is not to take up any before it is told to."""
    allow(ground, 0)
    (node,) = {row["node"] for row in ground.client.cat.shards(index=index, params={"format": "json"})}
    cancel = {"index": index, "shard": 0, "node": node, "allow_primary": True}
    ground.client.cluster.reroute(body={"commands": [{"cancel": cancel}]})
    assert "UNASSIGNED" in states(ground, index)


def give_it_back(ground: Ground, index: str) -> None:
    allow(ground, None)
    ground.client.indices.put_settings(index=index, body={REQUIRED: None})
    ground.client.cluster.health(index=index, params={"wait_for_status": "green"})


def allow(ground: Ground, recoveries: int | None) -> None:
    setting = "cluster.routing.allocation.node_initial_primaries_recoveries"
    ground.client.cluster.put_settings(body={"transient": {setting: recoveries}})


@pytest.fixture(autouse=True)
def allowed(ground: Ground) -> Iterator[None]:
    yield
    allow(ground, None)


def states(ground: Ground, index: str) -> set[str]:
    return {row["state"] for row in ground.client.cat.shards(index=index, params={"format": "json"})}


@pytest.mark.parametrize(
    "field", [RULES[0], pytest.param(RULES[1], marks=pytest.mark.full)], ids=["in the engine", "in pages"]
)
def test_an_index_that_lost_a_shard_is_named_by_every_operation_and_masked_once_it_is_whole(
    ground: Ground, field: Any
) -> None:
    whole, broken = ground.index("a", ANY_MAPPING), ground.index("b", ANY_MAPPING, {"number_of_shards": 3})
    for index in (whole, broken):
        ground.fill(index, DOCUMENTS)
    item, targets = pattern(f"{ground.prefix}-*", field), known(T)
    store = ground.store(item)
    before = ground.read(whole)
    lose_a_shard(ground, broken)

    asked: list[Callable[[], Any]] = [
        lambda: store.count(targets),
        lambda: store.mask(targets, no_progress),
        lambda: store.purge(targets, no_progress),
    ]
    for ask in asked:
        with pytest.raises(StoreRefused, match=f"a shard of index {broken} does not answer") as told:
            ask()
        assert_names_nobody(told.value)
    with pytest.raises(StoreRefused, match="a shard of"):
        store.holdings()
    with pytest.raises(StoreRefused, match=f"index {broken} lacks a shard"):
        judged(ground, item, targets)

    assert ground.read(whole) == before
    give_it_back(ground, broken)
    done = only(store.mask(targets, no_progress))
    assert (done.records, done.total) == (40, 80)
    for index in (whole, broken):
        after = ground.read_sources(index, by="n")
        assert [after[n][field.name] == MASK for n in range(40)] == [n % 2 == 0 for n in range(40)]
        assert [after[n][field.name] for n in range(1, 40, 2)] == [C.email] * 20


def test_an_index_that_no_node_has_taken_is_named(ground: Ground) -> None:
    ground.fill(ground.index("a", ANY_MAPPING), DOCUMENTS)
    homeless = f"{ground.prefix}-b"
    settings = {"number_of_shards": 1, "number_of_replicas": 0, REQUIRED: "else"}
    ground.client.indices.create(
        index=homeless, body={"settings": settings}, params={"wait_for_active_shards": "0"}
    )
    item, targets = pattern(f"{ground.prefix}-*", ruled("email", "id")), known(T)

    for act in (ground.store(item).count, lambda them: ground.store(item).mask(them, no_progress)):
        with pytest.raises(StoreRefused, match=f"a shard of index {homeless} does not answer"):
            act(targets)

    give_it_back(ground, homeless)
    assert only(ground.store(item).mask(targets, no_progress)).records == 20


def test_a_shard_that_is_lost_after_the_look_is_no_smaller_count(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING, {"number_of_shards": 2})
    ground.fill(index, DOCUMENTS)
    item, targets = pattern(index, ruled("email", "id")), known(T)
    refresh = ground.server.refresh

    def lose(indices: str) -> Any:
        answer = refresh(indices)
        lose_a_shard(ground, index)
        return answer

    ground.server.refresh = lose  # type: ignore[method-assign]
    with pytest.raises(StoreRefused, match="a shard of") as told:
        ground.store(item).count(targets)
    assert_names_nobody(told.value)

    ground.server.refresh = refresh  # type: ignore[method-assign]
    give_it_back(ground, index)
    assert only(ground.store(item).count(targets)).records == 20


def test_a_shard_that_is_lost_before_the_task_is_no_smaller_mask(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING, {"number_of_shards": 2})
    ground.fill(index, DOCUMENTS)
    item, targets = pattern(index, ruled("email", "id")), known(T)
    start = ground.server.update_by_query

    def lose(indices: str, body: Any, params: Any) -> Any:
        if "UNASSIGNED" not in states(ground, index):
            lose_a_shard(ground, index)
        return start(indices, body, params)

    ground.server.update_by_query = lose  # type: ignore[method-assign]
    with pytest.raises(StoreRefused, match="a shard of") as told:
        ground.store(item).mask(targets, no_progress)
    assert_names_nobody(told.value)

    ground.server.update_by_query = start  # type: ignore[method-assign]
    give_it_back(ground, index)
    left = only(ground.store(item).count(targets)).records
    assert only(ground.store(item).mask(targets, no_progress)).records == left
    assert all(reading.survivors == 0 for reading in judged(ground, item, targets))
