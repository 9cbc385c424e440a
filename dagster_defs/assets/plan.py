"""Stage `plan`: what will change, counted per object; and, as the first asset of executing, the plan confirmed.

Add here: what a plan must know before anything is changed.
Keep out: guards and fingerprint (`erasure.plan`), counting (the stores).
"""

import dagster as dg
from pydantic import Field

from dagster_defs.assets.common import counts_metadata, is_unused, run_ended, safe_errors
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from dagster_defs.wiring import health_of, postgres_store
from erasure.controls import Controls, controls_of
from erasure.errors import Refused
from erasure.execution import leased
from erasure.inventory import ALL_STORES
from erasure.ledger import batches as ledger
from erasure.ledger import controls, steps
from erasure.ledger.database import connect
from erasure.ledger.freezing import differences, load_targets, targets_digest
from erasure.plan import PRODUCT_VERSION, Plan, PlanCounts, conflicts, drifted, exceeded_caps, not_erasable
from erasure.settings import Settings
from erasure.stores.clickhouse.store import ClickHouseStore
from erasure.stores.redis.store import RedisStore

GROUP = "plan"
TARGETS = dg.AssetKey(["targets", "deletion_targets"])
SUMMARY = dg.AssetKey(["plan", "summary"])
CONFIRMED = dg.AssetKey(["plan", "confirmed"])
NOTICES = "notices"


class SummaryConfig(dg.Config):
    """What the guards are told."""

    cap_reason: str = Field("", description="Why this batch may exceed the caps; empty, it may not.")


class ConfirmConfig(dg.Config):
    """What is executed: the plan's fingerprint, how far counts may have moved, and the undo window."""

    fingerprint: str = Field(
        "", description="The fingerprint of the plan, from the metadata of plan/summary."
    )
    tolerance: int = Field(0, description="By how many records each count may have moved since the plan.")
    reviewed: bool = Field(False, description="Whether somebody has reviewed the plan; kept in the ledger.")
    controls: str = Field(
        "",
        description="`full`, on a quiet system: every report and control record of PostgreSQL and ClickHouse must be "
        "as before. `parity`, where others write: not compared. Empty: parity, or what a batch in work has begun with.",
    )
    undo_days: int = Field(7, description="How many days the needles are kept; 0 destroys them at closing.")
    accept_not_erasable: bool = Field(
        False,
        description="Whether to go on although the plan names records that nobody can erase; the batch then closes "
        "with exceptions.",
    )


