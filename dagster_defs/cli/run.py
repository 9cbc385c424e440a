"""What every command shares: settings, the log file, output as text or JSON, errors to exit codes.

Add here: a thing that more than one command needs.
Keep out: what a command does.
"""

import itertools
import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from erasure.errors import ErasureError, ExitCode, StoreUnavailable, safe_reason
from erasure.settings import CONFIG_VARIABLE, ENVIRONMENT, Settings, config_path, load_settings, var_dir

LOG = logging.getLogger("contributor_deletion")
TITLES = {
    "postgres": "PostgreSQL",
    "clickhouse": "ClickHouse",
    "elasticsearch": "Elasticsearch",
    "s3": "S3",
    "redis": "Redis",
}
# PostgreSQL and Redis are the stores without which nothing can be done.
HINTS = {
    "postgres": ("❌", "connection failed (check database credentials)"),
    "clickhouse": ("⚠️ ", "connection failed (expected if port-forward not active)"),
    "elasticsearch": ("⚠️ ", "connection failed (check the URL)"),
    "s3": ("⚠️ ", "access denied (check AWS credentials)"),
    "redis": ("❌", "connection failed (check host and password)"),
}


@dataclass(kw_only=True)
class Run:
    """One command at work: how it speaks, and what it will say at the end."""

    command: str
    as_json: bool
    config: str | None
    integration: bool
    config_file: Path | None = None
    result: dict[str, Any] = field(default_factory=dict)
    hinted: list[str] = field(default_factory=list)
    debugging: bool = False

    def settings(self, flags: dict[tuple[str, str], Any] | None = None) -> Settings:
        """The settings; the file is named to assets by the environment, which they read too."""
        path = config_path(config=self.config, integration=self.integration, environ=os.environ)
        os.environ[CONFIG_VARIABLE] = str(path)
        self.config_file = path
        return load_settings(path, environ=os.environ, flags=flags)

    def as_typed(self, words: str) -> str:
        """Another command as it is to be typed, with the file of settings that this one was told to use."""
        named = ["--config", shlex.quote(self.config)] if self.config is not None else []
        named += ["--integration"] if self.integration else []
        return " ".join(["contributor-deletion", *named, words])

    def say(self, line: str) -> None:
        """A line for people: standard output, or standard error where that is for JSON. Also into the log."""
        LOG.info(line)
        print(line, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def debug(self, line: str) -> None:
        """A line for whoever looks for a cause: into the log, and with --debug on standard error."""
        LOG.debug(line)
        if self.debugging:
            print(f"   debug: {line}", file=sys.stderr, flush=True)

    def problem(self, line: str) -> None:
        """A line about what went wrong, and an entry of `problems`; of a section it says where it comes from."""
        line += _origin(line, self.config_file)
        told = self.result.setdefault("problems", [])
        # With a store away, several steps of a run have the same to say.
        if line in told:
            return
        told.append(line)
        LOG.error(line)
        print(f"❌ {line}", file=sys.stderr, flush=True)


def require_job_url(settings: Settings) -> None:
    """Raises BadInput for a job URL that is none, which would else be found when a batch executes."""
    if settings.api.job_url is not None:
        from erasure.job_api.shape import parse_job_url

        parse_job_url(settings.api.job_url, settings.api)


def hand_on_job_url(settings: Settings, *, flag: str | None = None) -> None:
    """Refuses a malformed job URL before anything starts; assets find it in the environment, never in arguments."""
    require_job_url(settings)
    if flag is not None:
        os.environ["CONTRIBUTOR_DELETION_JOB_URL"] = flag


def say_hint(run: "Run", store: str) -> None:
    """What users of the older scripts were told of a store that cannot be reached."""
    if store not in run.hinted and store in HINTS:
        run.hinted.append(store)
        sign, hint = HINTS[store]
        run.say(f"{sign} {TITLES[store]} {hint}")


def _origin(line: str, file: Path | None) -> str:
    """Where the section that a line names was read: the file, and the variables that override it."""
    sections = {section for section, _ in ENVIRONMENT.values()} | set(Settings.model_fields)
    named = [section for section in re.findall(r"\[(\w+)\]", line) if section in sections]
    if file is None or not named or str(file) in line:
        return ""
    overriding = [
        name for name, (section, _) in ENVIRONMENT.items() if section == named[0] and os.environ.get(name)
    ]
    beside = f" and {', '.join(overriding)} of the environment" if overriding else ""
    return f" ([{named[0]}] of {file}{beside})"


def run_of(context: typer.Context) -> Run:
    """The run that the callback of the application has made."""
    run: Run = context.obj
    run.command = context.info_name or ""
    return run


@contextmanager
def reporting(run: Run) -> Iterator[None]:
    """Around each command: the log file, errors as sentences with their exit code, and the one JSON object."""
    code: int = ExitCode.DONE
    with _log_file(run.command):
        try:
            yield
        except ErasureError as error:
            if isinstance(error, StoreUnavailable):
                say_hint(run, error.store)
            for line in str(error).splitlines():
                run.problem(line)
            code = error.exit_code
        except typer.Exit as exit_:
            code = exit_.exit_code
        except KeyboardInterrupt:
            run.problem("Interrupted; `status` shows the batch, `resume` goes on.")
            code = ExitCode.FAILED
        except Exception as error:
            # The text of a driver's error may hold a person's data, so only its kind is shown.
            run.problem(f"Unexpected {safe_reason(error)}{_place(error)}.")
            code = ExitCode.FAILED
        LOG.info("exit code %d", code)
    if run.as_json:
        empty: dict[str, Any] = dict.fromkeys(("state", "batch_id", "fingerprint", "run_id"))
        empty |= {"counts": {}, "problems": []}
        print(json.dumps({"command": run.command, **empty, **run.result, "exit_code": int(code)}), flush=True)
    raise typer.Exit(int(code))


def _place(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames:
        LOG.error("at %s:%s in %s", frame.filename, frame.lineno, frame.name)
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


@contextmanager
def _log_file(command: str) -> Iterator[None]:
    folder = var_dir() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    handler = _handler_of_its_own(folder, f"{command}_{stamp}")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.addHandler(handler)
    LOG.setLevel(logging.DEBUG)
    LOG.propagate = False
    try:
        LOG.info("contributor-deletion %s", command)
        yield
    finally:
        LOG.removeHandler(handler)
        handler.close()


def _handler_of_its_own(folder: Path, stem: str) -> logging.FileHandler:
    """A new file: two runs of a scheduler that begin in one second must not write into one."""
    for number in itertools.count(1):
        path = folder / (f"{stem}.log" if number == 1 else f"{stem}_{number}.log")
        with suppress(FileExistsError):
            path.touch(exist_ok=False)
            # Whoever configures logging within a run closes all handlers, and this one opens its file again.
            return logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    raise AssertionError("counting ends")


@contextmanager
def step_progress(run: Run, title: str, total: int) -> Iterator["StepLines"]:
    """A bar over a run's steps on a terminal, plain lines elsewhere; always on standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield StepLines(run=run)
        return
    columns = (TextColumn("{task.description:<40}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task(title, total=total)
        yield StepLines(
            run=run, advance=lambda step, done: progress.update(task, description=step, advance=done)
        )
        progress.update(task, completed=total, description=title)


@dataclass(kw_only=True)
class StepLines:
    """Takes the events of a run's steps."""

    run: Run
    advance: Any = None
    started: float = field(default_factory=time.monotonic)

    def __call__(self, step: str, what: str, seconds: float) -> None:
        """One step started or ended."""
        name = step.replace("__", "/")
        LOG.info("%s %s %.1f s", name, what, seconds)
        if self.advance is not None:
            self.advance(name, 0 if what == "started" else 1)
        elif what != "started":
            timed = f" {seconds:.1f} s" if what == "done" else ""
            print(f"  {name}: {what}{timed}", file=sys.stderr, flush=True)
