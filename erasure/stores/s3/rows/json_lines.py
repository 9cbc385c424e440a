"""JSON lines: a document a line; blank lines and line ends stay as they are.

Holds: `JsonLines`.
Add here: nothing; what a document changes to is in `documents.py`.
Keep out: documents that span lines (`json_values.py`).
"""

from typing import BinaryIO

from erasure.stores.s3.rows.base import RowCounts, RowRules
from erasure.stores.s3.rows.compression import Packer, unpacked
from erasure.stores.s3.rows.documents import DocumentRows
from erasure.stores.s3.rows.lines import line_blocks
from erasure.stores.s3.rows.tally import Tally

_BOM = b"\xef\xbb\xbf"


class JsonLines:
    """A document a line."""

    needs_seek = False

    def __init__(self, *, compression: str | None) -> None:
        self._compression = compression

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change."""
        return self._pass(source, None, rules)

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything, but for the ruled values of targets."""
        return self._pass(source, sink, rules)

    def _pass(self, source: BinaryIO, sink: BinaryIO | None, rules: RowRules) -> RowCounts:
        packed = unpacked(source, self._compression)
        packer: Packer | None = packed.packer(sink) if sink is not None else None
        tally = Tally()
        documents = DocumentRows(rules, tally, writes=packer is not None)
        begin = b""
        for number, (lines, end) in enumerate(line_blocks(packed)):
            if not number and lines[0].startswith(_BOM):
                begin, lines[0] = _BOM, lines[0][len(_BOM) :]
            kept = [new for line in lines if (new := _masked(documents, line)) is not None]
            if packer is not None:
                packer.write(begin + b"\n".join(kept) + (end if kept else b""))
            begin = b""
        if packer is not None:
            packer.finish()
        return tally.counts()


def _masked(documents: DocumentRows, line: bytes) -> bytes | None:
    return documents.masked(line) if line and not line.isspace() else line
