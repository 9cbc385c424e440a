"""`python -m sandbox.demo`: the product shown at work on five real engines, from nothing to the report.

Holds: the flags, and what is refused before anything starts.
Add here: a flag.
Keep out: the parts of the demonstration (`tour.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox.cli import S3, Search
from sandbox.demo.tour import Busy, Choices, Tour
from sandbox.engines.registry import AUTO
from sandbox.paths import REPOSITORY_ROOT
from sandbox.world.labels import LabelsError, collect_labels
from sandbox.world.sizes import DEFAULT_CONTRIBUTORS, FEWEST_CONTRIBUTORS

# Not the root of `make up`: a world that somebody keeps there stays as it is.
DEFAULT_ROOT = REPOSITORY_ROOT / "var" / "demo"
BAD_INPUT = 2

# Its tracebacks can print local variables, and with them passwords.
application = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@application.command()
def demo(
    labels: Annotated[
        Path | None,
        typer.Option(help="Build the world around this file: worker, unit, label; tab-separated."),
    ] = None,
    contributors: Annotated[
        int, typer.Option(help="How many contributors, without a labels file.", min=FEWEST_CONTRIBUTORS)
    ] = DEFAULT_CONTRIBUTORS,
    max_contributors: Annotated[
        int | None,
        typer.Option(help="Erase at most so many.", min=1, show_default="a fifth of all contributors"),
    ] = None,
    exceed_caps: Annotated[str, typer.Option(help="Why the batch may exceed the product's caps.")] = "",
    seed: Annotated[int, typer.Option(help="Another seed makes another world.")] = 1,
    root: Annotated[
        Path | None, typer.Option(help="Directory of the engines.", show_default="var/demo", file_okay=False)
    ] = None,
    search: Search = None,
    s3: S3 = None,
) -> None:
    """Start five engines, load a world, find, erase and verify its inactive contributors, stop the engines."""
    try:
        choices = Choices(
            root=(root or DEFAULT_ROOT).expanduser().resolve(),
            labels=None if labels is None else labels.expanduser().resolve(),
            # Read to its end here, so that a malformed file is refused before anything starts.
            people=contributors if labels is None else len(collect_labels(labels.expanduser()).workers),
            seed=seed,
            max_contributors=max_contributors,
            exceed_caps=exceed_caps,
            # Every demonstration loads its own world, so a former choice is nothing to hold on to.
            kinds={"search": search or AUTO, "s3": s3 or AUTO},
        )
        exit_code = Tour(choices=choices).take()
    except (LabelsError, Busy) as error:
        typer.echo(f"❌ {error}", err=True)
        exit_code = BAD_INPUT
    raise typer.Exit(exit_code)


if __name__ == "__main__":
    application()
