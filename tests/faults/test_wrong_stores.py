"""Stores that are wrong, row by row: each is named with what to change, the exit code is the row's, nothing changes.

Most rows of a fault are led astray at once: `check` and planning look at every store whatever the others said. Each row
alone, and those that need engines of their own, are left to the full run.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import httpx
import psycopg
import pytest

from sandbox.engines.base import NotReady
from sandbox.engines.versitygw import VersityGw, program
from sandbox.ports import choose_ports
from sandbox.processes import start_detached
from sandbox.supervisor import Sandbox
from tests.faults.detours import (
    Changes,
    leaked,
    needles,
    needles_carried_over,
    plans_in_force,
    section_of,
)
from tests.faults.doorman import PASSWORD
from tests.faults.wrong_stores import FAULTS, ROWS, WRONG, Ground, Row, rows_of
from tests.flow_fixtures import Answer, Flow
from tests.integration.outcome import require_unchanged
from tests.integration.raw_look import STORES, Snapshot, look
from tests.sandbox_fixtures import eventually, make_root

# Planning on these tells nothing of the flow that others do not tell.
_PLANNED_IN_FULL = {"wrong user", "a web page", "garbage", "hangs up", "a certificate of its own", "trickles"}
STRANGER, STRANGERS_SECRET = "strangers-key", "strangers-secret-w0rd"


def planned(faults: tuple[str, ...]) -> list[object]:
    return [
        pytest.param(fault, marks=pytest.mark.full) if fault in _PLANNED_IN_FULL else fault
        for fault in faults
    ]


@pytest.fixture(scope="module")
def before(flow: Flow) -> Snapshot:
    return look(flow.config)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Callable[[], Sandbox]]:
    """Engines in which there is nothing, started when they are first asked for."""
    root = make_root()
    empty = Sandbox(root, engines=["clickhouse", "search"])

    def start() -> Sandbox:
        if not empty.paths.state.exists():
            empty.up()
            config = empty.config
            httpx.post(
                config.clickhouse_url,
                content=f"drop database {config.clickhouse_database} sync",
                auth=(config.clickhouse_user, config.clickhouse_password),
                trust_env=False,
            ).raise_for_status()
        return empty

    yield start
    empty.down()
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def another_account(flow: Flow, sandbox: Sandbox) -> Iterator[Callable[[], Changes]]:
    """An S3 server on which the bucket is somebody else's, started when it is first asked for."""
    root = make_root()
    with ExitStack() as stack:

        @cache
        def start() -> Changes:
            port = choose_ports(["s3"], former={})["s3"]
            server = VersityGw(replace(sandbox.config, root=root, s3_port=port))
            server.prepare()
            (root / "accounts").mkdir()
            launch = server.launch()
            accounts = {**(launch.environment or {}), "VGW_IAM_DIR": str(root / "accounts")}
            running = start_detached(replace(launch, environment=accounts), log=root / "s3.log")
            stack.callback(running.wait)
            stack.callback(running.send_signal, signal.SIGTERM)
            eventually(lambda: _serves(server), within=30)
            server.settle()
            create = (program(), "admin", "create-user", "--access", STRANGER, "--secret", STRANGERS_SECRET)
            subprocess.run(
                [*create, "--role", "user"],
                env={
                    "ADMIN_ENDPOINT_URL": server.config.s3_endpoint_url,
                    "ADMIN_ACCESS_KEY_ID": server.config.s3_access_key,
                    "ADMIN_SECRET_ACCESS_KEY": server.config.s3_secret_key,
                },
                check=True,
                capture_output=True,
            )
            return {
                ("s3", "endpoint_url"): server.config.s3_endpoint_url,
                ("s3", "aws_access_key_id"): STRANGER,
                ("s3", "aws_secret_access_key"): STRANGERS_SECRET,
            }

        yield start
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def ground(
    flow: Flow,
    sandbox: Sandbox,
    tmp_path: Path,
    elsewhere: Callable[[], Sandbox],
    another_account: Callable[[], Changes],
) -> Iterator[Ground]:
    with ExitStack() as stack:
        ground = Ground(
            flow=flow,
            sandbox=sandbox,
            folder=tmp_path,
            stack=stack,
            elsewhere=elsewhere,
            another_account=another_account,
        )
        yield ground
    with psycopg.connect(sandbox.config.postgres_admin_dsn, autocommit=True) as admin:
        for name in ground.databases:
            admin.execute(f"drop database {name} with (force)".encode())


@pytest.mark.parametrize("fault", FAULTS)
def test_check_names_every_store_that_is_wrong_and_looks_at_the_others(
    flow: Flow, ground: Ground, before: Snapshot, fault: str
) -> None:
    rows = rows_of(fault, costly=False)
    answer, config = run(flow, ground, rows, "check")
    require_told(answer, rows, config)
    assert answer.said.count("✅") == len(STORES) - len(rows)
    require_nothing_done(flow, ground, answer, before)


