"""Ends what is read for clients who have gone.

Without it an endless query would run until the gateway ends: nobody notices that a client has left while the
engine has nothing to send. Only reading is ended, as on a server with `cancel_http_readonly_queries_on_client_close`:
a statement that writes goes on, here as there, and whoever tests a client's death should see it.
Add here: further reasons to end a request. Keep out: how queries are run.
"""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sandbox.clickhouse.engine import Engine
from sandbox.clickhouse.errors import ClickHouseError

_SECONDS_BETWEEN_LOOKS = 0.5


class Watch:
    """The running requests by the thread that runs them, and a thread that looks after them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._look_again_and_again, daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    @contextmanager
    def over(self, client: socket.socket) -> Iterator[None]:
        """What this thread reads meanwhile ends when the client goes away."""
        thread = threading.get_native_id()
        with self._lock:
            self._running[thread] = client
        try:
            yield
        finally:
            # Under the lock: a thread that has left is not ended any more.
            with self._lock:
                del self._running[thread]

    def _look_again_and_again(self) -> None:
        while not self._closed.wait(_SECONDS_BETWEEN_LOOKS):
            with self._lock:
                for thread, client in self._running.items():
                    if has_gone(client):
                        with suppress(ClickHouseError):
                            self._engine.kill_reading(thread)


def has_gone(client: socket.socket) -> bool:
    """Whether the other side has closed its connection, wholly or for sending. Reads nothing."""
    look = select.poll()
    look.register(client, select.POLLIN)
    if not look.poll(0):
        return False
    try:
        return client.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
