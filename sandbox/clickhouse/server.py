"""The HTTP side of the gateway: routes, passwords, headers, and bytes on the wire.

Add here: what clients see of HTTP. Keep out: SQL and the engine; nothing is logged, since requests hold data.
"""

from __future__ import annotations

import hmac
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from ipaddress import ip_address
from typing import BinaryIO, cast

from sandbox.clickhouse.answers import TEXT, content_type_of, one_line, summary, trailer_of
from sandbox.clickhouse.body import BrokenBody, drain, raw_pieces, read_form, spooled
from sandbox.clickhouse.compression import encoder
from sandbox.clickhouse.engine import Engine, Result
from sandbox.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    STD_EXCEPTION,
    ClickHouseError,
    refusal,
)
from sandbox.clickhouse.execute import Reply, execute
from sandbox.clickhouse.request import (
    Credentials,
    ExternalTable,
    Request,
    credentials,
    external_table,
    parse,
    path_of,
    url_parameters,
)
from sandbox.clickhouse.sessions import Sessions
from sandbox.clickhouse.watch import Watch


@dataclass(frozen=True, kw_only=True)
class Users:
    """Who may enter: users with their passwords, and `default` without one, from this machine only."""

    passwords: Mapping[str, str]
    open_default: bool = False

    def admit(self, who: Credentials, address: str) -> bool:
        if self.open_default and who.user == "default":
            return not who.password and ip_address(address).is_loopback
        known = self.passwords.get(who.user)
        given = who.password.encode("utf-8", "surrogateescape")
        matches = hmac.compare_digest((known or "").encode("utf-8", "surrogateescape"), given)
        return matches and bool(known)


class GatewayServer(ThreadingHTTPServer):
    """A thread for each connection; threads die with the process."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.engine: Engine
        self.sessions: Sessions
        self.users: Users
        self.watch: Watch

    def attach(self, engine: Engine, users: Users) -> None:
        """The port is taken before the engine opens, so that a taken port fails at once."""
        self.engine = engine
        self.sessions = Sessions(engine)
        self.users = users
        self.watch = Watch(engine)
        self.watch.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """The kind of a failure, without its text: that may hold a value of somebody."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _write_down(error)


