"""Counts and masks the indices of one object: first what the index finds, then, where that was not all, every document.

Holds: `Masking`.
Add here: another reason to look again, or another way in which an index finds documents.
Keep out: requests' bodies (`requests.py`), tasks (`tasks.py`), pages (`scan.py`), and the protocol (`store.py`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.stores.base import Progress
from erasure.stores.search.elements import Judge
from erasure.stores.search.failures import STORE, refusal, speaking_of
from erasure.stores.search.field_checks import owners_of
from erasure.stores.search.layout import in_groups, indices_behind, layouts_of
from erasure.stores.search.mapped import candidates_in
from erasure.stores.search.requests import (
    Candidates,
    Part,
    counting_body,
    is_masked_in_the_engine,
    masking_body,
    parts_of,
    query_of,
)
from erasure.stores.search.scan import Scan
from erasure.stores.search.server import SearchServer
from erasure.stores.search.tally import Tally, counted, read_tallies
from erasure.stores.search.tasks import update_by_query
from erasure.targets import TargetSet

CLOSED = "a closed index"
_ATTEMPTS = 4
# From here on nothing is cut in parts any more: a list may name people of two of them.
_ATTEMPTS_IN_PARTS = 2
_COUNT_SECONDS = 900.0
_OPERATIONS = "indices.*.shards.*.routing.primary,indices.*.shards.*.seq_no.max_seq_no"


@dataclass(frozen=True, kw_only=True)
class _Way:
    """How documents of an index are found: all of them where `candidates` is None."""

    by_email: bool
    candidates: tuple[Candidates, ...] | None


class Masking:
    """One object of a batch. `ids_at_once` is how many contributors a request names."""

    def __init__(
        self, server: SearchServer, item: InventoryObject, targets: TargetSet, *, ids_at_once: int
    ) -> None:
        self._server = server
        self._item = item
        self._targets = targets
        self._ids_at_once = ids_at_once
        # A task that was refused half-way has not told how many documents it had changed.
        self._is_uncounted = False
        self._scan = Scan(server, Judge(item, targets), object_name=item.name)

    def count(self) -> Count:
        """What `mask` would change, and how many indices nobody can look into."""
        closed, tallies = self.tallies()
        return self._counted(tallies, closed)

    def tallies(self) -> tuple[int, dict[str, Tally]]:
        """How many indices are closed, and the figures of each of the others."""
        item = self._item
        with speaking_of(item.name):
            indices = indices_behind(self._server, item.location)
            if not indices.open and not indices.closed:
                raise self._refused(
                    f"no index matches {item.location}", "correct the pattern in the inventory"
                )
            for name, layout in layouts_of(self._server, indices.open).items():
                if not layout.keeps_whole_source:
                    raise self._refused(
                        f"index {name} does not keep its whole _source", "reindex it with all"
                    )
            tallies: dict[str, Tally] = {}
            for group in in_groups(indices.open):
                # What is not refreshed is invisible to searches, and to updates by query as well.
                self._server.refresh(group)
                tallies |= self._of_group(group.split(","))
        return len(indices.closed), {name: tallies.get(name, Tally(total=0)) for name in indices.open}

    def mask(self, progress: Progress) -> Count:
        """Masks until nothing is left to be masked; raises Incomplete where something is, or cannot be seen masked."""
        closed, before = self.tallies()
        left, planned = before, self._counted(before, closed)
        operations, done = self._operations(before), 0
        for attempt in range(_ATTEMPTS):
            if not counted(left).records:
                break
            if attempt:
                time.sleep(attempt * 0.5)
            done += self._pass(left, attempt, partial(self._told, progress, done, planned.records))
            closed, left = self.tallies()
        self._require_nothing_left(left)
        self._require_masked_form(before, left, operations + done)
        if self._is_uncounted:
            done = max(done, sum(tally.records for name, tally in before.items() if name in left))
        if self._ids_at_once < len(self._targets.contributor_ids):
            # A document of people of two parts has been changed twice.
            done = min(done, planned.records)
        progress(self._item.name, done, planned.records)
        return Count(
            records=done,
            elements=planned.elements,
            total=planned.total,
            total_elements=planned.total_elements,
            conflicts=planned.conflicts,
            not_erasable={CLOSED: closed} if closed else {},
        )

    # Counting

    def _of_group(self, names: Sequence[str]) -> Mapping[str, Tally]:
        if not is_masked_in_the_engine(self._item):
            return self._scan.tallies(names)
        body = counting_body(self._item, self._targets, indices=len(names))
        # Not from the request cache: its keys are whole requests, ids and emails included.
        params = {
            "request_cache": "false",
            "allow_partial_search_results": "false",
            "expand_wildcards": "open,hidden",
        }
        answer = self._server.search(",".join(names), body, params, seconds=_COUNT_SECONDS)
        if answer.get("timed_out") or answer["_shards"]["failed"]:
            raise self._incomplete("a part of the shards did not answer", "look at the cluster's health")
        return dict(read_tallies(answer))

    def _counted(self, tallies: Mapping[str, Tally], closed: int) -> Count:
        count = counted(tallies)
        return Count(
            records=count.records,
            elements=count.elements,
            total=count.total,
            total_elements=count.total_elements,
            conflicts=count.conflicts,
            not_erasable={CLOSED: closed} if closed else {},
        )

    def _operations(self, tallies: Mapping[str, Tally]) -> int:
        """How many writes these indices have ever taken."""
        found = 0
        with speaking_of(self._item.name):
            for group in in_groups(name for name, tally in tallies.items() if tally.records):
                answer = self._server.shard_stats(group, only=_OPERATIONS)
                for entry in (answer.get("indices") or {}).values():
                    copies = [copy for copies in entry["shards"].values() for copy in copies]
                    found += sum(
                        int(copy["seq_no"]["max_seq_no"]) + 1
                        for copy in copies
                        if copy.get("routing", {}).get("primary") and "seq_no" in copy
                    )
        return found

    # Masking

    def _pass(self, left: Mapping[str, Tally], attempt: int, told: Callable[[int], None]) -> int:
        done = 0
        for way, names in self._ways(left, attempt).items():
            for group in in_groups(names):
                try:
                    with speaking_of(self._item.name):
                        done += self._mask_group(way, group, attempt, partial(_beyond, told, done))
                except StoreRefused:
                    # What an index refuses to be asked is asked of all its documents next; then the refusal stands.
                    if way.candidates is None:
                        raise
                    self._is_uncounted = True
        return done

    def _ways(self, left: Mapping[str, Tally], attempt: int) -> dict[_Way, list[str]]:
        names = [name for name, tally in left.items() if tally.records]
        with speaking_of(self._item.name):
            layouts = layouts_of(self._server, names)
        ways: dict[_Way, list[str]] = {}
        for name in names:
            if name in layouts and layouts[name].is_blocked:
                # Asked nonetheless, an engine tries for minutes to write where its disk is too full.
                raise refusal("cluster_block_exception", index=name, object_name=self._item.name)
            by_email = bool(left[name].by_email)
            found = None if attempt or by_email else self._candidates(layouts[name].mapping)
            ways.setdefault(_Way(by_email=by_email, candidates=found), []).append(name)
        return ways

    def _candidates(self, mapping: Mapping[str, Any]) -> tuple[Candidates, ...] | None:
        ids = sorted(self._targets.contributor_ids)
        found = [candidates_in(mapping, path, ids) for path in sorted(owners_of(self._item))]
        known = tuple(one for one in found if one is not None)
        return known if known and len(known) == len(found) else None

    def _mask_group(self, way: _Way, group: str, attempt: int, told: Callable[[int], None]) -> int:
        done = 0
        if not is_masked_in_the_engine(self._item):
            for query in self._queries(way, attempt):
                done += self._scan.mask(group.split(","), query, partial(_beyond, told, done))
                self._server.refresh(group)
            return done
        for first, part in self._parts(attempt, by_email=way.by_email):
            body = masking_body(self._item, part, candidates=way.candidates, first=first)
            # Conflicts with other writers are no error here: the recount finds what they kept from us.
            done += update_by_query(
                self._server, group, body, object_name=self._item.name, updated=partial(_beyond, told, done)
            )
            # The next part must find what this one has written.
            self._server.refresh(group)
        return done

    def _parts(self, attempt: int, *, by_email: bool) -> Iterator[tuple[bool, Part]]:
        size = self._ids_at_once if attempt < _ATTEMPTS_IN_PARTS else len(self._targets.contributor_ids)
        parts = parts_of(self._targets, size=max(1, size), by_email=by_email)
        yield from ((number == 0, part) for number, part in enumerate(parts))

    def _queries(self, way: _Way, attempt: int) -> Iterator[Mapping[str, Any]]:
        if way.candidates is None:
            yield {"match_all": {}}
            return
        for first, part in self._parts(attempt, by_email=False):
            yield query_of(self._item, part, way.candidates, first=first)

    def _told(self, progress: Progress, done: int, total: int, more: int) -> None:
        progress(self._item.name, min(done + more, total), total)

    # Judging

    def _require_nothing_left(self, left: Mapping[str, Tally]) -> None:
        stuck = [name for name, tally in left.items() if tally.records]
        if stuck:
            what = f"{counted(left).records} documents are still to be masked, first in index {stuck[0]}"
            raise self._incomplete(what, "see who writes to it, then resume")

    def _require_masked_form(
        self, before: Mapping[str, Tally], left: Mapping[str, Tally], operations: int
    ) -> None:
        """What was masked must be seen masked, unless others have written to these indices, or removed some."""
        changed = [name for name, tally in before.items() if tally.records]
        if any(name not in left for name in changed):
            return
        missing = sum(before[name].masked + before[name].lasting - left[name].masked for name in changed)
        if missing > 0 and self._operations({name: before[name] for name in changed}) <= operations:
            what = f"{missing} masked values are not to be seen, first looked for in index {changed[0]}"
            raise self._incomplete(
                what, "see what else happens to it on writing (pipelines, copies), then resume"
            )

    def _refused(self, what: str, remedy: str) -> StoreRefused:
        return StoreRefused(store=STORE, object_name=self._item.name, what=what, remedy=remedy)

    def _incomplete(self, what: str, remedy: str) -> Incomplete:
        return Incomplete(store=STORE, object_name=self._item.name, what=what, remedy=remedy)


def _beyond(told: Callable[[int], None], done: int, more: int) -> None:
    told(done + more)
