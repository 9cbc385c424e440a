"""Running one request: which of the engine's calls it needs, and in what order.

Add here: checks that decide whether and how a statement runs. Keep out: HTTP, and the calls themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from sandbox.clickhouse.body import PIECE
from sandbox.clickhouse.engine import Connection, Result
from sandbox.clickhouse.errors import NOT_IMPLEMENTED, READONLY, SYNTAX_ERROR, refusal
from sandbox.clickhouse.request import ExternalTable, Request
from sandbox.clickhouse.sessions import Sessions
from sandbox.clickhouse.sql import (
    InlineInsert,
    examine,
    has_second_statement,
    identifier,
    inline_insert,
)

# What an INSERT says before its rows fits in here: a server's own limit on the text of a query.
_HEAD = 256 << 10
_LOOK_AHEAD = 1 << 20
# In every other format each piece of a stream is a document of its own, with its own header.
_STREAMED = {"native", "rowbinary", "csv", "tabseparated", "tabseparatedraw", "tsv", "tsvraw"}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The first piece of the output; when more follows, `rest` has it until `close`."""

    first: Result
    output_format: str
    rest: Iterator[Result] | None = None
    held: ExitStack = field(default_factory=ExitStack)

    def close(self) -> None:
        self.held.close()


def execute(
    sessions: Sessions,
    request: Request,
    body: BinaryIO,
    tables: Sequence[ExternalTable] = (),
    *,
    may_stream: bool = True,
) -> Reply:
    """Run the text of the url, a line break and the body, which is how a server reads them."""
    start = request.query + b"\n" if request.query else b""
    head = start + body.read(_HEAD)
    with ExitStack() as stack:
        connection = stack.enter_context(sessions.connection(request.session))
        _prepare(connection, request)
        _load(connection, stack, tables)
        insert = inline_insert(head)
        if insert is not None:
            result = _insert(connection, request, insert, head, body)
            return Reply(first=result, output_format=request.default_format)
        text = head + body.read()
        output_format, streams = _check(connection, request, text)
        if not (streams and may_stream) or request.wait_until_done:
            result = connection.run(text, request.default_format, request.parameters)
            return Reply(first=result, output_format=output_format)
        pieces = connection.stream(text, request.default_format, request.parameters)
        stack.callback(pieces.close)
        return _start(pieces, output_format, stack)


def _prepare(connection: Connection, request: Request) -> None:
    if request.session is None:
        connection.apply(request.settings)
    else:
        connection.override(request.settings)
    if request.database:
        connection.use(request.database)


def _load(connection: Connection, stack: ExitStack, tables: Sequence[ExternalTable]) -> None:
    """External tables are temporary tables for the length of one request."""
    for table in tables:
        name = identifier(table.name).encode()
        connection.run(b"CREATE TEMPORARY TABLE " + name + b" (" + table.structure.encode() + b")")
        stack.callback(connection.run, b"DROP TEMPORARY TABLE IF EXISTS " + name)
        connection.insert(b"INSERT INTO " + name, table.input_format, [table.data])


def _insert(
    connection: Connection, request: Request, insert: InlineInsert, head: bytes, body: BinaryIO
) -> Result:
    if not request.may_modify:
        raise _read_only()
    pieces: Iterator[bytes] = _pieces(head[insert.data_at :], body)
    if insert.input_format.lower() == "values":
        values = b"".join(pieces)
        # The engine would take the rows before a semicolon and silently forget what follows it.
        if has_second_statement(values):
            raise _second_statement()
        pieces = iter([values])
    connection.bind(request.parameters)
    return connection.insert(insert.head, insert.input_format, pieces)


def _check(connection: Connection, request: Request, text: bytes) -> tuple[str, bool]:
    """Refuse what a server refuses; tell the output format, and whether the output may be streamed."""
    statement = examine(text)
    classified = connection.classify(text)
    # Two opinions: of a text that does not parse the engine counts nothing, yet it would run the beginning.
    if statement.followed_by_another or classified.statements > 1:
        raise _second_statement()
    if not statement.verb and not classified.statements:
        raise refusal(SYNTAX_ERROR, "Syntax error: Empty query.")
    if statement.verb == "INSERT" and classified.statements != 1:
        raise refusal(SYNTAX_ERROR, "Syntax error: an INSERT needs VALUES, FORMAT or a SELECT that parses.")
    if statement.into_file:
        raise refusal(NOT_IMPLEMENTED, "INTO OUTFILE is not allowed over HTTP.")
    if classified.modifies and not request.may_modify:
        raise _read_only()
    output_format = statement.output_format or request.default_format
    streams = statement.verb in {"SELECT", "WITH"} and not classified.modifies
    return output_format, streams and output_format.lower() in _STREAMED


def _start(pieces: Iterator[Result], output_format: str, stack: ExitStack) -> Reply:
    """Look some way ahead: most results end there, and so does the chance of a proper error status."""
    ahead: list[Result] = []
    for piece in pieces:
        ahead.append(piece)
        if sum(len(each.data) for each in ahead) >= _LOOK_AHEAD:
            first = _joined(ahead)
            return Reply(first=first, output_format=output_format, rest=pieces, held=stack.pop_all())
    return Reply(first=_joined(ahead), output_format=output_format)


def _joined(pieces: Sequence[Result]) -> Result:
    return Result(
        data=b"".join(piece.data for piece in pieces),
        result_rows=sum(piece.result_rows for piece in pieces),
        read_rows=sum(piece.read_rows for piece in pieces),
        read_bytes=sum(piece.read_bytes for piece in pieces),
        seconds=max((piece.seconds for piece in pieces), default=0.0),
    )


def _pieces(first: bytes, body: BinaryIO) -> Iterator[bytes]:
    if first:
        yield first
    while piece := body.read(PIECE):
        yield piece


def _second_statement() -> Exception:
    return refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed).")


def _read_only() -> Exception:
    return refusal(
        READONLY,
        "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
        "You should use method POST for modifying queries.",
    )
