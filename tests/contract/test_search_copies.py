"""What a search engine keeps of a masked document: stored tasks and old segments, which purging removes.

Holds: the copies on disk, looked for byte by byte.
Add here: another place in which an engine keeps old values.
Keep out: masking (`test_search_store.py`).
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opensearchpy import exceptions

from erasure.errors import Incomplete, StoreRefused
from erasure.stores.base import no_progress
from tests.contract.search_bytes import FORMS, SEPARATE_FILES, canary, forms
from tests.contract.search_support import (
    CONTROLS,
    TARGETS,
    Ground,
    Worker,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)
from tests.sandbox_fixtures import eventually

# Settings with which a merge policy leaves segments alone, but for a merge that is asked for.
RELUCTANT_TO_MERGE = {
    "merge.policy.max_merged_segment": "2mb",
    "merge.policy.segments_per_tier": 50,
    "merge.policy.expunge_deletes_allowed": 90,
}

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")


def test_stored_tasks_hold_emails_only_where_they_decide(ground: Ground) -> None:
    # Nobody else's tasks are among what is read: these two are new.
    owned = Worker(id=str(uuid.uuid4()), email=f"owned-{uuid.uuid4().hex}@example.com")
    ownerless = Worker(id=str(uuid.uuid4()), email=f"ownerless-{uuid.uuid4().hex}@example.com")
    ground.fill(ground.index("a"), [unit(judgment(owned))])

    ground.store().mask(target_set(owned), no_progress)
    assert owned.id in ground.stored_tasks()
    assert owned.email not in ground.stored_tasks()

    ground.fill(ground.index("b"), [unit(judgment(ownerless, workerId=None))])
    ground.store().mask(target_set(ownerless), no_progress)
    assert ownerless.email in ground.stored_tasks()


# One test for a whole purge: leases move on every 30 seconds only, whatever a test does.
def test_purge_leaves_no_copy_on_disk_and_says_so_only_while_nobody_holds_one(
    ground: Ground, strangers_task: Worker
) -> None:
    index = ground.index("a", settings=SEPARATE_FILES | RELUCTANT_TO_MERGE)
    untouched = ground.index("b")
    target, bystander = canary(), canary()
    ground.fill(index, [unit(judgment(bystander)), unit(judgment(target)), *many_units()])
    document = unit(judgment(CONTROLS[0]))
    ground.fill(untouched, [document, unit(judgment(CONTROLS[1]))])
    ground.fill(untouched, [document])
    targets = target_set(target, *TARGETS)
    ground.store().mask(targets, no_progress)
    ground.client.indices.flush(index=f"{ground.prefix}-*", params={"force": "true"})
    assert ground.deleted_documents(index) > 0
    assert ground.deleted_documents(untouched) == 1
    assert forms(target, [ground.config.root]) and forms(bystander, [ground.config.root])
    assert target.id in ground.stored_tasks()

    purged = only(ground.store().purge(targets, no_progress))

    assert purged.records > 0
    assert ground.deleted_documents(index) == 0
    assert forms(target, [ground.config.root]) == set()
    assert forms(bystander, [ground.config.root]) >= FORMS
    assert target.id not in ground.stored_tasks()
    # A task of somebody else's stays, with the same kind of parameters in the same index.
    assert strangers_task.id in ground.stored_tasks()
    assert ground.deleted_documents(untouched) == 1

    for holding, sentence in (
        (a_scroll, "is held open by a scroll or a point in time"),
        (a_point_in_time, "is held open by a scroll or a point in time"),
        (a_snapshot, "is being copied into a snapshot"),
    ):
        with holding(ground, index) as holds:
            if holds:
                with pytest.raises(Incomplete, match=f"index {index} {sentence}"):
                    ground.store(purge_seconds=1).purge(targets, no_progress)
        ground.store().purge(targets, no_progress)
    with read_only(ground, index), pytest.raises(StoreRefused, match="index is blocked"):
        ground.store().purge(targets, no_progress)
    ground.store().purge(targets, no_progress)
    ground.store().mask(target_set(CONTROLS[0]), no_progress)
    denied = pytest.raises(Incomplete, match=r"index \.tasks describes masking tasks and may not be changed")
    with read_only(ground, ".tasks"), denied:
        ground.store().purge(target_set(CONTROLS[0]), no_progress)


@pytest.fixture
def strangers_task(ground: Ground) -> Worker:
    """Somebody else's update by query, stored with all that it was told."""
    stranger = canary()
    index = ground.index("theirs")
    ground.fill(index, [unit(judgment(stranger))])
    body = {
        "query": {"term": {"latest.workerId": stranger.id}},
        "script": {"source": "ctx._source.url = params.to", "params": {"to": stranger.id}},
    }
    ground.client.update_by_query(index=index, body=body, params={"wait_for_completion": "false"})
    eventually(lambda: stranger.id in ground.stored_tasks())
    return stranger


