"""Starting and ending processes, with care.

Holds: detached starts, the test whether a remembered process is still that process, and its end.
Add here: another way in which a process must be looked at or ended.
Keep out: what the processes are (`engines/`), when they start and stop (`supervisor.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

# psutil derives the start time from the boot time, which moves a little when the clock is corrected.
START_TIME_TOLERANCE_SECONDS = 1.0

# The little that engines need from the caller's environment: not its credentials, not its proxies.
INHERITED_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")


@dataclass(frozen=True, kw_only=True)
class Launch:
    """How a process is started; `environment` comes on top of the inherited variables."""

    arguments: Sequence[str | Path]
    directory: Path
    environment: Mapping[str, str] | None = None
    user_id: int | None = None
    group_id: int | None = None


def start_detached(launch: Launch, *, log: Path) -> subprocess.Popen[bytes]:
    """Start a session leader that outlives us, its output appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(argument) for argument in launch.arguments],
            cwd=launch.directory,
            env={**inherited, **(launch.environment or {})},
            user=launch.user_id,
            group=launch.group_id,
            extra_groups=None if launch.user_id is None else [],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def find(pid: int, started: float) -> psutil.Process | None:
    """The process that had this number and start time, if it still runs; a recycled number is None."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            _reap(pid)
            return None
        same = abs(process.create_time() - started) <= START_TIME_TOLERANCE_SECONDS
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def stop(process: psutil.Process, *, stop_signal: signal.Signals, patience: float) -> None:
    """Ask a process to end; after `patience` seconds kill it. Its descendants end with it."""
    family = [process, *_descendants(process)]
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(stop_signal)
    _, alive = psutil.wait_procs(family, timeout=patience)
    for survivor in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()
    _, alive = psutil.wait_procs(alive, timeout=patience)
    if alive:
        raise RuntimeError(f"process {alive[0].pid} ({alive[0].name()}) does not end, not even when killed")


def end_strays(launch: Launch, *, stop_signal: signal.Signals, patience: float) -> None:
    """End processes of this launch that nobody remembers: same program, working in the same directory or below.

    They are workers that outlived a killed parent, or what an interrupted start left behind.
    """
    strays = {stray.pid: stray for stray in _strays(launch)}
    for stray in strays.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            # A parent ends its own workers, in the order it needs.
            if stray.ppid() not in strays:
                stop(stray, stop_signal=stop_signal, patience=patience)


def memory_megabytes(process: psutil.Process) -> int:
    """Resident memory of a process and its descendants (pages they share count more than once)."""
    total = 0
    for member in [process, *_descendants(process)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss
    return total // 2**20


def tail(log: Path, *, lines: int = 15) -> str:
    """The end of a log, or a word that there is none."""
    if not log.exists():
        return "(no log)"
    # 16 KiB hold the last lines of any log here; a log itself may be large.
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16384))
        text = file.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:]) or "(empty log)"


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _strays(launch: Launch) -> list[psutil.Process]:
    program = Path(launch.arguments[0]).resolve()
    directory = launch.directory.resolve()
    found = []
    for process in psutil.process_iter():
        # Other accounts' processes cannot be looked at, and are none of ours.
        with contextlib.suppress(psutil.Error):
            # Some move on into a directory below the one they were started in.
            works_there = _existing_or_not(process.cwd()).is_relative_to(directory)
            if works_there and _existing_or_not(process.exe()).resolve() == program:
                found.append(process)
    return found


def _existing_or_not(path: str) -> Path:
    """The path without the system's word for a directory or program that was removed below a running process."""
    return Path(path.removesuffix(" (deleted)"))


def _reap(pid: int) -> None:
    # A child of ours that has ended stays as a zombie until somebody asks for its exit code.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
