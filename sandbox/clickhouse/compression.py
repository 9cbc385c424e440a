"""Content encodings, both ways.

Clients compress a body block by block, so one body holds many frames, each of which must be complete.
Add here: an encoding, as one entry in each table. Keep out: ClickHouse's own block format (`compress=1`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import lz4.frame
import zstandard

from sandbox.clickhouse.errors import BAD_ARGUMENTS, refusal


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
_DECODERS: dict[str, Callable[[], Any]] = {
    "lz4": lz4.frame.LZ4FrameDecompressor,
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "deflate": lambda: zlib.decompressobj(wbits=15),
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


def _frames(new_decoder: Callable[[], Any], pieces: Iterable[bytes]) -> Iterator[bytes]:
    decoder: Any = None
    for piece in pieces:
        rest = piece
        while rest:
            if decoder is None or decoder.eof:
                decoder = new_decoder()
            plain = decoder.decompress(rest)
            if plain:
                yield plain
            rest = (decoder.unused_data or b"") if decoder.eof else b""
    if decoder is not None and not decoder.eof:
        raise refusal(BAD_ARGUMENTS, "The compressed body ends in the middle of a frame.")
