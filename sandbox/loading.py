"""Loading a world into a running sandbox.

Holds: the step from the sandbox' addresses to the world loader, and what follows a load.
Add here: something that has to happen after every load.
Keep out: the world itself (`world/`), printing (`cli.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.config import SandboxConfig
from sandbox.starting import SandboxError
from sandbox.state import LoadedWorld

if TYPE_CHECKING:
    from sandbox.supervisor import Sandbox
    from sandbox.world.load import WorldSummary
    from sandbox.world.stores import WorldStores

# What is being written, how much of it is done, how much there is.
Progress = Callable[[str, int, int], None]


def load(
    sandbox: Sandbox,
    *,
    labels: Path | None,
    contributors: int,
    judgments: int | None = None,
    seed: int,
    progress: Progress,
) -> WorldSummary:
    """Replace whatever is loaded; config.ini then names the new world's job.

    Raises LabelsError, and ValueError where no world has such a size, before anything is touched.
    """
    from sandbox.world.load import make_world, write_world

    config = sandbox.require_running()
    world = make_world(labels=labels, contributors=contributors, judgments=judgments, seed=seed)
    summary = write_world(world_stores(config), world=world, progress=progress)
    made_from = LoadedWorld(
        labels=None if labels is None else labels.resolve(),
        contributors=contributors,
        judgments=judgments,
        seed=seed,
        as_of=world.as_of,
    )
    sandbox.remember_job(summary.job_id, made_from)
    return summary


def load_objects_again(sandbox: Sandbox, progress: Progress) -> Mapping[str, int]:
    """The files of the loaded world, for a server that keeps them in memory; the other stores stay as they are.

    Whoever has been erased since stays erased. What others wrote into the bucket is gone.
    Raises SandboxError where the world cannot be made again.
    """
    from sandbox.world.load import make_world
    from sandbox.world.writers.s3 import write_s3

    config = sandbox.require_running()
    known = sandbox.world
    if known is None or (known.labels is not None and not known.labels.exists()):
        gone = "it is not known" if known is None else f"{known.labels} is gone"
        raise SandboxError(f"s3 is empty, and its world cannot be made again ({gone}): load another one")
    world = make_world(**known.model_dump())
    return write_s3(world_stores(config), world, progress, without=_erased(config))


def _erased(config: SandboxConfig) -> frozenset[str]:
    import psycopg

    with psycopg.connect(config.postgres_dsn) as connection:
        rows = connection.execute("select contributor_id::text from contributors where status = 'erased'")
        return frozenset(row[0] for row in rows)


def world_stores(config: SandboxConfig) -> WorldStores:
    """The part of the configuration that the loader needs."""
    from sandbox.world.stores import WorldStores

    return WorldStores(
        postgres_dsn=config.postgres_dsn,
        clickhouse_host=config.host,
        clickhouse_port=config.clickhouse_port,
        clickhouse_username=config.clickhouse_user,
        clickhouse_password=config.clickhouse_password,
        clickhouse_database=config.clickhouse_database,
        search_url=config.search_url,
        s3_endpoint_url=config.s3_endpoint_url,
        s3_region=config.s3_region,
        s3_key=config.s3_access_key,
        s3_secret=config.s3_secret_key,
        s3_bucket=config.s3_bucket,
        redis_host=config.host,
        redis_port=config.redis_port,
        redis_password=config.redis_password,
        redis_db=config.redis_db,
    )
