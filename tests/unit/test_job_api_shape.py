"""The shape of a platform's calls: any that the settings can say is spoken, and a wrong one is named.

Holds: a second platform's shape, forms that are refused, and answers that are none.
Add here: another thing in which platforms differ.
Keep out: outcomes and retries (`test_job_api.py`).
"""

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from erasure.api_settings import ApiSettings
from erasure.errors import BadInput
from erasure.job_api.answers import Outcome
from erasure.job_api.client import MOST_BYTES, JobApi
from erasure.job_api.shape import message, parse_job_url
from tests.faults.strangers import Stranger, content, own_certificate, saying, trickling
from tests.unit.job_api_support import JOB_PATH, SECRET, Call, Platform, Reply

OTHER = ApiSettings(
    job_path="v2/tasks/{job}/entry",
    secret_parameter="key",
    secret_header="X-Task-Key",
    token_header="X-Session: {token}",
    login_call="POST /v2/sessions",
    login_body='{"worker": {"id": "{contributor_id}"}, "task": "{job}"}',
    token_field="session.value",
    fetch_call="GET /v2/tasks/{job}/items",
    units_field=".",
    unit_id_field="id",
    commit_call="PUT /v2/tasks/{job}/items/{unit_id}",
    commit_body='{"answers": ["{label}"]}',
    judgment_field="-",
    route_call="POST /v2/projects/{project_id}/tasks",
    route_body='{"count": "{units}", "note": "for {job}"}',
    routed_field="result.total",
    logout_call="DELETE /v2/sessions",
)


def test_another_platforms_shape_is_spoken(platform: Platform, client: httpx.Client) -> None:
    answers = {
        "sessions": {"session": {"value": "t 1"}},
        "items": [{"id": 17}, {"id": "u2"}],
        "tasks": {"result": {"total": 4}},
    }
    platform.script = lambda call: Reply(body=answers.get(call.name))
    api = JobApi(f"{platform.url}/a/v2/tasks/T-9/entry?key={SECRET}&tenant=x", client, settings=OTHER)

    assert api.login("c1").token == "t 1"
    assert api.fetch("t1").units == ("17", "u2")
    assert api.commit("t1", "u/2", "cat").ok
    assert api.route("p1", 4).routed == 4
    assert api.logout("t1").ok

    said = [(call.method, call.path) for call in platform.calls]
    assert said == [
        ("POST", "/v2/sessions?tenant=x"),
        ("GET", "/v2/tasks/T-9/items?tenant=x"),
        ("PUT", "/v2/tasks/T-9/items/u%2F2?tenant=x"),
        ("POST", "/v2/projects/p1/tasks?tenant=x"),
        ("DELETE", "/v2/sessions?tenant=x"),
    ]
    assert {call.headers.get("X-Task-Key") for call in platform.calls} == {SECRET}
    assert [call.headers.get("X-Session") for call in platform.calls] == [None, "t1", "t1", None, "t1"]
    assert platform.calls[0].body == {"worker": {"id": "c1"}, "task": "T-9"}
    assert platform.calls[3].body == {"count": 4, "note": "for T-9"}


