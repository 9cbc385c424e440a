"""`request_deletion`: how a batch begins in the UI. It is given a CSV or criteria, mints the batch and plans it.

Add here: another way of saying who, for those who work in the UI.
Keep out: executing; the plan is reviewed first, then `execute_deletion` is launched on its partition.
"""

import dagster as dg
from pydantic import Field

from dagster_defs.assets.common import safe_errors
from dagster_defs.assets.plan import SUMMARY
from dagster_defs.jobs import PLAN
from dagster_defs.launch import launch
from dagster_defs.resources import Platform
from erasure.errors import BadInput, Refused
from erasure.expiry import record_export
from erasure.inactive import find_inactive
from erasure.ledger import batches as ledger
from erasure.ledger.database import migrate
from erasure.request import write_csv
from erasure.settings import var_dir
from erasure.targets import mint_batch_id


class RequestConfig(dg.Config):
    """A CSV, or criteria."""

    csv: str = Field("", description="A CSV's path on the server; empty, the two criteria say who.")
    days_inactive: int = Field(365, description="First criterion: nobody with activity within so many days.")
    max_contributors: int = Field(0, description="Second criterion: at most so many people; 0 for no limit.")
    skip_unknown: bool = Field(
        False, description="Leave out ids that nobody has, instead of refusing the CSV."
    )
    cap_reason: str = Field("", description="Why this batch may exceed the caps; empty, it may not.")


@dg.op(description="Mints a batch, adds its partition, and launches its plan. Changes nothing in any store.")
def request(context: dg.OpExecutionContext, config: RequestConfig, platform: Platform) -> None:
    """Fails where the plan is refused; what refused it stands in the log, and in the plan's own run."""
    with safe_errors():
        batch_id = mint_batch_id()
        context.instance.add_run_tags(context.run_id, {"batch": batch_id})
        csv = config.csv or _export(batch_id, config, platform)
        outcome = launch(
            platform.settings(),
            job_name=PLAN,
            batch_id=batch_id,
            config={
                "targets__deletion_targets": {
                    "csv": csv,
                    "skip_unknown": config.skip_unknown,
                    "cap_reason": config.cap_reason,
                },
                "plan__summary": {"cap_reason": config.cap_reason},
            },
            on_step=lambda step, what, seconds: context.log.info(f"{step} {what}"),
        )
        if not outcome.succeeded:
            ledger.abandon(platform.settings(), batch_id=batch_id)
            raise Refused(f"Batch {batch_id} could not be planned.", [e.message for e in outcome.errors])
        batch = ledger.get(platform.settings(), batch_id)
    context.log.info(f"Batch {batch_id} is planned, fingerprint {batch.fingerprint}: see plan/summary")
    context.add_output_metadata(
        {
            "batch": batch_id,
            "fingerprint": batch.fingerprint or "none",
            "plan": dg.MetadataValue.dagster_run(outcome.run_id),
            "review": dg.MetadataValue.asset(SUMMARY),
        }
    )


def _export(batch_id: str, config: RequestConfig, platform: Platform) -> str:
    settings = platform.settings()
    migrate(settings.database, beside=platform.inventory().registered("postgres"))
    found = find_inactive(
        settings,
        query=platform.dbt().inactive_contributors(config.days_inactive),
        max_contributors=config.max_contributors or None,
    )
    if not found.chosen:
        raise BadInput(f"Nobody has been inactive for {config.days_inactive} days; nothing was planned.")
    path = var_dir() / "requests" / f"{batch_id}.csv"
    write_csv(path, found.chosen)
    record_export(var_dir(), path)
    return str(path)


@dg.job(description="Begins a batch from a CSV or from criteria: mints it, adds its partition, plans it.")
def request_deletion() -> None:
    """The UI's way in; the command's is `delete`."""
    request()
