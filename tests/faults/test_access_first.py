"""Access first: killed, kept out or let in by the platform, nothing is masked before it is proven that access ended.

One batch goes through it all, from a kill between revoking and its proof to the proof itself.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome import changed, require_erased, world
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
