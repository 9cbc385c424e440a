"""`verify`: a batch's outcome, read from the engines again, at any time.

Add here: nothing; what is judged stands in `expectations/`.
Keep out: the verification within a run (`assets/verify.py`).
"""

from typing import Annotated

import typer

from dagster_defs.cli.run import reporting, run_of
from erasure.errors import ExitCode
from erasure.report import accepted_not_erasable, expected_masked
from erasure.settings import var_dir


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def verify(context: typer.Context, batch: Annotated[str, typer.Argument(help="The batch's id.")]) -> None:
        """Read all five stores again; exit code 1 when one survivor is found."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings()
            from dagster_defs.worlds import inventory_of
            from erasure.ledger.batches import get
            from expectations.checkpoints import verify_all

            inventory = inventory_of(settings.erasure.world)
            reports = var_dir() / "reports"
            state = get(settings, batch).state
            expected = {name: expected_masked(settings, batch, name) for name in inventory.stores}
            accepted = {name: accepted_not_erasable(settings, batch, name) for name in inventory.stores}
            verdicts = verify_all(settings, inventory, batch, reports / batch, expected, accepted)
            for verdict in verdicts:
                sign = "✅" if verdict.success else "❌"
                run.say(
                    f"{sign} {verdict.store}: {verdict.survivors} survivors, {verdict.masked} masked values"
                )
                for sentence in verdict.failed:
                    named = sentence.startswith(verdict.store)
                    run.problem(sentence if named else f"{verdict.store}/{sentence}")
                if verdict.not_erasable:
                    run.problem(
                        f"{verdict.store}: {verdict.not_erasable} survivors that nobody can erase, accepted"
                    )
                if verdict.unjudged:
                    run.say(
                        f"   needles have expired: no longer to be judged are {', '.join(verdict.unjudged)}"
                    )
            run.result |= {
                "batch_id": batch,
                "state": state,
                "counts": {
                    v.store: {"survivors": v.survivors, "masked": v.masked, "not_erasable": v.not_erasable}
                    for v in verdicts
                },
            }
            run.say(f"Data Docs: {verdicts[0].docs_url}")
            clean = all(v.success and not v.not_erasable for v in verdicts)
            raise typer.Exit(ExitCode.DONE if clean else ExitCode.FAILED)
