"""The search store on a cluster of several nodes: every copy of a shard is masked, counted and purged.

Holds: three nodes in one process, each with its own directory, which are also killed in the middle of a mask.
Add here: what only a second copy of a shard can show.
Keep out: what one node shows as well (`test_search_store.py`, `test_search_copies.py`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opensearchpy import OpenSearch, helpers

from erasure.errors import StoreUnavailable
from erasure.stores.base import no_progress
from tests.contract.search_bytes import FORMS, SEPARATE_FILES, canary, forms
from tests.contract.search_support import (
    DOCUMENTS,
    TARGETS,
    Ground,
    assert_names_nobody,
    expected_after,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)
from tests.search_cluster import Cluster

NODES = 3
ON_ALL_NODES = {"number_of_shards": 2, "number_of_replicas": NODES - 1}
# A mask of so many takes longer than it takes to be killed.
MANY = 60_000


class Copies:
    """A ground on a cluster of its own; asks each node for the copies that it has."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = OpenSearch(cluster.config.search_url, timeout=60)
        self.ground = Ground(self.client, cluster.config)

    def settle(self) -> None:
        """All copies of all shards are there, and each has all that its primary has."""
        health = self.client.cluster.health(params={"wait_for_status": "green", "request_timeout": 60})
        assert not health["timed_out"]

    def sources(self, index: str) -> dict[str, list[str]]:
        """Node -> the documents as that node's own copies have them, in order."""
        self.client.indices.refresh(index=index)
        nodes = self.client.nodes.info()["nodes"]
        return {node: sorted(self._read(index, node)) for node in nodes}

    def _read(self, index: str, node: str) -> Iterator[str]:
        params = {"preference": f"_only_nodes:{node}", "size": 1000}
        for hit in helpers.scan(self.client, index=index, params=params):
            yield canonical(hit["_source"])


def canonical(document: dict[str, Any]) -> str:
    # A server writes the keys of what it has masked in an order of its own.
    return json.dumps(document, sort_keys=True)


@pytest.fixture
def three(clusters: Callable[[int], Cluster]) -> Iterator[Copies]:
    copies = Copies(clusters(NODES))
    yield copies
    copies.client.close()


@pytest.fixture
def one(clusters: Callable[[int], Cluster]) -> Iterator[Copies]:
    copies = Copies(clusters(1))
    yield copies
    copies.client.close()


def test_every_copy_is_masked_and_none_is_counted_twice(three: Copies) -> None:
    ground = three.ground
    index = ground.index("a", settings=ON_ALL_NODES)
    three.settle()
    documents = many_units()
    ground.fill(index, documents)
    targets = target_set(*TARGETS)
    expected = [expected_after(document, *TARGETS) for document in documents]
    changed = sum(after != before for after, before in zip(expected, documents, strict=True))

    plan = only(ground.store().count(targets))
    done = only(ground.store().mask(targets, no_progress))

    assert (plan.records, plan.total) == (changed, len(documents))
    assert done == plan
    assert only(ground.store().count(targets)).records == 0
    sources = three.sources(index)
    assert len(sources) == NODES
    for held in sources.values():
        assert held == sorted(canonical(document) for document in expected)


@pytest.mark.full
def test_a_purge_leaves_no_copy_in_any_nodes_directory(three: Copies) -> None:
    ground, directories = three.ground, three.cluster.node_directories()
    target, bystander = canary(), canary()
    index = ground.index("a", settings=ON_ALL_NODES | SEPARATE_FILES)
    three.settle()
    ground.fill(index, [unit(judgment(bystander)), unit(judgment(target)), *many_units()])
    targets = target_set(target, *TARGETS)
    ground.store().mask(targets, no_progress)
    three.client.indices.flush(index=index, params={"force": "true"})
    assert [bool(forms(target, [node])) for node in directories] == [True] * NODES

    ground.store().purge(targets, no_progress)

    assert forms(target, [three.cluster.config.root]) == set()
    assert [forms(bystander, [node]) >= FORMS for node in directories] == [True] * NODES


def test_one_node_killed_while_it_masks_loses_nothing_and_is_masked_by_the_next_run(
    one: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_survives_a_kill(one, {"number_of_shards": 1, "number_of_replicas": 0}, monkeypatch)


@pytest.mark.full
def test_three_nodes_killed_while_they_mask_lose_nothing_and_are_masked_by_the_next_run(
    three: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_survives_a_kill(three, ON_ALL_NODES, monkeypatch)


def require_survives_a_kill(
    copies: Copies, settings: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = copies.ground
    index = ground.index("a", settings=settings)
    copies.settle()
    documents = [document for _ in range(MANY // DOCUMENTS) for document in many_units()]
    ground.fill(index, documents)
    before = {canonical(document) for document in documents}
    after = {canonical(expected_after(document, *TARGETS)) for document in documents}
    targets = target_set(*TARGETS)
    planned = only(ground.store().count(targets)).records
    assert planned == len(after - before)
    # Asked this often, the task is met in its middle.
    monkeypatch.setattr("erasure.stores.search.tasks._LONGEST_WAIT", 0.01)
    told: list[int] = []

    def kill(object_name: str, done: int, total: int) -> None:
        told.append(done)
        if 0 < done < planned:
            copies.cluster.kill()

    with pytest.raises(StoreUnavailable) as failure:
        ground.store().mask(targets, kill)
    assert 0 < told[-1] < planned
    assert_names_nobody(failure.value)

    copies.cluster.start()
    copies.settle()
    left = only(ground.store().count(targets)).records
    # The server answers for a document once it is on disk: what was told is done, and maybe a few more.
    assert 0 < left <= planned - told[-1]
    for held in copies.sources(index).values():
        assert len(held) == len(documents)
        assert set(held) <= before | after

    done = only(ground.store().mask(targets, no_progress))

    assert done.records == left
    for held in copies.sources(index).values():
        assert set(held) == after
        assert len(held) == len(documents)
