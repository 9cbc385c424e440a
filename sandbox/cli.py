"""The sandbox' command line.

Holds: `up`, `down`, `load` and `status`, and how their results are printed.
Add here: a command, or an option of one.
Keep out: what the commands do (`supervisor.py`, `loading.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sandbox.loading import load as load_into
from sandbox.loading import load_objects_again
from sandbox.progress import shown
from sandbox.starting import Ready, SandboxError
from sandbox.supervisor import Sandbox, Status
from sandbox.world.sizes import DEFAULT_CONTRIBUTORS, FEWEST_CONTRIBUTORS, JUDGMENTS_EACH

application = typer.Typer(
    help="Embedded engines with a made-up world in them.",
    no_args_is_help=True,
    add_completion=False,
    # Its tracebacks can print local variables, and with them passwords.
    pretty_exceptions_enable=False,
)

Root = Annotated[
    Path | None, typer.Option(help="Directory of the sandbox.", show_default="var/sandbox", file_okay=False)
]
Labels = Annotated[
    Path | None, typer.Option(help="Build the world around this file of labels.", exists=True, dir_okay=False)
]
Contributors = Annotated[
    int, typer.Option(help="How many contributors, without a labels file.", min=FEWEST_CONTRIBUTORS)
]
Judgments = Annotated[
    int | None,
    typer.Option(help="How many judgments in all.", min=1, show_default=f"{JUDGMENTS_EACH} a contributor"),
]
Seed = Annotated[int, typer.Option(help="Another seed makes another world.")]
Search = Annotated[
    str | None,
    typer.Option(envvar="SEARCH", help="opensearch or elasticsearch.", show_default="the one of before"),
]
S3 = Annotated[
    str | None,
    typer.Option(
        envvar="S3",
        help="versitygw, moto or auto: versitygw where it is there or Go can build it.",
        show_default="the one of before",
    ),
]


@application.command()
def up(
    root: Root = None,
    load: Annotated[bool, typer.Option("--load", help="Load a world unless there is one.")] = False,
    labels: Labels = None,
    contributors: Annotated[
        int | None, typer.Option(help="Load a world of this size.", min=FEWEST_CONTRIBUTORS)
    ] = None,
    judgments: Judgments = None,
    seed: Seed = 1,
    search: Search = None,
    s3: S3 = None,
) -> None:
    """Start the engines that are not running; --labels, --contributors or --judgments replace the world in them."""
    sandbox = Sandbox(root, kinds={"search": search, "s3": s3})
    try:
        ready = sandbox.up(on_ready=_print_ready, say=_print_note)
    except SandboxError as error:
        _fail(error)
    except KeyboardInterrupt:
        _fail("interrupted; `python -m sandbox down` stops what was started")
    exchanged = sandbox.exchanged()
    missing = load and (sandbox.config.job_id is None or exchanged)
    if missing or any(chosen is not None for chosen in (labels, contributors, judgments)):
        people = contributors or DEFAULT_CONTRIBUTORS
        _load(sandbox, labels=labels, contributors=people, judgments=judgments, seed=seed)
    elif exchanged:
        typer.echo(f"the world is not in {', '.join(exchanged)}: `load` fills all engines anew", err=True)
    elif sandbox.emptied(ready):
        _load_objects_again(sandbox)
    typer.echo(f"configuration: {sandbox.paths.config}")


@application.command()
def down(root: Root = None) -> None:
    """Stop the engines. Their data stay; moto keeps none, and gets those of the world again at the next start."""
    stopped = Sandbox(root).down()
    typer.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")


@application.command()
def load(
    root: Root = None,
    labels: Labels = None,
    contributors: Contributors = DEFAULT_CONTRIBUTORS,
    judgments: Judgments = None,
    seed: Seed = 1,
) -> None:
    """Replace whatever is in the engines by a new world."""
    _load(Sandbox(root), labels=labels, contributors=contributors, judgments=judgments, seed=seed)


@application.command()
def status(root: Root = None) -> None:
    """Show every engine; exit code 1 if one has ended by itself."""
    found = Sandbox(root).status()
    console = Console()
    if console.is_terminal:
        console.print(_table(found))
    else:
        for engine in found:
            typer.echo("\t".join(_cells(engine)))
    dead = [engine for engine in found if engine.state == "dead"]
    for engine in dead:
        typer.echo(f"\n{engine.name} ended by itself. The end of its log:\n{engine.log_tail}", err=True)
    raise typer.Exit(1 if dead else 0)


def _load(
    sandbox: Sandbox, *, labels: Path | None, contributors: int, judgments: int | None, seed: int
) -> None:
    try:
        with shown(Console(stderr=True)) as progress:
            summary = load_into(
                sandbox,
                labels=labels,
                contributors=contributors,
                judgments=judgments,
                seed=seed,
                progress=progress,
            )
    except (SandboxError, ValueError) as error:
        _fail(error)
    for store, counts in summary.counts.items():
        typer.echo(f"{store:<12}" + ", ".join(f"{name} {number}" for name, number in counts.items()))
    typer.echo(f"projects: {' '.join(summary.project_ids)}")


def _load_objects_again(sandbox: Sandbox) -> None:
    try:
        with shown(Console(stderr=True)) as progress:
            written = load_objects_again(sandbox, progress)
    except (SandboxError, ValueError) as error:
        _fail(error)
    typer.echo(
        f"s3 keeps its objects in memory and had lost them: the {written['objects']} of the world are back, "
        "without those of people erased since; what else was written is gone",
        err=True,
    )


def _print_note(line: str) -> None:
    typer.echo(line, err=True)


def _print_ready(engine: Ready) -> None:
    how = f"{engine.seconds:.1f} s" if engine.started else "was running"
    typer.echo(f"{engine.name:<12}{engine.version:<24}port {engine.port:<7}{how}")


def _table(found: list[Status]) -> Table:
    table = Table("engine", "state", "version", "port", "pid", "memory")
    for engine in found:
        table.add_row(*_cells(engine))
    return table


def _cells(engine: Status) -> list[str]:
    memory = "" if engine.memory_mb is None else f"{engine.memory_mb} MB"
    return [engine.name, engine.state, engine.version, str(engine.port or ""), str(engine.pid or ""), memory]


def _fail(problem: object) -> None:
    typer.echo(str(problem), err=True)
    raise typer.Exit(1)
