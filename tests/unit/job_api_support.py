"""A scripted platform on a loopback port, for the tests of the job API's client and of the proof of lockout.

Holds: `Platform`, which answers as its script says and remembers the calls, `Workers`, a script in which some may work,
and their fixtures.
Add here: something that a platform does and both test modules need.
Keep out: assertions on what its answers come to.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from pydantic import SecretStr

from erasure.job_api.client import JobApi

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
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


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

            def _answer(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                call = Call(
                    path=self.path,
                    name=self.path.partition("?")[0].rpartition("/")[2],
                    token=self.headers.get("Authorization", "").removeprefix("Bearer "),
                    body=json.loads(raw) if raw else {},
                    cookie=self.headers.get("Cookie", ""),
                    method=self.command,
                    headers=self.headers,
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

            do_GET = do_POST = do_PUT = do_DELETE = _answer

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
