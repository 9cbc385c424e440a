"""Masks the indices of one object: first what the index finds, then, where that was not all, every document.

Holds: `Masking`.
Add here: another reason to look again, or another way in which an index finds documents.
Keep out: looking (`looking.py`), requests' bodies (`requests.py`), tasks (`tasks.py`), pages (`scan.py`), and the
protocol (`store.py`).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.stores.base import Progress
from erasure.stores.search.elements import Judge
from erasure.stores.search.failures import STORE, refusal, speaking_of
from erasure.stores.search.field_checks import owners_of
from erasure.stores.search.layout import Layout, in_groups, layouts_of
from erasure.stores.search.looking import Look, Looking
from erasure.stores.search.mapped import candidates_in
from erasure.stores.search.requests import (
    Candidates,
    Part,
    is_masked_in_the_engine,
    masking_body,
    parts_of,
    query_of,
)
from erasure.stores.search.scan import Scan
from erasure.stores.search.server import SearchServer
from erasure.stores.search.slices import LARGEST_PAGE, page_over, slices_over
from erasure.stores.search.tally import Tally, counted
from erasure.stores.search.tasks import update_by_query
from erasure.targets import TargetSet

_ATTEMPTS = 4
# From here on nothing is cut in parts any more: a list may name people of two of them.
_ATTEMPTS_IN_PARTS = 2
_PAGE_AMONG_WRITERS = 1_000
_HELD = "_all.primaries.docs.count,_all.primaries.store.size_in_bytes"


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
        self._looking = Looking(server, item, targets, self._scan)

    def look(self, known: Look | None = None) -> Look:
        """What `mask` would change, index by index; a look that is `known` and still holds is not taken again."""
        if known is not None and self._looking.still_holds(known):
            return known
        return self._looking.look()

    def mask(self, progress: Progress, known: Look | None = None) -> Count:
        """Masks until nothing is left to be masked; raises Incomplete where something is, or cannot be seen masked.

        That nothing is to be done is said after a fresh look alone.
        """
        before = left = self.look(known if known is not None and counted(known.tallies).records else None)
        planned = before.count()
        done = 0
        for attempt in range(_ATTEMPTS):
            if not counted(left.tallies).records:
                break
            if attempt:
                time.sleep(attempt * 0.5)
            done += self._pass(left.tallies, attempt, partial(self._told, progress, done, planned.records))
            left = self.look()
        self._require_same_indices(before, left)
        self._require_nothing_left(left.tallies)
        self._require_masked_form(before, left, done)
        if self._is_uncounted:
            seen = (tally.records for name, tally in before.tallies.items() if name in left.tallies)
            done = max(done, sum(seen))
        if self._ids_at_once < len(self._targets.contributor_ids):
            # A document of people of two parts has been changed twice.
            done = min(done, planned.records)
        progress(self._item.name, done, planned.records)
        return replace(planned, records=done, not_erasable=left.not_erasable)

    # Masking

    def _pass(self, left: Mapping[str, Tally], attempt: int, told: Callable[[int], None]) -> int:
        done = 0
        names = [name for name, tally in left.items() if tally.records]
        with speaking_of(self._item.name):
            layouts = layouts_of(self._server, names)
        for way, alike in self._ways(left, layouts, attempt).items():
            for group in in_groups(alike):
                here = [layouts[name] for name in group.split(",") if name in layouts]
                try:
                    with speaking_of(self._item.name):
                        done += self._mask_group(way, group, here, attempt, partial(_beyond, told, done))
                except StoreRefused:
                    # What an index refuses to be asked is asked of all its documents next; then the refusal stands.
                    if way.candidates is None:
                        raise
                    self._is_uncounted = True
        return done

    def _ways(
        self, left: Mapping[str, Tally], layouts: Mapping[str, Layout], attempt: int
    ) -> dict[_Way, list[str]]:
        ways: dict[_Way, list[str]] = {}
        for name in (name for name, tally in left.items() if tally.records):
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

    def _mask_group(
        self,
        way: _Way,
        group: str,
        layouts: Sequence[Layout],
        attempt: int,
        told: Callable[[int], None],
    ) -> int:
        done = 0
        if not is_masked_in_the_engine(self._item):
            for query in self._queries(way, attempt):
                done += self._scan.mask(group.split(","), query, partial(_beyond, told, done))
                self._server.refresh(group)
            return done
        slices = slices_over([layout.shards for layout in layouts])
        page = self._page(group, layouts, attempt)
        for first, part in self._parts(attempt, by_email=way.by_email):
            body = masking_body(self._item, part, candidates=way.candidates, first=first)
            # Conflicts with other writers are no error here: the recount finds what they kept from us.
            done += update_by_query(
                self._server,
                group,
                body,
                slices=slices,
                page=page,
                object_name=self._item.name,
                updated=partial(_beyond, told, done),
            )
            # The next part must find what this one has written.
            self._server.refresh(group)
        return done

    def _page(self, group: str, layouts: Sequence[Layout], attempt: int) -> int:
        held = self._server.shard_stats(group, only=_HELD)["_all"]["primaries"]
        page = page_over(
            int(held["docs"]["count"]),
            int(held["store"]["size_in_bytes"]),
            window=min((layout.window for layout in layouts), default=LARGEST_PAGE),
        )
        # The longer a page waits to be written, the more of it somebody else has written to meanwhile.
        return min(page, _PAGE_AMONG_WRITERS) if attempt else page

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

    def _require_same_indices(self, before: Look, left: Look) -> None:
        # To an engine a write is reason enough to make an index that is not there, and to a task in its middle too.
        for name, now in left.histories.items():
            if name in before.histories and before.histories[name].uuid != now.uuid:
                documents = left.tallies[name].total
                what = f"index {name} was deleted meanwhile and is there again, with {documents} documents"
                raise self._incomplete(
                    what, "delete it where nobody but the masking task has made it, then resume"
                )

    def _require_masked_form(self, before: Look, left: Look, done: int) -> None:
        """What was masked must be seen masked, unless others have written to these indices, or removed some."""
        changed = [name for name, tally in before.tallies.items() if tally.records]
        if any(name not in left.tallies for name in changed):
            return
        missing = sum(
            before.tallies[name].masked + before.tallies[name].lasting - left.tallies[name].masked
            for name in changed
        )
        if missing <= 0:
            return
        # As they are now, and not as they were when they were looked at: who writes in between is no riddle either.
        taken = self._looking.histories(changed)
        written = sum(taken[name].operations - before.histories[name].operations for name in changed)
        if written <= done:
            what = f"{missing} masked values are not to be seen, first looked for in index {changed[0]}"
            raise self._incomplete(
                what, "see what else happens to it on writing (pipelines, copies), then resume"
            )

    def _incomplete(self, what: str, remedy: str) -> Incomplete:
        return Incomplete(store=STORE, object_name=self._item.name, what=what, remedy=remedy)


def _beyond(told: Callable[[int], None], done: int, more: int) -> None:
    told(done + more)
