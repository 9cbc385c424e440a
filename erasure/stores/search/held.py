"""Who holds old segments of an index whatever is merged: settings, snapshots that are being taken, copies on the move.

Holds: what can be asked before a purge, and while it waits.
Add here: another reason why a copy of what was masked stays within the cluster.
Keep out: leases and open readers, which `copies.py` waits for, and what lies outside the cluster (`outside.py`).
"""

from collections.abc import Iterator, Mapping, Sequence

from erasure.stores.search.server import Answer, SearchServer

_OPERATIONS = "index.soft_deletes.retention.operations"
_SOFT_DELETES = "index.soft_deletes.enabled"
_TRANSLOG = ("index.translog.retention.age", "index.translog.retention.size")
SETTINGS = ",".join((_OPERATIONS, _SOFT_DELETES, *_TRANSLOG))
_MOVING = frozenset({"INITIALIZING", "RELOCATING"})
# A copy that has never been made, or that no node had when all were started: there is nothing to purge.
_NEVER_THERE = frozenset(
    {"INDEX_CREATED", "REPLICA_ADDED", "CLUSTER_RECOVERED", "INDEX_REOPENED", "NEW_INDEX_RESTORED"}
)


def keeping_history(settings: Answer) -> Iterator[tuple[str, str]]:
    """Index -> which of its settings keeps operations beyond a merge."""
    for index, entry in settings.items():
        own: Mapping[str, str] = entry["settings"]
        if int(own.get(_OPERATIONS, 0)) > 0:
            yield index, f"sets {_OPERATIONS}"
        elif own.get(_SOFT_DELETES) == "false" and _keeps_translog([own.get(name, "") for name in _TRANSLOG]):
            yield index, f"has no soft deletes, so it keeps old operations until {_TRANSLOG[0]} is 0"


def _keeps_translog(retention: Sequence[str]) -> bool:
    # The first of both limits counts, so one of nothing is enough; -1 is no limit, and two of these keep nothing.
    nothing = any(limit.strip("abcdefghijklmnopqrstuvwxyz ") == "0" for limit in retention)
    return not nothing and any(limit != "-1" for limit in retention)


def on_the_move(shards: Sequence[Answer]) -> str | None:
    """An index that has a copy of a shard which is being made or moved: where it comes from, it is still whole."""
    return next((str(row["index"]) for row in shards if row["state"] in _MOVING), None)


def away(shards: Sequence[Answer]) -> str | None:
    """An index that had another copy, on a node that is away, or that could not be opened there."""
    for row in shards:
        if row["state"] == "UNASSIGNED" and row.get("unassigned.reason") not in _NEVER_THERE:
            return str(row["index"])
    return None


def in_a_snapshot(server: SearchServer, indices: str) -> str | None:
    """An index that a snapshot is reading at this moment."""
    names = set(indices.split(","))
    running = server.running_snapshots()["snapshots"]
    return next((index for snapshot in running for index in snapshot["indices"] if index in names), None)
