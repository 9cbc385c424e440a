"""The job API lets active contributors work, and refuses everybody else at the very next call.

It runs as a process of its own, on a database and a Redis db of its own, so that no loaded world is touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import jsonschema
import psutil
import psycopg
import pytest
import redis
from psycopg import sql
from pydantic import SecretStr

from erasure.api_settings import ApiSettings
from sandbox import processes
from sandbox.config import SandboxConfig
from sandbox.engines.job_api import JobApi
from sandbox.job_api.app import build_app
from sandbox.job_api.openapi import DOCUMENT
from sandbox.paths import PACKAGE_DIRECTORY, REPOSITORY_ROOT
from sandbox.ports import choose_ports
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import eventually

DATABASE = "job_api_contract"
REDIS_DB = 101
JOB = UUID("27f196f6-0000-4000-8000-000000000001")
OTHER_JOB = UUID("27f196f6-0000-4000-8000-000000000002")
DAY = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class Service:
    """The running API and what it works on."""

    config: SandboxConfig
    log: Path

    def call(
        self, name: str, *, token: str | None = None, job: object = JOB, **body: object
    ) -> httpx.Response:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"{self.config.api_url}/quality/jobs/{job}/{name}"
        return httpx.post(url, params={"secret": self.config.api_secret}, headers=headers, json=body)

    def login(self, contributor_id: UUID) -> str:
        answer = self.call("login", contributor_id=str(contributor_id))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    def redis(self) -> redis.Redis:
        config = self.config
        return redis.Redis(
            host=config.host,
            port=config.redis_port,
            db=REDIS_DB,
            password=config.redis_password,
            decode_responses=True,
        )

    def query(self, statement: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.config.postgres_dsn) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def add_contributor(self, *, status: str = "active") -> UUID:
        contributor_id = uuid4()
        self.query(
            "insert into contributors (contributor_id, email, full_name, country, status, created_at)"
            " values (%s, %s, 'Mavis Pellworth', 'GB', %s, now())",
            contributor_id,
            f"mavis.{contributor_id.hex[:8]}@example.com",
            status,
        )
        return contributor_id


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The API as a process, on an empty schema of the world with two jobs and seven units."""
    port = choose_ports(["job_api"], former={})["job_api"]
    directory = tmp_path_factory.mktemp("job_api")
    config = replace(
        sandbox.config, root=directory, api_port=port, postgres_database=DATABASE, redis_db=REDIS_DB
    )
    make_database(sandbox.config, config)
    engine = JobApi(config)
    engine.prepare()
    log = directory / "job_api.log"
    child = processes.start_detached(engine.launch(), log=log)
    try:
        eventually(lambda: answers(engine), within=30)
        yield Service(config=config, log=log)
    finally:
        processes.stop(psutil.Process(child.pid), stop_signal=engine.stop_signal, patience=10)
        child.wait()


@pytest.fixture
def contributor(service: Service) -> UUID:
    return service.add_contributor()


def test_login_stores_a_session_for_a_day_and_its_place_in_the_index(
    service: Service, contributor: UUID
) -> None:
    before = datetime.now(UTC)
    token = service.login(contributor)
    store = service.redis()
    session = json.loads(str(store.get(f"session:{token}")))
    assert set(session) == {"contributor_id", "email", "created_at"}
    assert session["contributor_id"] == str(contributor)
    assert session["email"].endswith("@example.com")
    assert datetime.fromisoformat(session["created_at"]) >= before
    assert store.smembers(f"sessions_by_contributor:{contributor}") == {token}
    for key in (f"session:{token}", f"sessions_by_contributor:{contributor}"):
        assert DAY - 60 < store.ttl(key) <= DAY


def test_two_logins_are_two_sessions_of_the_same_contributor(service: Service, contributor: UUID) -> None:
    tokens = {service.login(contributor), service.login(contributor)}
    assert len(tokens) == 2
    assert service.redis().smembers(f"sessions_by_contributor:{contributor}") == tokens


