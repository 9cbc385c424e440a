"""Stage `verify`: Great Expectations judges fresh readings of every store; a failed check blocks what follows.

Add here: a check of the outcome.
Keep out: readings and expectations (`expectations/`).
"""

import dagster as dg

from dagster_defs.assets.common import is_unused, working
from dagster_defs.assets.mask import LAST, key_of
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from erasure.inventory import ALL_STORES
from erasure.report import accepted_not_erasable, expected_masked

GROUP = "verify"
CHECK = "no_survivors"


def _verify_store(name: str) -> dg.AssetsDefinition:
    key = dg.AssetKey([GROUP, name])

    @dg.asset(
        key=key,
        deps=[key_of(LAST)],
        group_name=GROUP,
        partitions_def=batches,
        kinds={"great_expectations", name},
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                blocking=True,
                description="No value of a target is left. `Execution failed` means that it never ran: see the run.",
            )
        ],
        description=f"{name} read afresh: no survivor, and as many masked records as the ledger says.",
    )
    # Dagster reads the annotation, and takes no parametrized one where an asset has checks.
    def verify_store(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from expectations import checkpoints
        from expectations.context import site_index

        # Reading may take long: the lease must not expire meanwhile.
        with working(context, platform):
            if is_unused(platform, name):
                nothing = dg.AssetCheckResult(check_name=CHECK, passed=True, metadata={"survivors": 0})
                return dg.MaterializeResult(metadata={"survivors": 0, "masked": 0}, check_results=[nothing])
            settings, batch_id = platform.settings(), context.partition_key
            docs_dir = platform.reports_dir() / batch_id
            verdict = checkpoints.verify_store(
                settings,
                platform.inventory(),
                batch_id,
                name,
                docs_dir,
                expected_masked(settings, batch_id, name),
                accepted_not_erasable(settings, batch_id, name),
            )
        check = dg.AssetCheckResult(
            check_name=CHECK,
            passed=verdict.success,
            severity=dg.AssetCheckSeverity.ERROR,
            metadata={"survivors": verdict.survivors, "failed": "\n".join(verdict.failed)},
        )
        return dg.MaterializeResult(
            metadata={
                "survivors": verdict.survivors,
                "masked": verdict.masked,
                "not_erasable": verdict.not_erasable,
                # As a path: a browser follows no link from the UI to a file.
                "data_docs": dg.MetadataValue.path(site_index(docs_dir)),
            },
            check_results=[check],
        )

    return verify_store


verify_stores = [_verify_store(name) for name in ALL_STORES]
