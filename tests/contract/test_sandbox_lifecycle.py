"""The sandbox from start to end: killed engines, forgotten processes, bystanders, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from sandbox.state import State
from sandbox.supervisor import EngineFailed, Sandbox, SandboxError
from tests.sandbox_fixtures import (
    ENGINES,
    eventually,
    make_root,
    pids,
    read_ini,
    redis_client,
    sandbox_command,
    states,
)


@pytest.fixture(scope="module")
def spare() -> Iterator[Sandbox]:
    """A second complete sandbox beside the session's, for tests that break engines."""
    running = Sandbox(make_root())
    try:
        running.up()
        yield running
    finally:
        running.down()
        shutil.rmtree(running.paths.root, ignore_errors=True)


def test_the_job_url_is_in_the_configuration_once_a_job_is_known(sandbox_root: Path) -> None:
    small = Sandbox(sandbox_root, engines=["redis"])
    try:
        small.up()
        assert "job_url" not in read_ini(small.paths.config)["api"]
        small.remember_job("27f196f6-0000-4000-8000-000000000000")
        job_url = read_ini(small.paths.config)["api"]["job_url"]
        assert job_url == (
            f"{small.config.api_url}/quality/jobs/27f196f6-0000-4000-8000-000000000000"
            f"?secret={small.config.api_secret}"
        )
        small.down()
        small.up()
        assert read_ini(small.paths.config)["api"]["job_url"] == small.config.job_url
    finally:
        small.down()


def test_two_sandboxes_run_side_by_side(sandbox: Sandbox, spare: Sandbox) -> None:
    ours, theirs = State.read(sandbox.paths.state), State.read(spare.paths.state)
    assert not set(ours.ports.values()) & set(theirs.ports.values())
    assert not set(ours.secrets.model_dump().values()) & set(theirs.secrets.model_dump().values())
    redis_client(spare.config).set("only", "here")
    assert redis_client(sandbox.config).get("only") is None
    assert redis_client(spare.config).get("only") == b"here"
    names = {httpx.get(config.search_url).json()["cluster_name"] for config in (sandbox.config, spare.config)}
    assert len(names) == 2


@pytest.mark.parametrize("name", ENGINES)
def test_a_killed_engine_is_reported_and_started_again_alone(spare: Sandbox, name: str) -> None:
    before = pids(spare)
    psutil.Process(before[name]).kill()
    eventually(lambda: states(spare)[name] == "dead")
    assert [engine for engine, state in states(spare).items() if state == "dead"] == [name]
    assert [ready.name for ready in spare.up() if ready.started] == [name]
    after = pids(spare)
    assert after.pop(name) != before.pop(name)
    assert after == before
    # The job API found its way back to a store that was restarted.
    assert httpx.get(f"{spare.config.api_url}/health").status_code == 200


def test_postgres_keeps_its_rows_through_a_kill(spare: Sandbox) -> None:
    with psycopg.connect(spare.config.postgres_dsn) as connection:
        connection.execute("create table kept (word text)")
        connection.execute("insert into kept values ('here')")
    psutil.Process(pids(spare)["postgres"]).kill()
    spare.up()
    with psycopg.connect(spare.config.postgres_dsn) as connection:
        assert connection.execute("select word from kept").fetchall() == [("here",)]


def test_down_leaves_no_process_and_can_be_repeated(sandbox_root: Path) -> None:
    whole = Sandbox(sandbox_root)
    try:
        whole.up()
        assert len(processes_of(sandbox_root)) >= len(ENGINES)
    finally:
        stopped = whole.down()
    assert stopped == ENGINES
    assert processes_of(sandbox_root) == []
    assert set(states(whole).values()) == {"stopped"}
    assert whole.down() == []


def test_down_without_a_sandbox_does_nothing(sandbox_root: Path) -> None:
    absent = Sandbox(sandbox_root / "absent")
    assert absent.down() == []
    assert not (sandbox_root / "absent").exists()
    with pytest.raises(SandboxError, match="python -m sandbox up"):
        _ = absent.config


