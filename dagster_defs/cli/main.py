"""The `contributor-deletion` command: the application and its global flags.

Add here: a command, by its module.
Keep out: heavy imports (dagster, dbt and great_expectations take seconds; a command imports what it needs).
"""

import io
import sys
from typing import Annotated

import typer

from dagster_defs.cli import batches, check, delete, fetch, inventory, test_apis, verify, workflow
from dagster_defs.cli.run import Run
from dagster_defs.environment import prepare_environment
from erasure.errors import ExitCode
from erasure.settings import VAR_VARIABLE, var_dir

app = typer.Typer(
    help="Finds contributors to forget, erases them from five stores, and proves it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def options(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Option(help="The ini file; ~/config.ini where nothing else is said.")
    ] = None,
    integration: Annotated[bool, typer.Option("--integration", help="Use ~/config_integration.ini.")] = False,
    output: Annotated[str, typer.Option(help="text or json.")] = "text",
    debug: Annotated[bool, typer.Option("--debug", help="Say more, on standard error.")] = False,
) -> None:
    """Flags that every command has."""
    if output not in {"text", "json"}:
        raise typer.BadParameter("expected text or json", param_hint="--output")
    try:
        prepare_environment()
    except OSError as error:
        raise typer.BadParameter(
            f"{var_dir()} cannot be written to ({type(error).__name__}); name another folder by {VAR_VARIABLE}",
            param_hint=VAR_VARIABLE,
        ) from None
    context.obj = Run(
        command="", as_json=output == "json", config=config, integration=integration, debugging=debug
    )


check.register(app)
fetch.register(app)
delete.register(app)
verify.register(app)
test_apis.register(app)
workflow.register(app)
batches.register(app)
inventory.register(app)


def run() -> None:
    """The entry point. Usage errors come out as bad input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without UTF-8, or a name of a file that is none, must not end a run in the middle of a line.
            stream.reconfigure(errors="backslashreplace")
    try:
        app(standalone_mode=True)
    except SystemExit as ended:
        # click's own code for a usage error is 2 as well; anything else passes as it is.
        raise SystemExit(ended.code if ended.code is not None else ExitCode.DONE) from None


if __name__ == "__main__":
    run()
