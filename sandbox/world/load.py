"""Loading a world into the five stores, replacing the one that is there.

Holds: the writers run side by side, what ends them, and the summary of what was written.
Add here: a writer for a sixth store.
Keep out: how a store is written (writers/) and what the world is (generate.py).
"""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

from sandbox.world.generate import World, generated_world, labelled_world
from sandbox.world.labels import collect_labels
from sandbox.world.sizes import DEFAULT_CONTRIBUTORS
from sandbox.world.stores import WorldStores
from sandbox.world.writers.clickhouse import write_clickhouse
from sandbox.world.writers.postgres import write_postgres
from sandbox.world.writers.progress import Counts, Progress
from sandbox.world.writers.redis import write_redis
from sandbox.world.writers.s3 import write_s3
from sandbox.world.writers.search import write_search

_WRITERS: Mapping[str, Callable[[WorldStores, World, Progress], Counts]] = {
    "postgres": write_postgres,
    "clickhouse": write_clickhouse,
    "search": write_search,
    "s3": write_s3,
    "redis": write_redis,
}


@dataclass(frozen=True, kw_only=True)
class WorldSummary:
    """What was loaded, without anything personal."""

    counts: Mapping[str, Counts]  # store → object → records
    project_ids: tuple[str, ...]
    job_id: str
    as_of: str
    edge_people: Mapping[str, str] = field(default_factory=dict)  # part → contributor_id


def make_world(
    *,
    labels: Path | None = None,
    contributors: int = DEFAULT_CONTRIBUTORS,
    judgments: int | None = None,
    seed: int = 1,
    as_of: datetime | None = None,
) -> World:
    """A world around the labels file, or one of its own of so many contributors and judgments.

    Raises LabelsError, and ValueError where no world has such a size.
    """
    if labels is None:
        return generated_world(contributors=contributors, judgments=judgments, seed=seed, as_of=as_of)
    if judgments is not None:
        raise ValueError("a labels file has its own judgments; leave out their number")
    return labelled_world(collect_labels(labels), seed=seed, as_of=as_of)


def write_world(stores: WorldStores, *, world: World, progress: Progress) -> WorldSummary:
    """All five stores at once, since each mostly waits for its engine; the first failure ends the others.

    Loading again starts from nothing. `progress` is called by several threads, one at a time.
    """
    relay = _Relay(progress)
    with ThreadPoolExecutor(len(_WRITERS)) as pool:
        running = {store: pool.submit(write, stores, world, relay) for store, write in _WRITERS.items()}
        try:
            wait(running.values(), return_when=FIRST_EXCEPTION)
        finally:
            relay.over = True  # also when this thread is interrupted
    for future in running.values():
        if not isinstance(future.exception(), _Abandoned):
            future.result()
    return WorldSummary(
        counts={store: future.result() for store, future in running.items()},
        project_ids=tuple(project.project_id for project in world.projects),
        job_id=world.jobs[0].job_id,
        as_of=world.as_of.isoformat(),
        edge_people=world.edge_people(),
    )


class _Abandoned(Exception):
    """Raised in a writer whose world will not be complete."""


class _Relay:
    """Passes progress on, one call at a time, until it is `over`: then the next call ends its writer."""

    def __init__(self, progress: Progress) -> None:
        self.over = False
        self._progress = progress
        self._lock = Lock()

    def __call__(self, name: str, done: int, total: int) -> None:
        with self._lock:
            if self.over:
                raise _Abandoned
            self._progress(name, done, total)
