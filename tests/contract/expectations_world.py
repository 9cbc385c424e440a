"""A small masked world for the judge: two accounts of one person erased, one control, in all five stores.

Holds: `Judged`, which makes the world in places of its own, and the values of its people.
Add here: a record that a clean state needs.
Keep out: survivors (the tests plant them), the product's own stores.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import clickhouse_connect
import httpx
import psycopg
import redis

from erasure.settings import PROJECT_ROOT, Settings
from expectations.readers.base import FieldReading, Reader
from expectations.readers.batch import read_batch
from expectations.readers.clickhouse import read_clickhouse
from expectations.readers.postgres import read_postgres
from expectations.readers.redis import read_redis
from expectations.readers.s3 import read_s3
from expectations.readers.search import read_search
from sandbox.config import SandboxConfig
from tests.inventory_fixtures import kepler_inventory

ANN = "a0000000-0000-4000-8000-000000000001"
ANNS_OTHER = "a0000000-0000-4000-8000-000000000002"
CONTROL = "c0000000-0000-4000-8000-000000000001"
EARLIER = "e0000000-0000-4000-8000-000000000001"
PROJECT = "10000000-0000-4000-8000-000000000001"
UNIT = "30000000-0000-4000-8000-000000000001"
BATCH = "b20260101T000000Z-abcdef"
EMAIL = "ann.judge@example.com"
OTHER_EMAIL = "ann.second@example.org"
NAME = "Ann Judgeworthy"
PHONE = "+1 555 0100"
PERSONAL = (EMAIL, OTHER_EMAIL, NAME, PHONE)
CONTROL_EMAIL = "control@example.net"
MASK = "DELETED_USER"
REDIS_DB = 71
WORLD = PROJECT_ROOT / "sandbox" / "world"
INDEX = f"project-{PROJECT}"

_POSTGRES = f"""
insert into contributors (contributor_id, email, full_name, phone, birth_date, country, status, created_at)
values
  ('{ANN}', '{MASK}-{ANN}', '{MASK}', '{MASK}', '1980-01-01', 'DE', 'erased', now()),
  ('{ANNS_OTHER}', '{MASK}-{ANNS_OTHER}', '{MASK}', null, null, 'DE', 'erased', now()),
  ('{CONTROL}', '{CONTROL_EMAIL}', 'Control', '+1 555 0199', '1990-05-05', 'FR', 'active', now());
insert into projects values ('{PROJECT}', 'p');
insert into jobs values ('20000000-0000-4000-8000-000000000001', '{PROJECT}', 'j');
insert into units values ('{UNIT}', '20000000-0000-4000-8000-000000000001', 'https://example.com/u');
insert into contributor_aliases (contributor_id, email)
values ('{ANN}', '{MASK}'), ('{CONTROL}', 'c2@example.net');
insert into judgments (judgment_id, unit_id, job_id, contributor_id, contributor_email, label, ip, created_at)
select id, '{UNIT}', '20000000-0000-4000-8000-000000000001', cast(who as uuid), email, 'cat', ip, now()
from (values
  (1, '{ANN}', '{MASK}', '192.0.2.0'),
  (2, '{ANNS_OTHER}', null, '2001:db8:1::'),
  (3, null, '{MASK}', '{MASK}'),
  (4, '{CONTROL}', '{CONTROL_EMAIL}', '192.0.2.77'),
  (5, null, 'nobody@example.com', '192.0.2.78')) as v (id, who, email, ip);
insert into payments values
  (1, '{ANN}', 10, 'EUR', 'paid', '{MASK}', '{MASK}', now()),
  (2, '{CONTROL}', 10, 'EUR', 'paid', 'C', 'DE1', now());
insert into disputes values
  (1, 1, 'closed', '{MASK}', '{MASK} says no', now()),
  (2, 4, 'closed', '{CONTROL_EMAIL}', '{NAME} told me', now());
insert into support_messages values
  (1, '{ANN}', '{MASK}', 'hello', 'I am {MASK}, not Joann Judgeworthy', now()),
  (2, null, '{MASK}', 'help', 'call {MASK}', now()),
  (3, '{CONTROL}', '{CONTROL_EMAIL}', 'hi', 'a word on {NAME}', now()),
  (4, '{EARLIER}', '{MASK}', 'hi', 'erased before, a word on {NAME}', now());
