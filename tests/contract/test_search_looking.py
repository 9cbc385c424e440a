"""The search store on a real engine: when a look at all documents is taken again, and when one is enough.

Holds: what `mask` takes over from `count`, and what makes it look afresh.
Add here: something that makes a look an old one.
Keep out: what a look finds (`test_search_store.py`), and shards that are lost (`test_search_shards.py`).
"""

from collections.abc import Callable
from typing import Any

import pytest

from erasure.stores.base import no_progress
from erasure.stores.search.store import SearchStore
from tests.contract.search_support import (
    CONTROLS,
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

T, C = TARGETS[0], CONTROLS[0]


def looks(ground: Ground, work: Callable[[], Any]) -> int:
    """How often all documents are counted, by the first of the slices."""
    ask, seen = ground.server.search, []

    def asked(indices: str, body: Any, params: Any, *, seconds: float | None = None) -> Any:
        seen.append("aggs" in body and body.get("slice", {"id": 0})["id"] == 0)
        return ask(indices, body, params, seconds=seconds)

    ground.server.search = asked  # type: ignore[method-assign]
    try:
        work()
    finally:
        ground.server.search = ask  # type: ignore[method-assign]
    return sum(seen)


def test_what_count_has_just_seen_is_not_read_again_and_the_end_is(ground: Ground) -> None:
    documents = many_units()
    index = ground.index("a")
    ground.fill(index, documents)
    store, targets = ground.store(), target_set(*TARGETS)

    plan = only(store.count(targets))
    assert looks(ground, lambda: store.mask(targets, no_progress)) == 1

    assert plan.records > 0
    assert only(store.count(targets)).records == 0
    after = ground.read_sources(index, by="unit_id")
    for document in documents:
        assert after[document["unit_id"]] == expected_after(document, *TARGETS)


def write(ground: Ground, index: str) -> None:
    ground.fill(index, [unit(judgment(T))], refresh=False)


def make_again(ground: Ground, index: str) -> None:
    documents = [{**unit(judgment(T)), "unit_id": str(n)} for n in range(2)]
    ground.client.indices.delete(index=index)
    ground.index(index.rpartition("-")[2])
    ground.fill(index, documents)


def one_more(ground: Ground, index: str) -> None:
    ground.fill(ground.index("b"), [unit(judgment(T))])


@pytest.mark.parametrize("meanwhile", [write, make_again, one_more])
def test_a_look_from_before_a_change_is_taken_again(
    ground: Ground, meanwhile: Callable[[Ground, str], None]
) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(T)), unit(judgment(C))])
    store, targets = ground.store(), target_set(T)
    assert only(store.count(targets)).records == 1
    meanwhile(ground, index)

    done: list[int] = []
    assert looks(ground, lambda: done.append(only(store.mask(targets, no_progress)).records)) == 2

    assert done == [2]
    assert only(store.count(targets)).records == 0


def test_a_look_for_others_is_not_taken_over(ground: Ground) -> None:
    ground.fill(ground.index("a"), [unit(judgment(T)), unit(judgment(TARGETS[1]))])
    store = ground.store()
    store.count(target_set(T))

    done = only(store.mask(target_set(T, TARGETS[1]), no_progress))

    assert done.records == 2


def test_that_nothing_is_left_is_said_after_a_fresh_look_alone(ground: Ground) -> None:
    ground.fill(ground.index("a"), [unit(judgment(C))])
    store, targets = ground.store(), target_set(T)
    assert only(store.count(targets)).records == 0

    assert looks(ground, lambda: store.mask(targets, no_progress)) == 1


def test_an_index_of_one_shard_is_read_in_two_parts_that_are_closed_again(ground: Ground) -> None:
    index = ground.index("a")
    documents = many_units()
    ground.fill(index, documents)
    store = SearchStore(ground.server, (ground.units,))

    count = only(store.count(target_set(*TARGETS)))

    assert count.total == len(documents)
    assert count.records == sum(expected_after(one, *TARGETS) != one for one in documents)
    assert ground.client.indices.stats(index=index)["_all"]["total"]["search"]["open_contexts"] == 0
