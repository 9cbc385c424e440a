"""What is told of a plan and of an execution: lines for people, and the same for `--output json`.

Add here: another thing that is told.
Keep out: planning and executing (`deletion.py`), and the summary's lines (`erasure/report.py`).
"""

from collections.abc import Mapping
from typing import Any

from dagster_defs.cli.run import Run
from erasure.counts import Count
from erasure.ledger import batches as ledger
from erasure.ledger import steps
from erasure.ledger.freezing import left_out, members
from erasure.plan import not_erasable
from erasure.settings import Settings


def show_plan(run: Run, settings: Settings, batch: ledger.Batch) -> None:
    """The counts of a plan, what nobody can erase, and what the stores had to say."""
    plan = batch.plan or {}
    counts = {
        store: {name: count["records"] for name, count in objects.items()}
        for store, objects in plan.get("counts", {}).items()
    }
    sessions = {
        step.object_name: step.planned
        for step in steps.read(settings, batch_id=batch.batch_id, stage="revoke")
        if step.planned is not None
    }
    if sessions:
        counts.setdefault("redis", {}).update(sessions)
    run.say(f"Plan of batch {batch.batch_id}, fingerprint {batch.fingerprint}")
    run.say(f"   contributors: {plan.get('contributors', 0)}")
    found = members(settings, batch_id=batch.batch_id)
    for reason, number in found.items():
        run.say(f"      {number} {reason}")
    for store, objects in counts.items():
        listed = ", ".join(f"{name} {number}" for name, number in sorted(objects.items()))
        run.say(f"   {store}: {listed}")
    left = _not_erasable(plan)
    for sentence in left:
        run.say(f"   ⚠️  {sentence}; --accept-not-erasable executes the rest")
    notices = plan.get("notices", [])
    for notice in notices:
        run.say(f"   notice: {notice}")
    run.result |= {
        "batch_id": batch.batch_id,
        "fingerprint": batch.fingerprint,
        "state": batch.state,
        "counts": counts,
        "contributors": plan.get("contributors", 0),
        "notices": notices,
        "not_erasable": left,
        "members": found,
    }


def show_left_out(run: Run, settings: Settings, batch_id: str) -> None:
    """Who of the CSV is not in the batch, and why."""
    found = left_out(settings, batch_id=batch_id)
    for reason, number in found.excluded.items():
        run.say(f"   excluded: {number} ({reason})")
    for number, what in ((found.already_erased, "already erased"), (found.skipped_unknown, "unknown")):
        if number:
            run.say(f"   skipped: {number} ({what})")
    run.result |= {
        "excluded": dict(found.excluded),
        "already_erased": found.already_erased,
        "skipped_unknown": found.skipped_unknown,
    }


def seconds_by_stage(by_step: Mapping[str, float]) -> dict[str, float]:
    """Stage -> seconds, in the order of the flow."""
    stages: dict[str, float] = {}
    for step, seconds in by_step.items():
        stage = step.partition("__")[0]
        stages[stage] = round(stages.get(stage, 0.0) + seconds, 1)
    return stages


def _not_erasable(plan: dict[str, Any]) -> list[str]:
    return not_erasable(
        {
            store: {name: Count(**count) for name, count in objects.items()}
            for store, objects in plan.get("counts", {}).items()
        }
    )
