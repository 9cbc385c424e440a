"""Removing the copies that an update leaves: old versions of documents in segments, ids in stored tasks.

A merge right after masking drops nothing: each shard keeps the history of operations until its retention
leases have moved on, some 30 seconds later. Hence: flush, wait for them, merge, flush and refresh.
Add here: another place where an engine keeps what was overwritten.
Keep out: which documents are concerned (`store.py`).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from erasure.errors import Incomplete
from erasure.stores.search.client import SearchError, Trouble
from erasure.stores.search.failures import STORE
from erasure.stores.search.layout import in_groups
from erasure.stores.search.server import SearchServer

_WAIT = 0.5
_FORBIDDEN, _NOT_FOUND = 403, 404
_TASKS_INDEX = ".tasks"
_SHARD_FIGURES = ",".join(
    f"indices.*.shards.*.{figure}"
    for figure in ("routing.node", "seq_no", "retention_leases", "search.open_contexts")
)
_HISTORY_SETTING = "index.soft_deletes.retention.operations"
# A copy of a shard: index, number, node.
_Copy = tuple[str, str, str]


class CopiesRemover:
    """Rewrites indices until no segment from before is left that holds a deleted document."""

    def __init__(self, server: SearchServer, *, object_name: str, deadline: float) -> None:
        self._server = server
        self._object_name = object_name
        self._deadline = deadline

    def rewrite(self, names: tuple[str, ...]) -> None:
        """Raises Incomplete naming an index where a copy may be left."""
        groups = list(in_groups(names))
        for group in groups:
            self._refuse_kept_history(group)
            self._server.refresh(group)
            self._server.flush(group)
        before = {group: self._last_operations(group) for group in groups}
        # All groups first: their leases move on at the same time.
        for group in groups:
            self._until(partial(self._held_by_leases, group, before[group]), "keeps a history of operations")
        for group in groups:
            stale = self._segments_with_deletions(group)
            self._merge(group)
            self._until(partial(self._still_there, group, stale), "still has segments from before")
            self._until(partial(self._held_by_readers, group), "is held open by a scroll")

    def drop_tasks(self) -> None:
        """The descriptions of tasks repeat all parameters; a deleted document of them would stay on disk."""
        try:
            self._server.delete_index(_TASKS_INDEX)
        except SearchError as error:
            if error.status == _FORBIDDEN:
                raise self._left(_TASKS_INDEX, "describes masking tasks and may not be deleted") from None
            if error.status != _NOT_FOUND:
                raise

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

    def _left(self, index: str, what: str) -> Incomplete:
        return Incomplete(
            store=STORE,
            object_name=self._object_name,
            what=f"index {index} {what}, so a copy of what was masked may be left",
            remedy="resume when it is free",
        )

    def _refuse_kept_history(self, group: str) -> None:
        for index, entry in self._server.setting(group, _HISTORY_SETTING).items():
            if int(entry["settings"].get(_HISTORY_SETTING, 0)) > 0:
                raise self._left(index, f"sets {_HISTORY_SETTING}")

    def _shards(self, group: str) -> Iterator[tuple[_Copy, Mapping[str, Any]]]:
        yield from _copies(self._server.shard_stats(group, only=_SHARD_FIGURES))

    def _last_operations(self, group: str) -> dict[_Copy, int]:
        shards = self._shards(group)
        return {copy: int(shard["seq_no"]["max_seq_no"]) for copy, shard in shards if "seq_no" in shard}

    def _held_by_leases(self, group: str, before: Mapping[_Copy, int]) -> str | None:
        # Compared with the operations at our flush, not with the newest: other people write all day.
        for copy, shard in self._shards(group):
            leases = (shard.get("retention_leases") or {}).get("leases") or ()
            if any(int(lease["retaining_seq_no"]) <= before.get(copy, -1) for lease in leases):
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
