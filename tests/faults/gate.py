"""A gate in front of an engine: bytes pass until it is shut or jams, by hand or by what somebody says.

Holds: `Gate`, a forwarder on a port of its own.
Add here: another way in which a connection can go wrong.
Keep out: what an engine's protocol means; a gate looks for bytes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType


class Gate:
    """Forwards connections to an engine. Shut, it drops those there are and every new one.

    `shut_at`: the first request that holds these bytes is not passed on, and shuts the gate for good.
    `instead`: what happens then in place of shutting it, such as killing the engine.
    `jams`: it keeps all connections then, takes new ones, and lets nothing through.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        shut_at: bytes | None = None,
        instead: Callable[[], None] | None = None,
        jams: bool = False,
    ) -> None:
        self._target = (host, port)
        self._shut_at = shut_at
        self._reached = threading.Event()
        self._jammed = threading.Event()
        self._act = self._jammed.set if jams else instead or self.shut
        self._open = threading.Event()
        self._open.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="gate", daemon=True)

    def __enter__(self) -> Gate:
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(timeout=10)

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    @property
    def was_reached(self) -> bool:
        """Whether the request has come that the gate waited for."""
        return self._reached.is_set()

    def shut(self) -> None:
        """The engine is away from here on."""
        self._open.clear()
        for pair in self._pairs:
            for side in pair:
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """The engine is back, and no request shuts the gate any more."""
        self._shut_at = None
        self._jammed.clear()
        self._open.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.is_open:
                client.close()
                continue
            try:
                engine = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, engine))
            for source, sink, watched in ((client, engine, True), (engine, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, watched), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, watched: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65_536):
                if watched and self._shut_at is not None and self._shut_at in chunk:
                    self._shut_at = None
                    self._reached.set()
                    self._act()
                if not self.is_open:
                    return
                if not self._jammed.is_set():
                    sink.sendall(chunk)
        for side in (source, sink):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
