"""Engines that are away, secrets that are wrong, processes that are killed: what is done stays done, nothing else is.

The tests share a world, each with people of its own in it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.faults.detours import address, led_to
from tests.faults.gate import Gate
from tests.flow_fixtures import Flow, Person
from tests.integration.outcome import (
    changed,
    differing_counts,
    nonzero,
    require_erased,
    strayed,
    world,
)
from tests.integration.raw_look import Place, Snapshot, look
from tests.sandbox_fixtures import eventually

LEASE_SECONDS = 2


def test_search_that_goes_away_while_it_is_masked_holds_postgres_back_until_resume(flow: Flow) -> None:
    people = [*flow.edge("aliased"), *flow.plain()[1:2]]
    before = look(flow.config)
    csv = flow.csv(people)
    with Gate(*address(flow, "elasticsearch"), shut_at=b"_update_by_query") as gate:
        config = led_to(flow, "elasticsearch", gate.port)
        failed = flow.command("delete", "--csv", csv, "--execute", "--undo-days", "0", config=config)
        between = look(flow.config)
        gate.open()
        resumed = flow.command("resume", failed.result["batch_id"], config=config)
    assert failed.code == 1, failed.said
    assert failed.result["state"] == "failed"
    assert any(problem.startswith("elasticsearch") for problem in failed.result["problems"])
    assert "⚠️  Elasticsearch documents masked: not done (StoreUnavailable)" in failed.err
    assert "⚠️  PostgreSQL records deleted: not done" in failed.err
    done = nonzero(differing_counts(before, between))
    assert {"clickhouse", "s3", "redis"} == {name for name in done if done[name]} - {"postgres"}
    assert only_access_has_ended(before, between, people)

    assert resumed.code == 0, resumed.said
    assert resumed.result["batch_id"] == failed.result["batch_id"]
    assert resumed.result["state"] == "erased"
    after = look(flow.config)
    require_erased(before, after, people)
    assert nonzero(resumed.result["counts"]) == nonzero(differing_counts(before, after))


def test_a_wrong_job_secret_proves_nothing_so_nothing_is_masked(flow: Flow) -> None:
    people = flow.plain()[2:3]
    before = look(flow.config)
    wrong = flow.setting("api", "job_url").partition("secret=")[0] + "secret=wrong-job-secret"
    config = flow.variant({("api", "job_url"): wrong})
    answer = flow.command("delete", "--csv", flow.csv(people), "--execute", config=config)
    after = look(flow.config)
    assert answer.code == 1, answer.said
    assert answer.result["state"] == "failed"
    assert "❌ Kicked out: inconclusive" in answer.err
    assert any("Nothing was masked" in problem for problem in answer.result["problems"])
    assert "wrong-job-secret" not in answer.said
    assert only_access_has_ended(before, after, people)
    assert {place.store for place in changed(world(before), world(after))} <= {"postgres", "redis"}
    emails = {place for place in before.naming(people[0].emails) if not place.key.startswith("session:")}
    assert emails == set(world(after).naming(people[0].emails))


@pytest.mark.costly
def test_a_killed_execution_keeps_its_lease_until_it_expires_and_is_then_resumed(flow: Flow) -> None:
    """Killed while PostgreSQL is being masked, the other four being done; in the meantime nobody else may execute."""
    people = flow.edge("twin", "twin_merged", "namesake")
    others = flow.csv(flow.plain(inactive=False)[:1])
    config = flow.variant({("erasure", "lease_seconds"): str(LEASE_SECONDS)})
    plan = flow.command("delete", "--csv", others, "--dry-run", config=config)
    assert plan.code == 0, plan.said
    before = look(flow.config)
    with (flow.root / "out").open("w") as out, (flow.root / "err").open("w") as err:
        csv = flow.csv(people)
        arguments = ("delete", "--csv", csv, "--execute", "--undo-days", "0")
        with locked(flow, "login_events"):
            command = flow.process(*arguments, out=out, err=err, config=config)
            try:
                eventually(lambda: bool(pending(flow, "postgres")), within=120)
                (lease,) = flow.sql("select batch_id, run_id from erasure.lease where released_at is null")
                refused = flow.command("delete", "--csv", others, "--execute", config=config)
            finally:
                command.send_signal(signal.SIGKILL)
                command.wait()
    assert refused.code == 3, refused.said
    assert any(lease["batch_id"] in p and lease["run_id"] in p for p in refused.result["problems"])
    assert lease["batch_id"] != plan.result["batch_id"]
    killed = look(flow.config)
    assert killed.naming([people[0].email]), "it was killed too late"
    assert flow.sql("select state from erasure.batches where batch_id = %s", lease["batch_id"]) == [
        {"state": "executing"}
    ]
    assert strayed(before, killed, people) == []

    eventually(lambda: lease_has_expired(flow), within=30)
    resumed = flow.command("resume", lease["batch_id"], config=config)
    assert resumed.code == 0, resumed.said
    assert resumed.result["state"] == "erased"
    after = look(flow.config)
    require_erased(before, after, people)
    assert nonzero(resumed.result["counts"]) == nonzero(differing_counts(before, after))
    assert flow.command("cancel", plan.result["batch_id"]).code == 0


def pending(flow: Flow, store: str) -> list[dict[str, Any]]:
    """The steps at work in masking a store; none while there is no ledger yet."""
    return flow.sql(
        "select object from erasure.steps where stage = 'mask' and state = 'pending' and store = %s", store
    )


def lease_has_expired(flow: Flow) -> bool:
    return bool(
        flow.sql(
            "select 1 from erasure.lease where released_at is null"
            " and heartbeat_at < now() - make_interval(secs => %s)",
            LEASE_SECONDS,
        )
    )


@contextmanager
def locked(flow: Flow, table: str) -> Iterator[None]:
    """Nobody writes to the table meanwhile, and everybody reads it: a mask of it waits."""
    with psycopg.connect(flow.dsn) as connection:
        connection.execute(f"lock table {table} in share row exclusive mode".encode())
        yield


def only_access_has_ended(before: Snapshot, after: Snapshot, people: list[Person]) -> bool:
    """In PostgreSQL nothing but the people's status has changed."""
    rows = {place for place in changed(world(before), world(after)) if place.store == "postgres"}
    accounts = {Place("postgres", "public.contributors", person.contributor_id) for person in people}
    return rows == accounts and all(
        before.records[place].replace(",active,", ",erased,") == after.records[place] for place in rows
    )
