"""The search store: masks in place in OpenSearch, and in Elasticsearch 7.10, which takes the same requests.

Holds: what the protocol asks of a store, object by object, index by index.
Add here: an operation of the protocol.
Keep out: the script (`script.py`), tasks (`tasks.py`), copies on disk (`copies.py`), mappings (`layout.py`),
sentences for refusals (`failures.py`), requests (`server.py`), settings (the server is handed in).
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from erasure.counts import Count, Counts
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.stores.search.copies import CopiesRemover
from erasure.stores.search.failures import STORE, speaking_of
from erasure.stores.search.layout import (
    in_groups,
    indices_behind,
    keeps_whole_source,
    leaf_fields,
    mappings_of,
)
from erasure.stores.search.script import counting_body, masking_body, plain
from erasure.stores.search.server import SearchServer
from erasure.stores.search.tasks import update_by_query
from erasure.targets import TargetSet

_ATTEMPTS = 4
_COUNT_TIMEOUT = 900.0
_PURGE_SECONDS = 600.0


@dataclass(frozen=True, kw_only=True)
class _Tally:
    """The figures of one index, as the counting script returns them."""

    total: int
    records: int = 0
    by_email: int = 0
    elements: int = 0
    total_elements: int = 0
    conflicts: int = 0
    touched: int = 0


class SearchStore:
    """Documents of many people: only the elements whose owner is a target change.

    `purge_seconds` is how long a purge of an object may take; it begins with a wait of some 30 seconds.
    """

    purge_state = PURGED

    def __init__(
        self,
        server: SearchServer,
        objects: tuple[InventoryObject, ...],
        *,
        purge_seconds: float = _PURGE_SECONDS,
    ) -> None:
        self._server = server
        self._objects = tuple(item for item in objects if item.waived is None)
        self._purge_seconds = purge_seconds

    @property
    def name(self) -> str:
        return STORE

    def health(self) -> Health:
        """Reads `GET /`. Everything below begins with it: what is no search server is never written to."""
        with speaking_of(None):
            engine = self._server.about()
        return Health(engine=engine.name, version=engine.version)

    def survey(self) -> Survey:
        """Fields and closed indices; raises StoreRefused where there is no index at all: it is another cluster then."""
        self.health()
        self._require_some_index()
        return Survey(
            problems=tuple(sentence for item in self._objects for sentence in self._unregistered(item))
        )

    def holdings(self) -> Holdings:
        """The documents of each object, up to a thousand."""
        self.health()
        return {item.name: self._held(item) for item in self._objects}

    def count(self, targets: TargetSet) -> Counts:
        self.health()
        return {item.name: _counted(self._tallies(item, targets)) for item in self._objects}

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        self.health()
        return {item.name: self._mask(item, targets, progress) for item in self._objects}

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Rewrites the indices that hold an element of a target, or a mask; counts those documents."""
        self.health()
        return {item.name: self._purge(item, targets, progress) for item in self._objects}

    def _require_some_index(self) -> None:
        for item in self._objects:
            with speaking_of(item.name):
                indices = indices_behind(self._server, item.location)
            if indices.open or indices.closed:
                return
        if self._objects:
            item = self._objects[0]
            remedy = f"check [elasticsearch] url, or correct the pattern in {_file_of(item)}"
            raise _refused(item, f"no index matches {item.location}", remedy)

    def _unregistered(self, item: InventoryObject) -> Iterator[str]:
        file = _file_of(item)
        with speaking_of(item.name):
            indices = indices_behind(self._server, item.location)
            mappings = mappings_of(self._server, indices.open)
        if not mappings and not indices.closed:
            yield f"{STORE}: no index matches {item.location}; correct the pattern of {item.name} in {file}"
        for index in indices.closed:
            yield f"{STORE}: index {index} is closed, so nobody can say what it holds; open it, or delete it"
        known = {plain(path) for path in item.known_fields}
        for index, mapping in sorted(mappings.items()):
            for path in leaf_fields(mapping):
                if not _is_known(path, known):
                    place = f"{STORE}: index {index} has the field {path}"
                    yield f"{place}; give it a rule at {item.name} in {file}"

    def _held(self, item: InventoryObject) -> int:
        with speaking_of(item.name):
            found = sum(
                int(self._server.count(group, {"terminate_after": str(COUNTED_AT_MOST)})["count"])
                for group in in_groups(indices_behind(self._server, item.location).open)
            )
        return min(found, COUNTED_AT_MOST)

    def _tallies(self, item: InventoryObject, targets: TargetSet) -> dict[str, _Tally]:
        with speaking_of(item.name):
            names = self._readable(item)
            tallies: dict[str, _Tally] = {}
            for group in in_groups(names):
                # What is not refreshed is invisible to searches, and to updates by query as well.
                self._server.refresh(group)
                body = counting_body(item, targets, indices=len(names))
                tallies |= _read_tallies(self._search(group, body))
        return {name: tallies.get(name, _Tally(total=0)) for name in names}

    def _readable(self, item: InventoryObject) -> tuple[str, ...]:
        """The concrete indices of an object; refuses where some could not be masked at all."""
        indices = indices_behind(self._server, item.location)
        if indices.closed:
            raise _refused(item, f"index {indices.closed[0]} is closed", "open it, or delete it")
        if not indices.open:
            raise _refused(item, f"no index matches {item.location}", "correct the pattern in the inventory")
        for name, mapping in mappings_of(self._server, indices.open).items():
            if not keeps_whole_source(mapping):
                raise _refused(item, f"index {name} does not keep its whole _source", "reindex it with all")
        return indices.open

    def _search(self, group: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # Not from the request cache: its keys are whole requests, ids and emails included.
        params = {
            "request_cache": "false",
            "allow_partial_search_results": "false",
            "expand_wildcards": "open,hidden",
        }
        return self._server.search(group, body, params, seconds=_COUNT_TIMEOUT)

    def _mask(self, item: InventoryObject, targets: TargetSet, progress: Progress) -> Count:
        before = left = self._tallies(item, targets)
        planned = _counted(before)
        done = 0
        for attempt in range(_ATTEMPTS):
            if not _counted(left).records:
                break
            if attempt:
                time.sleep(attempt * 0.5)
            for group, by_email in _requests(left):
                # First what the index finds for our ids, then all documents: a mapping may hide some from it,
                # or refuse to be asked. What is refused for all documents is refused for good.
                everything = attempt > 0 or by_email
                body = masking_body(item, targets, everything=everything, by_email=by_email)
                tolerated = () if everything else (StoreRefused,)
                with suppress(*tolerated):
                    told = partial(_told, progress, item, done, planned.records)
                    done += self._update(item, group, body, told)
            left = self._tallies(item, targets)
        stuck = [name for name, tally in left.items() if tally.records]
        if stuck:
            raise Incomplete(
                store=STORE,
                object_name=item.name,
                what=f"{_counted(left).records} documents are still to be masked, first in index {stuck[0]}",
                remedy="see who writes to it, then resume",
            )
        progress(item.name, done, planned.records)
        return Count(
            records=done,
            elements=planned.elements,
            total=planned.total,
            total_elements=planned.total_elements,
            conflicts=planned.conflicts,
        )

    def _update(
        self, item: InventoryObject, group: str, body: Mapping[str, Any], updated: Callable[[int], None]
    ) -> int:
        with speaking_of(item.name):
            # Conflicts with other writers are no error here: the recount finds what they kept from us.
            return update_by_query(self._server, group, body, object_name=item.name, updated=updated)

    def _purge(self, item: InventoryObject, targets: TargetSet, progress: Progress) -> Count:
        tallies = {name: tally for name, tally in self._tallies(item, targets).items() if tally.touched}
        documents = sum(tally.touched for tally in tallies.values())
        progress(item.name, 0, documents)
        deadline = time.monotonic() + self._purge_seconds
        remover = CopiesRemover(self._server, object_name=item.name, deadline=deadline)
        with speaking_of(item.name):
            remover.rewrite(tuple(tallies))
            remover.drop_tasks()
        progress(item.name, documents, documents)
        return Count(records=documents, total=sum(tally.total for tally in tallies.values()))


def _told(progress: Progress, item: InventoryObject, done: int, total: int, updated: int) -> None:
    progress(item.name, done + updated, total)


def _requests(left: Mapping[str, _Tally]) -> Iterator[tuple[str, bool]]:
    """Groups of indices that have something to mask, and whether emails are needed to mask it."""
    for by_email in (False, True):
        names = [name for name, tally in left.items() if tally.records and bool(tally.by_email) is by_email]
        for group in in_groups(names):
            yield group, by_email


def _read_tallies(answer: Mapping[str, Any]) -> dict[str, _Tally]:
    known = {field.name for field in fields(_Tally)} - {"total"}
    return {
        bucket["key"]: _Tally(
            total=int(bucket["doc_count"]),
            **{name: int(value) for name, value in bucket["figures"]["value"].items() if name in known},
        )
        for bucket in answer["aggregations"]["indices"]["buckets"]
    }


def _counted(tallies: Mapping[str, _Tally]) -> Count:
    return Count(
        records=sum(tally.records for tally in tallies.values()),
        elements=sum(tally.elements for tally in tallies.values()),
        total=sum(tally.total for tally in tallies.values()),
        total_elements=sum(tally.total_elements for tally in tallies.values()),
        conflicts=sum(tally.conflicts for tally in tallies.values()),
    )


def _file_of(item: InventoryObject) -> str:
    return f"dbt_project/models/{item.source.removesuffix(f'_{STORE}')}/inventory/{STORE}.yml"


def _is_known(path: str, known: set[str]) -> bool:
    steps = path.split(".")
    return any(".".join(steps[:end]) in known for end in range(1, len(steps) + 1))


def _refused(item: InventoryObject, what: str, remedy: str) -> StoreRefused:
    return StoreRefused(store=STORE, object_name=item.name, what=what, remedy=remedy)
