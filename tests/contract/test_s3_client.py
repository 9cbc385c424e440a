"""The client of S3: what its requests carry, and how it bears a server that has enough.

What the sandbox' servers cannot do (roles, throttling) is seen at a server of the test's own, request by request.
Holds: keys, token, role, region, addressing, throttling, and who is let in by a real server.
Add here: another setting of [s3].
Keep out: what the store asks for.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import ValidationError

from erasure.errors import StoreUnavailable
from erasure.s3_client import THROTTLED_TRIES, s3_client
from erasure.store_settings import S3Settings
from erasure.stores.base import no_progress
from erasure.stores.s3 import removal
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.contract.s3_support import client_for, everything, new_bucket, put, store_on, targets

KEYS = {"bucket_name": "things", "aws_access_key_id": "KEYOFTESTS", "aws_secret_access_key": "made-up"}
ROLE = "arn:aws:iam::123456789012:role/eraser"
EMPTY = (
    '<?xml version="1.0"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>things</Name><IsTruncated>false</IsTruncated></ListVersionsResult>"
)
SLOW = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>'
ASSUMED = (
    '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
    "<AccessKeyId>KEYOFROLE</AccessKeyId><SecretAccessKey>made-up-too</SecretAccessKey>"
    "<SessionToken>token-of-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>"
    "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
)


@dataclass(kw_only=True)
class Asked:
    path: str
    headers: dict[str, str]
    body: str


@dataclass(kw_only=True)
class Ear:
    """A server that hears requests and answers what it was told to, an empty listing by itself."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], tuple[int, str]] = lambda asked: (200, EMPTY)


@pytest.fixture
def ear() -> Iterator[Ear]:
    heard = Ear()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked = Asked(path=self.path, headers=dict(self.headers), body=body)
            heard.asked.append(asked)
            status, text = heard.answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = _any

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    heard.url = f"http://127.0.0.1:{server.server_port}"
    yield heard
    server.shutdown()
    server.server_close()


def listed(ear: Ear, **more: Any) -> Asked:
    settings = S3Settings.model_validate({"endpoint_url": ear.url, **KEYS, **more})
    s3_client(settings).list_object_versions(Bucket="things")
    return ear.asked[-1]


def test_keys_token_and_region_are_those_of_the_settings(ear: Ear) -> None:
    asked = listed(ear, aws_session_token="made-up-token", region="eu-central-1")
    assert "Credential=KEYOFTESTS/" in asked.headers["Authorization"]
    assert "/eu-central-1/s3/" in asked.headers["Authorization"]
    assert asked.headers["X-Amz-Security-Token"] == "made-up-token"


@pytest.mark.parametrize(
    ("style", "host", "path"),
    [
        ("auto", "127.0.0.1", "/things?"),
        ("path", "127.0.0.1", "/things?"),
        ("virtual", "things.localhost", "/?"),
    ],
)
def test_a_bucket_is_addressed_by_path_at_other_servers_or_as_the_settings_say(
    ear: Ear, style: str, host: str, path: str
) -> None:
    ear.url = ear.url.replace("127.0.0.1", "localhost") if style == "virtual" else ear.url
    settings = S3Settings.model_validate({"endpoint_url": ear.url, "addressing_style": style, **KEYS})
    client = s3_client(settings)
    seen: list[str] = []

    def look(request: Any, **_: Any) -> None:
        seen.append(request.url)
        # Names below localhost are not known everywhere.
        request.url = request.url.replace("things.localhost", "localhost")

    client.meta.events.register("before-send.s3", look)
    client.list_object_versions(Bucket="things")
    assert seen[0].startswith(f"http://{host}:")
    assert f"{path}versions" in seen[0]


def test_a_role_is_taken_with_the_keys_and_asked_with(ear: Ear) -> None:
    ear.answer = lambda asked: (200, ASSUMED if "AssumeRole" in asked.body else EMPTY)

    last = listed(ear, role_arn=ROLE, external_id="made-up-id", sts_endpoint_url=ear.url)

    first = ear.asked[0]
    taken = {name: values[0] for name, values in parse_qs(first.body).items()}
    assert (taken["RoleArn"], taken["ExternalId"]) == (ROLE, "made-up-id")
    assert "Credential=KEYOFTESTS/" in first.headers["Authorization"]
    assert "Credential=KEYOFROLE/" in last.headers["Authorization"]
    assert last.headers["X-Amz-Security-Token"] == "token-of-role"


def test_a_role_that_is_refused_names_the_setting(ear: Ear) -> None:
    denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"
    ear.answer = lambda asked: (403, denied)
    settings = S3Settings.model_validate(
        {"endpoint_url": ear.url, "sts_endpoint_url": ear.url, "role_arn": ROLE, **KEYS}
    )

    with pytest.raises(StoreUnavailable, match=r"STS answered AccessDenied; check \[s3\] role_arn"):
        store_on(s3_client(settings), "things").health()


@pytest.mark.parametrize(
    ("status", "code", "setting"),
    [
        (400, "ExpiredToken", "aws_session_token"),
        (400, "InvalidToken", "aws_session_token"),
        (400, "TokenRefreshRequired", "aws_session_token"),
        (400, "AuthorizationHeaderMalformed", "region"),
        (400, "IllegalLocationConstraintException", "region"),
        (301, "PermanentRedirect", "region"),
        (403, "RequestTimeTooSkewed", "endpoint_url, and the clock"),
        (403, "InvalidAccessKeyId", "aws_access_key_id"),
    ],
)
def test_what_amazon_says_of_keys_token_region_and_clock_names_what_to_change(
    ear: Ear, status: int, code: str, setting: str
) -> None:
    ear.answer = lambda asked: (
        status,
        f"<Error><Code>{code}</Code><Message>no: made-up-token</Message></Error>",
    )
    settings = S3Settings.model_validate(
        {"endpoint_url": ear.url, "aws_session_token": "made-up-token", **KEYS}
    )
    store = store_on(s3_client(settings), "things")

    for ask in (
        store.health,
        lambda: store.count(targets("u1")),
        lambda: store.mask(targets("u1"), no_progress),
    ):
        with pytest.raises(StoreUnavailable, match=rf"S3 answered {code}; check \[s3\] {setting}") as caught:
            ask()
        assert "made-up" not in str(caught.value)
    assert not [asked for asked in ear.asked if "delete" in asked.path]


