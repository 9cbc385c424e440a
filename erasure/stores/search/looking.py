"""Looks at all indices of one object at a moment: what they hold of a target set, and which writes they had taken.

Holds: `Look`, what was seen, and `Looking`, which looks, and tells whether a look still holds.
Add here: another reason why a look would show less than there is.
Keep out: requests that carry the script (`requests.py`), pages (`scan.py`), and changing anything (`masking.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.stores.search.client import SearchError
from erasure.stores.search.failures import MISSING_SHARD, STORE, refusal, speaking_of
from erasure.stores.search.identified import IDENTIFIED, identified_in
from erasure.stores.search.layout import Layout, in_groups, indices_behind, layouts_of
from erasure.stores.search.requests import counting_body, is_masked_in_the_engine
from erasure.stores.search.scan import Scan
from erasure.stores.search.server import Answer, SearchServer
from erasure.stores.search.slices import slices_over
from erasure.stores.search.tally import Tally, counted, merged, read_tallies
from erasure.targets import TargetSet

CLOSED = "a closed index"
_COUNT_SECONDS = 900.0
_KEPT_OPEN = "1m"
_OPERATIONS = ",".join(
    f"indices.*.{figure}"
    for figure in ("uuid", "shards.*.routing.primary", "shards.*.routing.state", "shards.*.seq_no.max_seq_no")
)


@dataclass(frozen=True, kw_only=True)
class History:
    """An index by its own id, which another of the same name has not, and how many writes it has ever taken."""

    uuid: str
    operations: int


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen.

    closed: indices that nobody can look into; tallies: index -> its figures, of all others.
    histories: index -> its history from before it was looked at.
    identified: documents that bear an email of a target as `_id` or routing.
    """

    closed: tuple[str, ...]
    tallies: Mapping[str, Tally]
    histories: Mapping[str, History] = field(default_factory=dict)
    identified: int = 0

    @property
    def not_erasable(self) -> Mapping[str, int]:
        """Reason -> how much there is that no mask reaches."""
        found = {CLOSED: len(self.closed), IDENTIFIED: self.identified}
        return {reason: number for reason, number in found.items() if number}

    def count(self) -> Count:
        """All indices together."""
        count = counted(self.tallies)
        return Count(
            records=count.records,
            elements=count.elements,
            total=count.total,
            total_elements=count.total_elements,
            conflicts=count.conflicts,
            not_erasable=self.not_erasable,
        )


def require_all_shards(answer: Answer, object_name: str) -> None:
    """Raises StoreRefused where a shard has not answered: what the others have would look like all there is.

    A count passes a shard that nobody has by in silence: it is none of the failed, and none of the successful.
    """
    shards = answer["_shards"]
    if shards["failed"] or shards["successful"] < shards["total"]:
        index = next((one["index"] for one in shards.get("failures") or () if one.get("index")), None)
        raise refusal(MISSING_SHARD, index=index, object_name=object_name)


