"""Redis: the keys of a tenth of all contributors removed among a million, by the product and by other ways.

Each run begins with the same keys, in a database of its own.
Add here: another way of doing the same.
Keep out: how a run is measured, and what is masked in place, which no bare command does.
"""

from collections.abc import Callable
from typing import Any

from bench.measuring import Measured, WrongOutcome, measured, median_of
from bench.results import Result
from bench.scene import BATCH, Size, contributor_id
from erasure.inventory import InventoryObject, Subject
from erasure.rules import Rule
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from erasure.targets import TargetSet
from sandbox.config import SandboxConfig

DB = 90
KEYS_EACH = 10
COUNT = 5_000
_SAMPLE = 3
_ID_ENDS = len("draft:") + len(contributor_id(0))


class RedisBench:
    """The keys of a bench, and the ways over them; `say` is told what begins."""

    def __init__(
        self, config: SandboxConfig, engine_pid: int, size: Size, say: Callable[[str], None]
    ) -> None:
        import redis

        self._client: Any = redis.Redis(
            host=config.host, port=config.redis_port, password=config.redis_password, db=DB
        )
        self._pid, self._size, self._say = engine_pid, size, say
        self._ids = [contributor_id(number) for number in range(size.targets)]
        item = InventoryObject(
            store="redis",
            name="drafts",
            source="kepler_redis",
            schema="kepler_redis",
            location="draft:{contributor_id}:*",
            subject=Subject(),
            rule=Rule.DELETE,
        )
        self._store = RedisStore(self._client, [item], rewrite=False)
        self._targets = TargetSet(batch_id=BATCH, contributor_ids=frozenset(self._ids))

    def run(self) -> list[Result]:
        """All ways, each by the median of its runs; the keys are gone at the end."""
        size = self._size
        try:
            whole = self._median("mask", lambda: self._store.mask(self._targets, no_progress))
            recount = self._recount()
            bare = self._median("one SCAN and UNLINK by hand", self._bare)
            sample = min(_SAMPLE, size.targets)
            loop = self._median(
                "a SCAN a contributor", lambda: self._loop(self._ids[:sample]), removes=sample == size.targets
            )
        finally:
            self._client.flushdb()
            self._client.close()
        return [
            Result(
                store="redis",
                work="mask against a SCAN a contributor",
                contributors=size.targets,
                records=size.targets * KEYS_EACH,
                ours_s=round(max(whole.seconds - recount.seconds, 0.0001), 4),
                bare_s=round(bare.seconds, 4),
                per_contributor_s=round(loop.seconds * size.targets / sample, 3),
                per_contributor_sample=sample,
                peak_rss_mb=whole.own_mb,
                engine_peak_mb=whole.engine_mb,
                recount_s=round(recount.seconds, 3),
            )
        ]

    def _recount(self) -> Measured:
        """What ends a mask: the same pass again, over the keys that are left."""
        self._fill()
        self._store.mask(self._targets, no_progress)
        runs = [
            measured(lambda: self._store.count(self._targets), self._pid) for _ in range(self._size.repeats)
        ]
        self._say(f"redis: count again {median_of(runs).seconds:.2f} s")
        return median_of(runs)

    def _median(self, name: str, way: Callable[[], object], *, removes: bool = True) -> Measured:
        runs = []
        for _ in range(self._size.repeats):
            self._fill()
            runs.append(measured(way, self._pid))
            expected = (self._size.contributors - self._size.targets) * KEYS_EACH
            if removes and self._client.dbsize() != expected:
                raise WrongOutcome(f"redis: {self._client.dbsize()} keys are left, expected {expected}")
            self._say(f"redis: {name} {runs[-1].seconds:.2f} s")
        return median_of(runs)

    def _fill(self) -> None:
        self._client.flushdb()
        for start in range(0, self._size.contributors, 1_000):
            some = range(start, min(start + 1_000, self._size.contributors))
            self._client.mset(
                {f"draft:{contributor_id(n)}:{each}": "made up" for n in some for each in range(KEYS_EACH)}
            )

    def _bare(self) -> None:
        ids = {each.encode() for each in self._ids}
        cursor = 0
        while True:
            cursor, keys = self._client.scan(cursor, match="draft:*", count=COUNT)
            mine = [key for key in keys if key[len("draft:") : _ID_ENDS] in ids]
            if mine:
                self._client.unlink(*mine)
            if cursor == 0:
                return

    def _loop(self, ids: list[str]) -> None:
        for each in ids:
            for key in self._client.scan_iter(match=f"draft:{each}:*", count=COUNT):
                self._client.unlink(key)