def test_a_role_that_is_no_name_of_one_is_refused() -> None:
    with pytest.raises(ValidationError, match="role_arn"):
        S3Settings.model_validate({"role_arn": "eraser", **KEYS})


def test_a_profile_gives_the_keys(ear: Ear, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[erasing]\naws_access_key_id = KEYOFPROFILE\naws_secret_access_key = made-up\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    settings = {"endpoint_url": ear.url, "bucket_name": "things", "profile": "erasing"}

    s3_client(S3Settings.model_validate(settings)).list_object_versions(Bucket="things")

    assert "Credential=KEYOFPROFILE/" in ear.asked[-1].headers["Authorization"]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited between two tries is seen by its number, and not by the clock."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("times", [1, THROTTLED_TRIES - 1])
def test_a_server_that_has_enough_is_asked_again(ear: Ear, times: int) -> None:
    ear.answer = lambda asked: (503, SLOW) if len(ear.asked) <= times else (200, EMPTY)
    listed(ear)
    assert len(ear.asked) == times + 1


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_has_had_enough_is_given_up(ear: Ear) -> None:
    ear.answer = lambda asked: (503, SLOW)
    settings = S3Settings.model_validate({"endpoint_url": ear.url, **KEYS})
    with pytest.raises(StoreUnavailable, match=r"S3 answered SlowDown; .*try again later"):
        store_on(s3_client(settings), "things").count(targets("u1"))
    assert len(ear.asked) == THROTTLED_TRIES


def test_single_keys_that_the_server_puts_off_are_asked_for_again(
    s3_client: Any, s3_config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_FIRST_PAUSE_SECONDS", 0.001)
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put(s3_client, bucket, "contributors/u1/a", "contributors/u1/b", "contributors/u2/a")
    calls: list[int] = []

    def put_off(parsed: dict[str, Any], **_: Any) -> None:
        calls.append(1)
        if len(calls) < 3:
            parsed["Errors"] = [{"Key": "contributors/u1/a", "Code": "SlowDown"}]

    client.meta.events.register("after-call.s3.DeleteObjects", put_off)

    done = store_on(client, bucket).mask(targets("u1"), no_progress)

    assert len(calls) == 3
    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/a"]
    assert next(iter(done.values())).records == 2


def test_keys_that_the_server_puts_off_for_ever_are_told_by_their_number(
    s3_client: Any, s3_config: SandboxConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "_FIRST_PAUSE_SECONDS", 0.001)
    bucket, client = new_bucket(s3_client), client_for(s3_config)
    put(s3_client, bucket, "contributors/u1/a")

    def put_off(parsed: dict[str, Any], **_: Any) -> None:
        parsed["Errors"] = [{"Key": "contributors/u1/a", "Code": "SlowDown"}]

    client.meta.events.register("after-call.s3.DeleteObjects", put_off)

    with pytest.raises(StoreUnavailable, match="S3 answered SlowDown for 1 versions, 6 times") as caught:
        store_on(client, bucket).mask(targets("u1"), no_progress)
    assert "u1" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        # Of a token that was good once S3 says the same, or ExpiredToken (above).
        ({"aws_session_token": "token-of-yesterday"}, "aws_session_token"),
        ({"aws_access_key_id": "STRANGER"}, "aws_access_key_id"),
        ({"aws_secret_access_key": "not-the-secret"}, "aws_secret_access_key"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "endpoint_url"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_server_that_lets_nobody_in_is_told_with_the_setting_and_loses_nothing(
    sandbox: Sandbox, s3_client: Any, changes: dict[str, str], setting: str
) -> None:
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/a", "contributors/u2/a")
    before = everything(s3_client, bucket)
    store = store_on(client_for(sandbox.config, **changes), bucket)
    if sandbox.kind("s3") == "moto" and "endpoint_url" not in changes:
        # It takes everybody, which is why what follows is of a real server.
        assert store.health().engine == "S3"
        return

    for ask in (
        store.health,
        lambda: store.count(targets("u1")),
        lambda: store.mask(targets("u1"), no_progress),
    ):
        with pytest.raises(StoreUnavailable, match=rf"check \[s3\] {setting}") as caught:
            ask()
        assert not [value for value in changes.values() if value in str(caught.value)]

    assert everything(s3_client, bucket) == before
    store_on(s3_client, bucket).mask(targets("u1"), no_progress)
    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/a"]


def test_a_wrong_region_is_put_right_by_what_the_server_says(
    s3_client: Any, s3_config: SandboxConfig
) -> None:
    """Where it says nothing of it, the setting is named (above)."""
    bucket = new_bucket(s3_client)
    put(s3_client, bucket, "contributors/u1/a", "contributors/u2/a")
    store = store_on(client_for(s3_config, region_name="eu-central-1"), bucket)

    assert store.count(targets("u1")) == store.mask(targets("u1"), no_progress)

    assert [key for key, _ in everything(s3_client, bucket)] == ["contributors/u2/a"]
