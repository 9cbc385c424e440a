"""The client of the job API against the real service: access that has ended is proven, anything less is not.

Holds: revoking as the product does it (status in Postgres, sessions in Redis) and its proof, on a service
process with a database and a Redis db of its own.
Add here: another call that the client learns.
Keep out: answers that the real service does not give (`tests/unit/test_job_api.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import LiteralString
from uuid import UUID, uuid4

import httpx
import psutil
import psycopg
import pytest
import redis
from psycopg import sql

from erasure.counts import Count
from erasure.job_api.answers import Outcome
from erasure.job_api.client import JobApi
from erasure.lockout import CapturedAccess, ProofState, capture, prove_lockout
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from erasure.targets import TargetSet
from sandbox import processes
from sandbox.config import SandboxConfig
from sandbox.engines.job_api import JobApi as JobApiEngine
from sandbox.paths import PACKAGE_DIRECTORY
from sandbox.ports import choose_ports
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory
from tests.sandbox_fixtures import eventually

OWN_DATABASE = "job_api_client_contract"
OWN_REDIS_DB = 62
JOB = UUID("5b1c6f0e-0000-4000-8000-000000000001")
UNIT = UUID("5b1c6f0e-0000-4000-8000-000000000002")


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The running service, and revoking as the product does it."""

    config: SandboxConfig
    redis: redis.Redis

    @property
    def job_url(self) -> str:
        return self.config.job_url_of(str(JOB))

    def add_contributor(self, status: str = "active") -> str:
        contributor_id = str(uuid4())
        self.execute(
            "insert into contributors (contributor_id, email, full_name, country, status, created_at)"
            " values (%s, %s, 'Orla Winterbourne', 'IE', %s, now())",
            *(contributor_id, f"{contributor_id}@example.org", status),
        )
        return contributor_id

    def suspend(self, *contributor_ids: str) -> None:
        self.execute(
            "update contributors set status = 'erased' where contributor_id = any(%s::uuid[])",
            list(contributor_ids),
        )

    def end_sessions(self, *contributor_ids: str) -> Count:
        targets = TargetSet(batch_id="b-test", contributor_ids=frozenset(contributor_ids))
        return RedisStore(self.redis, kepler_inventory().of("redis")).end_sessions(targets, no_progress)

    def execute(self, statement: LiteralString, *values: object) -> int:
        with psycopg.connect(self.config.postgres_dsn) as connection:
            return connection.execute(statement, values).rowcount


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxConfig]:
    """The job API as a process of its own."""
    config = replace(
        sandbox.config,
        root=tmp_path_factory.mktemp("job_api_client"),
        api_port=choose_ports(["job_api"], former={})["job_api"],
        postgres_database=OWN_DATABASE,
        redis_db=OWN_REDIS_DB,
    )
    make_database(sandbox.config, config)
    engine = JobApiEngine(config)
    engine.prepare()
    child = processes.start_detached(engine.launch(), log=config.root / "job_api.log")
    try:
        eventually(lambda: serves(engine), within=60)
        yield config
    finally:
        processes.stop(psutil.Process(child.pid), stop_signal=engine.stop_signal, patience=10)
        child.wait()


