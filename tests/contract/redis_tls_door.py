"""A door that speaks TLS in front of a Redis server, whose binary in the wheel is built without it.

Holds: `TlsDoor`.
Add here: another way in which a connection to Redis can be wrapped.
Keep out: certificates (`tests/certificates.py`), and answers: they are the server's, byte by byte.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType

from sandbox.ports import LOOPBACK

_AT_ONCE = 65_536


class TlsDoor:
    """What a client says over TLS at `port` is passed on to the server's port, and its answers back."""

    port: int

    def __init__(self, server_port: int, context: ssl.SSLContext) -> None:
        self._server_port, self._context = server_port, context
        self._opened: Future[tuple[int, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._keep()), daemon=True)

    def __enter__(self) -> TlsDoor:
        self._thread.start()
        self.port, self._loop, self._closing = self._opened.result(timeout=30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join(timeout=30)

    async def _keep(self) -> None:
        loop, closing = asyncio.get_running_loop(), asyncio.Event()
        # Clients that break off a handshake are what is looked for.
        loop.set_exception_handler(lambda *_: None)
        server = await asyncio.start_server(self._enter, LOOPBACK, 0, ssl=self._context)
        self._opened.set_result((server.sockets[0].getsockname()[1], loop, closing))
        await closing.wait()
        server.close()

    async def _enter(self, asked: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        told, asks = await asyncio.open_connection(LOOPBACK, self._server_port)
        await asyncio.gather(_passed_on(asked, asks), _passed_on(told, answers))


async def _passed_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while said := await source.read(_AT_ONCE):
            target.write(said)
            await target.drain()
    target.close()
