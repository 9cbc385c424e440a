"""The client of the job API and the proof of lockout, against a scripted platform on a loopback port.

Holds: what each answer of the platform comes to, what is tried again, and that the secret is kept.
Add here: an answer of the platform that must be told from a denial.
Keep out: the platform itself (`tests/contract/test_job_api_client.py`).
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from pydantic import SecretStr

from erasure.errors import BadInput
from erasure.job_api import Answer, JobApi, Outcome
from erasure.lockout import NOT_CONFIGURED, CapturedAccess, ProofState, capture, prove_lockout

SECRET = "s3cret-of-the-job"
JOB_PATH = "/quality/jobs/7d1e"
UNITS = {"units": [{"unit_id": "unit-1", "url": "https://example.com/1"}]}


@dataclass(frozen=True, kw_only=True)
class Call:
    path: str
    name: str
    token: str
    body: dict[str, str]
    cookie: str


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


Script = Callable[[Call], Reply]


class Platform:
    """Answers as its script says, and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.script: Script = lambda call: Reply()
        platform = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = Call(
                    path=self.path,
                    name=self.path.partition("?")[0].rpartition("/")[2],
                    token=self.headers.get("Authorization", "").removeprefix("Bearer "),
                    body=json.loads(raw) if raw else {},
                    cookie=self.headers.get("Cookie", ""),
                )
                platform.calls.append(call)
                reply = platform.script(call)
                body = b"" if reply.body is None else json.dumps(reply.body).encode()
                # A caller who has lost patience is gone by now.
                with suppress(ConnectionError):
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing of a call is printed."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def job_url(self) -> str:
        return f"{self.url}{JOB_PATH}?secret={SECRET}"

    def names(self) -> list[str]:
        return [call.name for call in self.calls]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def platform() -> Iterator[Platform]:
    running = Platform()
    yield running
    running.stop()


@pytest.fixture
def other_host() -> Iterator[Platform]:
    running = Platform()
    yield running
    running.stop()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def api(platform: Platform, client: httpx.Client, pauses: list[float]) -> JobApi:
    return JobApi(SecretStr(platform.job_url), client, pause=pauses.append)


class Workers:
    """A script in which some may work: login gives `token-<id>`, fetch takes it while the id may work."""

    def __init__(self, *active: str) -> None:
        self.active = set(active)
        self.sessions: set[str] = set()

    def __call__(self, call: Call) -> Reply:
        if call.name == "login":
            contributor_id = call.body["contributor_id"]
            if contributor_id not in self.active:
                return Reply(status=403)
            self.sessions.add(f"token-{contributor_id}")
            return Reply(body={"token": f"token-{contributor_id}"})
        if call.token not in self.sessions:
            return Reply(status=401)
        if call.name == "logout":
            self.sessions.discard(call.token)
            return Reply(status=204)
        return Reply(body=UNITS)

    def revoke(self, contributor_id: str) -> None:
        self.active.discard(contributor_id)
        self.sessions.discard(f"token-{contributor_id}")


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
    api = JobApi(platform.job_url, client, timeout_seconds=0.1, pause=lambda seconds: None)

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
