"""Stage `targets`: who is to be erased, frozen.

Add here: another way of saying who.
Keep out: how the set is computed (`dbt_project/models/targets/`).
"""

import dagster as dg
from pydantic import Field

from dagster_defs.assets.common import planning_ended, safe_errors
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from dagster_defs.worlds import inventory_with_models
from erasure.errors import BadInput
from erasure.job_api.shape import parse_job_url
from erasure.ledger import batches as ledger
from erasure.ledger.database import migrate
from erasure.ledger.freezing import freeze
from erasure.request import read_request
from erasure.settings import expanded

GROUP = "targets"


class TargetsConfig(dg.Config):
    """The CSV that names the contributors."""

    csv: str = Field("", description="A CSV's path; its columns contributor_id and email_address say who.")
    skip_unknown: bool = Field(
        False, description="Leave out ids that nobody has, instead of refusing the CSV."
    )
    cap_reason: str = Field(
        "",
        description="Why there may be more of them than the cap allows; the summary wants to know as well.",
    )


@dg.asset(
    key=["targets", "deletion_targets"],
    group_name=GROUP,
    partitions_def=batches,
    kinds={"dbt", "postgres"},
    description="The contributors of the batch: identities joined, ineligible ones excluded with the reason, frozen.",
)
def deletion_targets(
    context: dg.AssetExecutionContext, config: TargetsConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Reads the CSV, lets dbt's queries decide, and keeps the set in `erasure.targets`."""
    with safe_errors():
        settings = platform.settings()
        if settings.erasure.hash_key is None:
            raise BadInput(
                "[erasure] hash_key is not set (or CONTRIBUTOR_DELETION_HASH_KEY); it makes the suppression list. "
                "Set it once to a random value, keep it, and plan again."
            )
        if not config.csv:
            raise BadInput(
                "No CSV is named; set `csv` in the run config of targets/deletion_targets, or use --csv."
            )
        inventory = inventory_with_models(settings.erasure.world)
        request = read_request(expanded(config.csv), id_form=inventory.contributors.id_form)
        if settings.api.job_url is not None:
            parse_job_url(settings.api.job_url, settings.api)
        migrate(settings.database, beside=inventory.registered("postgres"))
        ledger.lapse_old_plans(settings)
        for batch_id in ledger.unfinished(settings):
            if planning_ended(context, batch_id):
                ledger.abandon(settings, batch_id=batch_id)
        batch_id = context.partition_key
        frozen = freeze(
            settings,
            batch_id=batch_id,
            request=request,
            queries=platform.dbt().target_queries(batch_id),
            skip_unknown=config.skip_unknown,
            cap_reason=config.cap_reason,
        )
    return dg.MaterializeResult(
        metadata={
            "contributors": frozen.contributors,
            "already_erased": frozen.already_erased,
            "skipped_unknown": frozen.skipped_unknown,
            **{f"members: {reason}": number for reason, number in frozen.members.items()},
            **{f"excluded: {reason}": number for reason, number in frozen.excluded.items()},
        }
    )