def make_database(maintenance: SandboxConfig, own: SandboxConfig) -> None:
    with psycopg.connect(maintenance.postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(OWN_DATABASE)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    with psycopg.connect(own.postgres_dsn) as connection:
        connection.execute((PACKAGE_DIRECTORY / "world" / "ddl_postgres.sql").read_bytes())
        project = uuid4()
        connection.execute("insert into projects values (%s, 'Harbours')", (project,))
        connection.execute("insert into jobs values (%s, %s, 'Count the boats')", (JOB, project))
        connection.execute("insert into units values (%s, %s, 'https://example.net/1')", (UNIT, JOB))


def serves(engine: JobApiEngine) -> bool:
    try:
        engine.probe()
    except engine.not_ready:
        return False
    return True


@pytest.fixture
def platform(service: SandboxConfig) -> Iterator[Platform]:
    connection = redis.Redis(
        host=service.host, port=service.redis_port, db=OWN_REDIS_DB, password=service.redis_password
    )
    connection.flushdb()
    yield Platform(config=service, redis=connection)
    connection.flushdb()
    connection.close()


@pytest.fixture
def api(platform: Platform) -> Iterator[JobApi]:
    with httpx.Client(trust_env=False) as client:
        yield JobApi(platform.job_url, client, pause=lambda seconds: None)


def test_a_contributor_logs_in_fetches_commits_and_logs_out(platform: Platform, api: JobApi) -> None:
    token = api.login(platform.add_contributor()).token

    assert api.fetch(token).body["units"] == [{"unit_id": str(UNIT), "url": "https://example.net/1"}]
    assert isinstance(api.commit(token, str(UNIT), "three").body["judgment_id"], int)
    assert api.logout(token).ok
    assert api.fetch(token).outcome is Outcome.DENIED
    assert platform.redis.keys("session*") == []


def test_units_are_routed_by_the_client_and_a_foreign_project_is_told(
    platform: Platform, api: JobApi
) -> None:
    with psycopg.connect(platform.config.postgres_dsn) as connection:
        row = connection.execute("select project_id::text from jobs where job_id = %s", (JOB,)).fetchone()
    assert row is not None
    assert [api.route(row[0], 1).routed, api.route(row[0], 5).routed] == [1, 1]
    foreign = api.route(str(uuid4()), 1)
    assert (foreign.ok, foreign.status) == (False, 404)
    assert "[api] route_call" in foreign.sentence


def test_revoked_contributors_are_proven_locked_out_and_no_session_stays(
    platform: Platform, api: JobApi
) -> None:
    gone, suspended, control = (
        [platform.add_contributor(), platform.add_contributor()],
        platform.add_contributor("suspended"),
        platform.add_contributor(),
    )
    captured = capture(api, [*gone, suspended], control)
    platform.suspend(*gone, suspended)
    ended = platform.end_sessions(*gone, suspended)

    proof = prove_lockout(api, captured)

    assert (len(captured.tokens), captured.without_access) == (2, 1)
    assert ended == Count(records=2, elements=2, expiring=2)
    assert proof.state is ProofState.PROVEN
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (2, 3, True)
    assert platform.redis.keys("*") == []


def test_ended_sessions_of_someone_who_may_still_log_in_are_inconclusive(
    platform: Platform, api: JobApi
) -> None:
    contributor, control = platform.add_contributor(), platform.add_contributor()
    captured = capture(api, [contributor], control)
    platform.end_sessions(contributor)

    proof = prove_lockout(api, captured)

    # The old token is gone, and a new login still succeeds: access has not ended.
    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (1, 0, True)
    assert platform.redis.keys("*") == []


def test_nothing_revoked_is_inconclusive(platform: Platform, api: JobApi) -> None:
    contributor, control = platform.add_contributor(), platform.add_contributor()

    proof = prove_lockout(api, capture(api, [contributor], control))

    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (0, 0, True)


def test_a_wrong_secret_denies_everybody_and_is_inconclusive(platform: Platform, api: JobApi) -> None:
    contributor, control = platform.add_contributor(), platform.add_contributor()
    captured = capture(api, [contributor], control)
    platform.suspend(contributor)
    platform.end_sessions(contributor)
    wrong = platform.job_url.replace("secret=", "secret=not-")

    with httpx.Client(trust_env=False) as client:
        proof = prove_lockout(JobApi(wrong, client), captured)

    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (1, 1, False)
    assert prove_lockout(api, captured).state is ProofState.PROVEN


def test_a_suspended_control_and_an_unknown_job_are_inconclusive(platform: Platform, api: JobApi) -> None:
    contributor, control = platform.add_contributor(), platform.add_contributor("suspended")
    captured = capture(api, [contributor], control)
    platform.suspend(contributor)
    platform.end_sessions(contributor)
    assert prove_lockout(api, captured).state is ProofState.INCONCLUSIVE

    elsewhere = platform.config.job_url_of(str(uuid4()))
    with httpx.Client(trust_env=False) as client:
        proof = prove_lockout(JobApi(elsewhere, client), captured)
    assert proof.state is ProofState.INCONCLUSIVE
    assert "unexpected 404, which is no denial" in proof.reason


def test_after_a_crash_the_proof_needs_no_tokens(platform: Platform, api: JobApi) -> None:
    contributor, control = platform.add_contributor(), platform.add_contributor()
    without_tokens = CapturedAccess(contributor_ids=(contributor,), control_id=control)
    assert prove_lockout(api, without_tokens).state is ProofState.INCONCLUSIVE

    platform.suspend(contributor)

    proof = prove_lockout(api, without_tokens)
    assert proof.state is ProofState.PROVEN
    assert "no token" in proof.reason
    assert platform.redis.keys("*") == []
