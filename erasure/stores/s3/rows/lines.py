"""Cuts a stream into blocks of whole lines, in bounded memory.

Holds: `line_blocks`.
Add here: nothing of a format; a format says by `joined` which line ends are none.
Keep out: what stands in a line.
"""

from collections.abc import Callable, Iterator

from erasure.stores.s3.rows.base import ROW_AT_MOST, Flaw, UnreadableRows
from erasure.stores.s3.rows.compression import CHUNK, Readable

# Lines -> rows, and the bytes of the last lines that are no whole row yet.
Joined = Callable[[list[bytes]], tuple[list[bytes], bytes]]


def line_blocks(source: Readable, joined: Joined | None = None) -> Iterator[tuple[list[bytes], bytes]]:
    """(rows without their ends, how the last of them ends): `\\n`, or nothing at the end of what lacks the last one.

    Put together by `\\n` and with that end, the rows are what was read.
    """
    rest = b""
    # As much again as is left over, so that a row of many lines is not gone through once for each piece of it.
    while piece := _filled(source, max(CHUNK, len(rest))):
        block = rest + piece
        end = block.rfind(b"\n")
        if end < 0:
            rows, rest = [], block
        else:
            rows, rest = block[:end].split(b"\n"), block[end + 1 :]
            if joined is not None:
                rows, unfinished = joined(rows)
                rest = unfinished + rest
        if len(rest) > ROW_AT_MOST:
            raise UnreadableRows(
                Flaw.LENGTH,
                f"a row is longer than {ROW_AT_MOST // 2**20} MiB; look for quotes that nobody closes",
            )
        if rows:
            yield rows, b"\n"
    if rest:
        rows, unfinished = joined([rest]) if joined is not None else ([rest], b"")
        if unfinished:
            raise UnreadableRows(Flaw.QUOTES, "quotes are not balanced")
        yield rows, b""


def _filled(source: Readable, size: int) -> bytes:
    """That many bytes, or all that are left; a source may return fewer at a time."""
    pieces, missing = [], size
    while missing > 0 and (piece := source.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
