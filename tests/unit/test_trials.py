"""The job's API tried as contributors: what each person and the whole sample come to.

Holds: the verdicts, against a scripted platform on a loopback port.
Add here: something a platform may answer that must not count as kicked out.
Keep out: single calls (`test_job_api.py`), the command (`tests/integration/test_older_commands.py`).
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure.job_api.client import JobApi
from erasure.trials import Trials, Verdict, sample, try_people
from tests.unit.job_api_support import Call, Platform, Reply, Script, Workers


def working(workers: Workers) -> Script:
    def answer(call: Call) -> Reply:
        reply = workers(call)
        return Reply(body={"judgment_id": 7}) if call.name == "commit" and reply.status == 200 else reply

    return answer


def tried(
    api: JobApi, *people: str, ended: tuple[str, ...] = (), label: str | None = "test", **more: object
) -> Trials:
    return try_people(
        api,
        people,
        ended=ended,
        control_id="control",
        label=label,
        concurrency=2,
        **more,  # type: ignore[arg-type]
    )


def test_before_a_deletion_everybody_fetches_and_commits_and_leaves_no_session(
    platform: Platform, api: JobApi
) -> None:
    workers = Workers("c1", "c2", "control")
    platform.script = working(workers)
    trials = tried(api, "c1", "c2")
    assert (trials.ok, trials.state, trials.counts) == (True, "works", {"works": 2})
    assert platform.names().count("commit") == 2
    assert workers.sessions == set()


def test_fetch_only_commits_nothing_and_the_control_never_does(platform: Platform, api: JobApi) -> None:
    platform.script = working(Workers("c1", "control"))
    assert tried(api, "c1", label=None).ok
    assert "commit" not in platform.names()
    tried(api, "c1")
    assert [call.token for call in platform.calls if call.name == "commit"] == ["token-c1"]


def test_sessions_that_are_kept_are_denied_after_the_deletion(platform: Platform, api: JobApi) -> None:
    workers = Workers("c1", "held", "control")
    platform.script = working(workers)
    before = tried(api, "c1", "held", keep_sessions=True)
    assert workers.sessions == {"token-c1", "token-held"}
    workers.revoke("c1")
    after = tried(api, "c1", "held", ended=("c1",), tokens=before.tokens)
    assert (after.ok, after.state) == (True, "as_expected")
    assert after.counts == {"locked_out": 1, "works": 1}


def test_a_session_from_before_that_still_works_is_not_kicked_out(platform: Platform, api: JobApi) -> None:
    workers = Workers("c1", "control")
    platform.script = working(workers)
    before = tried(api, "c1", keep_sessions=True)
    workers.active.discard("c1")
    after = tried(api, "c1", ended=("c1",), tokens=before.tokens)
    assert (after.ok, after.state, after.counts) == (False, "failed", {"still_works": 1})
    assert "access has ended, and still fetch succeeded (200)" in next(iter(after.sentences()))


def test_a_wrong_secret_denies_everybody_and_is_no_lockout(platform: Platform, api: JobApi) -> None:
    platform.script = lambda call: Reply(status=403)
    trials = tried(api, "c1", ended=("c1",))
    assert (trials.ok, trials.state) == (False, "inconclusive")
    assert "the secret is wrong" in "".join(trials.sentences())


@pytest.mark.parametrize(
    ("reply", "verdict", "said"),
    [
        (Reply(body={"token": "t"}), Verdict.STILL_WORKS, "and still"),
        (Reply(status=429), Verdict.RATE_LIMITED, "rate limited (429)"),
        (Reply(status=503), Verdict.SERVER_ERROR, "failed within the platform (503)"),
        (Reply(status=404), Verdict.UNEXPECTED, "[api] login_call"),
        (
            Reply(status=307, headers={"Location": "https://example.com/"}),
            Verdict.UNEXPECTED,
            "redirected (307)",
        ),
        (Reply(status=200, body="page"), Verdict.UNEXPECTED, "its answer has no usable token"),
        (Reply(status=400), Verdict.UNEXPECTED, "was not understood (400)"),
    ],
)
def test_what_is_no_denial_is_told_apart(
    platform: Platform, api: JobApi, reply: Reply, verdict: Verdict, said: str
) -> None:
    workers = Workers("control")

    def script(call: Call) -> Reply:
        if call.name == "login" and call.body.get("contributor_id") == "c1":
            return reply
        return Reply(body={"units": []}) if call.token == "t" else workers(call)

    platform.script = script
    trials = tried(api, "c1", ended=("c1",), label=None)
    assert (trials.ok, trials.state, trials.counts) == (False, "failed", {verdict.value: 1})
    assert said in "".join(trials.sentences())


def test_a_denial_of_somebody_who_was_not_deleted_is_told(platform: Platform, api: JobApi) -> None:
    platform.script = working(Workers("control"))
    trials = tried(api, "c1")
    assert (trials.ok, trials.counts) == (False, {"denied": 1})
    assert "access has not ended by a deletion, and yet login was denied (403)" in "".join(trials.sentences())


def test_nobody_is_named_by_what_is_said_or_shown(platform: Platform, api: JobApi) -> None:
    platform.script = working(Workers("somebody-else"))
    trials = tried(api, "person-1")
    shown = "".join(trials.sentences()) + repr(trials)
    assert "person-1" not in shown and "token-" not in shown


@given(
    st.sets(st.text("abc0123", min_size=1, max_size=6), min_size=1, max_size=30),
    st.integers(1, 40),
    st.randoms(),
)
def test_a_sample_is_the_same_people_in_whichever_order_they_are_listed(
    people: set[str], size: int, random: Random
) -> None:
    listed = sorted(people)
    random.shuffle(listed)
    chosen = sample(listed, size)
    assert chosen == sample(sorted(people), size)
    assert len(set(chosen)) == len(chosen) == min(size, len(people))
    assert set(chosen) <= people
