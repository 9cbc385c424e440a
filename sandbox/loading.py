"""Loading a world into a running sandbox.

Holds: the step from the sandbox' addresses to the world loader, and what follows a load.
Add here: something that has to happen after every load.
Keep out: the world itself (`world/`), printing (`cli.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.config import SandboxConfig

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
    """Replace whatever is loaded; config.ini then names the new world's job."""
    from sandbox.world.load import load_world

    config = sandbox.require_running()
    summary = load_world(
        world_stores(config),
        labels=labels,
        contributors=contributors,
        judgments=judgments,
        seed=seed,
        progress=progress,
    )
    sandbox.remember_job(summary.job_id)
    return summary


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
