"""JSON lines: a document a line; blank lines and line ends stay as they are.

Holds: `JsonLines`.
Add here: nothing; what a document changes to is in `documents.py`, and in `flat.py` for many at once.
Keep out: documents that span lines (`json_values.py`).
"""

from erasure.stores.s3.rows.base import RowRules
from erasure.stores.s3.rows.compression import Packer, Readable
from erasure.stores.s3.rows.documents import DocumentRows
from erasure.stores.s3.rows.flat import FlatRows
from erasure.stores.s3.rows.lines import in_pieces
from erasure.stores.s3.rows.passes import TextRows
from erasure.stores.s3.rows.tally import Tally

_BOM = b"\xef\xbb\xbf"


class JsonLines(TextRows):
    """A document a line."""

    def _judge(self, source: Readable, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        in_pieces(source, _Lines(packer, rules, tally).take)


class _Lines:
    def __init__(self, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        self._packer = packer
        self._documents = DocumentRows(rules, tally, writes=packer is not None)
        self._flat = FlatRows(rules, self._documents.flat, tally, writes=packer is not None)
        self._has_begun = False

    def take(self, data: bytes, ended: bool) -> int:
        """All whole lines; the last one of all may lack its end."""
        whole = len(data) if ended else data.rfind(b"\n") + 1
        if not whole:
            return 0
        at = len(_BOM) if not self._has_begun and data.startswith(_BOM) else 0
        self._has_begun = True
        out = [data[:at]]
        # A shape ends with a line, so that no part of the next one is passed by.
        while at < whole:
            at, rows = self._flat.passed(data, at, out)
            self._documents.pass_by(rows)
            # Behind rows of one shape there may be some of another.
            if not rows:
                at = self._line(data, at, whole, out)
        if self._packer is not None:
            self._packer.write(b"".join(out))
        return whole

    def _line(self, data: bytes, at: int, whole: int, out: list[bytes]) -> int:
        """Judges one line by itself; returns where the next begins."""
        found = data.find(b"\n", at, whole)
        end, after = (whole, whole) if found < 0 else (found, found + 1)
        line = data[at:end]
        if not line or line.isspace():
            out.append(data[at:after])
            return after
        new = self._documents.masked(line)
        self._flat.learn(line, b"\n")
        if new is not None:
            out += (new, data[end:after])
        return after
