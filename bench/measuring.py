"""How a piece of work is measured: seconds, and the most memory of this process and of an engine's meanwhile.

Add here: another figure that every measurement has.
Keep out: the work itself (`postgres.py`, `clickhouse.py`) and its table (`results.py`).
"""

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

_SAMPLED_EVERY = 0.2
_MEGA = 1024 * 1024


class WrongOutcome(Exception):
    """A way has not done what it was measured for."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run, or the median of several; megabytes are the most of all runs."""

    seconds: float
    own_mb: int
    engine_mb: int


def measured(work: Callable[[], object], engine_pid: int) -> Measured:
    """Runs the work once, watched."""
    # A peak of before would be told as this one's (the kernel's own reset of VmHWM).
    Path("/proc/self/clear_refs").write_text("5")
    with _Watched(engine_pid) as watched:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    return Measured(seconds=seconds, own_mb=_peak_of_this_process(), engine_mb=watched.most // _MEGA)


def median_of(runs: list[Measured]) -> Measured:
    """The median of the seconds, the most of the memory."""
    return Measured(
        seconds=statistics.median(run.seconds for run in runs),
        own_mb=max(run.own_mb for run in runs),
        engine_mb=max(run.engine_mb for run in runs),
    )


def _peak_of_this_process() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) // 1024


class _Watched:
    """Looks at an engine's processes while work is under way: what they share is counted once (PSS)."""

    def __init__(self, pid: int) -> None:
        self.most = 0
        self._engine = psutil.Process(pid)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "_Watched":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.most = max(self.most, self._memory())
            if self._ended.wait(_SAMPLED_EVERY):
                return

    def _memory(self) -> int:
        total = 0
        for process in (self._engine, *self._engine.children(recursive=True)):
            try:
                total += int(process.memory_full_info().pss)
            except psutil.Error:
                # A backend that has just ended needs nothing any more.
                continue
        return total
