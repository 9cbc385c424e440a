"""Starts, watches and stops the engines of one sandbox.

Holds: `Sandbox`, used by the command line and by the tests alike.
Add here: what concerns all engines together.
Keep out: single engines (`engines/`), handling of processes (`processes.py`), printing (`cli.py`).
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from sandbox import processes
from sandbox.config import SandboxConfig, write_config
from sandbox.engines.base import Engine
from sandbox.engines.registry import ROLES, UnknownKind, choose, engine_class
from sandbox.paths import SandboxPaths
from sandbox.starting import (
    EngineFailed,
    PortTaken,
    Ready,
    SandboxError,
    Starter,
    remembered,
    require_space,
)
from sandbox.state import LoadedWorld, State

# A port can be lost to somebody else at the last moment; more often than this it is no accident.
PORT_CHOICES = 3


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

    def __init__(
        self,
        root: Path | None = None,
        *,
        engines: Iterable[str] | None = None,
        kinds: Mapping[str, str | None] | None = None,
    ) -> None:
        """`engines` restricts the sandbox to some of them, for tests that need no more.

        `kinds` chooses, by role, among servers that can play it; without a choice the former one stays.
        """
        self.paths = SandboxPaths.at(root)
        chosen = None if engines is None else set(engines)
        self._roles = [role for role in ROLES if chosen is None or role in chosen]
        self._wanted = dict(kinds or {})
        # Kept until they are reaped: these are our children for as long as this process lives.
        self._children: dict[str, Popen[bytes]] = {}
        self._state_lock = threading.Lock()

    @property
    def config(self) -> SandboxConfig:
        """Addresses and credentials; there are none before the first start."""
        if not self.paths.state.exists():
            raise SandboxError(f"no sandbox in {self.paths.root}: start one with `python -m sandbox up`")
        return self._read_state().config(self.paths)

    def kind(self, role: str) -> str:
        """Which server plays a role: the one that runs, or ran last."""
        return self._read_state().kinds[role]

    def up(
        self,
        *,
        on_ready: Callable[[Ready], None] = lambda ready: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> list[Ready]:
        """Start what does not run, all at once, and wait until every engine answers.

        `say` is told what the user did not ask for: which server was taken, a port that moved.
        """
        with self._alone():
            require_space(self.paths.root)
            state = self._read_state()
            self._settle_kinds(state, say)
            for choice in range(1, PORT_CHOICES + 1):
                self._settle_ports(state)
                config = state.config(self.paths)
                write_config(config)
                reports, failures = self._bring_all_up(state, config, on_ready)
                taken = [failure for failure in failures if isinstance(failure, PortTaken)]
                if len(taken) != len(failures) or not taken or choice == PORT_CHOICES:
                    break
                for failure in taken:
                    say(f"{failure}; choosing another")
        if failures:
            raise EngineFailed("\n\n".join(str(failure) for failure in failures))
        return reports

    def down(self) -> list[str]:
        """Stop everything; the names of the engines that were running. Harmless when repeated."""
        if not self.paths.state.exists():
            return []
        with self._alone():
            state = self._read_state()
            engines = self._engines(state)
            with ThreadPoolExecutor(max(1, len(engines))) as pool:
                outcomes = pool.map(lambda engine: self._bring_down(engine, state), engines)
                stopped = [engine.name for engine, was in zip(engines, outcomes, strict=True) if was]
        return stopped

    def status(self) -> list[Status]:
        """What runs and what does not, without waiting for anything."""
        if not self.paths.state.exists():
            return [_stopped(role, None) for role in self._roles]
        state = self._read_state()
        return [self._status_of(role, state) for role in self._roles]

    def require_running(self) -> SandboxConfig:
        """The configuration, if every engine runs."""
        config = self.config
        missing = [engine.name for engine in self.status() if engine.state != "running"]
        if missing:
            raise SandboxError(f"not running: {', '.join(missing)}; start with `python -m sandbox up`")
        return config

    @property
    def world(self) -> LoadedWorld | None:
        """What the loaded world was made from, if there is one and it is known."""
        return self._read_state().world

    def remember_job(self, job_id: str, world: LoadedWorld | None = None) -> SandboxConfig:
        """Record the job of the world just loaded, and the world; config.ini then has the job's URL."""
        with self._alone():
            state = self._read_state()
            state.job_id = job_id
            state.world = world
            state.loaded_into = dict(state.kinds)
            state.write(self.paths.state)
            config = state.config(self.paths)
            write_config(config)
        return config

    def exchanged(self) -> list[str]:
        """Roles that another server plays than the one that the world was loaded into."""
        state = self._read_state()
        return [role for role, kind in state.loaded_into.items() if state.kinds.get(role) != kind]

    def emptied(self, ready: Iterable[Ready]) -> list[str]:
        """Roles whose server has just been started, and keeps in memory what was loaded into it."""
        state = self._read_state()
        started = {engine.name for engine in ready if engine.started} & set(state.loaded_into)
        return [role for role in self._roles if role in started and not self._keeps_data(role, state)]

    def _keeps_data(self, role: str, state: State) -> bool:
        return engine_class(role, state.kinds[role]).keeps_data

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Two `up` at once would start everything twice; the second one waits here. The system lets go of the lock
        # when its holder ends, however it ends, so a file that was left behind holds up nobody.
        try:
            self.paths.root.mkdir(parents=True, exist_ok=True)
            lock = self.paths.lock.open("w")
        except OSError as error:
            raise SandboxError(
                f"{self.paths.root} cannot be written to ({error.strerror}): name another directory by --root"
            ) from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read_state(self) -> State:
        try:
            return State.read(self.paths.state)
        except (ValueError, OSError) as error:
            raise SandboxError(
                f"{self.paths.state} cannot be read ({type(error).__name__}): "
                f"remove {self.paths.root} for a new sandbox; its engines are ended by the next `up`"
            ) from None

    def _engines(self, state: State) -> list[Engine]:
        """The engines that have been chosen; none before the first start, or where that ended before its ports."""
        if not state.kinds or not state.ports:
            return []
        config = state.config(self.paths)
        return [engine_class(role, state.kinds[role])(config) for role in self._roles if role in state.kinds]

    def _settle_kinds(self, state: State, say: Callable[[str], None]) -> None:
        for role in self._roles:
            former = state.kinds.get(role)
            try:
                kind, said = choose(role, self._wanted.get(role), former=former, root=self.paths.root)
            except UnknownKind as error:
                raise SandboxError(str(error)) from None
            if said:
                say(said)
            if former is not None and former != kind and remembered(state, role) is not None:
                say(f"{role}: stopping {former}, since {kind} was chosen")
                self._bring_down(engine_class(role, former)(state.config(self.paths)), state)
            state.kinds[role] = kind
        state.write(self.paths.state)

    def _settle_ports(self, state: State) -> None:
        former = dict(state.ports)
        state.keep_or_choose_ports(role for role in ROLES if remembered(state, role) is None)
        moved = {name for name, port in state.ports.items() if former.get(name) != port}
        state.write(self.paths.state)
        for engine in self._engines(state):
            # An engine that was told another's old port has to be told the new one.
            if moved & set(engine.needs):
                self._bring_down(engine, state)

    def _bring_all_up(
        self, state: State, config: SandboxConfig, on_ready: Callable[[Ready], None]
    ) -> tuple[list[Ready], list[EngineFailed]]:
        reports: list[Ready] = []
        failures: list[EngineFailed] = []
        given_up = threading.Event()
        starter = Starter(paths=self.paths, state=state, children=self._children, given_up=given_up)
        engines = self._engines(state)
        with ThreadPoolExecutor(len(engines)) as pool:
            started = [pool.submit(starter.bring_up, engine) for engine in engines]
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

    def _bring_down(self, engine: Engine, state: State) -> bool:
        process = remembered(state, engine.name)
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


def _stopped(name: str, port: int | None) -> Status:
    return Status(name=name, state="stopped", version="", port=port, pid=None, memory_mb=None)
