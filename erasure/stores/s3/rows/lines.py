"""Reads a stream in pieces that somebody takes whole rows from, in bounded memory.

Holds: `in_pieces`, `filled`.
Add here: nothing of a format; a format says how much of a piece is whole rows.
Keep out: what stands in a row.
"""

from collections.abc import Callable

from erasure.stores.s3.rows.base import ROW_AT_MOST, Flaw, UnreadableRows
from erasure.stores.s3.rows.compression import CHUNK, Readable

# What has been read and not taken yet, and whether nothing follows -> how many bytes of it are taken.
Take = Callable[[bytes, bool], int]


def in_pieces(source: Readable, take: Take) -> None:
    """Gives all of the source to `take`, which takes everything in the end or raises."""
    rest = b""
    # As much again as is left over, so that a row of many lines is not gone through once for each piece of it.
    while piece := filled(source, max(CHUNK, len(rest))):
        data = rest + piece if rest else piece
        rest = data[take(data, False) :]
        if len(rest) > ROW_AT_MOST:
            raise UnreadableRows(
                Flaw.LENGTH,
                f"a row is longer than {ROW_AT_MOST // 2**20} MiB; look for quotes that nobody closes",
            )
    if rest:
        take(rest, True)


def filled(source: Readable, size: int) -> bytes:
    """That many bytes, or all that are left; a source may return fewer at a time."""
    pieces, missing = [], size
    while missing > 0 and (piece := source.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces) if len(pieces) != 1 else pieces[0]
