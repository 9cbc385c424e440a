"""The requests that a search server is sent, by name: no other module knows a path.

Holds: `SearchServer`.
Add here: another request, in a few lines; names of indices are quoted by `_path`.
Keep out: what an answer means, and the libraries that send (`client.py`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from erasure.store_settings import ElasticsearchSettings
from erasure.stores.search.client import SearchClient
from erasure.stores.search.probe import Engine, ProbedClient, identify

Answer = Mapping[str, Any]
_EVERYTHING = {"expand_wildcards": "all"}


def search_server(settings: ElasticsearchSettings) -> "SearchServer":
    """The server of the settings; nothing is sent yet."""
    return SearchServer(ProbedClient(settings))


class SearchServer:
    """`indices` are names or patterns joined by commas; `seconds` is how long a silent server is waited for."""

    def __init__(self, client: SearchClient) -> None:
        self._client = client

    def close(self) -> None:
        self._client.close()

    def about(self) -> Engine:
        """Asks who is there; with a client that probes, everything after it is sent in that engine's way."""
        return identify(self._client.ask("GET", "/"))

    # Indices

    def resolve(self, indices: str) -> Answer:
        """Indices, aliases and data streams of all states behind names; 404 where one without a wildcard is missing."""
        answer: Answer = self._client.ask("GET", _path("_resolve", "index", indices), params=_EVERYTHING)
        return answer

    def list_indices(self, indices: str) -> Sequence[Answer]:
        """Name, state and health of all indices behind names, hidden and closed ones as well."""
        params = {"format": "json", "h": "index,status,health", **_EVERYTHING}
        listed: Sequence[Answer] = self._client.ask("GET", _path("_cat", "indices", indices), params=params)
        return listed

    def mappings(self, indices: str) -> Answer:
        answer: Answer = self._client.ask("GET", _path(indices, "_mapping"))
        return answer

    def setting(self, indices: str, name: str) -> Answer:
        """Index -> `settings`, which has the one of that name where it was set."""
        params = {"flat_settings": "true"}
        answer: Answer = self._client.ask("GET", _path(indices, "_settings", name), params=params)
        return answer

    def shard_stats(self, indices: str, *, only: str) -> Answer:
        """Figures shard by shard; `only` is a filter_path."""
        params = {"level": "shards", "filter_path": only}
        answer: Answer = self._client.ask("GET", _path(indices, "_stats"), params=params)
        return answer

    def list_shards(self, indices: str) -> Sequence[Answer]:
        """Every copy of a shard, and each that is missing, with its state and why it is missing."""
        params = {"format": "json", "h": "index,state,unassigned.reason"}
        listed: Sequence[Answer] = self._client.ask("GET", _path("_cat", "shards", indices), params=params)
        return listed

    def segments(self, indices: str) -> Answer:
        answer: Answer = self._client.ask("GET", _path(indices, "_segments"))
        return answer

    def refresh(self, indices: str) -> Answer:
        answer: Answer = self._client.ask("POST", _path(indices, "_refresh"))
        return answer

    def flush(self, indices: str) -> None:
        params = {"force": "true", "wait_if_ongoing": "true"}
        self._client.ask("POST", _path(indices, "_flush"), params=params)

    def merge(self, indices: str, *, seconds: float) -> None:
        """Into one segment a shard. A late answer is an error, and the merge goes on in the engine."""
        params = {"max_num_segments": "1"}
        self._client.ask("POST", _path(indices, "_forcemerge"), params=params, seconds=seconds)

    # Snapshots

    def repositories(self) -> Answer:
        """The repositories of snapshots, by name."""
        answer: Answer = self._client.ask("GET", "/_snapshot")
        return answer

    def running_snapshots(self) -> Answer:
        """The snapshots that are being taken now, with the `indices` of each."""
        answer: Answer = self._client.ask("GET", "/_snapshot/_status")
        return answer

    # Documents

    def count(self, indices: str, params: Mapping[str, str] | None = None) -> Answer:
        answer: Answer = self._client.ask("POST", _path(indices, "_count"), params=params)
        return answer

    def search(
        self, indices: str, body: Any, params: Mapping[str, str], *, seconds: float | None = None
    ) -> Answer:
        """Fails where a shard does not answer: what the others have would look like all there is."""
        params = {"allow_partial_search_results": "false", **params}
        answer: Answer = self._client.ask(
            "POST", _path(indices, "_search"), params=params, body=body, seconds=seconds
        )
        return answer

    def next_page(self, scroll_id: str, keep: str) -> Answer:
        """The page of a scroll after the one that bore this id, which is kept open for so long (`2m`)."""
        body = {"scroll_id": scroll_id, "scroll": keep}
        answer: Answer = self._client.ask("POST", "/_search/scroll", body=body)
        return answer

    def end_scroll(self, scroll_id: str) -> None:
        self._client.ask("DELETE", "/_search/scroll", body={"scroll_id": [scroll_id]})

    def bulk(self, lines: Sequence[Any]) -> Answer:
        """Actions and what belongs to them, a line each."""
        body = "".join(f"{json.dumps(line)}\n" for line in lines)
        answer: Answer = self._client.ask("POST", "/_bulk", body=body)
        return answer

    def delete_document(self, index: str, document_id: str) -> None:
        """Fails where it is not there."""
        self._client.ask("DELETE", _path(index, "_doc", document_id))

    # Tasks

    def update_by_query(self, indices: str, body: Any, params: Mapping[str, str]) -> Answer:
        params = {"allow_partial_search_results": "false", **params}
        answer: Answer = self._client.ask(
            "POST", _path(indices, "_update_by_query"), params=params, body=body
        )
        return answer

    def task(self, task: str, *, only: str) -> Answer:
        """A task by its id; `only` is a filter_path, without which its description, and all ids, come along."""
        answer: Answer = self._client.ask("GET", _path("_tasks", task), params={"filter_path": only})
        return answer

    def tasks_under(self, parent: str, *, only: str) -> Answer:
        """The tasks that a task has started, in detail."""
        params = {"parent_task_id": parent, "detailed": "true", "filter_path": only}
        answer: Answer = self._client.ask("GET", "/_tasks", params=params)
        return answer


def _path(*steps: str) -> str:
    return "/" + "/".join(quote(step, safe=",*") for step in steps)
