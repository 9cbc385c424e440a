"""Running an `_update_by_query` as a task of the engine, and judging how it ended.

Waiting for the answer instead is no way: OpenSearch 3 collects response headers until the client fails on
them, and the client then sends the request again.
Add here: what else tells a task that did its work from one that looks like it.
Keep out: what the task does (`script.py`).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from erasure.errors import Incomplete
from erasure.stores.search.client import SearchError
from erasure.stores.search.failures import STORE, refusal
from erasure.stores.search.server import SearchServer
from erasure.stores.search.stored_tasks import marked

_FIRST_WAIT = 0.05
_LONGEST_WAIT = 1.0
# A task is asked after again once so much of the time it has taken has passed: what is waited in vain is less.
_WAITED_SHARE = 0.1
_NOT_FOUND = 404
_CONFLICT = "version_conflict_engine_exception"
_CANCELLED = "task_cancelled_exception"
# Without these paths every answer would repeat the task's description, and with it all ids.
_OUTCOME = "completed,error.type,error.**.type,response,task.status.updated,task.status.deleted"
_CHILDREN = "nodes.*.tasks.*.status.updated,nodes.*.tasks.*.status.deleted"


def update_by_query(
    server: SearchServer,
    indices: str,
    body: Mapping[str, Any],
    *,
    slices: int,
    page: int,
    object_name: str,
    updated: Callable[[int], None],
) -> int:
    """Starts the task, tells how many documents it has updated, and judges its end."""
    started = server.update_by_query(
        indices,
        marked(body),
        {
            "wait_for_completion": "false",
            # Among busy writers a task that ends at the first conflict ends at once, however often it is tried.
            "conflicts": "proceed",
            "slices": str(slices),
            "scroll_size": str(page),
            "expand_wildcards": "open,hidden",
            "ignore_unavailable": "false",
            "allow_no_indices": "false",
        },
    )
    return judge(_ended(server, str(started["task"]), object_name, updated), object_name=object_name)


def _ended(
    server: SearchServer, task: str, object_name: str, updated: Callable[[int], None]
) -> Mapping[str, Any]:
    began = time.monotonic()
    while True:
        try:
            answer = server.task(task, only=_OUTCOME)
        except SearchError as error:
            if error.status != _NOT_FOUND:
                raise
            raise Incomplete(
                store=STORE,
                object_name=object_name,
                what="the server has lost the masking task, probably by a restart",
                remedy="resume",
            ) from None
        if answer.get("completed"):
            return answer
        updated(_updated_so_far(server, task, answer))
        passed = time.monotonic() - began
        time.sleep(min(max(_FIRST_WAIT, passed * _WAITED_SHARE), _LONGEST_WAIT))


def _updated_so_far(server: SearchServer, task: str, answer: Mapping[str, Any]) -> int:
    # A task cut into slices shows nothing itself; its children do.
    children = server.tasks_under(task, only=_CHILDREN)
    slices = [child for node in (children.get("nodes") or {}).values() for child in node["tasks"].values()]
    own = _changed(answer.get("task", {}).get("status", {}))
    return own + sum(_changed(child["status"]) for child in slices)


def _changed(figures: Mapping[str, Any]) -> int:
    return int(figures.get("updated", 0)) + int(figures.get("deleted", 0))


def judge(answer: Mapping[str, Any], *, object_name: str) -> int:
    """How many documents were updated or deleted, where everything says that the task did what it could.

    A failed task answers with 200, a cancelled one has no failures. A document that somebody else wrote to meanwhile
    is left out, which is no error here: only a fresh count can tell what is left.
    """
    if error := answer.get("error"):
        caused = error.get("caused_by") or {}
        if _CANCELLED in _kinds_in(error):
            raise _cancelled(object_name)
        raise refusal(str(error.get("type") or caused.get("type") or ""), index=None, object_name=object_name)
    response = answer.get("response") or {}
    failures = [failure for failure in response.get("failures") or () if _kind(failure) != _CONFLICT]
    if response.get("canceled") or any(_kind(failure) == _CANCELLED for failure in failures):
        raise _cancelled(object_name)
    if failures:
        first = failures[0]
        raise refusal(
            _kind(first), index=first.get("index"), object_name=object_name, status=first.get("status")
        )
    if response.get("timed_out"):
        raise Incomplete(
            store=STORE, object_name=object_name, what="the masking task ran out of time", remedy="resume"
        )
    done = _changed(response) + int(response.get("noops", 0)) + int(response.get("version_conflicts", 0))
    if done != response.get("total"):
        raise Incomplete(
            store=STORE,
            object_name=object_name,
            what=f"the masking task looked at {done} of {response.get('total')} documents",
            remedy="resume",
        )
    return _changed(response)


def _kinds_in(error: Any) -> set[str]:
    """The engine's words for an error and for all that caused it."""
    if isinstance(error, list):
        return {kind for each in error for kind in _kinds_in(each)}
    if not isinstance(error, Mapping):
        return set()
    own = {error["type"]} if isinstance(error.get("type"), str) else set()
    return own | {kind for held in error.values() for kind in _kinds_in(held)}


def _cancelled(object_name: str) -> Incomplete:
    return Incomplete(
        store=STORE, object_name=object_name, what="somebody cancelled the masking task", remedy="resume"
    )


def _kind(failure: Mapping[str, Any]) -> str:
    # Failures of documents have a cause, failures of shards a reason.
    cause = failure.get("cause") or failure.get("reason")
    return str(cause.get("type") or "") if isinstance(cause, Mapping) else ""
