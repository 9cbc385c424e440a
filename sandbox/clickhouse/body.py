"""Reading the body of a request: by length or in chunks, compressed or not, or as a form.

A body is read to its end before anything runs, so that one which breaks off runs nothing.
Add here: framing of bodies. Keep out: what the bytes mean.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import BinaryIO, cast

from sandbox.clickhouse.compression import decoded
from sandbox.clickhouse.errors import BAD_ARGUMENTS, refusal

PIECE = 1 << 20
_IN_MEMORY = 64 << 20
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
    """The body as sent."""
    transfer = headers.get("Transfer-Encoding", "").strip().lower()
    length = headers.get("Content-Length")
    if transfer:
        if transfer != "chunked" or length is not None:
            raise BrokenBody("Transfer-Encoding must be chunked, without a Content-Length")
        yield from _chunks(source)
    elif length is not None:
        if not length.strip().isdecimal():
            raise BrokenBody("Content-Length is not a number")
        yield from _exactly(source, int(length))


def spooled(source: BinaryIO, headers: Message) -> BinaryIO:
    """The whole plain body, in memory or, when large, in an unnamed temporary file."""
    body = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    raw = raw_pieces(source, headers)
    try:
        for piece in decoded(headers.get("Content-Encoding", ""), raw):
            body.write(piece)
    except BaseException:
        body.close()
        drain(raw)
        raise
    body.seek(0)
    return cast(BinaryIO, body)


def drain(raw: Iterator[bytes]) -> None:
    """Read what is left, so that the answer to a refused request reaches a client still sending."""
    for _ in raw:
        pass


def parse_form(content_type: str, body: bytes) -> Form:
    """Split by hand: the standard library's parsers take liberties with line ends in binary data."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise refusal(BAD_ARGUMENTS, "The multipart form has no boundary.")
    mark = b"\r\n--" + boundary.encode()
    fields: dict[str, str] = {}
    files: list[FormFile] = []
    _, *parts, end = (b"\r\n" + body).split(mark) if mark in b"\r\n" + body else (b"", b"")
    if not end.startswith(b"--"):
        raise refusal(BAD_ARGUMENTS, "The multipart form is not closed.")
    for part in parts:
        head, _, data = part.partition(b"\r\n\r\n")
        name, filename = _disposition(head)
        if filename is None:
            fields[name] = data.decode("utf-8", "surrogateescape")
        else:
            files.append(FormFile(name=name, data=data))
    return Form(fields=fields, files=tuple(files))


def _disposition(head: bytes) -> tuple[str, str | None]:
    for line in head.decode("utf-8", "replace").split("\r\n"):
        key, _, value = line.partition(":")
        if key.strip().lower() == "content-disposition":
            part = Message()
            part["Content-Disposition"] = value.strip()
            name = part.get_param("name", header="content-disposition")
            if isinstance(name, str):
                return name, part.get_filename()
    raise refusal(BAD_ARGUMENTS, "A part of the multipart form has no name.")


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
