"""The sandbox as its users meet it: real clients reach every engine, and nobody else learns its secrets."""

from __future__ import annotations

import stat
from dataclasses import asdict, replace

import boto3
import clickhouse_connect
import httpx
import psutil
import psycopg
import pytest
import redis
from botocore.client import BaseClient
from clickhouse_connect.driver.client import Client
from opensearchpy import OpenSearch

from sandbox.config import SandboxConfig
from sandbox.state import State
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import ENGINES, pids, read_ini, redis_client, sandbox_command

# Elasticsearch of that age does not say what it is.
SEARCH_VERSIONS = {"opensearch": ("3.8.0", "opensearch"), "elasticsearch": ("7.10.2", None)}


def test_postgres_answers_psycopg_and_refuses_a_wrong_password(sandbox: Sandbox) -> None:
    config = sandbox.config
    with psycopg.connect(config.postgres_dsn) as connection:
        assert connection.execute("select current_user, current_database()").fetchone() == (
            "kepler",
            "kepler_dev",
        )
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(replace(config, postgres_password="wrong").postgres_dsn)


def test_the_platforms_postgres_user_can_make_databases_and_is_no_superuser(sandbox: Sandbox) -> None:
    query = "select rolcreatedb, rolsuper from pg_roles where rolname = current_user"
    with psycopg.connect(sandbox.config.postgres_dsn) as connection:
        assert connection.execute(query).fetchone() == (True, False)
    with psycopg.connect(sandbox.config.postgres_admin_dsn) as connection:
        assert connection.execute(query).fetchone() == (True, True)


def test_redis_answers_redis_py_and_refuses_a_wrong_password(sandbox: Sandbox) -> None:
    assert redis_client(sandbox.config).ping() is True
    with pytest.raises(redis.AuthenticationError):
        redis_client(replace(sandbox.config, redis_password="wrong")).ping()


def test_clickhouse_answers_clickhouse_connect_and_refuses_a_wrong_password(sandbox: Sandbox) -> None:
    config = sandbox.config
    client = clickhouse_client(config)
    assert client.query("select currentDatabase()").result_rows == [(config.clickhouse_database,)]
    with pytest.raises(clickhouse_connect.driver.exceptions.DatabaseError):
        clickhouse_client(replace(config, clickhouse_password="wrong"))


def test_clickhouse_keeps_a_query_log_in_which_literals_can_be_found(sandbox: Sandbox) -> None:
    client = clickhouse_client(sandbox.config)
    client.command("select 'canary-' || 'in-two-halves'")
    client.command("select 'canary-in-one'")
    client.command("system flush logs")
    # The halves keep this question from finding itself.
    counted = "select countIf(query like '%canary-' || 'in-one%'), countIf(query like '%canary-in' || '-two-halves%')"
    ((whole, halves),) = client.query(
        f"{counted} from system.query_log where type = 'QueryFinish'"
    ).result_rows
    assert (whole > 0, halves) == (True, 0)


def test_search_answers_opensearch_py_and_analyses_text(sandbox: Sandbox) -> None:
    client = OpenSearch(sandbox.config.search_url)
    about = client.info()["version"]
    assert (about["number"], about.get("distribution")) == SEARCH_VERSIONS[sandbox.kind("search")]
    client.index(index="sandbox-contract", id="1", body={"said": "Hello, world"}, refresh=True)
    try:
        assert hits(client, {"match": {"said": "hello"}}) == 1
        assert hits(client, {"match": {"said": "goodbye"}}) == 0
    finally:
        client.indices.delete(index="sandbox-contract")


def test_s3_answers_boto3_with_a_versioned_bucket(sandbox: Sandbox) -> None:
    client = s3_client(sandbox.config)
    bucket = sandbox.config.s3_bucket
    assert client.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    for body in (b"first", b"second"):
        client.put_object(Bucket=bucket, Key="sandbox-contract", Body=body)
    versions = client.list_object_versions(Bucket=bucket, Prefix="sandbox-contract")["Versions"]
    assert len(versions) == 2
    for version in versions:
        client.delete_object(Bucket=bucket, Key="sandbox-contract", VersionId=version["VersionId"])
    assert "Versions" not in client.list_object_versions(Bucket=bucket, Prefix="sandbox-contract")


