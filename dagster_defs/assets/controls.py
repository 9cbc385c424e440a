"""What must not change, read before masking and after it: with `--controls full`, on a quiet system.

Add here: nothing of a store.
Keep out: reading (`expectations/controls.py`), comparing (`erasure/controls.py`), what is kept (`ledger/controls.py`).
"""

import dagster as dg

from dagster_defs.assets.common import working
from dagster_defs.assets.revoke import ACCESS
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from erasure.controls import AllFigures
from erasure.inventory import SQL_STORES
from erasure.ledger import controls as ledger

BEFORE = dg.AssetKey(["revoke", "controls"])
AFTER = dg.AssetKey(["verify", "controls"])
# The last of masking; `mask.py` imports from here what comes before its first.
_MASKED = dg.AssetKey(["mask", "postgres"])
_KINDS = {"postgres", "clickhouse"}


@dg.asset(
    key=BEFORE,
    deps=[ACCESS],
    group_name="revoke",
    partitions_def=batches,
    kinds=_KINDS,
    description="With `controls: full`: digests of every report's rows and of every control record in the two SQL "
    "stores, before anything is masked. Otherwise nothing is read.",
)
def before(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """After access has ended: until then the targets themselves may change things. Kept once, so for every resume."""
    with working(context, platform):
        settings, batch_id = platform.settings(), context.partition_key
        if any(step.state == "planned" for step in ledger.asked(settings, batch_id=batch_id)):
            ledger.keep_before(settings, batch_id=batch_id, figures=_read(platform, batch_id))
        kept = ledger.asked(settings, batch_id=batch_id)
    return dg.MaterializeResult(metadata=_metadata({step.store: step.pending or 0 for step in kept}))


@dg.asset(
    key=AFTER,
    deps=[_MASKED],
    group_name="verify",
    partitions_def=batches,
    kinds=_KINDS,
    description="With `controls: full`: the same again, compared with what it was before masking; a difference is told "
    "by its report or table and a number, and blocks the purge.",
)
def after(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Fails with a sentence for each report and table that differs."""
    with working(context, platform):
        settings, batch_id = platform.settings(), context.partition_key
        if ledger.asked(settings, batch_id=batch_id):
            ledger.compare(settings, batch_id=batch_id, figures=_read(platform, batch_id))
        compared = ledger.asked(settings, batch_id=batch_id)
    return dg.MaterializeResult(metadata=_metadata({step.store: step.done or 0 for step in compared}))


def _read(platform: Platform, batch_id: str) -> AllFigures:
    from expectations.controls import read_controls

    reports = {store: platform.dbt().reports(store) for store in SQL_STORES}
    return read_controls(platform.settings(), platform.inventory(), batch_id, reports)


def _metadata(control_records: dict[str, int]) -> dict[str, str | int]:
    """Control records by store; without any nothing was compared."""
    return {"controls": "full" if control_records else "parity", **control_records}
