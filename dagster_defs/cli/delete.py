"""`delete` and `resume`: the flags of planning and executing.

Add here: a flag of planning or executing.
Keep out: what follows from them (`deletion.py`).
"""

from typing import Annotated

import typer

from dagster_defs.cli.deletion import DeletionRequest, delete_contributors, execute_batch
from dagster_defs.cli.run import hand_on_job_url, reporting, run_of
from erasure.controls import Controls
from erasure.errors import BadInput, Refused
from erasure.ledger import batches as ledger
from erasure.settings import expanded

UndoDays = Annotated[
    int,
    typer.Option(
        min=0, max=ledger.MOST_UNDO_DAYS, help="Days until the needles are destroyed; 0: at closing."
    ),
]
WantedControls = Annotated[
    Controls,
    typer.Option(
        help="`full` compares the reports and every control record of PostgreSQL and ClickHouse before and after; "
        "for a quiet system, since others' writes are differences."
    ),
]

JobUrl = Annotated[str | None, typer.Option(help="The job to prove the lockout with.")]
AcceptNotErasable = Annotated[
    bool,
    typer.Option(
        "--accept-not-erasable",
        help="Go on although some of it cannot be erased (the plan names it); it ends with exit code 1.",
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    _register_delete(app)
    _register_resume(app)


def _register_delete(app: typer.Typer) -> None:
    @app.command()
    def delete(
        context: typer.Context,
        csv: Annotated[str, typer.Option(help="The contributors: columns contributor_id and email_address.")],
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Plan and print, change nothing (the default).")
        ] = False,
        execute: Annotated[bool, typer.Option("--execute", help="Execute an unchanged plan.")] = False,
        plan: Annotated[str | None, typer.Option(help="The fingerprint that must be executed.")] = None,
        tolerance: Annotated[
            int, typer.Option(min=0, help="Records an object's count may have moved by.")
        ] = 0,
        undo_days: UndoDays = 7,
        controls: WantedControls = Controls.PARITY,
        exceed_caps: Annotated[
            str, typer.Option(help="Why this batch may exceed the caps; kept in the ledger.")
        ] = "",
        accept_not_erasable: AcceptNotErasable = False,
        skip_unknown: Annotated[bool, typer.Option("--skip-unknown", help="Leave unknown ids out.")] = False,
        job_url: JobUrl = None,
    ) -> None:
        """Erase the contributors of a CSV from all five stores; without --execute it only plans."""
        run = run_of(context)
        with reporting(run):
            if dry_run and execute:
                raise BadInput("--dry-run and --execute exclude each other; name one.")
            if plan and not execute:
                raise BadInput("--plan names what --execute executes; add --execute.")
            settings = run.settings({("api", "job_url"): job_url})
            hand_on_job_url(settings, flag=job_url)
            delete_contributors(
                run,
                settings,
                DeletionRequest(
                    csv=expanded(csv),
                    execute=execute,
                    plan=plan,
                    tolerance=tolerance,
                    undo_days=undo_days,
                    controls=controls,
                    exceed_caps=exceed_caps,
                    accept_not_erasable=accept_not_erasable,
                    skip_unknown=skip_unknown,
                ),
            )


def _register_resume(app: typer.Typer) -> None:
    @app.command()
    def resume(
        context: typer.Context,
        batch: Annotated[str, typer.Argument(help="The batch's id.")],
        controls: Annotated[
            Controls | None,
            typer.Option(help="`parity` gives up comparing, where it was known who else wrote."),
        ] = None,
        accept_not_erasable: AcceptNotErasable = False,
        job_url: JobUrl = None,
    ) -> None:
        """Go on with a batch that failed or was interrupted; what is done stays done."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings({("api", "job_url"): job_url})
            hand_on_job_url(settings, flag=job_url)
            found = ledger.get(settings, batch)
            if found.state == "planned":
                raise Refused(
                    f"Batch {batch} is planned and has changed nothing: repeat `delete --csv FILE --execute`."
                )
            if found.state not in ledger.IN_WORK:
                raise Refused(
                    f"Batch {batch} is {found.state}; only one that executes or failed can be resumed."
                )
            confirm = {
                "fingerprint": found.fingerprint or "",
                "controls": controls.value if controls else "",
                "accept_not_erasable": accept_not_erasable,
            }
            execute_batch(run, settings, batch, confirm)
