"""The two asset jobs: plan, and execute what was planned.

Add here: another job over the same assets.
Keep out: an `if` between planning and executing in an asset: planning is a job of its own.
"""

from typing import Any

import dagster as dg

PLAN = "plan_deletion"
EXECUTE = "execute_deletion"
# The command prints its own lines; the instance keeps all events all the same.
QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

# Small runs stay in one process. A large one chooses `multiprocess` in its run config, with
# `start_method: {forkserver: {}}`: spawning a process a step costs ten times as much as the steps. The default stands
# here and not in the jobs' config, which is gone as soon as somebody writes their own in the launchpad.
in_process_unless_asked = dg.configured(
    dg.multi_or_in_process_executor,
    name="in_process_unless_asked",
    config_schema=dg.Field(
        dg.Selector(  # type: ignore[no-untyped-call]
            {
                "in_process": dg.in_process_executor.config_schema.as_field(),
                "multiprocess": dg.multiprocess_executor.config_schema.as_field(),
            }
        ),
        default_value={"in_process": {}},
    ),
)(lambda config: config)

plan_deletion = dg.define_asset_job(
    PLAN,
    executor_def=in_process_unless_asked,
    selection=dg.AssetSelection.groups("targets")
    | dg.AssetSelection.groups("plan") - dg.AssetSelection.assets("plan/confirmed"),
    description="Freezes the target set of a batch and counts what would change. Changes nothing in any store.",
)
execute_deletion = dg.define_asset_job(
    EXECUTE,
    executor_def=in_process_unless_asked,
    selection=dg.AssetSelection.assets("plan/confirmed")
    | dg.AssetSelection.groups("revoke", "mask", "verify", "purge", "report"),
    description="Executes an unchanged plan: revoke, mask, verify, purge, report. Also resumes after a failure. Choose "
    "the batch as partition, and name the fingerprint of plan/summary in the config of plan__confirmed.",
)