insert into login_events values
  (1, '{ANN}', '192.0.2.0', null, now()),
  (2, '{CONTROL}', '192.0.2.9', 'UA', now());
create schema erasure;
create table erasure.targets (batch_id text, contributor_id uuid, person_id uuid, kind text, value text);
create table erasure.erased (contributor_id uuid, batch_id text, restored_at timestamptz);
insert into erasure.erased values ('{ANN}', '{BATCH}'), ('{ANNS_OTHER}', '{BATCH}');
insert into erasure.targets values
  ('{BATCH}', '{ANN}', '{ANN}', 'contributor', '{ANN}'),
  ('{BATCH}', '{ANNS_OTHER}', '{ANN}', 'contributor', '{ANNS_OTHER}'),
  ('{BATCH}', '{ANN}', '{ANN}', 'email', '{EMAIL}'),
  ('{BATCH}', '{ANNS_OTHER}', '{ANN}', 'email', '{OTHER_EMAIL}'),
  ('{BATCH}', '{ANN}', '{ANN}', 'name', '{NAME}'),
  ('{BATCH}', '{ANN}', '{ANN}', 'phone', '{PHONE}'),
  ('{BATCH}', '{CONTROL}', '{CONTROL}', 'excluded', 'hold'),
  ('another', '{CONTROL}', '{CONTROL}', 'contributor', '{CONTROL}');
"""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The world's engines, with raw clients to plant survivors by."""

    config: SandboxConfig
    settings: Settings
    database: str
    bucket: str

    def sql(self, statement: str) -> None:
        config = self.config
        with psycopg.connect(
            host=config.host,
            port=config.postgres_port,
            dbname=self.database,
            user=config.postgres_user,
            password=config.postgres_password,
        ) as connection:
            connection.execute(statement.encode())

    def clickhouse(self, *statements: str) -> None:
        with clickhouse_connect.get_client(
            host=self.config.host,
            port=self.config.clickhouse_port,
            username=self.config.clickhouse_user,
            password=self.config.clickhouse_password,
            database="kepler",
        ) as client:
            for statement in statements:
                client.command(statement)

    def search(self, method: str, path: str, body: Any = None) -> None:
        url = f"{self.config.search_url}/{path}"
        answer = httpx.request(method, url, json=body, timeout=60, trust_env=False)
        assert answer.status_code in {200, 201}, answer.text

    @property
    def s3(self) -> Any:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.config.s3_endpoint_url,
            region_name=self.config.s3_region,
            aws_access_key_id=self.config.s3_access_key,
            aws_secret_access_key=self.config.s3_secret_key,
        )

    @property
    def redis(self) -> Any:
        return redis.Redis(
            host=self.config.host,
            port=self.config.redis_port,
            db=REDIS_DB,
            password=self.config.redis_password,
        )


def make_world(config: SandboxConfig) -> Judged:
    """The clean state: targets masked or gone, the control as ever."""
    token = uuid.uuid4().hex[:12]
    database, bucket = f"judge_{token}", f"judge-{token}"
    with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {database} owner {config.postgres_user}".encode())
    judged = Judged(
        config=config, settings=_settings(config, database, bucket), database=database, bucket=bucket
    )
    judged.sql((WORLD / "ddl_postgres.sql").read_text())
    # A contributor of an earlier batch may be gone from the table of contributors.
    judged.sql("alter table support_messages drop constraint support_messages_contributor_id_fkey")
    judged.sql(_POSTGRES)
    _fill_clickhouse(judged)
    _fill_search(judged)
    _fill_s3(judged)
    _fill_redis(judged)
    return judged


def drop_world(judged: Judged) -> None:
    """Leaves nothing behind for other tests."""
    with psycopg.connect(judged.config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"drop database {judged.database} with (force)".encode())
    judged.search("DELETE", "project-*")
    judged.redis.flushdb()


