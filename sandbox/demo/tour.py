"""The demonstration: engines started, a world loaded, the product's own command run over it, everything stopped.

Holds: the parts in their order, and what is said at the end.
Add here: another step that a user would take.
Keep out: how commands run (`commands.py`), flags (`__main__.py`), and any import of what does the erasing.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from erasure.settings import var_dir
from sandbox.demo import looks
from sandbox.demo.commands import Ended, Interrupted, end_children, ignore_signals, interruptible, run
from sandbox.paths import REPOSITORY_ROOT
from sandbox.starting import Ready, SandboxError
from sandbox.supervisor import Sandbox

COMMAND = "contributor-deletion"
# The product refuses a batch of more than 20 % of all contributors.
CONTRIBUTORS_FOR_EACH_ERASED = 5
_SUMMARY = (
    "PostgreSQL records deleted",
    "Elasticsearch documents masked",
    "ClickHouse records masked",
    "S3 files deleted",
    "S3 files with rows masked",
    "Redis sessions cleared",
)
_KICKED_OUT = "kicked out"


class Busy(Exception):
    """Engines run that are not ours to stop."""


class PartFailed(Exception):
    """A part ended with an exit code; what it had to say about that it has said."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the user has chosen; `people` is how many contributors the world will have."""

    root: Path
    labels: Path | None
    people: int
    seed: int
    max_contributors: int | None
    exceed_caps: str
    kinds: Mapping[str, str | None]

    @property
    def at_most(self) -> int:
        """How many to erase: everybody who is inactive, as far as the product's cap allows."""
        return self.max_contributors or max(1, self.people // CONTRIBUTORS_FOR_EACH_ERASED)

    @property
    def reason(self) -> str:
        """Why the caps may be exceeded: they allow nobody at all in a world of a few people."""
        if self.exceed_caps or self.people >= CONTRIBUTORS_FOR_EACH_ERASED:
            return self.exceed_caps
        return f"a demonstration with {self.people} contributors"


@dataclass(kw_only=True)
class Tour:
    """One demonstration under way."""

    choices: Choices
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(self.choices.root, kinds=self.choices.kinds)

    def take(self) -> int:
        """The whole demonstration; its exit code is that of the first part that failed."""
        with _alone(self.sandbox):
            exit_code = 0
            with interruptible():
                try:
                    self._parts()
                except PartFailed as failed:
                    exit_code = failed.exit_code
                except SandboxError as error:
                    say(f"❌ {error}")
                    exit_code = 1
                except Interrupted as interrupted:
                    say("\nInterrupted; stopping what was started")
                    exit_code = interrupted.exit_code
                finally:
                    ignore_signals()
                    with self._part("stop"):
                        self.sandbox.down()
                        end_children()
            self._say_times()
            say(f"❌ exit code {exit_code}" if exit_code else "✅ Done; all engines are stopped")
            return exit_code

    def _parts(self) -> None:
        with self._part("start engines"):
            self.sandbox.up(on_ready=_say_ready, say=say)
        with self._part("load"):
            self._load()
        with self._part("check"):
            self._product("check")
        csv = self._fetch()
        if csv is None:
            say("✅ Nothing to do: nobody in this world is inactive")
            return
        with self._part("dry run"):
            reason = ("--exceed-caps", self.choices.reason) if self.choices.reason else ()
            plan, _ = self._product("delete", "--csv", csv, "--dry-run", *reason)
        with self._part("execute"):
            done, told = self._product("delete", "--csv", csv, "--execute", "--plan", plan["fingerprint"])
        with self._part("verify"):
            self._product("verify", done["batch_id"])
        with self._part("report"):
            report, _ = self._product("report")
        self._say_summary(done["counts"], told)
        say(f"\nReport: {report['index']}")
        say("UI:     make up, then make ui (stop with make down)")

    def _load(self) -> None:
        choices = self.choices
        world = (
            ("--contributors", str(choices.people))
            if choices.labels is None
            else ("--labels", str(choices.labels))
        )
        arguments = ("load", "--root", str(self.sandbox.paths.root), "--seed", str(choices.seed), *world)
        self._run(
            ("python", "-m", "sandbox"), [sys.executable, "-m", "sandbox"], arguments, keep_output=False
        )

    def _fetch(self) -> str | None:
        csv = self.sandbox.paths.root / "inactive_contributors.csv"
        # That of a former run; its people are gone with their world.
        csv.unlink(missing_ok=True)
        with self._part("fetch"):
            limit = str(self.choices.at_most)
            found, _ = self._product("fetch", "--max-contributors", limit, "--csv", str(csv), "--execute")
        return str(csv) if found["contributors"] else None

    def _product(self, *arguments: str) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Run the product's command; its result, and the lines it printed."""
        options = ("--config", str(self.sandbox.paths.config), "--output", "json")
        ended = self._run((COMMAND,), _command(), (*options, *arguments), keep_output=True)
        return json.loads(ended.output), ended.lines

    def _run(
        self, shown: Sequence[str], program: Sequence[str], arguments: Sequence[str], *, keep_output: bool
    ) -> Ended:
        say(f"$ {shlex.join((*shown, *map(_short, arguments)))}")
        ended = run([*program, *arguments], keep_output=keep_output, say=say)
        if ended.exit_code:
            say(f"❌ {' '.join(shown)} ended with exit code {ended.exit_code}")
            raise PartFailed(ended.exit_code)
        return ended

    def _say_summary(self, counts: dict[str, dict[str, int]], told: Sequence[str]) -> None:
        """What users of the older scripts know, in that order; the middle two by asking the engines."""
        documents = looks.masked_documents(self.sandbox.config)
        records = looks.masked_records(self.sandbox.config)
        expected = counts.get("clickhouse", {}).get("unit_metrics", 0)
        say("")
        for line in told:
            if any(text in line for text in _SUMMARY):
                say(line)
        say("")
        say(f"{'✅' if documents else '⚠️ '} Found {documents} documents with DELETED_USER in Elasticsearch")
        say(
            f"{'✅' if records == expected else '❌'} Found {records} records with DELETED_USER in ClickHouse"
        )
        for line in told:
            if _KICKED_OUT in line.lower():
                say(line)
        if records != expected:
            say(f"❌ {expected} records of that table were reported as masked")
            raise PartFailed(1)

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        say(f"\n── {name}")
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - began

    def _say_times(self) -> None:
        listed = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.seconds.items())
        say(f"\nSeconds: {listed}; together {sum(self.seconds.values()):.1f}")


