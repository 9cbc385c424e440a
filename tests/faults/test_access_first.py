"""Access first: killed, kept out or let in by the platform, nothing is masked before it is proven that access ended.

One batch goes through it all, from a kill between revoking and its proof to the proof itself; another is killed before
that, while it has sessions of its own.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.faults.gate import Gate
from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome import changed, differing_counts, nonzero, require_erased, world
from tests.integration.raw_look import Snapshot, look
from tests.sandbox_fixtures import eventually
from tests.unit.job_api_support import JOB_PATH, SECRET, UNITS, Call, Platform, Reply

LEASE_SECONDS = 2
pytestmark = pytest.mark.timeout(1500)


class Careless:
    """A platform that lets everybody in, whatever the stores say, and can be told to hold its answers back."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self.released = threading.Event()
        self.holds_from = 0

    def __call__(self, call: Call) -> Reply:
        if call.name == "fetch" and self.holds_from:
            self.holds_from -= 1
            if not self.holds_from:
                self.held.set()
                self.released.wait(60)
        bodies = {"login": {"token": f"t-{call.body.get('contributor_id')}"}, "fetch": UNITS}
        return Reply(body=bodies.get(call.name), status=204 if call.name == "logout" else 200)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What each try came to, and what stood in the stores after it."""

    people: list[Person] = field(repr=False)
    before: Snapshot = field(repr=False)
    killed: Snapshot = field(repr=False)
    lets_in: Answer
    away: Answer
    unproven: Snapshot = field(repr=False)
    proven: Answer
    after: Snapshot = field(repr=False)


@pytest.fixture
def careless() -> Iterator[tuple[Platform, Careless]]:
    platform, script = Platform(), Careless()
    platform.script = script
    yield platform, script
    script.released.set()
    platform.stop()


@pytest.fixture
def story(flow: Flow, careless: tuple[Platform, Careless]) -> Story:
    platform, script = careless
    people = flow.plain()[:1]
    csv = flow.csv(people)
    before = look(flow.config)
    lease = {("erasure", "lease_seconds"): str(LEASE_SECONDS)}
    lets_in = flow.variant({("api", "job_url"): platform.job_url, ("api", "timeout_seconds"): "60", **lease})
    # The second fetch is that of the captured token, after access has been revoked and before it is proven.
    script.holds_from = 2
    with (flow.root / "out").open("w") as out, (flow.root / "err").open("w") as err:
        command = flow.process(
            "delete", "--csv", csv, "--execute", "--undo-days", "0", out=out, err=err, config=lets_in
        )
        try:
            eventually(lambda: script.held.is_set() or command.poll() is not None, within=400)
        finally:
            command.send_signal(signal.SIGKILL)
            command.wait()
    script.released.set()
    killed = look(flow.config)
    (batch,) = flow.sql("select batch_id from erasure.batches where state = 'executing'")
    eventually(lambda: _lease_has_expired(flow), within=30)
    first = flow.command("resume", batch["batch_id"], config=lets_in)
    away = flow.variant({("api", "job_url"): f"http://127.0.0.1:1{JOB_PATH}?secret={SECRET}", **lease})
    second = flow.command("resume", batch["batch_id"], config=away)
    unproven = look(flow.config)
    third = flow.command("resume", batch["batch_id"])
    return Story(
        people=people,
        before=before,
        killed=killed,
        lets_in=first,
        away=second,
        unproven=unproven,
        proven=third,
        after=look(flow.config),
    )


def _lease_has_expired(flow: Flow) -> bool:
    return bool(
        flow.sql(
            "select 1 from erasure.lease where released_at is null"
            " and heartbeat_at < now() - make_interval(secs => %s)",
            LEASE_SECONDS,
        )
    )


def test_without_a_proof_nothing_is_masked_and_after_a_crash_a_proof_needs_no_tokens(
    flow: Flow, story: Story
) -> None:
    # Killed after revoking: that is committed, in PostgreSQL and Redis, and nothing else has changed.
    for snapshot in (story.killed, story.unproven):
        differing = changed(world(story.before), world(snapshot))
        assert {place.store for place in differing} <= {"postgres", "redis"}
        assert {place.object for place in differing if place.store == "postgres"} == {"public.contributors"}
        assert snapshot.naming(story.people[0].emails)

    assert story.lets_in.code == 1, story.lets_in.said
    assert "came to ok 200, which is no denial" in story.lets_in.said
    assert story.away.code == 1, story.away.said
    assert "unreachable" in story.away.said
    for answer in (story.lets_in, story.away):
        assert "❌ Kicked out: inconclusive" in answer.err
        assert any("Nothing was masked" in problem for problem in answer.result["problems"])

    assert story.proven.code == 0, story.proven.said
    require_erased(story.before, story.after, story.people)
    (batch,) = flow.sql(
        "select access_proof from erasure.batches where batch_id = %s", story.proven.result["batch_id"]
    )
    proof = batch["access_proof"]
    assert (proof["state"], proof["tokens_tried"], proof["control_succeeded"]) == ("proven", 0, True)
    assert "no token from before was there to be tried" in proof["reason"]

    # Revoked once and begun four times: what was counted before the first time stays.
    assert nonzero(story.proven.result["counts"]) == nonzero(differing_counts(story.before, story.after))
    assert nonzero(story.proven.result["counts"])["redis"]["sessions"]
    assert revoked(flow, story.proven.result["batch_id"])["contributors"] == (1, 1)


@pytest.mark.full
def test_killed_with_sessions_of_its_own_it_counts_none_of_them_and_goes_on_with_a_job_alone(
    flow: Flow,
) -> None:
    """Killed when it has logged in as the sample and access has not ended."""
    people = flow.plain()[2:4]
    lease = {("erasure", "lease_seconds"): str(LEASE_SECONDS)}
    before = look(flow.config)
    job_url = flow.setting("api", "job_url")
    host, _, path = job_url.removeprefix("http://").partition("/")
    address, _, port = host.rpartition(":")
    killed: list[subprocess.Popen[str]] = []

    def kill() -> None:
        killed[0].kill()

    with (
        Gate(address, int(port), shut_at=b"/fetch", instead=kill) as gate,
        (flow.root / "out").open("w") as out,
        (flow.root / "err").open("w") as err,
    ):
        through = flow.variant({("api", "job_url"): f"http://127.0.0.1:{gate.port}/{path}", **lease})
        killed.append(
            flow.process(
                *("delete", "--csv", flow.csv(people), "--execute", "--undo-days", "0"),
                out=out,
                err=err,
                config=through,
            )
        )
        killed[0].wait(400)
        assert gate.was_reached
    interrupted = look(flow.config)
    (new,) = {p.key for p in changed(world(before), world(interrupted)) if p.key.startswith("session:")}
    assert new.startswith("session:")
    assert {p.store for p in changed(world(before), world(interrupted))} == {"redis"}
    (batch,) = flow.sql("select batch_id from erasure.batches where state = 'executing'")
    eventually(lambda: _lease_has_expired(flow), within=30)

    nobody = flow.variant({("api", "job_url"): "", **lease})
    without = flow.command("resume", batch["batch_id"], config=nobody)
    assert without.code == 1, without.said
    assert any("no job is named now. Nothing was masked" in p for p in without.result["problems"])
    assert changed(world(interrupted), world(look(flow.config))) == set()

    named = flow.command("resume", batch["batch_id"], "--job-url", job_url, config=nobody)
    assert named.code == 0, named.said
    after = look(flow.config)
    require_erased(before, after, people)
    assert nonzero(named.result["counts"]) == nonzero(differing_counts(before, after))
    assert revoked(flow, batch["batch_id"])["contributors"] == (2, 2)


def revoked(flow: Flow, batch_id: str) -> dict[str, tuple[int, int]]:
    """Object -> how many were to be revoked, and how many were."""
    rows = flow.sql(
        "select object, pending, done from erasure.steps where stage = 'revoke' and batch_id = %s", batch_id
    )
    return {row["object"]: (row["pending"], row["done"]) for row in rows}


def test_a_status_that_is_given_back_is_noticed_before_anything_is_masked(flow: Flow) -> None:
    people = flow.plain()[1:2]
    flow.sql(
        "create function give_back() returns trigger language plpgsql as $$ begin"
        " new.status := 'active'; return new; end $$"
    )
    flow.sql(
        "create trigger give_back before update on contributors for each row execute function give_back()"
    )
    config = flow.variant({("api", "job_url"): ""})
    try:
        answer = flow.command("delete", "--csv", flow.csv(people), "--execute", config=config)
    finally:
        flow.sql("drop function give_back cascade")
    assert answer.code != 0, answer.said
    assert look(flow.config).naming(people[0].emails)
