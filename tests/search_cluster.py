"""A search cluster of a test's own: as many nodes as it likes in one process, which it may kill and start again.

Holds: `Cluster` and the fixture `clusters`.
Add here: another way to treat a whole cluster, or a look into its directories.
Keep out: indices and documents (`contract/search_support.py`); engines that a whole session shares
(`sandbox_fixtures.py`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sandbox import processes
from sandbox.config import SandboxConfig
from sandbox.engines.registry import ROLES, choose, engine_class, wishes
from sandbox.engines.search import Search
from sandbox.paths import SandboxPaths
from sandbox.starting import Starter, remembered
from sandbox.state import State

ROLE = "search"


class Cluster:
    """The nodes of one cluster; started again, it serves what it had on disk, at the same address."""

    def __init__(self, root: Path, *, nodes: int) -> None:
        self._paths = SandboxPaths.at(root)
        self._state = State()
        self._state.keep_or_choose_ports(ROLES)
        kind, _ = choose(ROLE, wishes(os.environ)[ROLE], former=None, root=root)
        server = engine_class(ROLE, kind)
        assert issubclass(server, Search)
        self._engine = server(self.config, nodes=nodes)
        self._starter = Starter(paths=self._paths, state=self._state, children={}, given_up=threading.Event())

    @property
    def config(self) -> SandboxConfig:
        return self._state.config(self._paths)

    @property
    def snapshots(self) -> Path:
        """Where a repository may lie."""
        return self._engine.directory / "snapshots"

    def node_directories(self) -> list[Path]:
        """What each node has on disk."""
        return sorted((self._engine.directory / "nodes").iterdir())

    def start(self) -> None:
        self._starter.bring_up(self._engine)

    def kill(self) -> None:
        """At once and without a word to it, as the system does it that is out of memory."""
        process = self._running()
        assert process is not None
        process.kill()
        psutil.wait_procs([process], timeout=30)

    def stop(self) -> None:
        process = self._running()
        if process is not None:
            processes.stop(process, stop_signal=self._engine.stop_signal, patience=self._engine.stop_patience)

    def _running(self) -> psutil.Process | None:
        return remembered(self._state, ROLE)


@pytest.fixture
def clusters(sandbox_root: Path) -> Iterator[Callable[[int], Cluster]]:
    """Starts a cluster of so many nodes; all are stopped at the end."""
    started: list[Cluster] = []

    def start(nodes: int) -> Cluster:
        cluster = Cluster(sandbox_root / str(len(started)), nodes=nodes)
        started.append(cluster)
        cluster.start()
        return cluster

    yield start
    for cluster in started:
        cluster.stop()
