"""Stage `purge`: the physical copies under what was masked.

Add here: nothing for a store, which knows its own copies.
Keep out: masking; masked and purged are separate states.
"""

import dagster as dg

from dagster_defs.assets.common import is_unused, log_progress, working
from dagster_defs.assets.controls import AFTER as CONTROLS
from dagster_defs.assets.verify import GROUP as VERIFY
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from erasure import execution
from erasure.inventory import ALL_STORES

GROUP = "purge"
_WHAT = {
    "postgres": "Vacuumed or rewritten, as [database] purge says; `called` tells which. WAL may hold copies.",
    "clickhouse": "Inactive parts of the masked tables are gone.",
    "elasticsearch": "Old documents are merged away in every copy of a shard, and tasks of ours are removed; waits "
    "about 30 s for leases. Snapshots, log files, followers in other clusters and nodes that are away may hold copies.",
    "s3": "Looked at again: no object, version or unfinished upload is left.",
    "redis": "Looked at again: no key is left; the server rewrites its files where it may. `called` tells which.",
}


def _purge_store(name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=[GROUP, name],
        deps=[*(dg.AssetKey([VERIFY, store]) for store in ALL_STORES), CONTROLS],
        group_name=GROUP,
        partitions_def=batches,
        kinds={name},
        description=_WHAT[name],
    )
    def purge_store(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        with working(context, platform) as work:
            if is_unused(platform, name):
                return dg.MaterializeResult(metadata={"objects": 0})
            store = platform.store(name, fence=work.lease.fence)
            counts = execution.purge(
                platform.settings(),
                store=store,
                targets=work.targets,
                check=work.check,
                progress=log_progress(context, name),
            )
        return dg.MaterializeResult(metadata={"objects": len(counts), "called": store.purge_state})

    return purge_store


purge_stores = [_purge_store(name) for name in ALL_STORES]
