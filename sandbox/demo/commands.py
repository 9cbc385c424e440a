"""Running a command as a user would: its output passed on as it comes, and its end when we are told to end.

Holds: `run` and the environment it gives, and signals as exceptions.
Add here: another way in which a command's run must be watched or ended.
Keep out: which commands make up the demonstration (`tour.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

import psutil

from erasure.settings import CONFIG_VARIABLE, ENVIRONMENT
from sandbox.paths import REPOSITORY_ROOT

PATIENCE_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Each of these would lead the product away from the sandbox: to other engines, accounts, jobs or storage.
_MISLEADING = {*ENVIRONMENT, CONFIG_VARIABLE, "DAGSTER_HOME", "CONTRIBUTOR_DELETION_DAGSTER"}


class Interrupted(BaseException):
    """We were told to end; not an Exception, so that nothing on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended. `lines` is what was passed on, `output` what was kept from the screen."""

    exit_code: int
    lines: tuple[str, ...]
    output: str


def run(arguments: Sequence[str], *, keep_output: bool, say: Callable[[str], None]) -> Ended:
    """Run a command to its end; `say` gets its lines: all of them, or with `keep_output` only standard error.

    The command is a session of its own: Ctrl-C on the terminal reaches us only, and we end it in good order.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as kept:
        child = subprocess.Popen(
            arguments,
            cwd=REPOSITORY_ROOT,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=kept if keep_output else subprocess.PIPE,
            stderr=subprocess.PIPE if keep_output else subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines: list[str] = []
        try:
            for line in (child.stderr if keep_output else child.stdout) or ():
                lines.append(line.rstrip("\n"))
                say(lines[-1])
            child.wait()
        except BaseException:
            _end(child)
            raise
        kept.seek(0)
        return Ended(exit_code=_exit_code(child.returncode), lines=tuple(lines), output=kept.read())


def environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Ours without what would lead the product elsewhere, and with line by line output."""
    kept = {
        name: value
        for name, value in inherited.items()
        if name not in _MISLEADING and not name.startswith("AWS_")
    }
    loopback = ",".join(filter(None, (inherited.get("NO_PROXY"), "127.0.0.1,localhost")))
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_PROXY": loopback, "no_proxy": loopback}


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Signals that ask us to end raise Interrupted here."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        ignore_signals()
        raise Interrupted(number)

    former = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """From here on we are putting things away, and being told again must not cut that short."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def end_children() -> None:
    """Kill what is still a descendant of ours: a command whose start was interrupted half way."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=PATIENCE_SECONDS)


def _end(child: subprocess.Popen[str]) -> None:
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=PATIENCE_SECONDS)
            return


def _exit_code(returned: int) -> int:
    # Shells report a command that a signal has ended in the same way.
    return returned if returned >= 0 else 128 - returned