def _plan_store(name: str) -> dg.AssetsDefinition:
    @dg.asset(
        key=["plan", name],
        deps=[TARGETS],
        group_name=GROUP,
        partitions_def=batches,
        kinds={name},
        description=f"What masking will change in {name}, per object; anything the inventory does not know refuses.",
    )
    def plan_store(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
        with safe_errors():
            if is_unused(platform, name):
                return dg.MaterializeResult(metadata={"objects": 0})
            settings, batch_id = platform.settings(), context.partition_key
            store = platform.store(name)
            health_of(store, settings)
            found = store.survey()
            if found.problems:
                raise Refused("The inventory and the store disagree; nothing was changed.", found.problems)
            for notice in found.notices:
                context.log.info(notice)
            targets = load_targets(settings, batch_id=batch_id)
            if isinstance(store, ClickHouseStore):
                store.forget(but=ledger.in_force(settings))
            counts = store.count(targets)
            steps.plan(settings, batch_id=batch_id, store=name, stage="mask", counts=counts)
            if isinstance(store, RedisStore):
                sessions = {"sessions": store.count_sessions(targets)}
                steps.plan(settings, batch_id=batch_id, store=name, stage="revoke", counts=sessions)
        return dg.MaterializeResult(metadata={**counts_metadata(counts), NOTICES: list(found.notices)})

    return plan_store


plan_stores = [_plan_store(name) for name in ALL_STORES]


@dg.asset(
    key=SUMMARY,
    deps=[dg.AssetKey(["plan", name]) for name in ALL_STORES],
    group_name=GROUP,
    partitions_def=batches,
    description="All counts, held against the guards, under one fingerprint. Planning ends here.",
)
def summary(
    context: dg.AssetExecutionContext, config: SummaryConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Stores the plan, which is in force from now on."""
    with safe_errors():
        settings, inventory, batch_id = platform.settings(), platform.inventory(), context.partition_key
        plan = Plan(
            batch_id=batch_id,
            contributors=len(load_targets(settings, batch_id=batch_id).contributor_ids),
            all_contributors=postgres_store(settings, inventory).contributors_in_all(inventory.contributors),
            targets_digest=targets_digest(settings, batch_id=batch_id),
            inventory_digest=inventory.digest,
            counts=steps.planned_counts(settings, batch_id=batch_id),
            notices=_notices(context),
        )
        found = conflicts(plan.counts)
        if found:
            raise Refused(
                "Some records name two people; correct them, then plan again. Nothing was changed.", found
            )
        exceeded = exceeded_caps(plan, inventory=inventory, settings=settings.erasure)
        if exceeded and not config.cap_reason:
            raise Refused(
                "The batch exceeds a cap; nothing was changed. If it is meant, say why by --exceed-caps REASON, which "
                "is `cap_reason` in the config of request_deletion.",
                exceeded,
            )
        ledger.keep_plan(
            settings,
            batch_id=batch_id,
            fingerprint=plan.fingerprint,
            plan=plan.as_json(),
            cap_reason=config.cap_reason if exceeded else "",
        )
    return dg.MaterializeResult(
        metadata={
            "fingerprint": plan.fingerprint,
            "contributors": plan.contributors,
            NOTICES: list(plan.notices),
            "not_erasable": not_erasable(plan.counts),
            **{
                f"{store}/{name}": count.records
                for store, objects in plan.counts.items()
                for name, count in objects.items()
            },
        }
    )


def _notices(context: dg.AssetExecutionContext) -> tuple[str, ...]:
    """What the stores' surveys said when this batch was planned; the metadata of `plan/<store>` has it."""
    found: list[str] = []
    for name in ALL_STORES:
        filtered = dg.AssetRecordsFilter(
            asset_key=dg.AssetKey(["plan", name]), asset_partitions=[context.partition_key]
        )
        for record in context.instance.fetch_materializations(filtered, limit=1).records:
            told = record.asset_materialization
            if told is not None and isinstance(notices := told.metadata.get(NOTICES), dg.JsonMetadataValue):
                found += [str(notice) for notice in notices.value or ()]
    return tuple(found)


@dg.asset(
    key=CONFIRMED,
    deps=[SUMMARY],
    group_name=GROUP,
    partitions_def=batches,
    description="First of executing: the lease is taken, and the plan must still be what was reviewed.",
)
def confirmed(
    context: dg.AssetExecutionContext, config: ConfirmConfig, platform: Platform
) -> dg.MaterializeResult[None]:
    """Compares the stored plan with the present: target set, inventory and version exactly, counts within tolerance."""
    with safe_errors():
        settings, batch_id = platform.settings(), context.partition_key
        batch = ledger.get(settings, batch_id)
        if batch.state not in {"planned", *ledger.IN_WORK} or batch.fingerprint is None:
            raise Refused(
                f"Batch {batch_id} is {batch.state}; only a plan in force can be executed. Plan again."
            )
        resumed = batch.state in ledger.IN_WORK
        with leased(
            settings,
            batch_id=batch_id,
            run_id=context.run.run_id,
            run_ended=lambda run_id: run_ended(context, run_id),
        ):
            if not resumed:
                _require_unchanged(platform, batch, config)
            _settle_controls(settings, batch_id, config.controls, resumed=resumed)
            ledger.start(
                settings,
                batch_id=batch_id,
                reviewed=config.reviewed,
                undo_days=config.undo_days,
                accepts_not_erasable=config.accept_not_erasable,
            )
        # A run launched in the UI has only its partition; by these tags all runs of a batch are found.
        context.instance.add_run_tags(
            context.run.run_id, {"batch": batch_id, "fingerprint": batch.fingerprint}
        )
    return dg.MaterializeResult(metadata={"fingerprint": batch.fingerprint, "resumed": resumed})


def _settle_controls(settings: Settings, batch_id: str, wish: str, *, resumed: bool) -> None:
    """Keeps in the ledger how much the batch compares, so that a resumed run compares the same."""
    if not wish and resumed:
        return
    wanted = controls_of(wish or Controls.PARITY)
    if not resumed:
        controls.ask(settings, batch_id=batch_id, controls=wanted)
    elif wanted is Controls.PARITY:
        controls.give_up(settings, batch_id=batch_id)
    elif not controls.asked(settings, batch_id=batch_id):
        raise Refused(
            f"Batch {batch_id} has begun without --controls full: what was there before masking is not known any more. "
            "Resume it without."
        )


def _require_unchanged(platform: Platform, batch: ledger.Batch, config: ConfirmConfig) -> None:
    settings, batch_id = platform.settings(), batch.batch_id
    if config.fingerprint != batch.fingerprint:
        raise Refused(
            f"The plan of {batch_id} is {batch.fingerprint}, asked for was {config.fingerprint or 'none'}; nothing was "
            "changed. Review plan/summary, then name its fingerprint in the config of plan__confirmed, or by --plan."
        )
    problems = []
    stored = batch.plan or {}
    for what, now in (
        ("inventory_digest", platform.inventory().digest),
        ("targets_digest", targets_digest(settings, batch_id=batch_id)),
        ("product_version", PRODUCT_VERSION),
    ):
        if stored.get(what) != now:
            problems.append(f"{what.replace('_', ' ')} is not the one that was planned with")
    with connect(settings.database) as connection:
        found = differences(connection, batch_id=batch_id, queries=platform.dbt().target_queries(batch_id))
    problems += [
        f"{number} entries of kind {kind} differ from the frozen target set" for kind, number in found.items()
    ]
    targets = load_targets(settings, batch_id=batch_id)
    current: PlanCounts = {name: platform.store(name).count(targets) for name in platform.inventory().stores}
    problems += drifted(
        steps.planned_counts(settings, batch_id=batch_id), current, tolerance=config.tolerance
    )
    left = not_erasable(current)
    if left and not config.accept_not_erasable:
        raise Refused(
            "Some of it cannot be erased; nothing was changed. Remove what stands in the way, or accept that it stays "
            "by --accept-not-erasable, which is `accept_not_erasable` in the config of plan__confirmed.",
            left,
        )
    if problems:
        raise Refused(
            "The plan has drifted; nothing was changed. Plan again, or allow counts by --tolerance, which is "
            "`tolerance` in the config of plan__confirmed.",
            problems,
        )
