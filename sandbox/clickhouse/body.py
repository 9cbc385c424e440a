"""Reading the body of a request: by length or in chunks, compressed or not, or as a form.

A body is read to its end before anything runs, so that one which breaks off runs nothing.
Add here: framing of bodies. Keep out: what the bytes mean.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path
from typing import BinaryIO, cast

from sandbox.clickhouse.compression import PIECE, decoded
from sandbox.clickhouse.errors import BAD_ARGUMENTS, NOT_ENOUGH_SPACE, refusal

# For each of many clients at once; what is larger goes to the disk.
_IN_MEMORY = 4 << 20
# A form is parsed as a whole, and its tables stay in memory anyway.
_LARGEST_FORM = 128 << 20
_LENGTH = re.compile(r"[0-9]{1,18}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")


class BrokenBody(Exception):
    """The body's framing is wrong or the client went away: the connection cannot be used again."""


@dataclass(frozen=True, kw_only=True)
class FormFile:
    """A file of a multipart form: the rows of an external table."""

    name: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Form:
    """A multipart form, which clients send when parameters are too long for the url."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: tuple[FormFile, ...] = ()


def raw_pieces(source: BinaryIO, headers: Message) -> Iterator[bytes]:
    """The body as sent. Raises BrokenBody where the framing is wrong, or ambiguous."""
    transfers = headers.get_all("Transfer-Encoding", [])
    lengths = headers.get_all("Content-Length", [])
    if len(transfers) + len(lengths) > 1:
        raise BrokenBody("it needs either one Content-Length or one Transfer-Encoding")
    if transfers:
        if transfers[0].strip().lower() != "chunked":
            raise BrokenBody("Transfer-Encoding must be chunked")
        yield from _chunks(source)
    elif lengths:
        if _LENGTH.fullmatch(lengths[0].strip()) is None:
            raise BrokenBody("Content-Length is not a number")
        yield from _exactly(source, int(lengths[0]))


def spooled(source: BinaryIO, headers: Message, directory: Path) -> BinaryIO:
    """The whole plain body, in memory or, when large, in an unnamed temporary file in `directory`."""
    body = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(directory))  # noqa: SIM115 - the caller closes it
    raw = raw_pieces(source, headers)
    try:
        for piece in decoded(headers.get("Content-Encoding", ""), raw):
            try:
                body.write(piece)
            except OSError as error:
                reason = f"The body does not fit on the disk: {error.strerror}."
                raise refusal(NOT_ENOUGH_SPACE, reason) from None
        body.seek(0)
    except BaseException:
        # What is still in its buffer may not fit either.
        with suppress(OSError):
            body.close()
        drain(raw)
        raise
    return cast(BinaryIO, body)


def drain(raw: Iterator[bytes]) -> None:
    """Read what is left, so that the answer to a refused request reaches a client still sending."""
    for _ in raw:
        pass


def read_form(content_type: str, body: BinaryIO) -> Form:
    """The form in a body. Raises ClickHouseError where it is too large or wrong."""
    data = body.read(_LARGEST_FORM + 1)
    if len(data) > _LARGEST_FORM:
        reason = f"A multipart form may have {_LARGEST_FORM >> 20} MiB here: insert the rows into a temporary table."
        raise refusal(BAD_ARGUMENTS, reason)
    return parse_form(content_type, data)


def parse_form(content_type: str, body: bytes) -> Form:
    """Split by hand: the standard library's parsers take liberties with line ends in binary data."""
    boundary = _parameter("Content-Type", content_type, "boundary")
    if not boundary:
        raise refusal(BAD_ARGUMENTS, "The multipart form has no boundary.")
    edges = re.compile(
        rb"\r\n--" + re.escape(boundary.encode("latin-1", "replace")) + rb"(?:(--)|[ \t]*\r\n)"
    )
    fields: dict[str, str] = {}
    files: list[FormFile] = []
    body = b"\r\n" + body
    start: int | None = None
    for edge in edges.finditer(body):
        if start is not None:
            head, _, data = body[start : edge.start()].partition(b"\r\n\r\n")
            name, filename = _disposition(head)
            if filename is None:
                fields[name] = data.decode("utf-8", "surrogateescape")
            else:
                files.append(FormFile(name=name, data=data))
        if edge.group(1):
            return Form(fields=fields, files=tuple(files))
        start = edge.end()
    raise refusal(BAD_ARGUMENTS, "The multipart form is not closed.")


def _disposition(head: bytes) -> tuple[str, str | None]:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            name = _parameter("Content-Disposition", value.strip(), "name")
            if name is not None:
                return name, _parameter("Content-Disposition", value.strip(), "filename")
    raise refusal(BAD_ARGUMENTS, "A part of the multipart form has no name.")


def _parameter(header: str, value: str, name: str) -> str | None:
    """A parameter of a header, plain or encoded."""
    message = Message()
    message[header] = value
    try:
        found = message.get_param(name, header=header)
        return None if found is None else collapse_rfc2231_value(found)
    # The library's decoder fails in many ways on parameters that nobody would send.
    except (TypeError, ValueError, LookupError):
        raise refusal(BAD_ARGUMENTS, f"The header {header} cannot be read.") from None


def _chunks(source: BinaryIO) -> Iterator[bytes]:
    while True:
        size = _CHUNK_SIZE.fullmatch(source.readline(1024))
        if size is None:
            raise BrokenBody("a chunk has no valid size")
        length = int(size.group(1), 16)
        if length == 0:
            break
        yield from _exactly(source, length)
        if source.read(2) != b"\r\n":
            raise BrokenBody("a chunk is longer than its size")
    while (trailer := source.readline(65536)) != b"\r\n":
        if not trailer.endswith(b"\r\n"):
            raise BrokenBody("the body breaks off after its last chunk")


def _exactly(source: BinaryIO, length: int) -> Iterator[bytes]:
    while length:
        piece = source.read(min(length, PIECE))
        if not piece:
            raise BrokenBody("the body is shorter than announced")
        length -= len(piece)
        yield piece
