"""The client of the job API, against a scripted platform on a loopback port.

Holds: what each answer of the platform comes to, what is tried again, and that the secret is kept.
Add here: an answer of the platform that must be told from a denial.
Keep out: the proof of lockout (`test_lockout.py`), the platform itself (`tests/contract/test_job_api_client.py`).
"""

import logging
import threading

import httpx
import pytest

from erasure.api_settings import ApiSettings
from erasure.errors import BadInput
from erasure.job_api.answers import Answer, Outcome
from erasure.job_api.client import JobApi
from erasure.lockout import capture, prove_lockout
from tests.unit.job_api_support import JOB_PATH, SECRET, UNITS, Platform, Reply, Workers


def test_calls_go_to_the_job_with_its_secret_and_the_token(platform: Platform, api: JobApi) -> None:
    bodies = {"login": {"token": "t1"}, "fetch": UNITS, "commit": {"judgment_id": 5}}
    platform.script = lambda call: Reply(
        status=204 if call.name == "logout" else 200, body=bodies.get(call.name)
    )

    assert api.login("c1").token == "t1"
    assert api.fetch("t1").body == UNITS
    assert api.commit("t1", "unit-1", "cat").body == {"judgment_id": 5}
    assert api.logout("t1").ok

    query = f"?secret={SECRET}"
    assert [call.path for call in platform.calls] == [
        f"{JOB_PATH}/{name}{query}" for name in ("login", "fetch", "commit", "logout")
    ]
    assert [call.token for call in platform.calls] == ["", "t1", "t1", "t1"]
    assert platform.calls[0].body == {"contributor_id": "c1"}
    assert platform.calls[2].body == {"unit_id": "unit-1", "label": "cat"}


@pytest.mark.parametrize(
    ("status", "outcome", "calls"),
    [
        (401, Outcome.DENIED, 1),
        (403, Outcome.DENIED, 1),
        (410, Outcome.DENIED, 1),
        (400, Outcome.UNEXPECTED, 1),
        (404, Outcome.UNEXPECTED, 1),
        (302, Outcome.UNEXPECTED, 1),
        (204, Outcome.UNEXPECTED, 1),
        (429, Outcome.RATE_LIMITED, 3),
        (500, Outcome.SERVER_ERROR, 3),
        (503, Outcome.SERVER_ERROR, 3),
    ],
)
def test_only_401_403_and_410_are_denials(
    platform: Platform, api: JobApi, status: int, outcome: Outcome, calls: int
) -> None:
    platform.script = lambda call: Reply(status=status)

    assert api.login("c1") == Answer(outcome=outcome, status=status)
    assert len(platform.calls) == calls


@pytest.mark.parametrize(
    "body", [None, [], "page", {}, {"token": None}, {"token": ""}, {"token": "a\r\nb"}, {"token": "ü"}]
)
def test_a_login_that_brings_no_usable_token_is_no_success(
    platform: Platform, api: JobApi, body: object
) -> None:
    platform.script = lambda call: Reply(body=body)
    assert api.login("c1").outcome is Outcome.UNEXPECTED


@pytest.mark.parametrize("body", [None, {}, {"units": "none"}])
def test_a_fetch_that_brings_no_units_is_no_success(platform: Platform, api: JobApi, body: object) -> None:
    platform.script = lambda call: Reply(body=body)
    assert api.fetch("t1").outcome is Outcome.UNEXPECTED


def test_a_call_that_succeeds_at_the_second_attempt_is_ok(
    platform: Platform, api: JobApi, pauses: list[float]
) -> None:
    replies = iter([Reply(status=503), Reply(body={"token": "t1"})])
    platform.script = lambda call: next(replies)

    assert api.login("c1").ok
    assert len(pauses) == 1 and 0 < pauses[0] < 1


def test_pauses_grow_and_are_not_all_the_same(platform: Platform, api: JobApi, pauses: list[float]) -> None:
    platform.script = lambda call: Reply(status=429)
    for _ in range(10):
        api.fetch("t1")

    first, second = pauses[::2], pauses[1::2]
    assert len(first) == len(second) == 10
    assert max(first) <= 0.4 < max(second) <= 0.8
    assert len(set(pauses)) > 10


def test_a_commit_is_repeated_only_where_it_was_not_accepted(platform: Platform, api: JobApi) -> None:
    platform.script = lambda call: Reply(status=500)
    assert api.commit("t1", "unit-1", "cat").outcome is Outcome.SERVER_ERROR
    assert len(platform.calls) == 1

    platform.script = lambda call: Reply(status=429)
    assert api.commit("t1", "unit-1", "cat").outcome is Outcome.RATE_LIMITED
    assert len(platform.calls) == 4