def test_the_job_api_answers_httpx(sandbox: Sandbox) -> None:
    answer = httpx.get(f"{sandbox.config.api_url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_status_names_every_engine_with_version_port_pid_and_memory(sandbox: Sandbox) -> None:
    found = sandbox.status()
    assert [engine.name for engine in found] == ENGINES
    for engine in found:
        assert engine.state == "running"
        assert sandbox.kind(engine.name) in engine.version or engine.name not in ("search", "s3")
        assert engine.version
        assert engine.port
        assert engine.pid is not None and psutil.pid_exists(engine.pid)
        assert engine.memory_mb


def test_a_second_up_changes_nothing(sandbox: Sandbox) -> None:
    before = pids(sandbox)
    # A new object knows nothing but what is on disk, as the next command does.
    again = Sandbox(sandbox.paths.root).up()
    assert [ready.started for ready in again] == [False] * len(ENGINES)
    assert pids(sandbox) == before


def test_engines_listen_on_the_loopback_address_only(sandbox: Sandbox) -> None:
    listening = [
        connection.laddr.ip
        for pid in pids(sandbox).values()
        for connection in psutil.Process(pid).net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= len(ENGINES)
    assert set(listening) <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_no_secret_is_among_the_arguments_of_any_process(sandbox: Sandbox) -> None:
    secrets = State.read(sandbox.paths.state).secrets.model_dump().values()
    arguments = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    # The engines are among what is looked at.
    assert any(str(sandbox.paths.root) in line for line in arguments)
    assert not [line for line in arguments if any(secret in line for secret in secrets)]


def test_no_secret_is_in_a_log_or_in_the_representation_of_the_configuration(sandbox: Sandbox) -> None:
    secrets = State.read(sandbox.paths.state).secrets.model_dump().values()
    texts = [log.read_text(errors="replace") for log in sorted((sandbox.paths.root / "logs").iterdir())]
    assert len(texts) == len(ENGINES)
    shown = [*texts, repr(sandbox.config), repr(State.read(sandbox.paths.state))]
    assert not [text for text in shown if any(secret in text for secret in secrets)]
    assert sandbox.config.redis_password in asdict(sandbox.config).values()


def test_files_with_secrets_are_readable_by_their_owner_only(sandbox: Sandbox) -> None:
    root = sandbox.paths.root
    for path in (sandbox.paths.config, sandbox.paths.state, root / "redis" / "redis.conf"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secrets = State.read(sandbox.paths.state).secrets.model_dump().values()
    readable = [
        path
        for path in root.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o077 and path.stat().st_size < 2**20
    ]
    assert readable
    assert not [path for path in readable if any(secret.encode() in path.read_bytes() for secret in secrets)]


def test_config_ini_has_what_the_product_reads(sandbox: Sandbox) -> None:
    config = sandbox.config
    ini = read_ini(sandbox.paths.config)
    assert set(ini) - {"DEFAULT"} == {
        "database",
        "redis",
        "elasticsearch",
        "s3",
        "clickhouse",
        "api",
        "erasure",
    }
    assert (ini["database"]["username"], ini["database"]["database"]) == ("kepler", "kepler_dev")
    assert ini["database"]["port"] == str(config.postgres_port)
    assert ini["redis"]["db"] == "0"
    assert ini["elasticsearch"]["url"] == config.search_url
    assert ini["s3"]["endpoint_url"] == config.s3_endpoint_url
    assert ini["s3"]["region"] == "us-east-1"
    assert ini["clickhouse"]["username"] == "kepler"
    assert ini["api"]["url"] == config.api_url


def test_the_command_line_shows_and_keeps_a_running_sandbox(sandbox: Sandbox) -> None:
    root = ["--root", str(sandbox.paths.root)]
    up = sandbox_command("up", *root)
    assert up.returncode == 0, up.stderr
    assert [line.split()[0] for line in up.stdout.splitlines()[: len(ENGINES)]]
    assert up.stdout.count("was running") == len(ENGINES)
    shown = sandbox_command("status", *root)
    assert shown.returncode == 0
    assert [line.split("\t")[:2] for line in shown.stdout.splitlines()] == [[e, "running"] for e in ENGINES]


def clickhouse_client(config: SandboxConfig) -> Client:
    return clickhouse_connect.get_client(
        host=config.host,
        port=config.clickhouse_port,
        username=config.clickhouse_user,
        password=config.clickhouse_password,
        database=config.clickhouse_database,
    )


def s3_client(config: SandboxConfig) -> BaseClient:
    return boto3.client(
        "s3",
        endpoint_url=config.s3_endpoint_url,
        region_name=config.s3_region,
        aws_access_key_id=config.s3_access_key,
        aws_secret_access_key=config.s3_secret_key,
    )


def hits(client: OpenSearch, query: dict[str, object]) -> int:
    return int(client.count(index="sandbox-contract", body={"query": query})["count"])
