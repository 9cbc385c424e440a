"""The schedules: what runs by the clock.

Add here: a schedule over an existing job.
Keep out: deciding by itself who is erased; nothing executes without a plan that somebody asked for.
"""

import dagster as dg

from dagster_defs.assets.common import safe_errors
from dagster_defs.resources import Platform
from dagster_defs.wiring import clickhouse_store
from erasure import expiry, report
from erasure.ledger import batches as ledger
from erasure.settings import var_dir


@dg.op(description="Lapsed plans and batches whose undo window has ended lose their needles.")
def end_undo_windows(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Safe to run at any time, and twice."""
    with safe_errors():
        settings = platform.settings()
        lapsed = ledger.lapse_old_plans(settings)
        expired = expiry.expire(settings, var_dir())
        clickhouse_store(settings, platform.inventory()).forget(but=ledger.in_force(settings))
        report.write_index(settings, platform.reports_dir())
    context.log.info(f"{len(expired)} batches expired, {lapsed} plans lapsed")


@dg.job(description="Ends the undo window of the batches that are due.")
def expire() -> None:
    """The job of the schedule; `contributor-deletion expire` does the same."""
    end_undo_windows()


expire_daily = dg.ScheduleDefinition(name="expire_daily", job=expire, cron_schedule="17 3 * * *")
