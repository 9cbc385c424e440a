"""Loading a world into the five stores, replacing the one that is there.

Holds: the writers run side by side, and the summary of what was written.
Add here: a writer for a sixth store.
Keep out: how a store is written (writers/) and what the world is (generate.py).
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from sandbox.world.generate import World, generated_world, labelled_world
from sandbox.world.labels import collect_labels
from sandbox.world.stores import WorldStores
from sandbox.world.writers.clickhouse import write_clickhouse
from sandbox.world.writers.postgres import write_postgres
from sandbox.world.writers.progress import Counts, Progress
from sandbox.world.writers.redis import write_redis
from sandbox.world.writers.s3 import write_s3
from sandbox.world.writers.search import write_search

_WRITERS = {
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


def load_world(
    stores: WorldStores,
    *,
    labels: Path | None = None,
    contributors: int = 300,
    seed: int = 1,
    progress: Progress,
) -> WorldSummary:
    """A world around the labels file, or one of its own of so many contributors.

    Raises LabelsError before anything is touched.
    """
    if labels is None:
        world = generated_world(contributors=contributors, seed=seed)
    else:
        world = labelled_world(collect_labels(labels), seed=seed)
    return write_world(stores, world=world, progress=progress)


def write_world(stores: WorldStores, *, world: World, progress: Progress) -> WorldSummary:
    """All five stores at once, since each mostly waits for its engine; the first failure is raised.

    Loading again starts from nothing. `progress` is called by several threads, one at a time.
    """
    report = _serialised(progress)
    with ThreadPoolExecutor(len(_WRITERS)) as pool:
        running = {store: pool.submit(write, stores, world, report) for store, write in _WRITERS.items()}
    return WorldSummary(
        counts={store: future.result() for store, future in running.items()},
        project_ids=tuple(str(project.project_id) for project in world.projects),
        job_id=str(world.jobs[0].job_id),
        as_of=world.as_of.isoformat(),
        edge_people={part: str(contributor_id) for part, contributor_id in world.edge_people().items()},
    )


def _serialised(progress: Progress) -> Progress:
    lock = Lock()

    def call(name: str, done: int, total: int) -> None:
        with lock:
            progress(name, done, total)

    return call
