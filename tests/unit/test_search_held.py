"""Who holds old segments of an index, told from what a server answers.

Add here: another answer that says so, of a kind that no engine of the sandbox can be brought to give.
Keep out: what an engine does give (`tests/contract/test_search_copies.py`).
"""

from typing import Any

import pytest

from erasure.stores.search.held import away, keeping_history, on_the_move
from erasure.stores.search.outside import followed_indices, logging_slowly


def shard(state: str, reason: str | None = None, index: str = "units") -> dict[str, Any]:
    return {"index": index, "state": state, "unassigned.reason": reason}


STARTED = shard("STARTED", index="other")


@pytest.mark.parametrize("reason", ["NODE_LEFT", "ALLOCATION_FAILED", "NODE_RESTARTING", "a new word", None])
def test_a_copy_that_is_missing_may_be_on_a_node_that_is_away(reason: str | None) -> None:
    assert away([STARTED, shard("UNASSIGNED", reason)]) == "units"


@pytest.mark.parametrize("reason", ["INDEX_CREATED", "REPLICA_ADDED", "CLUSTER_RECOVERED"])
def test_a_copy_that_no_node_ever_had_holds_nothing(reason: str) -> None:
    assert away([STARTED, shard("UNASSIGNED", reason)]) is None


@pytest.mark.parametrize("state", ["INITIALIZING", "RELOCATING"])
def test_a_copy_on_the_move_is_one(state: str) -> None:
    assert on_the_move([STARTED, shard(state)]) == "units"
    assert on_the_move([STARTED, shard("UNASSIGNED", "NODE_LEFT")]) is None


@pytest.mark.parametrize(
    ("own", "keeps"),
    [
        ({}, False),
        ({"index.soft_deletes.retention.operations": "0"}, False),
        ({"index.soft_deletes.retention.operations": "1"}, True),
        ({"index.soft_deletes.enabled": "true", "index.translog.retention.age": "12h"}, False),
        ({"index.soft_deletes.enabled": "false"}, True),
        ({"index.soft_deletes.enabled": "false", "index.translog.retention.age": "1h"}, True),
        ({"index.soft_deletes.enabled": "false", "index.translog.retention.age": "0s"}, False),
        ({"index.soft_deletes.enabled": "false", "index.translog.retention.size": "0b"}, False),
        ({"index.soft_deletes.enabled": "false", "index.translog.retention.age": "-1"}, True),
    ],
)
def test_settings_that_keep_operations_are_named(own: dict[str, str], keeps: bool) -> None:
    found = dict(keeping_history({"units": {"settings": own}, "other": {"settings": {}}}))
    assert list(found) == (["units"] if keeps else [])


def test_an_index_is_followed_where_a_lease_is_no_copys_own() -> None:
    def held(source: str) -> dict[str, Any]:
        return {"shards": {"0": [{"retention_leases": {"leases": [{"source": source}]}}]}}

    stats = {
        "indices": {"units": held("ccr"), "other": held("peer recovery"), "old": {"shards": {"0": [{}]}}}
    }
    assert followed_indices(stats) == {"units"}
    assert followed_indices({}) == set()


def test_thresholds_that_are_switched_off_log_nothing() -> None:
    name = "index.search.slowlog.threshold.query.warn"
    entries = {index: {"settings": {name: value}} for index, value in (("units", "10s"), ("other", "-1"))}
    assert logging_slowly(entries) == {"units"}
