"""The code location: the only place where everything is wired.

Add here: a new asset, job, sensor or resource, by name.
Keep out: connections; nothing is reached until a run asks for it.
"""

from dagster_defs.environment import prepare_environment

prepare_environment()

import dagster as dg  # noqa: E402

from dagster_defs.assets import controls, plan, purge, report, revoke, targets, verify  # noqa: E402
from dagster_defs.assets.mask import mask_assets  # noqa: E402
from dagster_defs.jobs import execute_deletion, plan_deletion  # noqa: E402
from dagster_defs.request import request_deletion  # noqa: E402
from dagster_defs.resources import Platform  # noqa: E402
from dagster_defs.schedules import expire, expire_daily  # noqa: E402
from dagster_defs.sensors import settle_failed_runs  # noqa: E402

defs = dg.Definitions(
    assets=[
        targets.deletion_targets,
        *plan.plan_stores,
        plan.summary,
        plan.confirmed,
        revoke.access,
        controls.before,
        *mask_assets(),
        *verify.verify_stores,
        controls.after,
        *purge.purge_stores,
        report.summary,
    ],
    jobs=[request_deletion, plan_deletion, execute_deletion, expire],
    schedules=[expire_daily],
    sensors=[settle_failed_runs],
    resources={"platform": Platform()},
    executor=dg.in_process_executor,
)
