"""The search store on a real engine that says no, and on what is no search engine at all.

Holds: blocked, closed and missing indices, what the inventory does not know, health, who cannot get in.
Add here: a way in which an engine can refuse or look like success.
Keep out: masking that succeeds (`test_search_store.py`).
"""

from collections.abc import Callable
from copy import deepcopy

import pytest

from erasure.errors import StoreRefused, StoreUnavailable
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.base import no_progress
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore
from tests.contract.search_support import (
    MAPPING,
    TARGETS,
    Ground,
    assert_names_nobody,
    free_port,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")


def test_a_write_blocked_index_is_refused_by_name_and_masked_once_it_is_free(ground: Ground) -> None:
    index = ground.index("a")
    documents = many_units()
    ground.fill(index, documents)
    ground.client.indices.put_settings(index=index, body={"index.blocks.write": True})

    with pytest.raises(StoreRefused) as refused:
        ground.store().mask(target_set(*TARGETS), no_progress)

    assert f"index {index} is blocked" in str(refused.value)
    assert refused.value.object_name == "units"
    assert_names_nobody(refused.value)
    ground.client.indices.put_settings(index=index, body={"index.blocks.write": None})
    assert only(ground.store().mask(target_set(*TARGETS), no_progress)).records > 0
    assert only(ground.store().count(target_set(*TARGETS))).records == 0


def test_a_pattern_without_an_index_is_refused_as_another_cluster(ground: Ground) -> None:
    for act in (ground.store().count, lambda targets: ground.store().mask(targets, no_progress)):
        with pytest.raises(StoreRefused, match="no index matches"):
            act(target_set(TARGETS[0]))

    assert ground.store().holdings() == {"units": 0}
    with pytest.raises(StoreRefused) as refused:
        ground.store().survey()
    assert f"no index matches {ground.prefix}-*; check [elasticsearch] url" in str(refused.value)
    assert "dbt_project/models/kepler/inventory/elasticsearch.yml" in str(refused.value)


def test_a_closed_index_is_named_and_counted_as_what_nobody_can_erase_until_it_is_open(
    ground: Ground,
) -> None:
    open_index, closed = ground.index("a"), ground.index("b")
    ground.fill(open_index, [unit(judgment(TARGETS[0]))])
    ground.fill(closed, [unit(judgment(TARGETS[0]))])
    ground.client.indices.close(index=closed)
    targets = target_set(TARGETS[0])

    assert any(f"index {closed} is closed" in sentence for sentence in ground.store().survey().notices)
    assert only(ground.store().count(targets)).not_erasable == {"a closed index": 1}
    done = only(ground.store().mask(targets, no_progress))
    assert (done.records, done.not_erasable) == (1, {"a closed index": 1})

    ground.client.indices.open(index=closed)
    assert only(ground.store().count(targets)).not_erasable == {}
    assert only(ground.store().mask(targets, no_progress)).records == 1


def test_an_index_that_does_not_keep_its_source_is_refused(ground: Ground) -> None:
    index = ground.index("a", MAPPING | {"_source": {"excludes": ["latest"]}})

    with pytest.raises(StoreRefused, match=f"index {index} does not keep its whole _source"):
        ground.store().count(target_set(TARGETS[0]))


def test_a_mapping_that_cannot_hold_the_mask_is_refused_without_the_value(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["latest"]["properties"]["workerEmail"] = {"type": "long"}
    index = ground.index("a", mapping)
    document = unit(judgment(TARGETS[0])) | {"latest": judgment(TARGETS[0], workerEmail=4477001)}
    ground.fill(index, [document])

    with pytest.raises(StoreRefused) as refused:
        ground.store().mask(target_set(TARGETS[0]), no_progress)

    assert f"the mapping of index {index} does not take the masked value" in str(refused.value)
    assert "4477001" not in str(refused.value)
    assert_names_nobody(refused.value)


def test_fields_that_the_inventory_does_not_know_are_named(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["judgments"]["properties"]["workerPhone"] = {"type": "keyword"}
    mapping["properties"]["payload"] = {"type": "object", "enabled": False}
    known, odd = ground.index("a"), ground.index("b", mapping)

    sentences = ground.store().survey().problems

    assert len(sentences) == 2
    assert all(odd in sentence and known not in sentence for sentence in sentences)
    assert any("judgments.workerPhone" in sentence for sentence in sentences)
    assert any("field payload" in sentence for sentence in sentences)


# Health


def test_health_names_engine_and_version(ground: Ground) -> None:
    health = ground.store().health()

    assert health.engine in ("OpenSearch", "Elasticsearch")
    assert health.version[0].isdigit()


def test_nobody_listening_is_unavailable_and_says_what_to_check(ground: Ground) -> None:
    server = search_server(ElasticsearchSettings(url=f"http://127.0.0.1:{free_port()}"))
    store = SearchStore(server, (ground.units,))

    for act in (store.health, store.survey, lambda: store.count(target_set(TARGETS[0]))):
        with pytest.raises(StoreUnavailable, match=r"check \[elasticsearch\] url"):
            act()
    server.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"hello": "world"}'),
        (200, b"no json"),
        (200, b'"text"'),
        (401, b'{"error": "who are you"}'),
        (403, b'{"message": "no"}'),
        (404, b"not here"),
    ],
    ids=["other json", "no json", "a string", "401", "403", "404"],
)
def test_what_is_no_search_server_or_lets_nobody_in_is_unavailable(
    ground: Ground, server: Callable[[int, bytes], str], status: int, body: bytes
) -> None:
    url = server(status, body).replace("//", "//kepler:s3cret-w0rd@")
    stranger = search_server(ElasticsearchSettings(url=url))
    store = SearchStore(stranger, (ground.units,))

    for act in (store.health, lambda: store.mask(target_set(TARGETS[0]), no_progress)):
        with pytest.raises(StoreUnavailable, match=r"check \[elasticsearch\] url") as caught:
            act()
        assert "s3cret-w0rd" not in str(caught.value)
    stranger.close()
