"""One record of a person put back after a deletion: whoever looks for survivors must find it.

Holds: `Deletion`, and for each store a record that is put back and taken away again.
Add here: another kind of record that can be put back.
Keep out: looking for it (`test_raw_look.py`), and any code of the product.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import redis

from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome_exports import MASK, key_of, with_row_back
from tests.integration.raw_look import Place, Snapshot

_SLOW_SECONDS = 450

# Somebody with two accounts, of which the CSV names one; somebody with aliases and with a judgment and a message that
# have lost their id; somebody whose namesake stays; one with nothing special about them, and one who still works, whose
# judgments are the latest of their units.
REQUESTED = ("twin", "aliased", "namesake")
JOINED = "twin_merged"


@dataclass(frozen=True, kw_only=True)
class Deletion:
    """The one deletion: who it was to erase, and what was there before and after."""

    answer: Answer
    people: tuple[Person, ...]
    before: Snapshot
    after: Snapshot

    @property
    def batch_id(self) -> str:
        return str(self.answer.result["batch_id"])

    @property
    def values(self) -> list[str]:
        """The targets' values, but for the name that somebody who stays has too."""
        shared = self.people[REQUESTED.index("namesake")].full_name
        return [value for person in self.people for value in person.values if value != shared]


def put_back_in_postgres(flow: Flow, deletion: Deletion) -> Iterator[str]:
    person = deletion.people[0]
    update = "update contributors set full_name = %s where contributor_id = %s"
    flow.sql(update, person.full_name, person.contributor_id)
    try:
        yield "postgres/contributors"
    finally:
        flow.sql(update, MASK, person.contributor_id)


def put_back_in_clickhouse(flow: Flow, deletion: Deletion) -> Iterator[str]:
    person = deletion.people[0]
    rows = deletion.before.of("clickhouse", "kepler.unit_metrics").values()
    # A slow one would be copied by a materialized view, and stay there.
    old = next(
        text
        for text in rows
        if person.contributor_id in text and json.loads(text)["seconds_spent"] < _SLOW_SECONDS
    )

    def ask(statement: str) -> None:
        answer = httpx.post(
            f"http://{flow.setting('clickhouse', 'host')}:{flow.setting('clickhouse', 'port')}/",
            content=statement,
            headers={
                "X-ClickHouse-User": flow.setting("clickhouse", "username"),
                "X-ClickHouse-Key": flow.setting("clickhouse", "password"),
            },
            timeout=60,
            trust_env=False,
        )
        assert answer.status_code == httpx.codes.OK, answer.text

    ask(f"INSERT INTO kepler.unit_metrics FORMAT JSONEachRow {old}")
    try:
        yield "clickhouse/unit_metrics"
    finally:
        ask(
            "ALTER TABLE kepler.unit_metrics DELETE"
            f" WHERE contributor_id = '{person.contributor_id}' AND email <> '{MASK}'"
            " SETTINGS mutations_sync = 2"
        )


def put_back_in_elasticsearch(flow: Flow, deletion: Deletion) -> Iterator[str]:
    person = deletion.people[0]
    place, old = next(
        (place, text)
        for place, text in deletion.before.of("elasticsearch", "project-").items()
        if person.contributor_id in text
    )

    def put(text: str) -> None:
        url = f"{flow.setting('elasticsearch', 'url')}/{place.object}/_doc/{place.key}?refresh=true"
        httpx.put(url, json=json.loads(text), timeout=60, trust_env=False).raise_for_status()

    put(old)
    try:
        yield "elasticsearch/units"
    finally:
        put(deletion.after.records[place])


@contextmanager
def _on_top(flow: Flow, key: str, body: bytes) -> Iterator[None]:
    """A version above what is there, gone afterwards."""
    client: Any = boto3.session.Session().client(
        "s3",
        endpoint_url=flow.setting("s3", "endpoint_url"),
        region_name=flow.setting("s3", "region"),
        aws_access_key_id=flow.setting("s3", "aws_access_key_id"),
        aws_secret_access_key=flow.setting("s3", "aws_secret_access_key"),
    )
    bucket = flow.setting("s3", "bucket_name")
    version = client.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
    try:
        yield
    finally:
        client.delete_object(Bucket=bucket, Key=key, VersionId=version)


def put_back_in_s3(flow: Flow, deletion: Deletion) -> Iterator[str]:
    person = deletion.people[0]
    place, old = next(
        (place, text)
        for place, text in deletion.before.of("s3").items()
        if f"{person.contributor_id}/profile.json" in place.key
    )
    with _on_top(flow, key_of(place), old.encode()):
        yield "s3/contributor_files"


def put_back_in_an_export(flow: Flow, deletion: Deletion) -> Iterator[str]:
    """One row of many."""
    was, now = (
        next((place, text) for place, text in seen.of("s3").items() if "/answers-1.csv.gz" in place.key)
        for seen in (deletion.before, deletion.after)
    )
    key = key_of(was[0])
    assert key == key_of(now[0])
    table = with_row_back(was[1], now[1], deletion.people[0].contributor_id)
    with _on_top(flow, key, gzip.compress(table.encode())):
        yield "s3/answer_exports"


def put_back_in_redis(flow: Flow, deletion: Deletion) -> Iterator[str]:
    key = f"profile:{deletion.people[0].contributor_id}"
    old = json.loads(deletion.before.records[Place("redis", "profile", key)])
    with redis.Redis(
        host=flow.setting("redis", "host"),
        port=int(flow.setting("redis", "port")),
        password=flow.setting("redis", "password"),
        db=int(flow.setting("redis", "db")),
    ) as client:
        client.hset(key, mapping=old)
        try:
            yield "redis/profiles"
        finally:
            client.delete(key)
