"""Starting one engine: what must be there first, the process, and waiting until it serves.

Holds: `Starter`, used by the supervisor for all engines at once, and how a failed start is told.
Add here: another thing that can be in the way of a start, and what to say about it.
Keep out: which engines there are and when they start (`supervisor.py`), single engines (`engines/`).
"""

from __future__ import annotations

import errno
import shutil
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from subprocess import Popen

import psutil

from sandbox import processes
from sandbox.engines.base import Engine
from sandbox.paths import SandboxPaths
from sandbox.ports import is_free
from sandbox.state import Running, State

POLL_SECONDS = 0.1
# An empty sandbox takes about half of it; with less, engines fail one by one, each in its own words.
LEAST_FREE_MEGABYTES = 512


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says which engine, why, and what to do."""


class EngineFailed(SandboxError):
    """One engine did not start or does not answer."""


class PortTaken(EngineFailed):
    """Somebody else took the engine's port between its choice and its use."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An engine that serves. `started` is False if it was running before."""

    name: str
    version: str
    port: int
    seconds: float
    started: bool


@dataclass(kw_only=True)
class Starter:
    """Brings up engines of one sandbox, from several threads at once."""

    paths: SandboxPaths
    state: State
    children: dict[str, Popen[bytes]]
    given_up: threading.Event

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def bring_up(self, engine: Engine) -> Ready:
        """The engine, serving; raises EngineFailed."""
        began = time.monotonic()
        started = remembered(self.state, engine.name) is None
        try:
            version = None if started else self._wait_unless_dying(engine)
            if version is None:
                started = True
                self._start(engine)
                version = self._wait_until_ready(engine)
        except SandboxError:
            raise
        except Exception as error:
            raise EngineFailed(f"{engine.name} did not start: {_reason(error, self.paths.root)}") from error
        with self._lock:
            self.state.running[engine.name].version = version
            self.state.write(self.paths.state)
        return Ready(
            name=engine.name,
            version=version,
            port=self.state.ports[engine.name],
            seconds=time.monotonic() - began,
            started=started,
        )

    def _start(self, engine: Engine) -> None:
        for package in engine.packages:
            if find_spec(package) is None:
                raise ModuleNotFoundError(package, name=package)
        engine.directory.mkdir(parents=True, exist_ok=True)
        # What outlived a kill, or the deletion of the whole sandbox below it, would be in the way.
        processes.end_strays(engine.launch(), stop_signal=engine.stop_signal, patience=engine.stop_patience)
        engine.prepare()
        child = processes.start_detached(engine.launch(), log=self.paths.log(engine.name))
        with self._lock:
            self.children[engine.name] = child
            self.state.running[engine.name] = Running(
                pid=child.pid, started=psutil.Process(child.pid).create_time()
            )
            self.state.write(self.paths.state)

    def _wait_unless_dying(self, engine: Engine) -> str | None:
        """The version of an engine that runs; None if it was killed a moment ago and ends while we wait."""
        try:
            return self._wait_until_ready(engine)
        except EngineFailed:
            if remembered(self.state, engine.name) is not None or self.given_up.is_set():
                raise
            return None

    def _wait_until_ready(self, engine: Engine) -> str:
        deadline = time.monotonic() + engine.start_patience
        while True:
            # Looked at first: whoever has its port instead may take a probe and never answer.
            if remembered(self.state, engine.name) is None:
                raise self._ended(engine)
            try:
                version = engine.probe()
                engine.settle()
                return version
            except engine.not_ready as error:
                if time.monotonic() > deadline:
                    kind = type(error).__name__
                    raise self._failed(
                        engine, f"does not answer after {engine.start_patience:.0f} s ({kind})"
                    ) from error
            if self.given_up.wait(POLL_SECONDS):
                raise EngineFailed(f"{engine.name}: waiting for it was interrupted")

    def _ended(self, engine: Engine) -> EngineFailed:
        port = self.state.ports[engine.name]
        if not is_free(port):
            return PortTaken(f"{engine.name} cannot listen on port {port}: somebody else took it meanwhile")
        return self._failed(engine, "ended by itself")

    def _failed(self, engine: Engine, problem: str) -> EngineFailed:
        log = self.paths.log(engine.name)
        return EngineFailed(f"{engine.name} {problem}. The end of {log}:\n{processes.tail(log)}")


def remembered(state: State, name: str) -> psutil.Process | None:
    """The process that plays this role according to the state, if it still runs."""
    running = state.running.get(name)
    return None if running is None else processes.find(running.pid, running.started)


def require_space(root: Path) -> None:
    """Raises SandboxError where the disk below `root` is nearly full."""
    free = shutil.disk_usage(root).free // 2**20
    if free < LEAST_FREE_MEGABYTES:
        raise SandboxError(
            f"the disk of {root} has {free} MB left, {LEAST_FREE_MEGABYTES} MB are needed: "
            "free some, or name a directory elsewhere by --root"
        )


def _reason(error: Exception, root: Path) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"the Python package {error.name} is missing; install the locked packages with `make setup`"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left on the disk of {root}; free some, or name a directory elsewhere by --root"
    if isinstance(error, PermissionError):
        return (
            f"{error.filename} belongs to another account; remove it as that account, or name another --root"
        )
    return str(error)