class Looking:
    """One object of a batch."""

    def __init__(self, server: SearchServer, item: InventoryObject, targets: TargetSet, scan: Scan) -> None:
        self._server = server
        self._item = item
        self._targets = targets
        self._scan = scan

    def look(self) -> Look:
        """Reads every document of every index that is open."""
        item = self._item
        with speaking_of(item.name):
            indices = indices_behind(self._server, item.location)
            if not indices.open and not indices.closed:
                raise self._refused(
                    f"no index matches {item.location}", "correct the pattern in the inventory"
                )
            layouts = layouts_of(self._server, indices.open)
            for name, layout in layouts.items():
                if not layout.keeps_whole_source:
                    raise self._refused(
                        f"index {name} does not keep its whole _source", "reindex it with all"
                    )
            # Before the refresh: a write that comes after this one makes the look an old one, seen or not.
            histories = self._histories(layouts)
            tallies: dict[str, Tally] = {}
            identified = 0
            for group in in_groups(indices.open):
                # What is not refreshed is invisible to searches, and to updates by query as well.
                if self._server.refresh(group)["_shards"]["failed"]:
                    raise refusal(MISSING_SHARD, index=None, object_name=item.name)
                tallies |= self._of_group(group.split(","), layouts)
                identified += identified_in(self._server, item, self._targets, group)
        return Look(
            closed=indices.closed,
            tallies={name: tallies.get(name, Tally(total=0)) for name in indices.open},
            histories=histories,
            identified=identified,
        )

    def still_holds(self, look: Look) -> bool:
        """Whether the same indices are there, and none of them has taken a write since it was looked at."""
        with speaking_of(self._item.name):
            indices = indices_behind(self._server, self._item.location)
            if indices.closed != look.closed or set(indices.open) != set(look.histories):
                return False
            return self._histories(layouts_of(self._server, indices.open)) == look.histories

    def histories(self, names: Sequence[str]) -> dict[str, History]:
        """Those of some indices as they are now."""
        with speaking_of(self._item.name):
            return self._histories(layouts_of(self._server, names))

    def _histories(self, layouts: Mapping[str, Layout]) -> dict[str, History]:
        found: dict[str, History] = {}
        for group in in_groups(layouts):
            answer = self._server.shard_stats(group, only=_OPERATIONS)
            for name, entry in (answer.get("indices") or {}).items():
                primaries = {
                    number: copy
                    for number, copies in entry["shards"].items()
                    for copy in copies
                    if copy.get("routing", {}).get("primary") and "seq_no" in copy
                }
                if len(primaries) == layouts[name].shards:
                    last = (int(copy["seq_no"]["max_seq_no"]) for copy in primaries.values())
                    found[name] = History(uuid=str(entry["uuid"]), operations=sum(one + 1 for one in last))
        # What a shard holds that nobody has is in no answer, and a smaller count would look like success.
        for name in sorted(layouts.keys() - found.keys()):
            raise refusal(MISSING_SHARD, index=name, object_name=self._item.name)
        return found

    def _of_group(self, names: Sequence[str], layouts: Mapping[str, Layout]) -> Mapping[str, Tally]:
        if not is_masked_in_the_engine(self._item):
            return self._scan.tallies(names)
        # An index that never had a field knows of no ids either, and refuses to be cut by them.
        blank = [name for name in names if not layouts[name].mapping]
        return merged([
            *self._figures(blank, 1),
            *self._figures(sorted(set(names) - set(blank)), slices_over([layouts[name].shards for name in names])),
        ])  # fmt: skip

    def _figures(self, names: Sequence[str], slices: int) -> Iterator[Mapping[str, Tally]]:
        if not names:
            return
        group, body = ",".join(names), counting_body(self._item, self._targets, indices=len(names))
        if slices == 1:
            yield dict(read_tallies(self._ask(group, body, {})))
            return
        with ThreadPoolExecutor(slices) as pool:
            for answer in pool.map(partial(self._slice, group, body, slices), range(slices)):
                yield dict(read_tallies(answer))

    def _slice(self, group: str, body: Mapping[str, Any], slices: int, number: int) -> Answer:
        """A part of the documents by their ids: wherever one is moved meanwhile, it stays in the same part."""
        # Engines cut nothing but scrolls into slices, and want one document of them.
        part = {"slice": {"id": number, "max": slices}, "size": 1, "_source": False, "sort": ["_doc"]}
        answer = self._ask(group, {**body, **part}, {"scroll": _KEPT_OPEN})
        # An open scroll keeps old segments, which a purge has to wait for.
        with suppress(SearchError):
            self._server.end_scroll(answer["_scroll_id"])
        return answer

    def _ask(self, group: str, body: Mapping[str, Any], more: Mapping[str, str]) -> Answer:
        # Not from the request cache: its keys are whole requests, ids and emails included.
        params = {"request_cache": "false", "expand_wildcards": "open,hidden", **more}
        answer = self._server.search(group, body, params, seconds=_COUNT_SECONDS)
        if answer.get("timed_out"):
            raise Incomplete(
                store=STORE,
                object_name=self._item.name,
                what="a count ran out of time",
                remedy="look at the cluster's health, then resume",
            )
        require_all_shards(answer, self._item.name)
        return answer

    def _refused(self, what: str, remedy: str) -> StoreRefused:
        return StoreRefused(store=STORE, object_name=self._item.name, what=what, remedy=remedy)
