"""What a search engine keeps of a masked document: stored tasks and old segments, which purging removes.

Holds: the copies on disk, looked for byte by byte.
Add here: another place in which an engine keeps old values.
Keep out: masking (`test_search_store.py`).
"""

import uuid

import pytest

from erasure.errors import Incomplete
from erasure.stores.base import no_progress
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
def test_purge_leaves_no_copy_on_disk_and_says_so_only_while_nobody_reads(ground: Ground) -> None:
    index, untouched = ground.index("a"), ground.index("b")
    # Random and in the middle of the text: a byte search finds only what no compression has shortened.
    target = Worker(id=str(uuid.uuid4()), email=f"t{uuid.uuid4().hex}@example.net")
    bystander = Worker(id=str(uuid.uuid4()), email=f"b{uuid.uuid4().hex}@example.net")
    ground.fill(index, [unit(judgment(bystander)), unit(judgment(target)), *many_units()])
    document = unit(judgment(CONTROLS[0]))
    ground.fill(untouched, [document, unit(judgment(CONTROLS[1]))])
    ground.fill(untouched, [document])
    targets = target_set(target, *TARGETS)
    ground.store().mask(targets, no_progress)
    ground.client.indices.flush(index=f"{ground.prefix}-*", params={"force": "true"})
    assert ground.deleted_documents(index) > 0
    assert ground.deleted_documents(untouched) == 1
    assert on_disk(ground, target) and on_disk(ground, bystander)
    assert target.id in ground.stored_tasks()

    purged = only(ground.store().purge(targets, no_progress))

    assert purged.records > 0
    assert ground.deleted_documents(index) == 0
    assert not on_disk(ground, target)
    assert on_disk(ground, bystander)
    assert ground.stored_tasks() == ""
    assert ground.deleted_documents(untouched) == 1

    scroll = ground.client.search(index=index, body={"size": 1}, params={"scroll": "5m"})["_scroll_id"]
    with pytest.raises(Incomplete, match=f"index {index} is held open by a scroll"):
        ground.store(purge_seconds=2).purge(targets, no_progress)
    ground.client.clear_scroll(scroll_id=scroll)
    ground.store().purge(targets, no_progress)


def on_disk(ground: Ground, worker: Worker) -> bool:
    needle = worker.email.partition("@")[0][1:].encode()
    files = (path for path in ground.config.root.rglob("*") if path.is_file() and "indices" in path.parts)
    return any(needle in path.read_bytes() for path in files)


def test_a_purge_is_incomplete_where_an_index_keeps_its_history(ground: Ground) -> None:
    index = ground.index("a", settings={"index.soft_deletes.retention.operations": 100})
    ground.fill(index, [unit(judgment(TARGETS[0]))])
    ground.store().mask(target_set(TARGETS[0]), no_progress)

    with pytest.raises(Incomplete, match=f"index {index} sets index.soft_deletes.retention.operations"):
        ground.store().purge(target_set(TARGETS[0]), no_progress)