def test_the_secret_may_come_apart_from_the_url_and_the_urls_own_goes_first() -> None:
    apart = ApiSettings.model_validate({"job_secret": "apart"})
    assert parse_job_url("https://example.com/jobs/1", apart).query == "secret=apart"
    assert parse_job_url("https://example.com/jobs/1?secret=own", apart).query == "secret=own"
    with pytest.raises(BadInput, match="CONTRIBUTOR_DELETION_JOB_SECRET"):
        parse_job_url("https://example.com/jobs/1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"login_call": "login"},
        {"login_call": "HEAD login"},
        {"fetch_call": "POST https://elsewhere.example.com/fetch"},
        {"fetch_call": "POST fetch?secret=1"},
        {"fetch_call": "POST {unit_id}"},
        {"login_body": "contributor"},
        {"login_body": '["{contributor_id}"]'},
        {"login_body": '{"id": "{token}"}'},
        {"login_body": '{"id": "somebody"}'},
        {"commit_body": '{"id": "{contributor_id}"}'},
        {"job_path": "jobs"},
        {"job_path": "/jobs/{job}"},
        {"token_header": "Bearer {token}"},
        {"token_header": "Authorization: Bearer"},
        {"secret_header": "X Secret"},
        {"token_field": "a b"},
        {"concurrency": "0"},
        {"tokenfield": "x"},
    ],
)
def test_a_form_that_is_none_is_refused_when_the_settings_are_read(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSettings.model_validate(wrong)
    assert "input_value" not in str(caught.value)


def test_what_is_filled_in_can_lead_to_no_other_path_or_host() -> None:
    job = parse_job_url(f"https://example.com/jobs/1?secret={SECRET}")
    settings = ApiSettings(commit_call="POST units/{unit_id}")
    values = {"unit_id": "../../x?y=//evil.example.net/#", "label": "l"}
    url = httpx.URL(message(settings, job, "commit", values).url)
    assert url.host == "example.com"
    assert url.raw_path.startswith(b"/jobs/1/units/..%2F")


@pytest.mark.parametrize("call", ["login", "fetch", "commit", "route"])
def test_a_page_instead_of_an_answer_is_named_with_the_setting_to_check(
    client: httpx.Client, call: str
) -> None:
    with Stranger(content) as stranger:
        api = JobApi(f"http://127.0.0.1:{stranger.port}{JOB_PATH}?secret={SECRET}", client)
        answer = {
            "login": lambda: api.login("c1"),
            "fetch": lambda: api.fetch("t1"),
            "commit": lambda: api.commit("t1", "u1", "cat"),
            "route": lambda: api.route("p1", 1),
        }[call]()
    assert answer.outcome is Outcome.UNEXPECTED
    assert answer.sentence == (
        f"{call} was answered (200) by what is not the job's API: it says HTML; check [api] {call}_call"
    )


def test_a_huge_answer_is_not_read_to_its_end(client: httpx.Client) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n"
    with Stranger(saying(head + b"x" * (3 * MOST_BYTES))) as stranger:
        api = JobApi(f"http://127.0.0.1:{stranger.port}{JOB_PATH}?secret={SECRET}", client)
        answer = api.login("c1")
    assert (answer.outcome, answer.detail) == (Outcome.UNEXPECTED, "it says more than 1,000,000 bytes")


@pytest.mark.parametrize("opening", [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n{"])
def test_an_answer_that_trickles_is_given_up_as_a_whole(client: httpx.Client, opening: bytes) -> None:
    with Stranger(trickling(opening, b"x")) as stranger:
        api = JobApi(
            f"http://127.0.0.1:{stranger.port}{JOB_PATH}?secret={SECRET}",
            client,
            settings=ApiSettings(timeout_seconds=0.5),
            pause=lambda seconds: None,
        )
        answer = api.login("c1")
    assert answer.outcome is Outcome.UNREACHABLE
    assert "no whole answer within 0.5 s" in answer.sentence


def test_a_certificate_that_nobody_trusts_is_named_and_one_that_is_trusted_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = own_certificate(tmp_path)
    answer = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"token":"t"}'
    with Stranger(saying(answer), certificate=pem) as stranger:
        url = f"https://127.0.0.1:{stranger.port}{JOB_PATH}?secret={SECRET}"
        pauses: list[float] = []
        with JobApi(url, pause=pauses.append) as api:
            refused = api.login("c1")
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        with JobApi(url) as api:
            trusted = api.login("c1")
    assert (refused.outcome, pauses) == (Outcome.UNREACHABLE, [])
    assert "its certificate is not trusted" in refused.sentence
    assert trusted.token == "t"


def test_retry_after_is_waited_for_in_both_of_its_forms(
    platform: Platform, client: httpx.Client, pauses: list[float]
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    replies = iter(
        [
            Reply(status=429, headers={"Retry-After": "3"}),
            Reply(status=503, headers={"Retry-After": later}),
            Reply(body={"token": "t1"}),
        ]
    )
    platform.script = lambda call: next(replies)
    assert JobApi(platform.job_url, client, pause=pauses.append).login("c1").ok
    assert 3 <= pauses[0] <= 4.5
    assert 15 <= pauses[1] <= 30


def test_who_asks_for_too_much_patience_is_given_up_at_once(
    platform: Platform, client: httpx.Client, pauses: list[float]
) -> None:
    platform.script = lambda call: Reply(status=429, headers={"Retry-After": "3600"})
    answer = JobApi(platform.job_url, client, pause=pauses.append).login("c1")
    assert (answer.outcome, pauses) == (Outcome.RATE_LIMITED, [])
    assert "asks to come back in 3600 s" in answer.sentence


def test_no_more_people_are_tried_at_once_than_is_allowed(platform: Platform, client: httpx.Client) -> None:
    from erasure.trials import try_people

    lock, at_once, most = threading.Lock(), [0], [0]
    both = threading.Barrier(2, timeout=10)

    def script(call: Call) -> Reply:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        if call.body.get("contributor_id") in ("p0", "p1"):
            both.wait()
        with lock:
            at_once[0] -= 1
        return Reply(status=403)

    platform.script = script
    people = [f"p{number}" for number in range(8)]
    try_people(
        JobApi(platform.job_url, client), people, ended=people, control_id="c", label=None, concurrency=2
    )
    assert most[0] == 2
