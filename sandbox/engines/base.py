"""What every engine of the sandbox has in common.

Holds: the interface between the supervisor and an engine.
Add here: a step that all engines take.
Keep out: anything about one engine (its own module), processes and state (`supervisor.py`).
"""

from __future__ import annotations

import signal
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from sandbox.config import SandboxConfig
from sandbox.paths import REPOSITORY_ROOT, SandboxPaths
from sandbox.processes import Launch


class NotReady(Exception):
    """An engine answered, but cannot serve yet."""


class Engine(ABC):
    """One engine of one sandbox: how to start it, how to tell that it serves, how to stop it.

    `name` is its role, which stays the same whichever server plays it; `kind` is that server.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    # Whether what was written outlives the process; if not, the world is loaded anew into the next one.
    keeps_data: ClassVar[bool] = True
    # What a client library raises while the engine is not there yet; anything else is a defect of ours.
    not_ready: ClassVar[tuple[type[Exception], ...]] = (OSError, NotReady)
    # Engines whose addresses this one is given at its start.
    needs: ClassVar[tuple[str, ...]] = ()
    # Modules of Python packages that the engine consists of, looked for before it is started.
    packages: ClassVar[tuple[str, ...]] = ()
    start_patience: ClassVar[float] = 60.0
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_patience: ClassVar[float] = 10.0

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        # By kind: data of one server are nothing to another that plays the same role.
        self.directory = SandboxPaths(root=config.root).engine(self.kind)

    @classmethod
    def available(cls, root: Path) -> str | None:
        """None where this machine can run it below `root`, else the reason why not; builds what it needs."""
        return None

    def prepare(self) -> None:
        """Write what the engine needs before its first start; harmless when repeated."""
        self.directory.mkdir(parents=True, exist_ok=True)

    @abstractmethod
    def launch(self) -> Launch:
        """The command that runs in the foreground; no secret among its arguments."""

    @abstractmethod
    def probe(self) -> str:
        """Ask the engine through a real client; its version, or one of `not_ready`."""

    def settle(self) -> None:  # noqa: B027 (most engines need nothing)
        """Create what must exist inside the running engine; harmless when repeated."""

    def stopped(self) -> None:  # noqa: B027 (most engines need nothing)
        """Put away what the engine left behind when it ended."""


def python_launch(module: str, *arguments: str, directory: Path, environment: dict[str, str]) -> Launch:
    """Run a module of this checkout with this interpreter."""
    return Launch(
        arguments=[sys.executable, "-m", module, *arguments],
        directory=directory,
        environment={
            **environment,
            "PYTHONPATH": str(REPOSITORY_ROOT),
            "PYTHONUNBUFFERED": "1",
        },
    )
