"""Stage `report`: the batch is closed, its needles go when the undo window is none, and the index leads to it all.

Add here: what is told about a batch at its end.
Keep out: the text of the pages (`erasure.report`).
"""

import dagster as dg

from dagster_defs.assets.common import working
from dagster_defs.assets.purge import GROUP as PURGE
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from erasure import report
from erasure.expiry import expire
from erasure.inventory import ALL_STORES
from erasure.ledger import batches as ledger
from erasure.ledger import lease as leases
from erasure.ledger import steps
from erasure.settings import var_dir

SUMMARY = dg.AssetKey(["report", "summary"])


@dg.asset(
    key=SUMMARY,
    deps=[dg.AssetKey([PURGE, store]) for store in ALL_STORES],
    group_name="report",
    partitions_def=batches,
    description="The batch is closed; var/reports/index.html leads to its counts and Data Docs.",
)
def summary(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Closes the batch, ends an undo window of no days at once, and writes the index."""
    with working(context, platform) as work:
        settings, batch_id = platform.settings(), work.targets.batch_id
        ledger.close(settings, batch_id=batch_id)
        expire(settings, var_dir())
        index = report.write_index(settings, platform.reports_dir())
        batch = ledger.get(settings, batch_id)
        found = steps.read(settings, batch_id=batch_id)
        leases.release(settings, batch_id=batch_id, run_id=context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            "state": batch.state,
            "access": str((batch.access_proof or {}).get("state")),
            "sessions": sum(report.done_by_store(found, "revoke").get("redis", {}).values()),
            # Named as in plan/summary, so that what was done can be held against what was planned.
            **{
                f"{store}/{name}": number
                for store, objects in report.done_by_store(found).items()
                for name, number in objects.items()
            },
            # As a path: a browser follows no link from the UI to a file.
            "index": dg.MetadataValue.path(index),
        }
    )
