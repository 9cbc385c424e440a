"""Content encodings, both ways.

Clients compress a body block by block, so one body holds many frames, each of which must be complete. A frame
of a few kilobytes may hold a gigabyte: what comes out is handed on in pieces, never as a whole.
Add here: an encoding, as one entry in each table. Keep out: ClickHouse's own block format (`compress=1`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import lz4.frame
import zstandard

from sandbox.clickhouse.errors import BAD_ARGUMENTS, refusal

# Bytes that are handed on at once.
PIECE = 1 << 20
# Bytes that are expanded at once: what follows a frame is copied, and a body may consist of thousands of tiny ones.
_SLICE = 16 << 10
# The zstd library knows no limit of output, and at its best makes 32 KiB of a byte.
_ZSTD_SLICE = 256


class Encoder(Protocol):
    """Compresses one response as a single frame."""

    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor(auto_flush=True)
        self._head: bytes = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return self._head + bytes(self._frame.flush())


# In the order of preference: both of the first are cheap, and are what the Python client asks for.
_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4Encoder,
    "zstd": lambda: zstandard.ZstdCompressor(level=1).compressobj(),
    "gzip": lambda: zlib.compressobj(level=3, wbits=31),
    "deflate": lambda: zlib.compressobj(level=3, wbits=15),
}


def encoding_for(accepted: str) -> str | None:
    """The encoding to answer with, from the words of Accept-Encoding."""
    words = (word.strip().partition(";") for word in accepted.lower().split(","))
    names = {name.strip() for name, _, weight in words if weight.replace(" ", "") not in {"q=0", "q=0.0"}}
    return next((name for name in _ENCODERS if name in names), None)


def encoder(encoding: str) -> Encoder:
    return _ENCODERS[encoding]()


def decoded(encoding: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes of a compressed body, however many frames it holds."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        yield from pieces
        return
    if name not in _DECODERS:
        raise refusal(
            BAD_ARGUMENTS, f"Unknown compression method: {name}. Known here: {', '.join(_DECODERS)}."
        )
    try:
        yield from _frames(_DECODERS[name], pieces)
    except (zlib.error, zstandard.ZstdError, RuntimeError) as error:
        raise refusal(BAD_ARGUMENTS, f"The body is not valid {name}: {error}.") from None


class _Decoder(Protocol):
    """Expands one frame, in pieces of bounded size; what follows the frame is `unused`."""

    ended: bool
    unused: bytes

    def pieces(self, data: bytes) -> Iterator[bytes]: ...


class _ZlibDecoder:
    def __init__(self, wbits: int) -> None:
        self._frame = zlib.decompressobj(wbits=wbits)
        self.ended = False
        self.unused = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        full = True
        while (data or full) and not self.ended:
            plain = self._frame.decompress(data, PIECE)
            yield plain
            # Of a full piece more may be left inside, although all input is taken.
            full = len(plain) == PIECE
            data = self._frame.unconsumed_tail
            self.ended, self.unused = self._frame.eof, self._frame.unused_data


class _Lz4Decoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameDecompressor()
        self.ended = False
        self.unused = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._frame.decompress(data, PIECE)
        while not (self._frame.eof or self._frame.needs_input):
            yield self._frame.decompress(b"", PIECE)
        self.ended, self.unused = self._frame.eof, self._frame.unused_data or b""


class _ZstdDecoder:
    def __init__(self) -> None:
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self.ended = False
        self.unused = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_SLICE):
            yield self._frame.decompress(data[at : at + _ZSTD_SLICE])
            if self._frame.eof:
                self.ended = True
                self.unused = self._frame.unused_data + data[at + _ZSTD_SLICE :]
                return


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "lz4": _Lz4Decoder,
    "zstd": _ZstdDecoder,
    "gzip": lambda: _ZlibDecoder(31),
    "deflate": lambda: _ZlibDecoder(15),
}


def _frames(new_decoder: Callable[[], _Decoder], pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder: _Decoder | None = None
    for rest in _slices(pieces):
        while rest:
            if decoder is None or decoder.ended:
                decoder = new_decoder()
            yield from filter(None, decoder.pieces(rest))
            rest = decoder.unused if decoder.ended else b""  # noqa: PLW2901 - what is left of the slice
    if decoder is not None and not decoder.ended:
        raise refusal(BAD_ARGUMENTS, "The compressed body ends in the middle of a frame.")


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from (piece[at : at + _SLICE] for at in range(0, len(piece), _SLICE))
