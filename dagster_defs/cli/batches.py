"""`status`, `report`, `cancel`, `expire`: the batches in the ledger.

Add here: a command that reads or ends batches without changing a store.
Keep out: executing (`delete`).
"""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dagster_defs.cli.run import reporting, run_of
from erasure import expiry
from erasure import report as reports
from erasure.csv_backups import files
from erasure.ledger import batches as ledger
from erasure.ledger import steps
from erasure.settings import var_dir

Rows = Iterator[tuple[str, ...]]


def register(app: typer.Typer) -> None:
    """Adds the commands."""

    @app.command()
    def status(
        context: typer.Context,
        batch: Annotated[str | None, typer.Argument(help="One batch with its steps.")] = None,
    ) -> None:
        """List the batches, or one batch with its steps."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings()
            found = [ledger.get(settings, batch)] if batch else ledger.everyone(settings)
            run.result["batches"] = [
                {"batch_id": b.batch_id, "state": b.state, "fingerprint": b.fingerprint} for b in found
            ]
            if batch:
                run.result |= {
                    "batch_id": batch,
                    "state": found[0].state,
                    "fingerprint": found[0].fingerprint,
                }
                run.result["counts"] = reports.done_by_store(steps.read(settings, batch_id=batch))
            if not run.as_json:
                _print(_steps_table(steps.read(settings, batch_id=batch)) if batch else _batches_table(found))

    @app.command()
    def report(context: typer.Context) -> None:
        """Write the index of all reports and say where it is."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings()
            index = reports.write_index(settings, var_dir() / "reports")
            run.result |= {"state": "written", "index": str(index)}
            run.say(f"✅ Reports: {index}")

    @app.command()
    def cancel(
        context: typer.Context, batch: Annotated[str, typer.Argument(help="The planned batch.")]
    ) -> None:
        """Give up a plan; its needles are forgotten."""
        run = run_of(context)
        with reporting(run):
            ledger.get(run.settings(), batch)
            ledger.cancel(run.settings(), batch_id=batch)
            files.destroy(var_dir(), batch)
            run.result |= {"batch_id": batch, "state": "cancelled"}
            run.say(f"✅ Batch {batch} is cancelled")

    @app.command()
    def expire(context: typer.Context) -> None:
        """End the undo window of the batches that are due: their needles are destroyed."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings()
            lapsed = ledger.lapse_old_plans(settings)
            expired = expiry.expire(settings, var_dir())
            from dagster_defs.wiring import clickhouse_store
            from dagster_defs.worlds import inventory_of

            inventory = inventory_of(settings.erasure.world)
            clickhouse_store(settings, inventory).forget(but=ledger.in_force(settings))
            run.result |= {
                "state": "expired",
                "batches": [{"batch_id": b, "state": "erased"} for b in expired],
            }
            run.say(f"✅ Expired: {len(expired)} batches; lapsed: {lapsed} plans")


def _batches_table(found: list[ledger.Batch]) -> Rows:
    yield ("batch", "state", "fingerprint", "planned", "executed", "needles until")
    for b in found:
        moments = (b.planned_at, b.executed_at, b.due_at)
        yield (
            b.batch_id,
            b.state,
            b.fingerprint or "",
            *(f"{m:%Y-%m-%d %H:%M}" if m else "" for m in moments),
        )


def _steps_table(found: list[steps.Step]) -> Rows:
    yield ("stage", "store", "object", "state", "planned", "pending", "done", "error")
    for step in found:
        numbers = ("" if n is None else str(n) for n in (step.planned, step.pending, step.done))
        yield (step.stage, step.store, step.object_name, step.state, *numbers, step.error_class or "")


def _print(rows: Rows) -> None:
    """A table on a terminal; elsewhere lines with tabs, whole, for whatever reads them."""
    console = Console()
    header, *lines = rows
    if not console.is_terminal:
        for line in (header, *lines):
            print("\t".join(line))
        return
    table = Table(*header)
    for line in lines:
        table.add_row(*line)
    console.print(table)
