"""Starts, watches and stops the engines of one sandbox.

Holds: `Sandbox`, used by the command line and by the tests alike.
Add here: what concerns all engines together.
Keep out: single engines (`engines/`), handling of processes (`processes.py`), printing (`cli.py`).
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

import psutil

from sandbox import processes
from sandbox.config import SandboxConfig, write_config
from sandbox.engines.base import Engine
from sandbox.engines.registry import ENGINES
from sandbox.paths import SandboxPaths
from sandbox.state import Running, State

POLL_SECONDS = 0.1


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says which engine, why, and what to do."""


class EngineFailed(SandboxError):
    """One engine did not start or does not answer."""


@dataclass(frozen=True, kw_only=True)
class Ready:
    """An engine that serves. `started` is False if it was running before."""

    name: str
    version: str
    port: int
    seconds: float
    started: bool


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is known of an engine: `running`, `stopped` (by us), `dead` (it ended by itself)."""

    name: str
    state: str
    version: str
    port: int | None
    pid: int | None
    memory_mb: int | None
    log_tail: str = ""


class Sandbox:
    """The engines below one root directory."""

    def __init__(self, root: Path | None = None, *, engines: Iterable[str] | None = None) -> None:
        """`engines` restricts the sandbox to some of them, for tests that need no more."""
        self.paths = SandboxPaths.at(root)
        chosen = None if engines is None else set(engines)
        self._engines = [kind for kind in ENGINES if chosen is None or kind.name in chosen]
        # Kept until they are reaped: these are our children for as long as this process lives.
        self._children: dict[str, Popen[bytes]] = {}
        self._state_lock = threading.Lock()

    @property
    def config(self) -> SandboxConfig:
        """Addresses and credentials; there are none before the first start."""
        if not self.paths.state.exists():
            raise SandboxError(f"no sandbox in {self.paths.root}: start one with `python -m sandbox up`")
        return State.read(self.paths.state).config(self.paths)

    def up(self, *, on_ready: Callable[[Ready], None] = lambda ready: None) -> list[Ready]:
        """Start what does not run, all at once, and wait until every engine answers."""
        with self._alone():
            state = State.read(self.paths.state)
            self._settle_ports(state)
            config = state.config(self.paths)
            write_config(config)
            reports, failures = self._bring_all_up(state, config, on_ready)
        if failures:
            raise EngineFailed("\n\n".join(str(failure) for failure in failures))
        return reports

    def down(self) -> list[str]:
        """Stop everything; the names of the engines that were running. Harmless when repeated."""
        if not self.paths.state.exists():
            return []
        with self._alone():
            state = State.read(self.paths.state)
            config = state.config(self.paths)
            with ThreadPoolExecutor(len(self._engines)) as pool:
                outcomes = pool.map(lambda kind: self._bring_down(kind(config), state), self._engines)
                stopped = [kind.name for kind, was in zip(self._engines, outcomes, strict=True) if was]
        return stopped

    def status(self) -> list[Status]:
        """What runs and what does not, without waiting for anything."""
        if not self.paths.state.exists():
            return [_stopped(kind.name, None) for kind in self._engines]
        state = State.read(self.paths.state)
        return [self._status_of(kind.name, state) for kind in self._engines]

    def require_running(self) -> SandboxConfig:
        """The configuration, if every engine runs."""
        config = self.config
        missing = [engine.name for engine in self.status() if engine.state != "running"]
        if missing:
            raise SandboxError(f"not running: {', '.join(missing)}; start with `python -m sandbox up`")
        return config

    def remember_job(self, job_id: str) -> SandboxConfig:
        """Record the job of the world just loaded; config.ini then has its URL."""
        with self._alone():
            state = State.read(self.paths.state)
            state.job_id = job_id
            state.write(self.paths.state)
            config = state.config(self.paths)
            write_config(config)
        return config

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Two `up` at once would start everything twice; the second one waits here.
        self.paths.root.mkdir(parents=True, exist_ok=True)
        with self.paths.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _settle_ports(self, state: State) -> None:
        former = dict(state.ports)
        state.keep_or_choose_ports(kind.name for kind in ENGINES if _process(state, kind.name) is None)
        moved = {name for name, port in state.ports.items() if former.get(name) != port}
        state.write(self.paths.state)
        for kind in self._engines:
            # An engine that was told another's old port has to be told the new one.
            if moved & set(kind.needs):
                self._bring_down(kind(state.config(self.paths)), state)

    def _bring_all_up(
        self, state: State, config: SandboxConfig, on_ready: Callable[[Ready], None]
    ) -> tuple[list[Ready], list[EngineFailed]]:
        reports: list[Ready] = []
        failures: list[EngineFailed] = []
        given_up = threading.Event()
        with ThreadPoolExecutor(len(self._engines)) as pool:
            started = [pool.submit(self._bring_up, kind(config), state, given_up) for kind in self._engines]
            try:
                for future in as_completed(started):
                    try:
                        reports.append(future.result())
                    except EngineFailed as failure:
                        failures.append(failure)
                    else:
                        on_ready(reports[-1])
            except BaseException:
                # Ctrl-C: the threads stop waiting; what they started is in the state, for `down`.
                given_up.set()
                raise
        return reports, failures

    def _bring_up(self, engine: Engine, state: State, given_up: threading.Event) -> Ready:
        began = time.monotonic()
        started = _process(state, engine.name) is None
        try:
            if started:
                self._start(engine, state)
            version = self._wait_until_ready(engine, state, given_up)
        except SandboxError:
            raise
        except Exception as error:
            raise EngineFailed(f"{engine.name} did not start: {error}") from error
        with self._state_lock:
            state.running[engine.name].version = version
            state.write(self.paths.state)
        return Ready(
            name=engine.name,
            version=version,
            port=state.ports[engine.name],
            seconds=time.monotonic() - began,
            started=started,
        )

    def _start(self, engine: Engine, state: State) -> None:
        # What outlived a kill, or the deletion of the whole sandbox below it, would be in the way.
        processes.end_strays(engine.launch(), stop_signal=engine.stop_signal, patience=engine.stop_patience)
        engine.prepare()
        child = processes.start_detached(engine.launch(), log=self.paths.log(engine.name))
        with self._state_lock:
            self._children[engine.name] = child
            state.running[engine.name] = Running(
                pid=child.pid, started=psutil.Process(child.pid).create_time()
            )
            state.write(self.paths.state)

    def _wait_until_ready(self, engine: Engine, state: State, given_up: threading.Event) -> str:
        deadline = time.monotonic() + engine.start_patience
        while True:
            try:
                version = engine.probe()
                engine.settle()
                return version
            except engine.not_ready as error:
                if _process(state, engine.name) is None:
                    problem = "ended by itself"
                elif time.monotonic() > deadline:
                    problem = f"does not answer after {engine.start_patience:.0f} s ({type(error).__name__})"
                else:
                    problem = ""
            if problem:
                log = self.paths.log(engine.name)
                raise EngineFailed(f"{engine.name} {problem}. The end of {log}:\n{processes.tail(log)}")
            if given_up.wait(POLL_SECONDS):
                raise EngineFailed(f"{engine.name}: waiting for it was interrupted")

    def _bring_down(self, engine: Engine, state: State) -> bool:
        process = _process(state, engine.name)
        if process is not None:
            processes.stop(process, stop_signal=engine.stop_signal, patience=engine.stop_patience)
        if engine.directory.exists():
            processes.end_strays(
                engine.launch(), stop_signal=engine.stop_signal, patience=engine.stop_patience
            )
            engine.stopped()
        child = self._children.pop(engine.name, None)
        if child is not None:
            child.wait()
        with self._state_lock:
            state.running.pop(engine.name, None)
            state.write(self.paths.state)
        return process is not None

    def _status_of(self, name: str, state: State) -> Status:
        running = state.running.get(name)
        port = state.ports.get(name)
        if running is None:
            return _stopped(name, port)
        process = processes.find(running.pid, running.started)
        if process is None:
            return Status(
                name=name,
                state="dead",
                version=running.version,
                port=port,
                pid=None,
                memory_mb=None,
                log_tail=processes.tail(self.paths.log(name)),
            )
        return Status(
            name=name,
            state="running",
            version=running.version,
            port=port,
            pid=running.pid,
            memory_mb=processes.memory_megabytes(process),
        )


def _process(state: State, name: str) -> psutil.Process | None:
    running = state.running.get(name)
    return None if running is None else processes.find(running.pid, running.started)


def _stopped(name: str, port: int | None) -> Status:
    return Status(name=name, state="stopped", version="", port=port, pid=None, memory_mb=None)