def say(line: str) -> None:
    """A line for whoever watches."""
    print(line, flush=True)


def refuse_if_busy(root: Path) -> None:
    """Raises Busy where engines run that a demonstration must neither reload nor stop."""
    demo, kept = Sandbox(root), Sandbox()
    if _running(demo):
        raise Busy(
            f"engines run in {demo.paths.root} already; stop them first: "
            f"python -m sandbox down --root {shlex.quote(_short(str(demo.paths.root)))}"
        )
    # Their batches and ours would be written into the same index of reports.
    if var_dir() == REPOSITORY_ROOT / "var" and _running(kept):
        raise Busy(
            f"the engines of `make up` run in {kept.paths.root}, and the demonstration writes to the same reports; "
            "stop them first, their data stay: make down"
        )


def _running(sandbox: Sandbox) -> bool:
    return any(engine.state == "running" for engine in sandbox.status())


@contextmanager
def _alone(sandbox: Sandbox) -> Iterator[None]:
    sandbox.paths.root.mkdir(parents=True, exist_ok=True)
    with (sandbox.paths.root / ".demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another demonstration is under way in {sandbox.paths.root}") from None
        refuse_if_busy(sandbox.paths.root)
        yield


def _command() -> list[str]:
    """The product's command beside this interpreter; in a checkout that is not installed, its module."""
    script = Path(sys.executable).parent / COMMAND
    return [str(script)] if script.exists() else [sys.executable, "-m", "dagster_defs.cli.main"]


def _short(argument: str) -> str:
    """A path as seen from the checkout, where commands run."""
    return argument.removeprefix(f"{REPOSITORY_ROOT}{os.sep}")


def _say_ready(engine: Ready) -> None:
    say(f"{engine.name:<12}{engine.version:<24}{engine.seconds:.1f} s")
