"""A doorman in front of a search server: it asks for a user and a password, as a cluster with security does.

The sandbox' engines let everybody in, with any password.
Holds: `Doorman`, an HTTP proxy that checks basic authentication and passes on what it lets in.
Add here: another right that a user can lack.
Keep out: answers of its own to what it lets in; that is the engine's part.
"""

from __future__ import annotations

import base64
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import httpx

USER, PASSWORD = "kepler", "the-doormans-w0rd"
# Headers of one connection, not of what is passed on.
_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class Doorman:
    """Passes on to `target` (a URL) what comes with the right user and password. 401 without them.

    `forbidden`: paths that begin so are 403 for everybody.
    """

    def __init__(self, target: str, *, forbidden: str | None = None) -> None:
        engine = httpx.Client(base_url=target, timeout=60, trust_env=False)
        right = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Authorization") != right:
                    self._answer(HTTPStatus.UNAUTHORIZED, b"Unauthorized", {"WWW-Authenticate": "Basic"})
                    return
                if forbidden is not None and self.path.startswith(forbidden):
                    refused = b'{"error": {"type": "security_exception", "reason": "no permissions"}, "status": 403}'
                    self._answer(HTTPStatus.FORBIDDEN, refused, {"Content-Type": "application/json"})
                    return
                kept = {name: value for name, value in self.headers.items() if _is_passed_on(name)}
                with engine.stream(self.command, self.path, content=body, headers=kept) as answer:
                    raw = b"".join(answer.iter_raw())
                self._answer(
                    answer.status_code,
                    raw,
                    {name: value for name, value in answer.headers.items() if _is_passed_on(name)},
                )

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._engine = engine
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Doorman:
        self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._serving.join(timeout=10)
        self._engine.close()

    def url(self, user: str = USER, password: str = PASSWORD) -> str:
        """Where a client finds it, with what it is to say at the door."""
        return f"http://{user}:{password}@127.0.0.1:{self._server.server_port}"

    @property
    def url_without_user(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"


def _is_passed_on(header: str) -> bool:
    return header.lower() not in _OF_A_CONNECTION | {"authorization"}
