"""The search store on a real engine with parents and children in one index: masking keeps who belongs to whom.

Holds: join fields, whose children live where their parent's routing leads.
Add here: another relation between documents of one index.
Keep out: routing alone (`test_search_rules.py`), nested objects (`test_search_documents.py`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from opensearchpy import OpenSearch

from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from sandbox.engines import search
from sandbox.jars import JarSet, read_lock
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import CONTROLS, TARGETS, Ground, only
from tests.search_cluster import Cluster

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, C = TARGETS[0], CONTROLS[0]
MAPPING: dict[str, Any] = {
    "properties": {
        "id": {"type": "keyword"},
        "email": {"type": "keyword"},
        "relation": {"type": "join", "relations": {"unit": "judgment"}},
    }
}
UNITS = ("u1", "u2", "u3", "u4")
MODULES = {
    "opensearch": "org.opensearch.join.ParentJoinModulePlugin",
    "elasticsearch": "org.elasticsearch.join.ParentJoinPlugin",
}


@pytest.fixture
def joining(clusters: Callable[[int], Cluster], monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    """A server with one module more than the sandbox' has."""

    def with_joins(name: str) -> JarSet:
        lock = read_lock(name)
        return replace(lock, modules=(*lock.modules, MODULES[name]))

    monkeypatch.setattr(search, "read_lock", with_joins)
    cluster = clusters(1)
    client = OpenSearch(cluster.config.search_url, timeout=60)
    ground = Ground(client, cluster.config)
    yield ground
    ground.server.close()
    client.close()


@pytest.mark.full
@pytest.mark.parametrize("rule", [Rule.CONSTANT, Rule.SCRUB_TEXT], ids=["in the engine", "in pages"])
def test_masking_a_child_keeps_its_parent_its_routing_and_its_neighbours(joining: Ground, rule: Rule) -> None:
    index = joining.index("a", MAPPING, {"number_of_shards": 3})
    for number, parent in enumerate(UNITS):
        owner = (T, C)[number % 2]
        put(joining, index, parent, parent, {"id": owner.id, "email": owner.email, "relation": "unit"})
        for worker, name in ((T, "t"), (C, "c")):
            relation = {"name": "judgment", "parent": parent}
            child = {"id": worker.id, "email": worker.email, "relation": relation}
            put(joining, index, f"{parent}-{name}", parent, child)
    joining.client.indices.refresh(index=index)
    item, targets = pattern(index, ruled("email", "id", rule)), known(T)

    plan = only(joining.store(item).count(targets))
    done = only(joining.store(item).mask(targets, no_progress))

    assert (plan.records, done.records) == (6, 6)
    assert joining.client.count(index=index)["count"] == 12
    for number, parent in enumerate(UNITS):
        assert get(joining, index, parent, parent)["email"] == (MASK, C.email)[number % 2]
        relation = {"name": "judgment", "parent": parent}
        masked, kept = (get(joining, index, f"{parent}-{name}", parent) for name in ("t", "c"))
        assert masked == {"id": T.id, "email": MASK, "relation": relation}
        assert kept == {"id": C.id, "email": C.email, "relation": relation}
    # By the relation itself, which the engine follows within a shard: the children of masked and of other parents.
    for email, children in ((MASK, 4), (C.email, 4)):
        query = {"has_parent": {"parent_type": "unit", "query": {"term": {"email": email}}}}
        assert joining.client.count(index=index, body={"query": query})["count"] == children
    with_masked = {"has_child": {"type": "judgment", "query": {"term": {"email": MASK}}}}
    assert joining.client.count(index=index, body={"query": with_masked})["count"] == len(UNITS)
    assert all(one.survivors == 0 for one in judged(joining, item, targets))


def put(ground: Ground, index: str, id: str, routing: str, body: dict[str, Any]) -> None:
    ground.client.index(index=index, id=id, body=body, params={"routing": routing})


def get(ground: Ground, index: str, id: str, routing: str) -> dict[str, Any]:
    found = ground.client.get(index=index, id=id, params={"routing": routing})
    assert found["_routing"] == routing
    source: dict[str, Any] = found["_source"]
    return source
