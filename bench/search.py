"""Search: a quarter of all documents names a contributor to be erased; masked by the product and by other ways.

Each run has a clone of the same index, whose segments are linked and not copied.
Add here: another way of doing the same.
Keep out: the SQL stores, and how a run is measured.
"""

import json
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

from opensearchpy import OpenSearch, helpers

from bench import scene
from bench.measuring import Measured, WrongOutcome, measured, median_of
from bench.results import Result
from bench.scene import JOB, PROJECT, Size
from dagster_defs.worlds import inventory_of
from erasure.rules import MASK
from erasure.settings import PROJECT_ROOT
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.base import no_progress
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore
from sandbox.config import SandboxConfig

WRITERS = 2
_INDEX = PROJECT_ROOT / "sandbox" / "world" / "search_index.json"
_PRISTINE, _RUN = "bench-pristine", "bench-run"
# Factors without a common divisor with the number of contributors: everybody has equally many elements.
_STEPS = (1, 7919, 104_729)
_OWNERS = ("judgments.workerId", "latest.workerId")
_BY_HAND = """
for (each in ctx._source.judgments) { if (params.ids.containsKey(each.workerId)) { each.workerEmail = params.mask; } }
if (params.ids.containsKey(ctx._source.latest.workerId)) { ctx._source.latest.workerEmail = params.mask; }
"""