class Handler(BaseHTTPRequestHandler):
    """One client connection, which may carry many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 600
    server: GatewayServer
    # An answer begins once.
    answering = False

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """No access log: urls hold queries."""

    def version_string(self) -> str:
        return "ClickHouse"

    def _handle(self) -> None:
        self.answering = False
        try:
            self._answer()
        except BrokenBody as error:
            self.close_connection = True
            self._send_error(refusal(BAD_ARGUMENTS, f"The request body cannot be read: {error}."))
        except OSError:
            # The client is not there any more.
            raise
        except Exception as error:
            if self.answering:
                self.close_connection = True
                raise
            if isinstance(error, ClickHouseError):
                self._send_error(error)
                return
            # A defect of ours: what it says may hold a value of somebody, and the body may be unread.
            self.close_connection = True
            _write_down(error)
            self._send_error(refusal(STD_EXCEPTION, f"The gateway failed: {type(error).__name__}."))

    def _answer(self) -> None:
        try:
            path = path_of(self.path)
        except ClickHouseError:
            drain(raw_pieces(self._source, self.headers))
            raise
        if path in {"/ping", "/replicas_status"}:
            drain(raw_pieces(self._source, self.headers))
            self._send(HTTPStatus.OK, b"Ok.\n", {"Content-Type": TEXT})
        elif path not in {"", "/"}:
            drain(raw_pieces(self._source, self.headers))
            self._send(HTTPStatus.NOT_FOUND, b"There is no handle here.\n", {"Content-Type": TEXT})
        else:
            self._query()

    def _query(self) -> None:
        parameters = url_parameters(self.path)
        user = self._authenticate(parameters)
        with closing(spooled(self._source, self.headers, self.server.engine.data)) as plain:
            body, tables = self._form(plain, parameters)
            request = parse(self.command, self.headers, parameters, user)
            if self.command != "POST" and not request.query:
                self._send(HTTPStatus.OK, b"Ok.\n", {"Content-Type": TEXT})
                return
            may_stream = self.request_version != "HTTP/1.0" and self.command != "HEAD"
            with self.server.watch.over(self.connection):
                reply = execute(self.server.sessions, request, body, tables, may_stream=may_stream)
                with closing(reply):
                    self._reply(request, reply)

    def _authenticate(self, parameters: Mapping[str, str]) -> str:
        try:
            who = credentials(self.headers, parameters)
            if not self.server.users.admit(who, str(self.client_address[0])):
                raise refusal(
                    AUTHENTICATION_FAILED,
                    f"{who.user}: Authentication failed: password is incorrect, "
                    "or there is no user with such name.",
                )
        except ClickHouseError:
            drain(raw_pieces(self._source, self.headers))
            raise
        return who.user

    def _form(self, plain: BinaryIO, parameters: dict[str, str]) -> tuple[BinaryIO, Sequence[ExternalTable]]:
        """A multipart form holds parameters and tables; any other content type is SQL or rows."""
        content_type = self.headers.get("Content-Type", "")
        if not content_type.lower().startswith("multipart/form-data"):
            return plain, ()
        form = read_form(content_type, plain)
        parameters |= form.fields
        return BytesIO(), [external_table(file.name, file.data, parameters) for file in form.files]

    def _reply(self, request: Request, reply: Reply) -> None:
        headers = {
            "Content-Type": content_type_of(reply.output_format.lower()),
            "X-ClickHouse-Server-Display-Name": "sandbox",
            "X-ClickHouse-Query-Id": request.query_id,
            "X-ClickHouse-Format": reply.output_format,
            "X-ClickHouse-Timezone": request.settings.get("session_timezone") or self.server.engine.timezone,
            "X-ClickHouse-Summary": summary(reply.first),
        }
        if request.answer_encoding:
            headers["Content-Encoding"] = request.answer_encoding
        if reply.rest is not None:
            self._stream(request, reply, reply.rest, headers)
            return
        data = reply.first.data
        if request.answer_encoding:
            frame = encoder(request.answer_encoding)
            data = frame.compress(data) + frame.flush()
        self._send(HTTPStatus.OK, data, headers)

    def _stream(
        self, request: Request, reply: Reply, rest: Iterator[Result], headers: Mapping[str, str]
    ) -> None:
        """In chunks. A failure on the way is told twice: by the tagged trailer, and by breaking off."""
        tag = secrets.token_hex(8)
        frame = encoder(request.answer_encoding) if request.answer_encoding else None
        chunked = {"Transfer-Encoding": "chunked", "X-ClickHouse-Exception-Tag": tag}
        self._send_head(HTTPStatus.OK, {**headers, **chunked})
        failed: ClickHouseError | None = None
        self._chunk(frame.compress(reply.first.data) if frame else reply.first.data)
        try:
            for piece in rest:
                self._chunk(frame.compress(piece.data) if frame else piece.data)
        except ClickHouseError as error:
            failed = error
            trailer = trailer_of(self.server.engine.with_version(error), tag)
            self._chunk(frame.compress(trailer) if frame else trailer)
        if frame:
            self._chunk(frame.flush())
        # Before the end is on the wire: the client's next request may want the same session.
        reply.close()
        if failed:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_error(self, error: ClickHouseError) -> None:
        text = self.server.engine.with_version(error) + "\n"
        self._send(
            error.status,
            text.encode("utf-8", "replace"),
            {"Content-Type": TEXT, "X-ClickHouse-Exception-Code": str(error.code)},
        )

    def _send(self, status: HTTPStatus, data: bytes, headers: Mapping[str, str]) -> None:
        self._send_head(status, {**headers, "Content-Length": str(len(data))})
        if self.command != "HEAD":
            self.wfile.write(data)

    def _send_head(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.answering = True
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, one_line(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    @property
    def _source(self) -> BinaryIO:
        return cast(BinaryIO, self.rfile)


def _write_down(error: BaseException | None) -> None:
    print(f"clickhouse gateway: {type(error).__name__} in a request", file=sys.stderr, flush=True)
