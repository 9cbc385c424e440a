"""Removing the copies that an update leaves: old versions of documents in segments, ids in stored tasks.

A merge right after masking drops nothing: each copy of a shard keeps the history of operations until its retention
leases have moved on, some 30 seconds later. Hence, on all copies: flush, wait for the leases, merge, flush and refresh,
and see that nobody reads the old segments and that no copy went elsewhere meanwhile.
Add here: another step of this sequence.
Keep out: which documents are concerned (`store.py`), and what forbids to begin (`held.py`).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from erasure.errors import Incomplete
from erasure.stores.search.client import SearchError, Trouble
from erasure.stores.search.failures import STORE
from erasure.stores.search.held import SETTINGS, away, in_a_snapshot, keeping_history, on_the_move
from erasure.stores.search.layout import in_groups
from erasure.stores.search.server import SearchServer
from erasure.stores.search.stored_tasks import TASKS_INDEX, remove_stored_tasks

_WAIT = 0.5
_FORBIDDEN = 403
_SHARD_FIGURES = ",".join(
    f"indices.*.shards.*.{figure}"
    for figure in ("routing.node", "seq_no", "retention_leases", "search.open_contexts")
)
_FREE = "resume when it is free"
# A copy of a shard: index, number, node.
_Copy = tuple[str, str, str]


class CopiesRemover:
    """Rewrites indices until no segment from before is left that holds a deleted document."""

    def __init__(self, server: SearchServer, *, object_name: str, deadline: float) -> None:
        self._server = server
        self._object_name = object_name
        self._deadline = deadline

    def rewrite(self, names: tuple[str, ...]) -> None:
        """These indices, and the stored tasks; raises Incomplete naming an index where a copy may be left."""
        groups = list(in_groups(names))
        # Deleted first: the leases on them move on at the same time as all others.
        if self._tasks_are_removed():
            groups.append(TASKS_INDEX)
        before = {group: self._begin(group) for group in groups}
        for group in groups:
            self._until(partial(self._held_by_leases, group, before[group]), "keeps a history of operations")
        for group in groups:
            stale = self._segments_with_deletions(group)
            self._merge(group)
            self._until(partial(self._still_there, group, stale), "still has segments from before")
            self._until(partial(self._held_by_readers, group), "is held open by a scroll or a point in time")
            self._until(partial(in_a_snapshot, self._server, group), "is being copied into a snapshot")
            self._require_same_copies(group, set(before[group]))

    def _tasks_are_removed(self) -> bool:
        try:
            return remove_stored_tasks(self._server)
        except SearchError as error:
            if error.status != _FORBIDDEN:
                raise
            remedy = f"let the user read, delete from, flush and merge {TASKS_INDEX}, or delete that index, then resume"
            raise self._left(TASKS_INDEX, "describes masking tasks and may not be changed", remedy) from None

    def _begin(self, group: str) -> dict[_Copy, int]:
        """Writes all copies to disk; each with the last operation that it has."""
        for index, what in keeping_history(self._server.setting(group, SETTINGS)):
            raise self._left(index, what, "change that setting of the index, then resume")
        self._until(
            lambda: on_the_move(self._server.list_shards(group)), "has a copy of a shard that is being moved"
        )
        if absent := away(self._server.list_shards(group)):
            remedy = "bring that node back, or lower number_of_replicas, then resume"
            raise self._left(absent, "has a copy on a node that is away", remedy)
        self._server.refresh(group)
        self._server.flush(group)
        return self._last_operations(group)

    def _require_same_copies(self, group: str, before: set[_Copy]) -> None:
        # One that came meanwhile may have brought old segments with it from a node that was not merged yet.
        moved = before ^ set(self._last_operations(group))
        if moved:
            raise self._left(min(moved)[0], "was moved to another node meanwhile", "resume")

    def _merge(self, group: str) -> None:
        remaining = max(1.0, self._deadline - time.monotonic())
        # Where the answer is late the merge goes on in the engine; the segments tell whether it was in time.
        try:
            self._server.merge(group, seconds=remaining)
        except SearchError as error:
            if error.trouble is not Trouble.LATE:
                raise

    def _until(self, left: Callable[[], str | None], what: str) -> None:
        while (index := left()) is not None:
            if time.monotonic() > self._deadline:
                raise self._left(index, what)
            time.sleep(_WAIT)

    def _left(self, index: str, what: str, remedy: str = _FREE) -> Incomplete:
        return Incomplete(
            store=STORE,
            object_name=self._object_name,
            what=f"index {index} {what}, so a copy of what was masked may be left",
            remedy=remedy,
        )

    def _shards(self, group: str) -> Iterator[tuple[_Copy, Mapping[str, Any]]]:
        yield from _copies(self._server.shard_stats(group, only=_SHARD_FIGURES))

    def _last_operations(self, group: str) -> dict[_Copy, int]:
        shards = self._shards(group)
        return {copy: int(shard["seq_no"]["max_seq_no"]) for copy, shard in shards if "seq_no" in shard}

    def _held_by_leases(self, group: str, before: Mapping[_Copy, int]) -> str | None:
        # Compared with the operations at our flush, not with the newest: other people write all day.
        for copy, shard in self._shards(group):
            last = before.get(copy, -1)
            leases = (shard.get("retention_leases") or {}).get("leases") or ()
            if any(int(lease["retaining_seq_no"]) <= last for lease in leases):
                return copy[0]
            # A copy that does not know yet that all others have its operations keeps its last commit but one.
            if int(shard["seq_no"]["global_checkpoint"]) < last:
                return copy[0]
        return None

    def _held_by_readers(self, group: str) -> str | None:
        shards = self._shards(group)
        return next((copy[0] for copy, shard in shards if shard["search"]["open_contexts"]), None)

    def _segments_with_deletions(self, group: str) -> set[tuple[_Copy, str]]:
        return {
            (copy, name)
            for copy, shard in _copies(self._server.segments(group))
            for name, segment in shard["segments"].items()
            if segment["deleted_docs"]
        }

    def _still_there(self, group: str, stale: set[tuple[_Copy, str]]) -> str | None:
        # A merged segment stays on disk until the next commit, and readable until the next refresh. That none
        # of those is left proves more than a count of deleted documents: others may have deleted some since.
        if not stale:
            return None
        self._server.flush(group)
        self._server.refresh(group)
        return next((copy[0] for copy, _ in sorted(stale & self._segments_with_deletions(group))), None)


def _copies(answer: Mapping[str, Any]) -> Iterator[tuple[_Copy, Mapping[str, Any]]]:
    for index, entry in (answer.get("indices") or {}).items():
        for number, shards in entry["shards"].items():
            for shard in shards:
                yield (index, number, str(shard["routing"].get("node"))), shard