def test_nobody_there_is_unreachable_after_three_attempts(client: httpx.Client, pauses: list[float]) -> None:
    api = JobApi(f"http://127.0.0.1:1{JOB_PATH}?secret={SECRET}", client, pause=pauses.append)

    assert api.login("c1") == Answer(outcome=Outcome.UNREACHABLE)
    assert len(pauses) == 2


def test_a_platform_that_does_not_answer_in_time_is_unreachable(
    platform: Platform, client: httpx.Client
) -> None:
    released = threading.Event()
    platform.script = lambda call: Reply() if released.wait(10) else Reply(status=500)
    api = JobApi(
        platform.job_url, client, settings=ApiSettings(timeout_seconds=0.1), pause=lambda seconds: None
    )

    try:
        assert api.fetch("t1").outcome is Outcome.UNREACHABLE
    finally:
        released.set()


def test_no_redirect_is_followed_even_where_the_client_would(
    platform: Platform, other_host: Platform
) -> None:
    target = f"{other_host.url}{JOB_PATH}/login?secret={SECRET}"
    platform.script = lambda call: Reply(status=307, headers={"Location": target})

    with httpx.Client(trust_env=False, follow_redirects=True) as client:
        answer = JobApi(platform.job_url, client).login("c1")

    assert answer == Answer(outcome=Outcome.UNEXPECTED, status=307)
    assert other_host.calls == []


def test_a_cookie_given_to_one_does_not_speak_for_the_next(platform: Platform, api: JobApi) -> None:
    platform.script = lambda call: Reply(body={"token": "t1"}, headers={"Set-Cookie": "session=t1"})
    api.login("c1")
    api.login("c2")

    assert [call.cookie for call in platform.calls] == ["", ""]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "not a url",
        f"/quality/jobs/1?secret={SECRET}",
        f"ftp://example.com/quality/jobs/1?secret={SECRET}",
        f"https:///quality/jobs/1?secret={SECRET}",
        f"https://user:{SECRET}@example.com/quality/jobs/1?secret={SECRET}",
        f"https://example.com:port/quality/jobs/1?secret={SECRET}",
        f"https://example.com/?secret={SECRET}",
        f"https://example.com/quality/jobs/?secret={SECRET}",
        f"https://example.com/quality/jobs/1/login?secret={SECRET}",
        "https://example.com/quality/jobs/1",
        "https://example.com/quality/jobs/1?secret=",
        f"https://example.com/quality/jobs/1?secret={SECRET}&secret=another",
        f"https://example.com/quality/jobs/1?password={SECRET}",
    ],
)
def test_a_url_that_is_none_of_a_job_is_bad_input_and_not_repeated(url: str) -> None:
    with pytest.raises(BadInput, match=r"\[api\] job_url") as caught:
        JobApi(url)
    assert SECRET not in str(caught.value)


def test_a_secret_reaches_the_platform_as_it_is_written(platform: Platform, client: httpx.Client) -> None:
    JobApi(f"{platform.url}{JOB_PATH}/?secret=a%2Fb+c%26#fragment", client).fetch("t1")
    assert platform.calls[0].path == f"{JOB_PATH}/fetch?secret=a%2Fb+c%26"


def test_secret_and_tokens_reach_no_log_even_at_debug(
    platform: Platform,
    other_host: Platform,
    api: JobApi,
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, logger=name)
    location = {"Location": f"/elsewhere?secret={SECRET}", "X-Token": "token-of-somebody"}
    platform.script = lambda call: Reply(status=302, headers=location)

    api.login("c1")
    api.fetch("token-of-somebody")
    JobApi(f"http://127.0.0.1:1{JOB_PATH}?secret={SECRET}", client, pause=lambda seconds: None).login("c1")
    assert SECRET not in caplog.text
    assert "token-of-somebody" not in caplog.text

    # The other direction: what other parts of a program log of their calls is left alone.
    client.post(f"{other_host.url}/elsewhere")
    assert "/elsewhere" in caplog.text


def test_representations_show_neither_secret_nor_token_nor_person(platform: Platform, api: JobApi) -> None:
    platform.script = Workers("c1", "control")
    captured = capture(api, ["c1"], "control")

    shown = repr([api, api.login("c1"), captured, prove_lockout(api, captured)])

    assert captured.tokens == ("token-c1",)
    for hidden in (SECRET, "token-c1", "'c1'", "control'"):
        assert hidden not in shown
