"""The gateway as a process of its own, for the tests of the gateway.

Holds: `Gateway`, and the fixtures `gateway` (one for a test module), `people` (a small table in it) and
`own_gateway` (one for a test that ends it).
Add here: ways to start, stop, kill and reach it. Keep out: assertions.
"""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect
import httpx
import pytest
from clickhouse_connect.driver.client import Client

USER = "kepler"
PASSWORD = "made-up-4-tests"
_DEADLINE = 20.0


@dataclass(kw_only=True)
class Gateway:
    """One gateway over one data directory; `start` again after `stop` or `kill`."""

    data: Path
    log: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    # One client for all: each new one would load the system's certificates first.
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.port = free_port()
        self.process = spawn(self.data, self.port, self.log, *self.options)
        wait_until(self.answers, f"the gateway does not answer: {self.log.read_text()}")

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise AssertionError(f"the gateway ended: {self.log.read_text()}")
        try:
            return self.http.get(f"{self.url}ping").text == "Ok.\n"
        except httpx.TransportError:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The exit code and how many seconds it took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(_DEADLINE)
        self.process = None
        return code, time.monotonic() - began

    def post(
        self,
        query: str = "",
        *,
        body: str | bytes = b"",
        headers: Mapping[str, str] | None = None,
        **parameters: str,
    ) -> httpx.Response:
        """A request as the user with the password; `query` travels in the url."""
        return self.http.post(
            self.url,
            params={"query": query, **parameters} if query else parameters,
            content=body.encode() if isinstance(body, str) else body,
            headers=dict(headers or {}),
            auth=(USER, PASSWORD),
        )

    @property
    def peak_memory(self) -> int:
        """The most memory that the process has had so far, in MiB."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) >> 10

    def sql(self, text: str) -> str:
        """The output of a statement that is expected to work."""
        response = self.post(body=text)
        assert response.status_code == httpx.codes.OK, response.text
        return response.text

    def client(self, **options: object) -> Client:
        return clickhouse_connect.get_client(
            host="127.0.0.1", port=self.port, username=USER, password=PASSWORD, **options
        )

    def send_raw(self, request: bytes) -> bytes:
        """Bytes as they are, then the end of sending; the whole answer, as far as it came."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_DEADLINE) as wire:
            # Who sees at once that a request is none need not read the rest of it.
            with suppress(BrokenPipeError, ConnectionResetError):
                wire.sendall(request)
            with suppress(OSError):
                wire.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while piece := wire.recv(65536):
                    answer += piece
        return answer


def spawn(
    data: Path, port: int, log: Path, *options: str, password: str | None = PASSWORD
) -> subprocess.Popen[bytes]:
    """Start the command line; the password goes by the environment."""
    environment = {name: value for name, value in os.environ.items() if name != "SANDBOX_CLICKHOUSE_PASSWORD"}
    if password is not None:
        environment["SANDBOX_CLICKHOUSE_PASSWORD"] = password
    command = [sys.executable, "-m", "sandbox.clickhouse", "--data", str(data), "--port", str(port)]
    with log.open("ab") as output:
        return subprocess.Popen(
            [*command, "--user", USER, "--open-default-user", *options],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=output,
            stderr=output,
            # Whatever signals its process group does not reach the tests.
            start_new_session=True,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], complaint: str, seconds: float = _DEADLINE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(complaint)
        time.sleep(0.05)


AUTHORIZATION = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    place = tmp_path_factory.mktemp("clickhouse")
    running = Gateway(data=place / "data", log=place / "log")
    running.start()
    yield running
    if running.process is not None:
        running.stop()


@pytest.fixture
def own_gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that a test may end."""
    running = Gateway(data=tmp_path / "data", log=tmp_path / "log")
    running.start()
    yield running
    if running.process is not None:
        running.stop()


@pytest.fixture
def people(gateway: Gateway) -> Iterator[str]:
    """A small table of nobody in particular."""
    table = f"people_{uuid.uuid4().hex}"
    gateway.sql(f"CREATE TABLE {table} (id Int32, email String) ENGINE = MergeTree ORDER BY id")
    gateway.sql(f"INSERT INTO {table} VALUES (1, 'ann@example.com'), (2, 'bob@example.org')")
    yield table
    gateway.sql(f"DROP TABLE {table} SYNC")


def ids(gateway: Gateway, table: str) -> list[int]:
    return [int(line) for line in gateway.sql(f"SELECT id FROM {table} ORDER BY id").split()]


def chunked_insert(table: str, chunks: bytes) -> bytes:
    """A request that inserts CSV; `chunks` are its body as it stands on the wire."""
    head = (
        f"POST /?query=INSERT+INTO+{table}+FORMAT+CSV HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Basic {AUTHORIZATION}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head.encode() + chunks


@contextmanager
def asking(gateway: Gateway, statement: str, **parameters: str) -> Iterator[socket.socket]:
    """A request whose answer is not waited for; afterwards the client is gone, without a farewell."""
    target = httpx.URL("/", params=parameters).raw_path.decode()
    head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {AUTHORIZATION}\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as wire:
        wire.sendall(f"{head}Content-Length: {len(statement)}\r\n\r\n{statement}".encode())
        yield wire


def running(gateway: Gateway, mark: str) -> int:
    named = f"query LIKE '%{mark}%' AND query NOT LIKE '%system.processes%'"
    return int(gateway.sql(f"SELECT count() FROM system.processes WHERE {named}"))
