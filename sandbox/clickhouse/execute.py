"""Running one request: which of the engine's calls it needs, and in what order.

Add here: checks that decide whether and how a statement runs. Keep out: HTTP, and the calls themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from io import SEEK_END
from typing import BinaryIO

from sandbox.clickhouse.compression import PIECE
from sandbox.clickhouse.engine import Connection, Result
from sandbox.clickhouse.errors import NOT_IMPLEMENTED, READONLY, SYNTAX_ERROR, refusal
from sandbox.clickhouse.request import ExternalTable, Request
from sandbox.clickhouse.sessions import Sessions
from sandbox.clickhouse.sql import InlineInsert, examine, identifier, inline_insert, only_blanks, to_bytes
from sandbox.clickhouse.values import look_through

# What an INSERT says before its rows fits in here: a server's own limit on the text of a query.
_HEAD = 256 << 10
# Other statements are held in memory, a few times over while they are parsed. The engine has a limit of its own,
# which is far lower unless `max_query_size` raises it.
_LONGEST_STATEMENT = 32 << 20
# An insert up to this size is left to the engine, as a whole; of a larger one each block has this size.
_LARGE_INSERT = 64 << 20
_BLOCK = 32 << 20
# The engine's own limit.
_MOST_ROWS = 1_048_449
_LOOK_AHEAD = 1 << 20
# How a SELECT may begin; a parenthesis counts for nothing.
_STREAMING = {"SELECT", "WITH", "FROM", ""}
# Of a text that it cannot parse the engine does not know that it only reads; these do, whatever follows.
_READING = {"SELECT", "SHOW", "DESCRIBE", "DESC", "EXISTS"}
# In every other format each piece of a stream is a document of its own, with its own header.
_STREAMED = {"native", "rowbinary", "csv", "tabseparated", "tabseparatedraw", "tsv", "tsvraw"}


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """How a statement is run. One that does not parse gets the engine's own words, on a connection that cannot write:
    where an INSERT hides in it, the engine takes a blank line for the end of the rows and runs what follows."""

    output_format: str
    streams: bool
    parses: bool


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
    insert = inline_insert(head)
    limits = _limits(request, insert, head, body) if insert else {}
    with ExitStack() as stack:
        connection = stack.enter_context(sessions.connection(request.session))
        _prepare(connection, request, limits)
        _load(connection, stack, tables)
        if insert is not None:
            connection.bind(request.parameters)
            rows = _pieces(head[insert.data_at :], body)
            result = connection.insert(insert.head, insert.input_format, rows)
            return Reply(first=result, output_format=request.default_format)
        text = head + body.read(_LONGEST_STATEMENT)
        shape = _check(connection, request, text)
        if not shape.parses:
            connection = stack.enter_context(sessions.connection(None))
            _prepare(connection, replace(request, session=None), {})
            connection.apply({"readonly": "2"})
        if not (shape.streams and may_stream) or request.wait_until_done:
            result = connection.run(text, request.default_format, request.parameters)
            return Reply(first=result, output_format=shape.output_format)
        pieces = connection.stream(text, request.default_format, request.parameters)
        stack.callback(pieces.close)
        return _start(pieces, shape.output_format, stack)


def _prepare(connection: Connection, request: Request, limits: Mapping[str, str]) -> None:
    settings = {**limits, **request.settings}
    if request.session is None:
        connection.apply(settings)
    else:
        connection.override(settings)
    if request.database:
        connection.use(request.database)


def _load(connection: Connection, stack: ExitStack, tables: Sequence[ExternalTable]) -> None:
    """External tables are temporary tables for the length of one request."""
    for table in tables:
        name = to_bytes(identifier(table.name))
        connection.run(b"CREATE TEMPORARY TABLE " + name + b" (" + to_bytes(table.structure) + b")")
        stack.callback(connection.run, b"DROP TEMPORARY TABLE IF EXISTS " + name)
        connection.insert(b"INSERT INTO " + name, table.input_format, [table.data])


def _limits(request: Request, insert: InlineInsert, head: bytes, body: BinaryIO) -> dict[str, str]:
    """Refuse what a server refuses; tell the settings by which a large insert takes little memory.

    By itself the engine makes blocks of a million rows, whatever they weigh, and holds two of them.
    """
    if not request.may_modify:
        raise _read_only()
    behind_head = body.tell()
    large = len(head) + body.seek(0, SEEK_END) - behind_head > _LARGE_INSERT
    body.seek(behind_head)
    limits = dict.fromkeys(("max_insert_block_size_bytes", "min_insert_block_size_bytes"), str(_BLOCK))
    if insert.input_format.lower() == "values":
        rows = look_through(_pieces(head[insert.data_at :], body))
        if rows.second_statement:
            raise _second_statement()
        body.seek(behind_head)
        most = max(1, rows.fewest_in_a_piece) * (_BLOCK // PIECE)
        limits["max_insert_block_size"] = str(min(most, _MOST_ROWS))
    return limits if large else {}


def _check(connection: Connection, request: Request, text: bytes) -> _Shape:
    """Refuse what a server refuses; tell how the rest is to be run."""
    if len(text) > _LONGEST_STATEMENT:
        reason = f"Max query size exceeded: a statement may have {_LONGEST_STATEMENT >> 20} MiB here."
        raise refusal(SYNTAX_ERROR, reason)
    statement = examine(text)
    classified = connection.classify(text)
    # Two opinions: of a text that does not parse the engine counts nothing, yet it would run the beginning.
    if statement.followed_by_another or classified.statements > 1:
        raise _second_statement()
    if only_blanks(text, 0):
        raise refusal(SYNTAX_ERROR, "Syntax error: Empty query.")
    if statement.verb == "INSERT" and (classified.statements != 1 or inline_insert(text) is not None):
        raise refusal(SYNTAX_ERROR, "Syntax error: an INSERT needs VALUES, FORMAT or a SELECT that parses.")
    if statement.touches_files:
        reason = "INTO OUTFILE and FROM INFILE are not allowed over HTTP."
        raise refusal(NOT_IMPLEMENTED, reason)
    if statement.ends_process:
        # The engine would signal its whole process group, and whoever started the gateway with it.
        raise refusal(NOT_IMPLEMENTED, "The gateway is stopped by a signal, not by a statement.")
    if statement.looks_into_process:
        # It reads variables of the gateway by their names.
        raise refusal(NOT_IMPLEMENTED, "The table function Python is not allowed over HTTP.")
    reads = classified.only_reads or statement.verb in _READING
    if not reads and not request.may_modify:
        raise _read_only()
    output_format = statement.output_format or request.default_format
    return _Shape(
        output_format=output_format,
        streams=reads and statement.verb in _STREAMING and output_format.lower() in _STREAMED,
        parses=classified.statements == 1 or statement.verb in _READING,
    )


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
