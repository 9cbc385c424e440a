"""Engines for tests: one sandbox per test session, and helpers around it.

Holds: the fixtures `sandbox` (all engines, started once, stopped whatever happens) and `sandbox_root` (a
directory for a test that starts its own), `eventually`, and ways to look at a sandbox.
Add here: what several test modules need around the engines.
Keep out: data; a test makes its own databases, indices, buckets and Redis db.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from sandbox.config import SandboxConfig
from sandbox.engines.registry import wishes
from sandbox.paths import REPOSITORY_ROOT
from sandbox.supervisor import Sandbox

ENGINES = ["postgres", "redis", "clickhouse", "search", "s3", "job_api"]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """All engines, running; `sandbox.config` says where."""
    root = make_root()
    running = Sandbox(root, kinds=wishes(os.environ))
    try:
        running.up()
        yield running
    finally:
        running.down()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def sandbox_root() -> Iterator[Path]:
    """An empty directory in which a test may start engines; the test stops them."""
    root = make_root()
    yield root
    shutil.rmtree(root, ignore_errors=True)


def make_root() -> Path:
    """A directory outside pytest's own.

    Run as root, Postgres works under another account, which must pass through every parent directory; the
    next pytest session would shut pytest's directory against it again, under the running server.
    """
    return Path(tempfile.mkdtemp(prefix="sandbox-"))


def eventually(condition: Callable[[], bool], *, within: float = 10.0) -> None:
    """Wait until `condition` holds; fail when it does not within so many seconds."""
    deadline = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {within:.0f} s")
        pause.wait(0.05)


def pids(sandbox: Sandbox) -> dict[str, int]:
    return {engine.name: engine.pid for engine in sandbox.status() if engine.pid is not None}


def states(sandbox: Sandbox) -> dict[str, str]:
    return {engine.name: engine.state for engine in sandbox.status()}


def sandbox_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m sandbox` as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def read_ini(path: Path) -> configparser.ConfigParser:
    ini = configparser.ConfigParser()
    ini.read_string(path.read_text(encoding="utf-8"))
    return ini


def redis_client(config: SandboxConfig) -> redis.Redis:
    return redis.Redis(host=config.host, port=config.redis_port, password=config.redis_password)
