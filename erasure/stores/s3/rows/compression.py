"""Unpacks what is read and packs what is written, in pieces: gzip, zstd, or neither.

Holds: `unpacked`, `Unpacked`, `Packer`.
Add here: another compression.
Keep out: formats, and which compression a key has (`codecs.py`).
"""

import struct
import zlib
from typing import BinaryIO, Protocol

from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.base import Flaw, UnreadableRows

CHUNK = 512 * 1024
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAGICS = {GZIP_MAGIC: "gzip", ZSTD_MAGIC: "zstd"}
_WITH_GZIP_HEADER = 31
_RAW_DEFLATE = -15
_HAS_EXTRA, _HAS_NAME, _HAS_COMMENT = 4, 8, 16
_FIXED_HEADER = 10
# What writers put into XFL -> the level that makes them put it there; it says nothing of the levels between.
_LEVELS = {2: 9, 4: 1}
_USUAL_LEVEL = 6


class Readable(Protocol):
    """What rows are read from."""

    def read(self, size: int, /) -> bytes:
        """Up to that many bytes; none at the end."""
        ...


class Packer(Protocol):
    """What rows are written to."""

    def write(self, data: bytes, /) -> object:
        """Takes all of it."""
        ...

    def finish(self) -> None:
        """Writes what is left; the sink below stays open."""
        ...


class Unpacked(Protocol):
    """A source without its compression, which knows how to pack again what was read from it."""

    def read(self, size: int, /) -> bytes:
        """Up to that many bytes; none at the end. Raises UnreadableRows where the packing is broken."""
        ...

    def packer(self, sink: BinaryIO) -> Packer:
        """Packs as the source was packed."""
        ...


def unpacked(source: BinaryIO, compression: str | None) -> Unpacked:
    """A source as its rows are; without a compression its first bytes tell whether it has one.

    Objects uploaded with Content-Encoding: gzip often have a key that does not say so.
    """
    ahead = _Ahead(source)
    told = next((kind for magic, kind in _MAGICS.items() if ahead.start.startswith(magic)), None)
    if compression is not None and told != compression and ahead.start:
        raise UnreadableRows(Flaw.COMPRESSION, f"it is not {compression}, as its key or the inventory says")
    if told == "gzip":
        return _Gzip(ahead)
    return _Zstd(ahead) if told == "zstd" else _Plain(ahead)


class _Ahead:
    """A source whose first piece is known."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.start = b""
        while len(self.start) < CHUNK and (piece := source.read(CHUNK - len(self.start))):
            self.start += piece
        self._begun = False

    def read(self, size: int) -> bytes:
        # The first piece as a whole, whatever was asked for: no reader here minds.
        if not self._begun:
            self._begun = True
            if self.start:
                return self.start
        return self._source.read(size)


class _Plain:
    def __init__(self, source: _Ahead) -> None:
        self.read = source.read

    def packer(self, sink: BinaryIO) -> Packer:
        return _PlainPacker(sink)


class _PlainPacker:
    def __init__(self, sink: BinaryIO) -> None:
        self.write = sink.write

    def finish(self) -> None:
        return


class _Gzip:
    """All members, one after the other; zeros behind them are padding, anything else is an error."""

    def __init__(self, source: _Ahead) -> None:
        self._source = source
        self._header = source.start
        self._engine = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._input = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._engine.eof and not self._next_member():
                return b""
            if not self._input:
                self._input = self._source.read(CHUNK)
            if not self._input:
                raise UnreadableRows(Flaw.COMPRESSION, "the gzip data ends before its end")
            try:
                data = self._engine.decompress(self._input, size)
            except zlib.error:
                raise UnreadableRows(Flaw.COMPRESSION, "the gzip data is broken") from None
            self._input = self._engine.unconsumed_tail
            if data:
                return data

    def _next_member(self) -> bool:
        rest = self._engine.unused_data
        while not rest.lstrip(b"\0"):
            rest = self._source.read(CHUNK)
            if not rest:
                return False
        self._engine, self._input = zlib.decompressobj(_WITH_GZIP_HEADER), rest.lstrip(b"\0")
        return True

    def packer(self, sink: BinaryIO) -> Packer:
        return _GzipPacker(sink, self._header)


class _GzipPacker:
    """One member, with time, name, comment and system of the first that was read.

    What BGZF and others keep in the extra field is about the old bytes, so that goes.
    """

    def __init__(self, sink: BinaryIO, header: bytes) -> None:
        self._sink = sink
        level = _LEVELS.get(header[8], _USUAL_LEVEL) if len(header) >= _FIXED_HEADER else _USUAL_LEVEL
        self._engine = zlib.compressobj(level, zlib.DEFLATED, _RAW_DEFLATE)
        self._check, self._size = zlib.crc32(b""), 0
        sink.write(_kept_header(header))

    def write(self, data: bytes) -> None:
        self._check = zlib.crc32(data, self._check)
        self._size += len(data)
        self._sink.write(self._engine.compress(data))

    def finish(self) -> None:
        self._sink.write(self._engine.flush())
        self._sink.write(struct.pack("<LL", self._check, self._size & 0xFFFFFFFF))


def _kept_header(header: bytes) -> bytes:
    if len(header) < _FIXED_HEADER:
        return GZIP_MAGIC + b"\x08\0\0\0\0\0\0\xff"
    flags, at = header[3], _FIXED_HEADER
    if flags & _HAS_EXTRA:
        at += 2 + int.from_bytes(header[at : at + 2], "little")
    texts = b""
    for flag in (_HAS_NAME, _HAS_COMMENT):
        if flags & flag:
            end = header.index(b"\0", at) + 1
            texts, at = texts + header[at:end], end
    return header[:3] + bytes([flags & (_HAS_NAME | _HAS_COMMENT)]) + header[4:_FIXED_HEADER] + texts


class _Zstd:
    """All frames, one after the other, by Arrow's codec."""

    def __init__(self, source: _Ahead) -> None:
        import pyarrow

        self._guarded = Guarded(source)
        self._stream = pyarrow.CompressedInputStream(
            pyarrow.PythonFile(self._guarded, mode="r"), compression="zstd"
        )

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError:
            if self._guarded.failure is not None:
                raise self._guarded.failure from None
            raise UnreadableRows(
                Flaw.COMPRESSION, "the zstd data is broken, or ends before its end"
            ) from None

    def packer(self, sink: BinaryIO) -> Packer:
        return _ZstdPacker(sink)


class _ZstdPacker:
    """One frame, at Arrow's level (1): what level was used before, a frame does not say."""

    def __init__(self, sink: BinaryIO) -> None:
        import pyarrow

        self._stream = pyarrow.CompressedOutputStream(
            pyarrow.PythonFile(Guarded(sink), mode="w"), compression="zstd"
        )

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def finish(self) -> None:
        self._stream.close()
