"""JSON: an array of objects, one object, or several one after the other; blanks and commas stay as they are.

An array is never held as a whole: its elements are found by their bytes, and each is a row.
Holds: `JsonValues`.
Add here: nothing; what a document changes to is in `documents.py`, and in `flat.py` for many at once.
Keep out: a row longer than `ROW_AT_MOST`, and so any object that holds a long array: it is an error.
"""

import re

from erasure.stores.s3.rows.base import ROW_AT_MOST, Flaw, RowRules, UnreadableRows
from erasure.stores.s3.rows.compression import CHUNK, Packer, Readable
from erasure.stores.s3.rows.documents import DocumentRows
from erasure.stores.s3.rows.flat import FlatRows
from erasure.stores.s3.rows.passes import TextRows
from erasure.stores.s3.rows.splice import element_end
from erasure.stores.s3.rows.tally import Tally

_BLANKS = re.compile(rb"[ \t\r\n]*+")
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+(\[?)[ \t\r\n]*+")
# Of rows that are passed by at once, what stands behind each is known too.
_ANOTHER = rb"(?=\{)"
_NO_ROWS = "it is neither an array of objects nor one object after the other"


class JsonValues(TextRows):
    """Objects in an array, or one after the other."""

    def _judge(self, source: Readable, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        _Values(source, packer, rules, tally).pass_by()


class _Values:
    """Goes through the bytes once; `_at` is where it stands in what it holds of them."""

    def __init__(self, source: Readable, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        self._source = source
        self._packer = packer
        self._delete = rules.delete
        self._documents = DocumentRows(rules, tally, writes=packer is not None)
        self._flat = FlatRows(rules, self._documents.flat, tally, writes=packer is not None, behind=_ANOTHER)
        self._data = b""
        self._at = 0
        self._ended = False
        # What is to be written before the next element that stays.
        self._gap = b""
        self._out: list[bytes] = []
        self._kept = 0

    def pass_by(self) -> None:
        """Every element, and what stands between them."""
        while not self._ended and len(self._data) < CHUNK:
            self._more()
        begin = _BEGIN.match(self._data)
        is_array = bool(begin and begin[1])
        self._at = begin.end() if begin else 0
        self._out.append(self._data[: self._at])
        number = 0
        while self._has_element(is_array=is_array, first=not number):
            number += 1 + self._many()
            self._element()
        if self._delete and not is_array and number == 1 and not self._kept:
            # What would be left is no JSON; whoever wrote the object wrote one person into it.
            what = "the whole object is one row, which cannot go without it"
            raise UnreadableRows(Flaw.VALUE, what)
        self._end(is_array=is_array)

    def _has_element(self, *, is_array: bool, first: bool) -> bool:
        at = self._past_blanks(self._at)
        if is_array and not first and self._data[at : at + 1] == b",":
            at = self._past_blanks(at + 1)
        elif is_array and not first:
            return False
        if self._data[at : at + 1] != b"{":
            return False
        if not first:
            self._gap = self._data[self._at : at]
        self._at = at
        return True

    def _past_blanks(self, at: int) -> int:
        """Where the next sign stands, read on for where need be; `_at` moves to the front then, and so does this."""
        while True:
            match = _BLANKS.match(self._data, at)
            end = match.end() if match else at
            if end < len(self._data) or self._ended:
                return end
            passed = end - self._at
            self._more()
            at = self._at + passed

    def _many(self) -> int:
        """Passes by elements whose shape is known, as long as another follows; returns how many."""
        # Of what stands around one that goes, something has to go with it.
        if self._delete:
            return 0
        out: list[bytes] = []
        self._at, rows = self._flat.passed(self._data, self._at, out)
        if rows:
            self._out += [self._gap, *out] if self._kept else out
            self._gap = b""
            self._kept += rows
            self._documents.pass_by(rows)
        return rows

    def _element(self) -> None:
        while (end := element_end(self._data, self._at)) is None:
            if self._ended:
                raise UnreadableRows(Flaw.FORMAT, "the JSON ends before its end")
            self._more()
        raw = self._data[self._at : end]
        new = self._documents.masked(raw)
        if self._gap:
            self._flat.learn(raw, self._gap)
        if new is not None:
            # Before the first that stays there is what stood before the first of all.
            self._out += [self._gap, new] if self._kept else [new]
            self._kept += 1
        self._at = end

    def _end(self, *, is_array: bool) -> None:
        while not self._ended:
            self._more()
        tail = self._data[self._at :]
        if tail.strip(b" \t\r\n") != (b"]" if is_array else b""):
            raise UnreadableRows(Flaw.FORMAT, _NO_ROWS)
        self._out.append(tail)
        self._flush()

    def _more(self) -> None:
        """Reads on, and lets go of what has been passed."""
        self._flush()
        piece = self._source.read(CHUNK)
        self._ended = not piece
        self._data, self._at = self._data[self._at :] + piece, 0
        if len(self._data) > ROW_AT_MOST + CHUNK:
            raise UnreadableRows(
                Flaw.LENGTH, f"a row is longer than {ROW_AT_MOST // 2**20} MiB; an array must be at the top"
            )

    def _flush(self) -> None:
        if self._packer is not None:
            self._packer.write(b"".join(self._out))
        self._out = []