def _settings(config: SandboxConfig, database: str, bucket: str) -> Settings:
    return Settings.model_validate(
        {
            "database": {
                "host": config.host,
                "port": config.postgres_port,
                "database": database,
                "username": config.postgres_user,
                "password": config.postgres_password,
            },
            "clickhouse": {
                "host": config.host,
                "port": config.clickhouse_port,
                "username": config.clickhouse_user,
                "password": config.clickhouse_password,
            },
            "elasticsearch": {"url": config.search_url},
            "s3": {
                "bucket_name": bucket,
                "aws_access_key_id": config.s3_access_key,
                "aws_secret_access_key": config.s3_secret_key,
                "endpoint_url": config.s3_endpoint_url,
                "region": config.s3_region,
            },
            "redis": {
                "host": config.host,
                "port": config.redis_port,
                "db": REDIS_DB,
                "password": config.redis_password,
            },
        }
    )


def _fill_clickhouse(judged: Judged) -> None:
    ddl = (WORLD / "ddl_clickhouse.sql").read_text()
    tables = [statement for statement in ddl.split(";") if statement.strip()]
    judged.clickhouse(
        "drop view if exists slow_units_mv sync",
        *(
            f"drop table if exists {table} sync"
            for table in ("unit_metrics", "app_events", "notifications", "slow_units", "job_totals")
        ),
        *tables,
        f"""insert into unit_metrics select toUUID('{PROJECT}'), toUUID('{PROJECT}'), toUUID('{UNIT}'),
            toUUID(v.1), v.2, 'cat', 'DE', 1, now() from (select arrayJoin([('{ANN}', '{MASK}'),
            ('{ANNS_OTHER}', '{MASK}'), ('{CONTROL}', '{CONTROL_EMAIL}')]) as v)""",
        f"""insert into app_events values (1, 'open', '{MASK}', '192.0.2.0', 1, now()),
            (2, 'open', '{CONTROL_EMAIL}', '192.0.2.7', 1, now()),
            (3, 'open', NULL, '192.0.2.8', 1, now())""",
    )


def document(*judgments: tuple[str | None, str | None]) -> dict[str, Any]:
    """A unit with these (workerId, workerEmail), the last of them the latest."""
    elements = [
        {"workerId": who, "workerEmail": email, "label": "cat", "at": "2026-01-01T00:00:00Z"}
        for who, email in judgments
    ]
    return {"unit_id": UNIT, "project_id": PROJECT, "latest": elements[-1], "judgments": elements}


def _fill_search(judged: Judged) -> None:
    judged.search("DELETE", "project-*")
    judged.search("PUT", INDEX, json.loads((WORLD / "search_index.json").read_text()))
    judged.search("PUT", f"{INDEX}/_doc/1", document((CONTROL, CONTROL_EMAIL), (ANN, MASK)))
    judged.search("PUT", f"{INDEX}/_doc/2", document((ANNS_OTHER, MASK), (CONTROL, CONTROL_EMAIL)))


def _fill_s3(judged: Judged) -> None:
    judged.s3.create_bucket(Bucket=judged.bucket)
    judged.s3.put_bucket_versioning(Bucket=judged.bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (f"contributors/{CONTROL}/profile.json", f"contributors/{ANN}9/profile.json", f"{ANN}/x"):
        judged.s3.put_object(Bucket=judged.bucket, Key=key, Body=b"{}")


def _fill_redis(judged: Judged) -> None:
    client = judged.redis
    client.flushdb()
    client.set("session:t0", json.dumps({"contributor_id": CONTROL, "email": CONTROL_EMAIL}))
    client.sadd(f"sessions_by_contributor:{CONTROL}", "t0")
    client.hset(f"profile:{CONTROL}", mapping={"email": CONTROL_EMAIL})
    client.hset(f"profile:{ANN}9", mapping={"email": CONTROL_EMAIL})
    client.sadd("contributors:online", CONTROL)


def files_below(directory: Path) -> list[Path]:
    """Every file, for a raw look at what has been written."""
    return [path for path in directory.rglob("*") if path.is_file()]


READERS: Mapping[str, Reader] = {
    "postgres": read_postgres,
    "clickhouse": read_clickhouse,
    "elasticsearch": read_search,
    "s3": read_s3,
    "redis": read_redis,
}


def read(judged: Judged, store: str) -> list[FieldReading]:
    """A fresh reading of a store."""
    return READERS[store](judged.settings, kepler_inventory(), read_batch(judged.settings, BATCH))