class SearchBench:
    """The indices of a bench, and the ways over them; `say` is told what begins."""

    def __init__(
        self, config: SandboxConfig, engine_pid: int, kind: str, size: Size, say: Callable[[str], None]
    ) -> None:
        self._pid = engine_pid
        self._kind = kind
        self._size = size
        self._say: Callable[[str], None] = lambda line: say(f"{kind}: {line}")
        self._targets = scene.targets_of(size)
        self._client = OpenSearch(config.search_url, timeout=600)
        self._server = search_server(ElasticsearchSettings(url=config.search_url))
        (item,) = inventory_of("kepler").of("elasticsearch")
        self._store = SearchStore(self._server, (replace(item, location=_RUN),))
        self._masked = 0

    def run(self) -> list[Result]:
        """All ways, ours and by hand by the median of their runs; the indices are gone at the end."""
        quarter = self._size.documents // 4
        try:
            self._make(range(quarter))
            small = self._ours(1).whole
            self._make(range(quarter, self._size.documents))
            ours = self._ours(self._size.repeats)
            bare, sliced = self._bare("auto"), self._bare("2")
            written = self._with_writers()
            sample = min(self._size.search_sample, self._size.targets)
            safe = self._loop(sample, refresh=True)
            plain = self._loop(self._size.targets, refresh=False)
            left = self._exposed()
            self._say(f"a loop of bulk updates {plain.seconds:.2f} s, {left} people left unmasked")
        finally:
            self._drop()
            self._server.close()
            self._client.close()
        whole = safe.seconds * self._size.targets / sample
        common = Result(
            store="elasticsearch",
            work=f"{self._kind}: mask and both counts",
            contributors=self._size.targets,
            records=ours.records,
            ours_s=round(ours.whole.seconds, 3),
            bare_s=round(bare.seconds, 3),
            per_contributor_s=round(whole, 3),
            per_contributor_sample=sample,
            peak_rss_mb=ours.whole.own_mb,
            engine_peak_mb=ours.whole.engine_mb,
            recount_s=round(ours.recount, 3),
            plain_loop_s=round(plain.seconds, 3),
            plain_loop_left=left,
            quarter_rss_mb=small.own_mb,
        )
        return [
            common,
            replace(
                common, work=f"{self._kind}: against two slices by hand", bare_s=round(sliced.seconds, 3)
            ),
            replace(common, work=f"{self._kind}: mask alone", ours_s=round(ours.alone, 3)),
            replace(common, work=f"{self._kind}: mask, with writers", ours_s=round(written.seconds, 3)),
        ]

    def _ours(self, repeats: int) -> "_Ours":
        """The product's count and its mask, as a run calls them; what ends the mask is measured by itself as well."""
        runs, before, after = [], [], []
        for _ in range(repeats):
            self._renew()
            before.append(measured(partial(self._store.count, self._targets), self._pid))
            runs.append(measured(self._mask, self._pid))
            after.append(measured(partial(self._store.count, self._targets), self._pid))
            self._require_done()
            self._say(
                f"count {before[-1].seconds:.2f} s and mask of {self._masked} documents {runs[-1].seconds:.2f} s,"
                f" of which to count again {after[-1].seconds:.2f} s"
            )
        recount, first, mask = median_of(after).seconds, median_of(before), median_of(runs)
        whole = Measured(
            seconds=first.seconds + mask.seconds,
            own_mb=max(first.own_mb, mask.own_mb),
            engine_mb=max(first.engine_mb, mask.engine_mb),
        )
        return _Ours(whole=whole, alone=mask.seconds - recount, recount=recount, records=self._masked)

    def _mask(self) -> None:
        (done,) = self._store.mask(self._targets, no_progress).values()
        self._masked = done.records

    def _with_writers(self) -> Measured:
        """The same while others write to the index: parts of documents, as fast as they can."""
        self._renew()
        ended = threading.Event()
        written = count()
        threads = [
            threading.Thread(target=self._write, args=(seed, ended, written)) for seed in range(WRITERS)
        ]
        for thread in threads:
            thread.start()
        try:
            run = measured(self._mask, self._pid)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self._require_done()
        self._say(f"mask {run.seconds:.2f} s while {next(written)} documents were written to, nobody left")
        return run

    def _write(self, seed: int, ended: threading.Event, written: Iterator[int]) -> None:
        chance = random.Random(seed)
        while not ended.is_set():
            number = chance.randrange(self._size.documents)
            self._client.update(
                index=_RUN,
                id=str(number),
                body={"doc": {"url": f"https://example.com/{number}/again"}},
                params={"retry_on_conflict": 50},
            )
            next(written)

    def _bare(self, slices: str) -> Measured:
        runs = []
        for _ in range(self._size.repeats):
            self._renew()
            runs.append(measured(partial(self._by_hand, slices), self._pid))
            self._require_done()
            self._say(f"one update by query by hand, slices {slices} {runs[-1].seconds:.2f} s")
        return median_of(runs)

    def _by_hand(self, slices: str) -> None:
        ids = sorted(self._targets.contributor_ids)
        body = {
            "query": {"bool": {"should": [{"terms": {owner: ids}} for owner in _OWNERS]}},
            "script": {"source": _BY_HAND, "params": {"ids": dict.fromkeys(ids, True), "mask": MASK}},
        }
        params = {"wait_for_completion": "false", "slices": slices}
        task = self._client.update_by_query(index=_RUN, body=body, params=params)["task"]
        waiting = threading.Event()
        only = {"filter_path": "completed,error.type,response.failures"}
        while not (answer := self._client.tasks.get(task_id=task, params=only)).get("completed"):
            waiting.wait(0.05)
        if "error" in answer or answer["response"]["failures"]:
            raise WrongOutcome(f"{self._kind}: the update by hand has failed")

    def _loop(self, contributors: int, *, refresh: bool) -> Measured:
        """Search for a contributor's documents, change them here, and send them back in bulk.

        Without a refresh the next search finds documents as they were, and puts back what was masked in them.
        """
        self._renew()
        run = measured(partial(self._one_after_the_other, contributors, refresh=refresh), self._pid)
        if refresh:
            self._require_done(contributors)
            self._say(
                f"a loop of bulk updates with a refresh, {contributors} contributors {run.seconds:.2f} s"
            )
        return run

    def _one_after_the_other(self, contributors: int, *, refresh: bool) -> None:
        for number in range(contributors):
            owner = scene.contributor_id(number)
            query = {"bool": {"should": [{"term": {name: owner}} for name in _OWNERS]}}
            found = self._client.search(index=_RUN, body={"query": query, "size": 1000})["hits"]["hits"]
            actions = [{"_index": _RUN, "_id": hit["_id"], "_source": hit["_source"]} for hit in found]
            for action in actions:
                for element in _elements(action["_source"]):
                    if element["workerId"] == owner:
                        element["workerEmail"] = MASK
            helpers.bulk(self._client, actions, refresh=refresh)

    def _require_done(self, contributors: int | None = None) -> None:
        if left := self._exposed(contributors):
            raise WrongOutcome(f"{self._kind}: {left} people are left unmasked")

    def _exposed(self, contributors: int | None = None) -> int:
        """How many of the first so many contributors have an email somewhere, read document by document."""
        wanted = {scene.contributor_id(number) for number in range(contributors or self._size.targets)}
        self._client.indices.refresh(index=_RUN)
        query = {"query": {"terms": {"judgments.workerId": sorted(wanted)}}}
        return len(
            {
                element["workerId"]
                for hit in helpers.scan(self._client, index=_RUN, query=query, size=5000, scroll="5m")
                for element in _elements(hit["_source"])
                if element["workerId"] in wanted and element["workerEmail"] != MASK
            }
        )

    def _make(self, numbers: range) -> None:
        """Adds these documents to the index that nobody changes."""
        self._say(f"making {len(numbers)} documents")
        if numbers.start == 0:
            self._drop()
            self._client.indices.create(index=_PRISTINE, body=_index_body())
        self._block(None)
        actions = (
            {"_index": _PRISTINE, "_id": str(number), "_source": document(number, self._size.contributors)}
            for number in numbers
        )
        helpers.bulk(self._client, actions, chunk_size=5000)
        self._client.indices.flush(index=_PRISTINE)
        self._block(True)

    def _block(self, writes: bool | None) -> None:
        self._client.indices.put_settings(index=_PRISTINE, body={"index.blocks.write": writes})

    def _renew(self) -> None:
        """The index as it was made, with the segments of the one that nobody changes."""
        self._client.indices.delete(index=_RUN, params={"ignore_unavailable": "true"})
        settings = {"index.blocks.write": None, "index.number_of_replicas": 0}
        self._client.indices.clone(index=_PRISTINE, target=_RUN, body={"settings": settings})
        self._client.cluster.health(index=_RUN, params={"wait_for_status": "green"})

    def _drop(self) -> None:
        for name in (_RUN, _PRISTINE):
            self._client.indices.delete(index=name, params={"ignore_unavailable": "true"})


@dataclass(frozen=True, kw_only=True)
class _Ours:
    """The median of ours: the whole, and seconds of its parts."""

    whole: Measured
    alone: float
    recount: float
    records: int


def document(number: int, contributors: int) -> dict[str, Any]:
    """The so-manieth, which names three contributors, the last of them twice."""
    people = [(number * step + place) % contributors for place, step in enumerate(_STEPS)]
    judgments = [
        {
            "workerId": scene.contributor_id(person),
            "workerEmail": scene.email(person),
            "label": ("cat", "dog", "bird")[(number + person) % 3],
            "at": f"2024-{1 + number % 12:02d}-01T10:00:00Z",
        }
        for person in people
    ]
    return {
        "unit_id": str(number),
        "project_id": PROJECT,
        "job_id": JOB,
        "url": f"https://example.com/{number}.png",
        "judgmentCount": len(judgments),
        "judgments": judgments,
        "latest": judgments[-1],
    }


def _elements(document: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    return [*document["judgments"], document["latest"]]


def _index_body() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(_INDEX.read_text(encoding="utf-8"))
    return body
