"""Reads documents in pages, judges them here, and writes what changes, each on condition that nobody wrote meanwhile.

For rules that ask for names, emails or salts of persons: a task of the engine would keep these in its
description. A bulk request is described by its size alone.
Holds: `Scan`.
Add here: another condition under which a page must not be trusted.
Keep out: what a document's values become (`elements.py`), and which documents are looked at (`requests.py`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from erasure.errors import Incomplete
from erasure.stores.search.client import SearchError
from erasure.stores.search.elements import Finding, Judge
from erasure.stores.search.failures import STORE, refusal
from erasure.stores.search.script import PATCHING
from erasure.stores.search.server import SearchServer
from erasure.stores.search.tally import Tally

_PAGE = 1_000
_KEPT_OPEN = "5m"
_EVERYTHING: Mapping[str, Any] = {"match_all": {}}
# Somebody wrote the document meanwhile, or deleted it: the next count tells whether anything is left of it.
_OVERTAKEN = frozenset({404, 409})
_HTTP_ERROR = 300


class Scan:
    """One object's indices, one after the other, so that each has a single scroll open."""

    def __init__(self, server: SearchServer, judge: Judge, *, object_name: str, page: int = _PAGE) -> None:
        self._server = server
        self._judge = judge
        self._object_name = object_name
        self._page = page

    def tallies(self, names: Sequence[str]) -> dict[str, Tally]:
        """The figures of each index, of all its documents."""
        return {name: self._tally(name) for name in names}

    def mask(self, names: Sequence[str], query: Mapping[str, Any], updated: Callable[[int], None]) -> int:
        """Masks what a query finds, and returns how many documents were changed."""
        done = 0
        for name in names:
            for page in self.pages(name, query):
                patches = [
                    patch for hit in page for patch in _patch(hit, self._judge.examine(hit["_source"]))
                ]
                if patches:
                    done += self._write(patches)
                    updated(done)
        return done

    def _tally(self, name: str) -> Tally:
        tally = Tally(total=0)
        for page in self.pages(name, _EVERYTHING):
            for hit in page:
                tally = tally.plus(self._judge.examine(hit["_source"]))
        return tally

    def pages(self, name: str, query: Mapping[str, Any]) -> Iterator[Sequence[Mapping[str, Any]]]:
        """What a query finds in an index, a page at a time; raises Incomplete where a part of it could not be read."""
        body = {"query": query, "sort": ["_doc"], "seq_no_primary_term": True, "track_total_hits": True}
        params = {
            "scroll": _KEPT_OPEN,
            "size": str(self._page),
            "request_cache": "false",
        }
        answer = self._server.search(name, body, params)
        total, read = int(answer["hits"]["total"]["value"]), 0
        try:
            while answer["hits"]["hits"]:
                if answer["timed_out"] or answer["_shards"]["failed"]:
                    raise self._incomplete(f"a part of the shards of index {name} did not answer")
                read += len(answer["hits"]["hits"])
                yield answer["hits"]["hits"]
                answer = self._server.next_page(answer["_scroll_id"], _KEPT_OPEN)
        finally:
            # An open scroll keeps old segments, which a purge has to wait for.
            with suppress(SearchError):
                self._server.end_scroll(answer["_scroll_id"])
        if read != total:
            raise self._incomplete(f"{read} of {total} documents of index {name} could be read")

    def _write(self, patches: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> int:
        answer = self._server.bulk([line for patch in patches for line in patch])
        done = 0
        for item in answer["items"]:
            outcome = item["update"]
            status = int(outcome["status"])
            if status < _HTTP_ERROR:
                done += 1
            elif status not in _OVERTAKEN or _is_missing_index(outcome):
                kind = str((outcome.get("error") or {}).get("type") or "")
                raise refusal(kind, index=outcome["_index"], object_name=self._object_name, status=status)
        return done

    def _incomplete(self, what: str) -> Incomplete:
        return Incomplete(
            store=STORE,
            object_name=self._object_name,
            what=what,
            remedy="look at the cluster's health, then resume",
        )


def _is_missing_index(outcome: Mapping[str, Any]) -> bool:
    return (outcome.get("error") or {}).get("type") == "index_not_found_exception"


def _patch(hit: Mapping[str, Any], finding: Finding) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The two lines of a bulk request: which document in which version, and its changes alone."""
    if not finding.changes:
        return
    action = {
        "_index": hit["_index"],
        "_id": hit["_id"],
        "if_seq_no": hit["_seq_no"],
        "if_primary_term": hit["_primary_term"],
    }
    if "_routing" in hit:
        action["routing"] = hit["_routing"]
    changes = [[list(change.steps), change.value] for change in finding.changes]
    script = {"lang": "painless", "source": PATCHING, "params": {"changes": changes}}
    yield {"update": action}, {"script": script}
