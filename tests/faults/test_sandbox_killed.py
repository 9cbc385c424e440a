"""The sandbox after a kill -9, of its command or of engines: the next `up` cleans up and loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from opensearchpy import OpenSearch

from sandbox.engines.registry import engine_class
from sandbox.paths import REPOSITORY_ROOT
from sandbox.state import State
from sandbox.supervisor import Sandbox
from tests.contract.test_sandbox import clickhouse_client, s3_client
from tests.sandbox_fixtures import ENGINES, eventually, pids, redis_client, states


@pytest.fixture
def whole(sandbox_root: Path) -> Iterator[Sandbox]:
    """A sandbox of all engines, S3 on the server that keeps what it takes; stopped whatever happens."""
    complete = Sandbox(sandbox_root, kinds={"s3": "versitygw"})
    yield complete
    complete.down()


def start_up(sandbox: Sandbox) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sandbox", "up", "--root", str(sandbox.paths.root), "--s3", "versitygw"]
    return subprocess.Popen(
        command, cwd=REPOSITORY_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def started(sandbox: Sandbox, role: str) -> bool:
    return sandbox.paths.state.exists() and role in State.read(sandbox.paths.state).running


def servers_of(sandbox: Sandbox) -> Counter[str]:
    """How many processes play each role: workers of a server, which are its children, do not count."""
    found: Counter[str] = Counter()
    for role in ENGINES:
        engine = engine_class(role, sandbox.kind(role))(sandbox.config)
        launch = engine.launch()
        program = Path(launch.arguments[0]).resolve()
        for process in psutil.process_iter():
            try:
                works_there = Path(process.cwd()).is_relative_to(launch.directory)
                if works_there and Path(process.exe()).resolve() == program:
                    found[role] += process.ppid() not in pids(sandbox).values()
            except psutil.Error:
                continue
    return found


@pytest.mark.costly
@pytest.mark.parametrize("role", ["redis", "search"])
def test_an_up_that_is_killed_leaves_nothing_double_and_the_next_one_completes_it(
    whole: Sandbox, role: str
) -> None:
    killed = start_up(whole)
    eventually(lambda: killed.poll() is not None or started(whole, role), within=120)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    whole.up()
    assert set(states(whole).values()) == {"running"}
    assert servers_of(whole) == dict.fromkeys(ENGINES, 1)


def test_nothing_that_was_acknowledged_is_lost_when_all_engines_are_killed_at_once(whole: Sandbox) -> None:
    whole.up()
    config = whole.config
    with psycopg.connect(config.postgres_dsn) as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as word")
    redis_client(config).mset({f"kept:{number}": number for number in range(1000)})
    clickhouse = clickhouse_client(config)
    clickhouse.command("create table kept (word UInt32) engine = MergeTree order by word")
    clickhouse.command("insert into kept select number from numbers(1000)")
    search = OpenSearch(config.search_url)
    for number in range(20):
        search.index(index="kept", id=str(number), body={"word": number})
    s3 = s3_client(config)
    for number in range(20):
        s3.put_object(Bucket=config.s3_bucket, Key=f"kept/{number}", Body=b"here", Metadata={"word": "here"})

    for pid in pids(whole).values():
        psutil.Process(pid).kill()
    ready = whole.up()
    assert [engine.started for engine in ready] == [True] * len(ENGINES)
    assert servers_of(whole) == dict.fromkeys(ENGINES, 1)

    config = whole.config
    with psycopg.connect(config.postgres_dsn) as connection:
        assert connection.execute("select count(*), sum(word) from kept").fetchone() == (1000, 500_500)
    assert len(redis_client(config).keys("kept:*")) == 1000
    assert clickhouse_client(config).query("select count(), sum(word) from kept").result_rows == [
        (1000, 499_500)
    ]
    search = OpenSearch(config.search_url)
    search.indices.refresh(index="kept")
    assert search.count(index="kept")["count"] == 20
    s3 = s3_client(config)
    listed = s3.list_objects_v2(Bucket=config.s3_bucket, Prefix="kept/")["Contents"]
    assert len(listed) == 20
    for item in listed:
        found = s3.get_object(Bucket=config.s3_bucket, Key=item["Key"])
        assert (found["Body"].read(), found["Metadata"]) == (b"here", {"word": "here"})


@pytest.mark.costly
def test_a_down_that_is_killed_is_completed_by_the_next_one(whole: Sandbox) -> None:
    whole.up()
    running = len(pids(whole))
    command = [sys.executable, "-m", "sandbox", "down", "--root", str(whole.paths.root)]
    killed = subprocess.Popen(command, cwd=REPOSITORY_ROOT)
    eventually(lambda: killed.poll() is not None or len(pids(whole)) < running, within=60)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    whole.down()
    assert set(states(whole).values()) == {"stopped"}
    assert servers_of(whole) == {}
