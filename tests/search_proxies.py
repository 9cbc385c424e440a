"""Proxies in front of a search engine: what real clusters do and the sandbox' engines do not.

Holds: `Proxy`, which passes requests on byte by byte and notes them; `ElasticFace`, behind which any engine looks like
Elasticsearch 8 to Elastic's client; `certified`, a context of TLS for a proxy.
Add here: another thing that a server of some product says otherwise.
Keep out: who is let in (`faults/doorman.py`), and answers of its own to what a proxy lets in: they are the engine's.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

# Headers of one connection, not of what is passed on.
_OF_A_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
_COMPATIBLE = "application/vnd.elasticsearch+json; compatible-with=8"
_PLAIN = "application/json"


@dataclass(frozen=True, kw_only=True)
class Request:
    """`path` with its query, as it came over the wire; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """Names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @staticmethod
    def of(status: int, body: Any, **headers: str) -> Reply:
        """JSON, or a text."""
        if isinstance(body, str):
            return Reply(status=status, headers={"content-type": "text/plain"} | headers, body=body.encode())
        held = json.dumps(body).encode()
        return Reply(status=status, headers={"content-type": _PLAIN} | headers, body=held)


class Proxy:
    """Passes on to `target` (a URL), over TLS where there is a context; `seen` holds every request.

    A subclass may answer in the engine's place (`turned_away`), and change what is asked or answered.
    """

    def __init__(self, target: str, *, tls: ssl.SSLContext | None = None) -> None:
        proxy = self
        self.seen: list[Request] = []
        self._engine = urlsplit(target).netloc
        self._scheme = "https" if tls else "http"

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = 120

            def _any(self) -> None:
                request = Request(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
                )
                proxy.seen.append(request)
                self._answer(proxy.turned_away(request) or proxy._passed_on(request))

            def _answer(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    if name not in _OF_A_CONNECTION:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def finish_request(self, request: Any, client_address: Any) -> None:
                # In the thread of the connection: a client that breaks off a handshake holds up nobody.
                if tls is not None:
                    request = tls.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients that break off are what is looked for."""

        self._server = Server(("127.0.0.1", 0), Door)
        self._serving = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._serving.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._serving.join(timeout=10)

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def turned_away(self, request: Request) -> Reply | None:
        return None

    def asked(self, request: Request) -> Request:
        """What the engine is asked."""
        return request

    def told(self, request: Request, reply: Reply) -> Reply:
        """What the client is told."""
        return reply

    def _passed_on(self, request: Request) -> Reply:
        asked = self.asked(request)
        headers = {name: value for name, value in asked.headers.items() if name not in _OF_A_CONNECTION}
        connection = http.client.HTTPConnection(self._engine, timeout=900)
        try:
            connection.request(asked.method, asked.path, body=asked.body or None, headers=headers)
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return self.told(request, Reply(status=answer.status, headers=told, body=answer.read()))
        finally:
            connection.close()


class ElasticFace(Proxy):
    """Takes Elastic's media types, bears its product header, and says at `/` that it is its `version`.

    `product=False` leaves the header out. What it answers is the engine's own.
    """

    def __init__(
        self,
        target: str,
        *,
        version: str = "8.19.3",
        product: bool = True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(target, tls=tls)
        self._version = version
        self._product = product

    def asked(self, request: Request) -> Request:
        headers = {
            name: value.replace(_COMPATIBLE, _PLAIN)
            for name, value in request.headers.items()
            # What is said at `/` is rewritten, so it must not be packed.
            if name != "accept-encoding" or request.path != "/"
        }
        return replace(request, headers=headers)

    def told(self, request: Request, reply: Reply) -> Reply:
        headers = dict(reply.headers)
        if self._product:
            headers["x-elastic-product"] = "Elasticsearch"
        if _COMPATIBLE in request.headers.get("accept", ""):
            headers["content-type"] = headers.get("content-type", _PLAIN).replace(
                _PLAIN, _COMPATIBLE.replace(" ", "")
            )
        body = reply.body
        if request.path == "/" and reply.status == http.client.OK:
            about = json.loads(body)
            about["version"] = {"number": self._version, "build_flavor": "default"}
            about["tagline"] = "You Know, for Search"
            body = json.dumps(about).encode()
        return replace(reply, headers=headers, body=body)

    @property
    def spoken_by_elastics_client(self) -> list[Request]:
        """The requests that bore Elastic's media types."""
        return [request for request in self.seen if _COMPATIBLE in request.headers.get("accept", "")]
