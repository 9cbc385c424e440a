"""What a server has stored of the masking tasks: their descriptions repeat all parameters, ids and some emails.

Holds: `marked`, by which a task of ours is known afterwards, also by a later process, and `remove_stored_tasks`.
Other people's tasks stand in the same index and stay: so documents are deleted, and then rewritten away like any other.
Add here: another record that a server makes of our requests.
Keep out: running a task (`tasks.py`), and rewriting an index (`copies.py`).
"""

from collections.abc import Mapping
from typing import Any

from erasure.stores.search.client import SearchError
from erasure.stores.search.server import SearchServer

TASKS_INDEX = ".tasks"
_MARK = "this script belongs to contributor deletion and to nothing else"
_NOT_FOUND = 404
_PAGE = 500


def marked(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same request, whose script begins with a comment that no other has; it is as constant as the script."""
    script = body["script"]
    return {**body, "script": {**script, "source": f"// {_MARK}\n{script['source']}"}}


def remove_stored_tasks(server: SearchServer) -> bool:
    """Deletes the documents of our tasks; whether there is an index of tasks, in which they may have left copies."""
    query = {"match_phrase": {"task.description": _MARK}}
    try:
        # Tasks that ended a moment ago are not visible before.
        server.refresh(TASKS_INDEX)
        while True:
            found = server.search(
                TASKS_INDEX, {"query": query, "size": _PAGE, "_source": False}, {"request_cache": "false"}
            )["hits"]["hits"]
            for hit in found:
                server.delete_document(TASKS_INDEX, hit["_id"])
            if not found:
                return True
            server.refresh(TASKS_INDEX)
    except SearchError as error:
        if error.status == _NOT_FOUND:
            return False
        raise