def test_down_after_a_start_that_ended_before_it_had_chosen_its_ports_does_nothing(
    sandbox_root: Path,
) -> None:
    early = Sandbox(sandbox_root)
    State(kinds={"postgres": "postgres", "s3": "moto"}).write(early.paths.state)
    assert early.down() == []
    assert set(states(early).values()) == {"stopped"}


def test_a_process_that_got_a_dead_engines_number_is_left_alone(sandbox_root: Path) -> None:
    small = Sandbox(sandbox_root, engines=["redis"])
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        small.up()
        small.down()
        state = json.loads(small.paths.state.read_text())
        started = psutil.Process(bystander.pid).create_time()
        state["running"]["redis"] = {"pid": bystander.pid, "started": started - 60, "version": ""}
        small.paths.state.write_text(json.dumps(state))
        assert states(small) == {"redis": "dead"}
        assert small.down() == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.communicate()


def test_data_and_ports_outlast_a_down(sandbox_root: Path) -> None:
    small = Sandbox(sandbox_root, engines=["postgres", "redis"])
    try:
        small.up()
        before = small.config
        redis_client(before).set("kept", "here")
        small.down()
        small.up()
        assert small.config == before
        assert redis_client(small.config).get("kept") == b"here"
    finally:
        small.down()


def test_an_engine_that_cannot_start_is_named_with_the_end_of_its_log(sandbox_root: Path) -> None:
    small = Sandbox(sandbox_root, engines=["postgres", "redis"])
    try:
        small.up()
        small.down()
        (sandbox_root / "postgres" / "data" / "PG_VERSION").write_text("7\n")
        with pytest.raises(EngineFailed, match=r"(?s)postgres ended by itself.*are incompatible") as why:
            small.up()
        assert "redis" not in str(why.value)
        # The others are up; the next `up` has only the failed one to start.
        assert states(small) == {"postgres": "dead", "redis": "running"}
    finally:
        small.down()
    assert processes_of(sandbox_root) == []


def test_engines_whose_directory_was_deleted_are_ended_before_new_ones_start(sandbox_root: Path) -> None:
    small = Sandbox(sandbox_root, engines=["s3"])
    try:
        small.up()
        forgotten = pids(small)
        shutil.rmtree(sandbox_root)
        assert all(is_running(pid) for pid in forgotten.values())
        small.up()
        assert not any(is_running(pid) for pid in forgotten.values())
        assert states(small) == {"s3": "running"}
    finally:
        small.down()


def test_the_command_line_says_which_engine_died(spare: Sandbox) -> None:
    psutil.Process(pids(spare)["redis"]).kill()
    eventually(lambda: states(spare)["redis"] == "dead")
    shown = sandbox_command("status", "--root", str(spare.paths.root))
    assert shown.returncode == 1
    assert "redis ended by itself" in shown.stderr
    assert "postgres ended by itself" not in shown.stderr
    spare.up()


def test_loading_needs_running_engines_and_then_leaves_a_job_that_can_be_called(spare: Sandbox) -> None:
    root = ["--root", str(spare.paths.root)]
    psutil.Process(pids(spare)["redis"]).kill()
    eventually(lambda: states(spare)["redis"] == "dead")
    refused = sandbox_command("load", *root)
    assert refused.returncode == 1
    assert "not running: redis" in refused.stderr
    assert spare.config.job_url is None
    loaded = sandbox_command("up", *root, "--contributors", "30")
    assert loaded.returncode == 0, loaded.stderr
    job_url = read_ini(spare.paths.config)["api"]["job_url"]
    job, query = job_url.split("?")
    with psycopg.connect(spare.config.postgres_dsn) as connection:
        active = connection.execute("select contributor_id::text from contributors where status = 'active'")
        body = {"contributor_id": active.fetchall()[0][0]}
    assert httpx.post(f"{job}/login?{query}", json=body).status_code == 200
    assert httpx.post(f"{job}/login", json=body).status_code == 403


def processes_of(root: Path) -> list[str]:
    """Processes that work in this directory or name it: engines, and their workers."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(root) in process.cwd() or str(root) in " ".join(process.cmdline()):
                found.append(process.name())
        except psutil.Error:
            continue
    return found


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
