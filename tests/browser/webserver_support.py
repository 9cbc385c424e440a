"""Dagster's UI over the instance of the story.

Add here: what the server needs.
Keep out: pages.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from erasure.settings import CONFIG_VARIABLE, PROJECT_ROOT
from tests.browser.story_support import Story
from tests.flow_fixtures import Flow
from tests.sandbox_fixtures import eventually


@pytest.fixture(scope="package")
def ui(flow: Flow, story: Story) -> Iterator[str]:
    """The address of the UI."""
    port = _free_port()
    log = flow.root / "webserver.log"
    environment = {**os.environ, **flow.environment, CONFIG_VARIABLE: str(flow.config)}
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "dagster-webserver"),
                *("-m", "dagster_defs.definitions", "--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=PROJECT_ROOT,
            env={**environment, "DAGSTER_HOME": str(PROJECT_ROOT), "DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: server.poll() is not None or _answers(url), within=120)
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        finally:
            # Its code server is in the same session, and must not outlive it in any case.
            _kill_group(server.pid)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _kill_group(process_id: int) -> None:
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