@contextmanager
def a_scroll(ground: Ground, index: str) -> Iterator[bool]:
    scroll = ground.client.search(index=index, body={"size": 1}, params={"scroll": "5m"})["_scroll_id"]
    yield True
    ground.client.clear_scroll(scroll_id=scroll)


@contextmanager
def a_point_in_time(ground: Ground, index: str) -> Iterator[bool]:
    """Elasticsearch 7.10 has none under a free license, and says so."""
    try:
        opened = ground.client.create_pit(index=index, params={"keep_alive": "5m"})
    except exceptions.RequestError:
        yield False
        return
    yield True
    ground.client.delete_pit(body={"pit_id": [opened["pit_id"]]})


@contextmanager
def a_snapshot(ground: Ground, index: str) -> Iterator[bool]:
    """So slow that it does not end meanwhile, and quick enough to notice that it is not wanted any more."""
    snapshots = ground.client.snapshot
    with repository(ground, max_snapshot_bytes_per_sec="2kb") as name:
        snapshots.create(repository=name, snapshot="s", body={"indices": index})
        eventually(lambda: bool(snapshots.status()["snapshots"][0]["indices"]))
        try:
            yield True
        finally:
            snapshots.delete(repository=name, snapshot="s", params={"request_timeout": 60})


@contextmanager
def repository(ground: Ground, **settings: str) -> Iterator[str]:
    """A repository of snapshots in the server's own place for them."""
    name = f"{ground.prefix}-repository"
    body = {"type": "fs", "settings": {"location": name, "compress": False, **settings}}
    ground.client.snapshot.create_repository(repository=name, body=body)
    try:
        yield name
    finally:
        ground.client.snapshot.delete_repository(repository=name)


@contextmanager
def read_only(ground: Ground, index: str) -> Iterator[None]:
    block = "index.blocks.read_only" if index != ".tasks" else "index.blocks.write"
    ground.client.indices.put_settings(index=index, body={block: True})
    try:
        yield
    finally:
        ground.client.indices.put_settings(index=index, body={block: None})


def test_a_purge_is_incomplete_where_an_index_keeps_its_history(ground: Ground) -> None:
    index = ground.index("a", settings={"index.soft_deletes.retention.operations": 100})
    ground.fill(index, [unit(judgment(TARGETS[0]))])
    ground.store().mask(target_set(TARGETS[0]), no_progress)

    with pytest.raises(Incomplete, match=f"index {index} sets index.soft_deletes.retention.operations"):
        ground.store().purge(target_set(TARGETS[0]), no_progress)


def test_a_purge_is_incomplete_where_old_operations_stay_in_a_translog(ground: Ground) -> None:
    """Without soft deletes, which newer servers do not let an index be without."""
    try:
        index = ground.index("a", settings={"index.soft_deletes.enabled": False})
    except exceptions.RequestError:
        assert ground.client.info()["version"].get("distribution") == "opensearch"
        return
    target, bystander = canary(), canary()
    ground.fill(index, [unit(judgment(target)), unit(judgment(bystander))])
    ground.store().mask(target_set(target), no_progress)

    with pytest.raises(Incomplete, match=f"index {index} has no soft deletes"):
        ground.store().purge(target_set(target), no_progress)
    ground.client.indices.flush(index=index, params={"force": "true"})
    assert ".tlog" in forms(target, [ground.config.root])

    ground.client.indices.put_settings(index=index, body={"index.translog.retention.age": "0s"})
    ground.store().purge(target_set(target), no_progress)
    assert forms(target, [ground.config.root]) == set()
    assert forms(bystander, [ground.config.root]) != set()


def test_what_no_purge_reaches_is_told_with_the_plan(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0]))])
    assert ground.store().survey().notices == ()

    ground.client.indices.put_settings(index=index, body={"index.search.slowlog.threshold.query.warn": "10s"})
    with repository(ground) as name:
        notices = ground.store().survey().notices

    assert [notice.partition(";")[0].partition(" (")[0] for notice in notices] == [
        "elasticsearch: 1 snapshot repositories are registered",
        "elasticsearch: 1 indices log slow requests",
    ]
    assert not any(name in notice or index in notice for notice in notices)