def test_login_writes_no_login_event(service: Service, contributor: UUID) -> None:
    service.login(contributor)
    assert service.query("select count(*) from login_events") == [(0,)]


def test_fetch_gives_five_units_of_the_job_and_changes_nothing(service: Service, contributor: UUID) -> None:
    token = service.login(contributor)
    before = service.query("select count(*) from judgments")
    answer = service.call("fetch", token=token)
    assert answer.status_code == 200
    units = answer.json()["units"]
    assert len(units) == 5
    assert {"unit_id", "url"} == set(units[0])
    of_job = service.query("select unit_id::text, url from units where job_id = %s", JOB)
    assert {(unit["unit_id"], unit["url"]) for unit in units} <= set(of_job)
    assert len(service.call("fetch", token=token, job=OTHER_JOB).json()["units"]) == 1
    assert service.query("select count(*) from judgments") == before


def test_commit_inserts_a_judgment_of_the_contributor(service: Service, contributor: UUID) -> None:
    token = service.login(contributor)
    unit = service.call("fetch", token=token).json()["units"][0]["unit_id"]
    first, second = (service.call("commit", token=token, unit_id=unit, label="spam") for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["judgment_id"] == first.json()["judgment_id"] + 1
    stored = service.query(
        "select j.unit_id::text, j.job_id, j.contributor_id, j.contributor_email = c.email, j.label, j.ip"
        " from judgments j join contributors c using (contributor_id) where judgment_id = %s",
        first.json()["judgment_id"],
    )
    assert stored == [(unit, JOB, contributor, True, "spam", "127.0.0.1")]


def test_commit_refuses_a_unit_of_another_job_and_a_malformed_body(
    service: Service, contributor: UUID
) -> None:
    token = service.login(contributor)
    before = service.query("select count(*) from judgments")
    other = service.query("select unit_id::text from units where job_id = %s", OTHER_JOB)[0][0]
    assert service.call("commit", token=token, unit_id=other, label="spam").status_code == 404
    assert service.call("commit", token=token, unit_id="7", label="spam").status_code == 400
    assert service.call("commit", token=token, unit_id=other).status_code == 400
    assert service.call("login").status_code == 400
    assert service.query("select count(*) from judgments") == before


def test_route_takes_what_lacks_from_the_projects_other_jobs_and_may_be_repeated(service: Service) -> None:
    (project,) = service.query("select project_id::text from jobs where job_id = %s", JOB)[0]
    held = "select count(*) from units where job_id = %s"
    try:
        # Six are there, and a seventh is with the project's other job.
        for wanted, routed in ((3, 3), (7, 7), (7, 7), (50, 7)):
            answer = service.call("route", project_id=project, units=wanted)
            assert (answer.status_code, answer.json()) == (200, {"routed": routed})
        assert service.query(held, JOB) == [(7,)]
        assert service.query(held, OTHER_JOB) == [(0,)]
    finally:
        service.query(
            "update units set job_id = %s where unit_id = (select unit_id from units where url like %s)",
            OTHER_JOB,
            f"%{OTHER_JOB}%",
        )


def test_route_refuses_a_project_that_is_not_the_jobs_and_a_malformed_body(service: Service) -> None:
    (project,) = service.query("select project_id::text from jobs where job_id = %s", JOB)[0]
    assert service.call("route", project_id=str(uuid4()), units=1).status_code == 404
    for body in (
        {"project_id": "1", "units": 1},
        {"project_id": project},
        {"project_id": project, "units": 0},
    ):
        assert service.call("route", **body).status_code == 400
    for units in (True, "3", 10_001, 1.5):
        assert service.call("route", project_id=project, units=units).status_code == 400
    assert service.query("select count(*) from units where job_id = %s", JOB) == [(6,)]


def test_the_openapi_document_describes_what_is_answered(service: Service, contributor: UUID) -> None:
    document = httpx.get(f"{service.config.api_url}/openapi.json").json()
    calls = {path.rpartition("/")[2]: call["post"] for path, call in document["paths"].items()}
    routed = {route.path for route in build_app(None, SecretStr("x")).routes if "jobs" in route.path}  # type: ignore
    assert set(document["paths"]) == routed
    (project,) = service.query("select project_id::text from jobs where job_id = %s", JOB)[0]
    token = service.login(contributor)
    unit = service.call("fetch", token=token).json()["units"][0]["unit_id"]
    bodies: dict[str, dict[str, object]] = {
        "login": {"contributor_id": str(contributor)},
        "fetch": {},
        "commit": {"unit_id": unit, "label": "spam"},
        "route": {"project_id": project, "units": 2},
        "logout": {},
    }
    for name, call in calls.items():
        needs_session = "security" in call
        takes = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        assert set(takes["required"] if takes else ()) == set(bodies[name])
        if needs_session:
            assert service.call(name, **bodies[name]).status_code == 401
        answer = service.call(name, token=token if needs_session else None, **bodies[name])
        described = call["responses"][str(answer.status_code)]
        if "content" in described:
            jsonschema.validate(answer.json(), described["content"]["application/json"]["schema"])
        else:
            assert answer.content == b""


def test_the_examples_of_the_reference_are_those_of_the_document() -> None:
    text = (REPOSITORY_ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    fields = set(ApiSettings.model_fields)
    assert fields - {"url"} == set(re.findall(r"^\| `([a-z_]+)` \|", text, flags=re.MULTILINE))
    for name, default in re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]*)`)? *\|", text, flags=re.MULTILINE):
        value = ApiSettings.model_fields[name].default
        if default:
            assert str(value) in (default, f"{default}.0"), name
        else:
            assert value in (None, ""), name
    for path in DOCUMENT["paths"]:
        assert f"`POST {path.rpartition('/')[2]}`" in text


def test_logout_ends_this_session_and_no_other(service: Service, contributor: UUID) -> None:
    token, other = service.login(contributor), service.login(contributor)
    assert service.call("logout", token=token).status_code == 204
    assert service.call("fetch", token=token).status_code == 401
    assert service.call("fetch", token=other).status_code == 200
    store = service.redis()
    assert store.exists(f"session:{token}") == 0
    assert store.smembers(f"sessions_by_contributor:{contributor}") == {other}


@pytest.mark.parametrize("status", ["suspended", "erased"])
def test_a_contributor_who_is_no_longer_active_is_refused_everywhere_at_once(
    service: Service, contributor: UUID, status: str
) -> None:
    control = service.login(service.add_contributor())
    token = service.login(contributor)
    unit = service.call("fetch", token=token).json()["units"][0]["unit_id"]
    service.query("update contributors set status = %s where contributor_id = %s", status, contributor)
    assert service.call("fetch", token=token).status_code == 403
    assert service.call("commit", token=token, unit_id=unit, label="spam").status_code == 403
    assert service.call("logout", token=token).status_code == 403
    assert service.call("login", contributor_id=str(contributor)).status_code == 403
    assert service.query("select 1 from judgments where contributor_id = %s", contributor) == []
    assert service.call("fetch", token=control).status_code == 200


def test_a_deleted_session_is_refused_and_a_new_login_is_not(service: Service, contributor: UUID) -> None:
    token = service.login(contributor)
    assert service.call("fetch", token=token).status_code == 200
    service.redis().delete(f"session:{token}")
    for name in ("fetch", "commit", "logout"):
        assert service.call(name, token=token).status_code == 401
    assert service.call("fetch", token=service.login(contributor)).status_code == 200


def test_a_call_without_a_session_or_with_an_invented_one_is_refused(service: Service) -> None:
    for name in ("fetch", "commit", "logout"):
        assert service.call(name).status_code == 401
        assert service.call(name, token="invented").status_code == 401


def test_an_unknown_contributor_is_refused_at_login_and_in_a_session(service: Service) -> None:
    assert service.call("login", contributor_id=str(uuid4())).status_code == 401
    gone = service.add_contributor()
    token = service.login(gone)
    service.query("delete from contributors where contributor_id = %s", gone)
    assert service.call("fetch", token=token).status_code == 401


@pytest.mark.parametrize("name", ["login", "fetch", "commit", "logout"])
def test_a_wrong_or_missing_secret_is_refused_before_anything_else(
    service: Service, contributor: UUID, name: str
) -> None:
    token = service.login(contributor)
    sessions = service.redis().dbsize()
    url = f"{service.config.api_url}/quality/jobs/{JOB}/{name}"
    headers = {"Authorization": f"Bearer {token}"}
    body = {"contributor_id": str(contributor)}
    for query in ({}, {"secret": ""}, {"secret": "wrong"}, {"secret": "ñ"}):
        assert httpx.post(url, params=query, headers=headers, json=body).status_code == 403
    assert service.redis().dbsize() == sessions
    assert service.call("fetch", token=token).status_code == 200


@pytest.mark.parametrize("name", ["login", "fetch", "commit", "logout"])
@pytest.mark.parametrize("job", [uuid4(), "no-uuid"])
def test_an_unknown_job_is_not_found(service: Service, contributor: UUID, name: str, job: object) -> None:
    token = service.login(contributor)
    assert service.call(name, token=token, job=job, contributor_id=str(contributor)).status_code == 404


def test_a_store_that_fails_is_a_503_and_the_next_call_works_again(
    service: Service, contributor: UUID
) -> None:
    token = service.login(contributor)
    service.query("alter table units rename to units_away")
    try:
        assert service.call("fetch", token=token).status_code == 503
    finally:
        service.query("alter table units_away rename to units")
    assert service.call("fetch", token=token).status_code == 200


def test_connections_that_were_cut_are_replaced(service: Service, contributor: UUID) -> None:
    token = service.login(contributor)
    assert service.query(
        "select count(pg_terminate_backend(pid)) > 0 from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    ) == [(True,)]
    assert service.call("fetch", token=token).status_code == 200


def test_neither_a_person_nor_a_secret_is_in_the_log(service: Service, contributor: UUID) -> None:
    token = service.login(contributor)
    email = json.loads(str(service.redis().get(f"session:{token}")))["email"]
    # A check constraint's message prints the whole row: the error that says most about a person.
    service.query("alter table judgments add constraint no_more check (false) not valid")
    try:
        unit = service.call("fetch", token=token).json()["units"][0]["unit_id"]
        assert service.call("commit", token=token, unit_id=unit, label="spam").status_code == 503
    finally:
        service.query("alter table judgments drop constraint no_more")
    written = service.log.read_text()
    assert "a call failed: IntegrityError" in written
    for private in (email, str(contributor), token, service.config.api_secret, "spam"):
        assert private not in written


def answers(engine: JobApi) -> bool:
    try:
        engine.probe()
    except engine.not_ready:
        return False
    return True


def make_database(maintenance: SandboxConfig, config: SandboxConfig) -> None:
    with psycopg.connect(maintenance.postgres_dsn, autocommit=True) as connection:
        name = sql.Identifier(DATABASE)
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(name))
        connection.execute(sql.SQL("create database {}").format(name))
    with psycopg.connect(config.postgres_dsn) as connection:
        ddl = (PACKAGE_DIRECTORY / "world" / "ddl_postgres.sql").read_text(encoding="utf-8")
        connection.execute(ddl.encode())
        project = uuid4()
        connection.execute("insert into projects values (%s, 'Signposts')", (project,))
        for job, units in ((JOB, 6), (OTHER_JOB, 1)):
            connection.execute("insert into jobs values (%s, %s, 'Read the sign')", (job, project))
            for number in range(units):
                url = f"https://images.example.org/{job}/{number}.jpg"
                connection.execute("insert into units values (%s, %s, %s)", (uuid4(), job, url))
