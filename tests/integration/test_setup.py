"""`make setup` in a fresh clone: interrupted at any moment, the next one repairs what was left."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.paths import REPOSITORY_ROOT
from tests.sandbox_fixtures import eventually

IMPORTS = (
    "import dagster, dbt.cli.main, great_expectations, chdb, moto.server, psycopg, dagster_defs.cli.main"
)


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """What is committed, and what is not yet, without anything installed."""
    path = tmp_path / "clone"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = REPOSITORY_ROOT / name
        if source.is_file():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(source.read_bytes())
    yield path


def setup(clone: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONTRIBUTOR_")}
    for name in ("VIRTUAL_ENV", "DAGSTER_HOME", "MAKEFLAGS", "MAKELEVEL"):
        environment.pop(name, None)
    return subprocess.Popen(
        ["make", "setup"], cwd=clone, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


@pytest.mark.full
@pytest.mark.timeout(1500)
def test_a_setup_that_is_killed_again_and_again_is_completed_by_the_next_one(clone: Path) -> None:
    installed = clone / ".venv" / "lib" / "python3.11" / "site-packages"
    moments = (
        (clone / ".venv" / "bin" / "python").exists,
        lambda: (clone / ".venv" / "installing").exists() and len(list(installed.glob("*.dist-info"))) > 20,
        lambda: (installed / "dbt").exists() and len(list(installed.glob("*.dist-info"))) > 100,
    )
    for moment in moments:
        running = setup(clone)
        eventually(lambda moment=moment, running=running: running.poll() is not None or moment(), within=300)
        os.killpg(running.pid, signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL, "it was over before it could be killed"
    # Half a package, as a kill in the middle of its files leaves it.
    (installed / "redis" / "client.py").write_text("", encoding="utf-8")
    assert setup(clone).wait(timeout=500) == 0
    assert not (clone / ".venv" / "installing").exists()
    python = clone / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", IMPORTS], cwd=clone, check=True, timeout=400)
    client = "from redis.client import Redis"
    subprocess.run([python, "-c", client], cwd=clone, check=True, timeout=400)
