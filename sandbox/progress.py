"""How far a load is, shown to whoever waits for it: bars on a terminal, else a line now and then.

Holds: `shown`, and both ways of showing.
Add here: another way.
Keep out: what is loaded and how often its writers call (`world/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from sandbox.loading import Progress as Report

# Logs are read by people: at most so many lines an object, and none for a load that is over at once.
LINES_EACH = 4
QUIET_SECONDS = 5.0


@contextmanager
def shown(console: Console) -> Iterator[Report]:
    """A callback for a load; the bars are gone when it is done."""
    if not console.is_terminal:
        yield Lines(say=lambda line: console.print(line, highlight=False, soft_wrap=True)).report
        return
    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate())
    with Progress(*columns, console=console, transient=True) as bars:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield report


@dataclass(kw_only=True)
class Lines:
    """A line whenever an object has come another quarter of its way."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _began: dict[str, float] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def report(self, what: str, done: int, total: int) -> None:
        seconds = self.clock() - self._began.setdefault(what, self.clock())
        part = LINES_EACH * done // total if total else LINES_EACH
        if part == self._told.get(what, 0):
            return
        self._told[what] = part
        if seconds >= QUIET_SECONDS:
            self.say(f"{what}: {done:,} of {total:,}, {done / seconds:,.0f}/s")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s")
