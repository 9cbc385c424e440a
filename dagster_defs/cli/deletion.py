"""A deletion as the command has it: planned, shown, and executed by launching the two asset jobs.

Holds: `delete_contributors`, which `delete` and `workflow` share, and `execute_batch`, which `resume` uses as well.
Add here: another step between a user's wish and the jobs.
Keep out: flags (`delete.py`, `workflow.py`), what is told (`telling.py`), and what a stage does (the assets).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from dagster_defs.cli.backing_up import back_up
from dagster_defs.cli.run import Run, say_hint, step_progress
from dagster_defs.cli.telling import seconds_by_stage, show_left_out, show_plan
from erasure import report
from erasure.controls import Controls
from erasure.csv_backups import files
from erasure.errors import ExitCode, Refused, StoreUnavailable
from erasure.ledger import batches as ledger
from erasure.ledger import database, steps
from erasure.ledger.outcomes import with_disagreements
from erasure.request import WrongRequest, read_request
from erasure.settings import Settings, var_dir
from erasure.targets import mint_batch_id


@dataclass(frozen=True, kw_only=True)
class DeletionRequest:
    """What a user asks for. `plan`: the fingerprint that must be executed; `exceed_caps`: why caps may be exceeded."""

    csv: Path
    execute: bool
    plan: str | None = None
    tolerance: int = 0
    undo_days: int = 7
    controls: Controls = Controls.PARITY
    exceed_caps: str = ""
    accept_not_erasable: bool = False
    skip_unknown: bool = False


def delete_contributors(run: Run, settings: Settings, wanted: DeletionRequest) -> None:
    """Plans, shows the plan, and executes it where that is asked for; ends with typer.Exit where it went wrong."""
    path = wanted.csv
    sha256 = _hash_of(settings, path, skip_unknown=wanted.skip_unknown)
    batch = ledger.newest_plan(settings, csv_sha256=sha256) if wanted.execute else None
    reviewed = batch is not None
    if wanted.plan:
        batch = _planned(settings, batch, wanted.plan)
    if batch is None:
        _require_review(settings, execute=wanted.execute)
        targets: dict[str, Any] = {
            "csv": str(path),
            "skip_unknown": wanted.skip_unknown,
            "cap_reason": wanted.exceed_caps,
        }
        summary = {"cap_reason": wanted.exceed_caps}
        config = {"targets__deletion_targets": targets, "plan__summary": summary}
        batch = _plan(run, settings, config)
    show_plan(run, settings, batch)
    show_left_out(run, settings, batch.batch_id)
    if not (batch.plan or {}).get("contributors"):
        held = sum(run.result["excluded"].values())
        ledger.cancel(settings, batch_id=batch.batch_id)
        run.result["state"] = "cancelled"
        if held:
            raise Refused(
                f"Nobody of the CSV may be erased now: {held} are held back, for the reasons above."
            )
        run.say("✅ Nothing to do: no contributor of the CSV is left to erase")
    elif wanted.execute:
        confirm = {
            "fingerprint": batch.fingerprint,
            "tolerance": wanted.tolerance,
            "reviewed": reviewed,
            "undo_days": wanted.undo_days,
            "controls": wanted.controls.value,
            "accept_not_erasable": wanted.accept_not_erasable,
        }
        back_up(run, settings, batch.batch_id)
        execute_batch(run, settings, batch.batch_id, confirm)
        if not path.exists():
            run.say("   the CSV was one that fetch wrote, and went with the needles")
    else:
        run.say(f"   dry run: nothing was changed; --execute --plan {batch.fingerprint} executes this plan")


def _require_review(settings: Settings, *, execute: bool) -> None:
    """Refuses to execute what nobody has seen planned, where that is wished for."""
    if execute and settings.erasure.require_reviewed_plan:
        raise Refused(
            "No plan of this CSV is in force, and [erasure] require_reviewed_plan is set; "
            "run with --dry-run first, review it, then --execute."
        )


def _hash_of(settings: Settings, path: Path, *, skip_unknown: bool) -> str:
    """Of a CSV that is valid in form; its rows are let go of, since the plan reads them again.

    Where it is not valid, the refusal names the lines that PostgreSQL would refuse as well.
    """
    try:
        from dagster_defs.worlds import inventory_of

        id_form = inventory_of(settings.erasure.world).contributors.id_form
        return read_request(path, id_form=id_form).sha256
    except WrongRequest as wrong:
        from dagster_defs.wiring import dbt_of

        batch_id = mint_batch_id()
        raise with_disagreements(
            settings,
            wrong,
            batch_id=batch_id,
            query=lambda: dbt_of(settings).target_queries(batch_id).requested_contributors,
            skip_unknown=skip_unknown,
        ) from None


def _planned(settings: Settings, newest: ledger.Batch | None, fingerprint: str) -> ledger.Batch:
    if newest is None or newest.fingerprint != fingerprint:
        known = [b for b in ledger.everyone(settings) if b.fingerprint == fingerprint]
        why = f"its batch {known[0].batch_id} is {known[0].state}" if known else "no batch has it"
        raise Refused(
            f"The plan {fingerprint} is not the newest one in force of this CSV ({why}); run --dry-run again."
        )
    return newest


def _plan(run: Run, settings: Settings, config: dict[str, dict[str, Any]]) -> ledger.Batch:
    from dagster_defs.jobs import PLAN
    from dagster_defs.launch import launch, step_count
    from dagster_defs.worlds import inventory_of

    inventory = inventory_of(settings.erasure.world)
    database.migrate(settings.database, beside=inventory.registered("postgres"))
    batch_id = mint_batch_id()
    run.result |= {"batch_id": batch_id, "state": "planning"}
    run.say(f"Planning batch {batch_id}")
    with step_progress(run, "plan", step_count(PLAN)) as on_step:
        outcome = launch(settings, job_name=PLAN, batch_id=batch_id, config=config, on_step=on_step)
    run.result["run_id"] = outcome.run_id
    if not outcome.succeeded:
        run.result["state"] = "refused"
        ledger.abandon(settings, batch_id=batch_id)
        _raise_first(run, outcome.errors)
    return ledger.get(settings, batch_id)


def _raise_first(run: Run, errors: Any) -> None:
    code = ExitCode.FAILED
    for error in errors:
        if error.error_class == StoreUnavailable.__name__:
            say_hint(run, re.split("[/:]", error.message)[0])
        for line in error.message.splitlines():
            run.problem(line)
        code = error.exit_code
    if not errors:
        run.problem("The run has failed; see it in the UI.")
    raise typer.Exit(code)


def execute_batch(run: Run, settings: Settings, batch_id: str, confirm: dict[str, Any]) -> None:
    """Launches the execution of a batch and tells how it went."""
    from dagster_defs.jobs import EXECUTE
    from dagster_defs.launch import launch, step_count

    run.say(f"Executing batch {batch_id}")
    config = {"plan__confirmed": confirm}
    with step_progress(run, "execute", step_count(EXECUTE)) as on_step:
        outcome = launch(
            settings,
            job_name=EXECUTE,
            batch_id=batch_id,
            config=config,
            on_step=on_step,
            tags={"fingerprint": str(confirm["fingerprint"])},
        )
    batch = ledger.get(settings, batch_id)
    found = steps.read(settings, batch_id=batch_id)
    counts = report.done_by_store(found)
    for store, objects in report.done_by_store(found, "revoke").items():
        if store == "redis":
            counts.setdefault(store, {}).update(objects)
    run.result |= {
        "run_id": outcome.run_id,
        "batch_id": batch_id,
        "state": batch.state,
        "fingerprint": batch.fingerprint,
        "counts": counts,
        "seconds": seconds_by_stage(outcome.seconds),
    }
    refused_at_once = not found or batch.state == "planned"
    if refused_at_once:
        # Nothing has changed, so there is nothing that anybody could want back.
        files.destroy(var_dir(), batch_id)
    else:
        for line in report.summary_lines(settings, batch):
            run.say(line)
        run.say(
            "   seconds: "
            + ", ".join(f"{stage} {time}" for stage, time in seconds_by_stage(outcome.seconds).items())
        )
    if not outcome.succeeded:
        if not refused_at_once:
            resume = run.as_typed(f"resume {batch_id}")
            run.say(f"⚠️  Batch {batch_id} is {batch.state}: `{resume}` does the rest")
        _raise_first(run, outcome.errors)
    left = any(step.not_erasable for step in found)
    run.say(f"{'⚠️ ' if left else '✅'} Batch {batch_id} is {batch.state}")
    run.say(f"Report: {var_dir() / 'reports' / 'index.html'}")
    if left:
        for sentence in report.not_erasable_lines(found):
            run.problem(sentence)
        raise typer.Exit(ExitCode.FAILED)
