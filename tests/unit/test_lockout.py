"""The proof that access has ended, against a scripted platform on a loopback port.

Holds: what proves it, and what leaves it inconclusive.
Add here: something a platform may answer that must not count as proof.
Keep out: single calls (`test_job_api.py`), the platform itself (`tests/contract/test_job_api_client.py`).
"""

import pytest

from erasure.job_api.client import JobApi
from erasure.lockout import NOT_CONFIGURED, CapturedAccess, ProofState, capture, prove_lockout
from tests.unit.job_api_support import Call, Platform, Reply, Workers


def test_lockout_is_proven_when_tokens_and_logins_are_denied_and_the_control_works(
    platform: Platform, api: JobApi
) -> None:
    workers = Workers("c1", "c2", "control")
    platform.script = workers
    captured = capture(api, ["c1", "c2", "suspended"], "control")
    for contributor_id in ("c1", "c2"):
        workers.revoke(contributor_id)

    proof = prove_lockout(api, captured)

    assert proof.state is ProofState.PROVEN
    assert (proof.tokens_denied, proof.tokens_tried) == (2, 2)
    assert (proof.logins_denied, proof.logins_tried) == (3, 3)
    assert proof.control_succeeded
    assert captured.without_access == 1
    assert "1 of the sample could not work before" in proof.reason
    assert workers.sessions == set()


def test_access_that_has_not_ended_is_inconclusive_and_leaves_no_new_session(
    platform: Platform, api: JobApi
) -> None:
    workers = Workers("c1", "control")
    platform.script = workers
    captured = capture(api, ["c1"], "control")

    proof = prove_lockout(api, captured)

    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (0, 0, True)
    assert "1 of 1 captured tokens came to ok 200" in proof.reason
    assert workers.sessions == set()


def test_denials_for_everybody_are_inconclusive(platform: Platform, api: JobApi) -> None:
    platform.script = Workers("c1", "control")
    captured = capture(api, ["c1"], "control")
    platform.script = lambda call: Reply(status=403)

    proof = prove_lockout(api, captured)

    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (1, 1, False)
    assert "control contributor came to denied 403" in proof.reason


@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
def test_answers_that_are_no_denials_are_inconclusive(platform: Platform, api: JobApi, status: int) -> None:
    workers = Workers("c1", "control")
    platform.script = workers
    captured = capture(api, ["c1"], "control")

    def only_controls(call: Call) -> Reply:
        of_target = call.token == "token-c1" or call.body.get("contributor_id") == "c1"
        return Reply(status=status) if of_target else workers(call)

    platform.script = only_controls
    proof = prove_lockout(api, captured)

    assert proof.state is ProofState.INCONCLUSIVE
    assert (proof.tokens_denied, proof.logins_denied, proof.control_succeeded) == (0, 0, True)
    assert f"{status}, which is no denial" in proof.reason


def test_after_a_crash_logins_and_the_control_count_and_the_reason_says_so(
    platform: Platform, api: JobApi
) -> None:
    platform.script = Workers("control")

    proof = prove_lockout(api, CapturedAccess(contributor_ids=("c1",), control_id="control"))

    assert proof.state is ProofState.PROVEN
    assert (proof.tokens_tried, proof.logins_denied) == (0, 1)
    assert "no token" in proof.reason


def test_nobody_to_try_proves_nothing(platform: Platform, api: JobApi) -> None:
    platform.script = Workers("control")
    proof = prove_lockout(api, CapturedAccess(contributor_ids=(), control_id="control"))
    assert (proof.state, proof.control_succeeded) == (ProofState.INCONCLUSIVE, True)


def test_a_session_that_works_for_nothing_is_not_captured(platform: Platform, api: JobApi) -> None:
    platform.script = lambda call: Reply(body={"token": "t1"}) if call.name == "login" else Reply(status=401)

    captured = capture(api, ["c1"], "control")

    assert (captured.tokens, captured.without_access) == ((), 1)
    assert platform.names() == ["login", "fetch"]


def test_a_control_whose_session_cannot_be_ended_is_told(platform: Platform, api: JobApi) -> None:
    workers = Workers("control")
    platform.script = lambda call: Reply(status=404) if call.name == "logout" else workers(call)

    proof = prove_lockout(api, CapturedAccess(contributor_ids=("c1",), control_id="control"))

    assert proof.state is ProofState.PROVEN
    assert "could not be ended" in proof.reason


def test_without_a_job_url_the_proof_says_that_it_is_not_configured() -> None:
    assert NOT_CONFIGURED.state is ProofState.NOT_CONFIGURED
    assert "[api] job_url" in NOT_CONFIGURED.reason
