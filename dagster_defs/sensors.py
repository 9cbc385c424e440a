"""The sensors: what follows from a run's end.

Add here: a reaction to how a run ended.
Keep out: executing anything by itself.
"""

import dagster as dg

from dagster_defs.assets.common import safe_errors
from dagster_defs.jobs import EXECUTE, PLAN, execute_deletion, plan_deletion
from dagster_defs.resources import Platform
from erasure.execution import settle
from erasure.ledger import batches as ledger


@dg.run_failure_sensor(
    monitored_jobs=[plan_deletion, execute_deletion],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A run that failed frees its lease; its batch is failed, or its plan cancelled.",
)
def settle_failed_runs(context: dg.RunFailureSensorContext, platform: Platform) -> None:
    """The command settles its own runs at once; this is for those launched in the UI."""
    run = context.dagster_run
    batch_id = run.tags.get("dagster/partition")
    if batch_id is None:
        return
    with safe_errors():
        settings = platform.settings()
        if run.job_name == EXECUTE:
            settle(settings, batch_id=batch_id, run_id=run.run_id)
        elif run.job_name == PLAN:
            ledger.abandon(settings, batch_id=batch_id)