@pytest.mark.parametrize("fault", planned(FAULTS))
def test_planning_names_every_store_that_is_wrong_and_nothing_is_executed(
    flow: Flow, ground: Ground, before: Snapshot, fault: str
) -> None:
    """All but PostgreSQL, without which there is no planning."""
    rows = [row for row in rows_of(fault, costly=False) if row.store != "postgres"]
    answer, config = run(flow, ground, rows, "delete", "--csv", flow.csv(flow.plain()[:1]), "--execute")
    require_told(answer, rows, config)
    require_nothing_done(flow, ground, answer, before)


@pytest.mark.parametrize("fault", planned(FAULTS))
def test_neither_planning_nor_fetching_begins_on_a_wrong_postgres(
    flow: Flow, ground: Ground, before: Snapshot, fault: str
) -> None:
    rows = [row for row in rows_of(fault, costly=False) if row.store == "postgres"]
    csv = flow.root / "never-written.csv"
    for arguments in (
        ("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute"),
        ("fetch", "--execute", "--csv", csv),
    ):
        answer, config = run(flow, ground, rows, *arguments)
        require_told(answer, rows, config)
        assert answer.result["batch_id"] is None
        require_nothing_done(flow, ground, answer, before)
    assert not csv.exists()


@pytest.mark.full
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_one_wrong_store_alone_is_enough(flow: Flow, ground: Ground, before: Snapshot, row: Row) -> None:
    for arguments in (("check",), ("delete", "--csv", flow.csv(flow.plain()[:1]), "--execute")):
        answer, config = run(flow, ground, [row], *arguments)
        require_told(answer, [row], config)
        assert all(problem.startswith(row.store) for problem in answer.result["problems"])
        require_nothing_done(flow, ground, answer, before)


def test_every_store_has_a_row_for_every_fault() -> None:
    kinds = {
        "down": {"down"},
        "wrong credentials": {"wrong credentials"},
        "wrong database": {"wrong database"},
        "not that kind of server": {"another engine", "a web page", "garbage", "hangs up"},
        "slow": {"silent", "trickles"},
    }
    for names in kinds.values():
        for name in names:
            assert {row.store for row in ROWS if row.fault == name} == set(STORES)


def test_check_says_what_is_there_and_where_nothing_is(
    flow: Flow, before: Snapshot, sandbox: Sandbox
) -> None:
    """An empty place cannot be told from a clean one: it is said, and is no failure."""
    right = flow.command("check")
    assert right.code == 0, right.said
    sessions = len([place for place in before.of("redis") if place.key.startswith("session:")])
    assert right.result["counts"]["redis"]["sessions"] == sessions > 0
    assert f"sessions {sessions}" in right.said
    # Counted no further than a thousand.
    assert right.result["counts"]["clickhouse"]["unit_metrics"] == 1000
    assert "unit_metrics 1000+" in right.said
    assert all(sum(held.values()) > 0 for held in right.result["counts"].values())
    assert "holds nothing" not in right.said

    other = flow.command("check", config=flow.variant({("redis", "db"): "127"}))
    assert other.code == 0, other.said
    assert "⚠️  Redis holds nothing that the inventory names; check [redis] db" in other.said
    assert set(other.result["counts"]["redis"].values()) == {0}


def test_a_variable_that_overrides_the_file_is_named_beside_it(flow: Flow) -> None:
    answer = flow.command("check", CLICKHOUSE_PASSWORD=WRONG)
    assert answer.code == 1
    (problem,) = answer.result["problems"]
    assert problem.endswith(f"([clickhouse] of {flow.config} and CLICKHOUSE_PASSWORD of the environment)")
    assert leaked(flow, answer, WRONG) == []


def run(flow: Flow, ground: Ground, rows: list[Row], *arguments: str | Path) -> tuple[Answer, Path]:
    """The command with all these rows set up; and the configuration that it had."""
    changes: Changes = {}
    for row in rows:
        changes |= row.set_up(ground)
    config = flow.variant(changes)
    return flow.command(*arguments, config=config), config


def require_told(answer: Answer, rows: list[Row], config: Path) -> None:
    """Each row's sentence, with the section and the file to change, and its exit code."""
    assert {row.code for row in rows} <= {answer.code}, answer.said
    problems = answer.result["problems"]
    for row in rows:
        told = [problem for problem in problems if re.match(row.says, problem)]
        assert told, f"{row.name}: {problems}"
        assert told[0].endswith(f"([{section_of(row.store)}] of {config})")
    assert not [problem for problem in problems if "Unexpected" in problem]


def require_nothing_done(flow: Flow, ground: Ground, answer: Answer, before: Snapshot) -> None:
    """Neither in the world nor in a place that we were led to; no plan, no needle; and nothing is let out."""
    after = look(flow.config)
    require_unchanged(before, after)
    assert plans_in_force(flow) == []
    assert needles(flow) == 0
    assert needles_carried_over(after) == []
    assert ground.schemas_elsewhere() <= {"public"}
    assert leaked(flow, answer, WRONG, STRANGERS_SECRET, PASSWORD) == []


def _serves(server: VersityGw) -> bool:
    try:
        server.probe()
    except (*server.not_ready, NotReady):
        return False
    return True
