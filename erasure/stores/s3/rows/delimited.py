"""CSV and TSV: the bytes of the ruled cells are replaced, and everything else is left as it stands.

A cell is put back quoted as it was. An empty cell is NULL, quoted or not, since writers that quote everything write
NULL so; `clear` writes an empty cell without quotes, which every reader takes for NULL.
Holds: `Delimited`.
Add here: another way to write a table as text.
Keep out: whose a row is (`subjects.py`), compression, and readers that repair what is broken: what RFC 4180 does not
allow is an error, since another reader may see other rows in it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from erasure.rules import MASK, Rule
from erasure.stores.s3.rows.base import Flaw, Path, RowCounts, RowRules, UnreadableRows
from erasure.stores.s3.rows.compression import Packer, unpacked
from erasure.stores.s3.rows.lines import line_blocks
from erasure.stores.s3.rows.subjects import Subjects, masked_text
from erasure.stores.s3.rows.tally import Tally, shown_column

_QUOTE = b'"'
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MASKED = MASK.lower().encode()


class Delimited:
    """Tables as text, their first row a header."""

    needs_seek = False

    def __init__(self, *, delimiter: str, encoding: str, compression: str | None) -> None:
        self._delimiter = delimiter.encode()
        self._encoding = encoding
        self._compression = compression

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change."""
        return self._pass(source, None, rules)

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything, but for the ruled cells of targets' rows."""
        return self._pass(source, sink, rules)

    def _pass(self, source: BinaryIO, sink: BinaryIO | None, rules: RowRules) -> RowCounts:
        packed = unpacked(source, self._compression)
        packer: Packer | None = packed.packer(sink) if sink is not None else None
        tally = Tally()
        table: _Table | None = None
        for rows, end in line_blocks(packed, _joined):
            header = [] if table is not None else rows[:1]
            if table is None:
                table = _Table(
                    header[0], rules, tally, self._delimiter, self._encoding, writes=packer is not None
                )
            kept = header + table.masked(rows[len(header) :])
            if packer is not None and kept:
                packer.write(b"\n".join(kept) + end)
        if packer is not None:
            packer.finish()
        return tally.counts()


def _joined(lines: list[bytes]) -> tuple[list[bytes], bytes]:
    """Puts lines together whose ends stand within quotes: a row has an even number of quotes."""
    rows: list[bytes] = []
    begun: list[bytes] = []
    for line in lines:
        odd = line.count(_QUOTE) % 2
        if begun or odd:
            begun.append(line)
            if odd and len(begun) > 1:
                rows.append(b"\n".join(begun))
                begun = []
        else:
            rows.append(line)
    return rows, b"\n".join(begun) + b"\n" if begun else b""


@dataclass(frozen=True, kw_only=True)
class _Column:
    at: int
    rule: Rule


class _Table:
    """The rows below one header."""

    def __init__(
        self, header: bytes, rules: RowRules, tally: Tally, delimiter: bytes, encoding: str, *, writes: bool
    ) -> None:
        self._delimiter = delimiter
        self._encoding = encoding
        self._tally = tally
        self._rules = rules
        # What stands before each cell is taken with it, so that an empty last one is found too.
        apart = re.escape(delimiter)
        self._cell = re.compile(apart + rb'("[^"]*+(?:""[^"]*+)*+"|[^"\r' + apart + rb"]*+)")
        names = self._names(header)
        self._width = len(names)
        place = rules.places[0]
        columns = _columns(names, [place.owner, *place.emails, *(cell.path for cell in place.cells)])
        # Where rows go as a whole, so do all of their columns.
        unknown = (shown_column(name) for name in names if name not in rules.known and not rules.delete)
        tally.meet(unknown, row=None, writes=writes)
        self._id = columns[place.owner] if place.owner is not None else None
        self._email = columns[place.emails[0]] if place.emails else None
        self._ruled = [_Column(at=columns[cell.path], rule=cell.rule) for cell in place.cells]
        self._look = _Look(rules.subjects, encoding)

    def masked(self, rows: list[bytes]) -> list[bytes]:
        """Counts the rows, which keep the `\\r` of an end `\\r\\n`, and returns them as they are to be written."""
        gone = set()
        for at, row in enumerate(rows):
            end = b"\r" if row.endswith(b"\r") else b""
            line = row[:-1] if end else row
            quoted = _QUOTE in line
            cells = self._quoted_cells(line) if quoted else line.split(self._delimiter)
            if len(cells) != self._width:
                if not line:
                    continue
                what = f"it has {len(cells)} cells, and the header {self._width}"
                raise UnreadableRows(Flaw.CELLS, what, self._tally.rows + 1)
            if b"\r" in line and not quoted:
                what = "a carriage return stands alone, which other readers take for the end of the row"
                raise UnreadableRows(Flaw.CELLS, what, self._tally.rows + 1)
            self._tally.rows += 1
            if not self._concerns(cells, quoted=quoted):
                continue
            changed = self._weighed(cells)
            if changed is None:
                gone.add(at)
            elif changed is not cells:
                rows[at] = self._delimiter.join(changed) + end
        return [row for at, row in enumerate(rows) if at not in gone] if gone else rows

    def _quoted_cells(self, line: bytes) -> list[bytes]:
        cells: list[bytes] = self._cell.findall(self._delimiter + line)
        if sum(map(len, cells)) + len(cells) != len(line) + 1:
            raise UnreadableRows(
                Flaw.QUOTES, "a quote stands where no cell begins or ends", self._tally.rows + 1
            )
        return cells

    def _concerns(self, cells: list[bytes], *, quoted: bool) -> bool:
        """Whether the row may be one of a target; most are not, and are told by their bytes alone."""
        look = self._look
        if self._id is not None and look.knows_id(_inner(cells[self._id]) if quoted else cells[self._id]):
            return True
        return self._email is not None and look.knows_email(
            _inner(cells[self._email]) if quoted else cells[self._email]
        )

    def _weighed(self, cells: list[bytes]) -> list[bytes] | None:
        """The cells after the rules, the same list where nothing changes, or None where the row goes."""
        owner = self._text(cells[self._id]) if self._id is not None else None
        email = self._text(cells[self._email]) if self._email is not None else None
        delete = self._rules.delete
        verdict = self._rules.subjects.verdict(owner, [email] if email else [], by_mask=not delete)
        self._tally.conflicts += verdict.conflict
        if verdict.person is None:
            return cells
        self._tally.of_targets += 1
        if delete:
            self._tally.to_mask += 1
            return None
        changed = cells
        for column in self._ruled:
            raw = cells[column.at]
            text = self._text(raw)
            new = masked_text(column.rule, text, verdict.person) if text else text
            if new == text:
                continue
            changed = list(cells) if changed is cells else changed
            changed[column.at] = self._cell_of(new, quoted=raw.startswith(_QUOTE))
            self._tally.cells += 1
        self._tally.to_mask += changed is not cells
        return changed

    def _text(self, raw: bytes) -> str | None:
        try:
            return _inner(raw).decode(self._encoding) or None
        except UnicodeDecodeError:
            raise UnreadableRows(Flaw.ENCODING, f"it is not {self._encoding}", self._tally.rows) from None

    def _cell_of(self, text: str | None, *, quoted: bool) -> bytes:
        if text is None:
            # An empty line would be no row at all.
            return b"" if self._width > 1 else b'""'
        try:
            raw = text.encode(self._encoding)
        except UnicodeEncodeError:
            what = f"{self._encoding} has no letters for a masked value"
            raise UnreadableRows(Flaw.ENCODING, what, self._tally.rows) from None
        if quoted or any(sign in raw for sign in (self._delimiter, _QUOTE, b"\r", b"\n")):
            return _QUOTE + raw.replace(_QUOTE, _QUOTE * 2) + _QUOTE
        return raw

    def _names(self, header: bytes) -> list[str]:
        if header.startswith(_UTF16):
            raise UnreadableRows(Flaw.ENCODING, f"it is UTF-16, and {self._encoding} was expected")
        line = header.removeprefix(_BOM).removesuffix(b"\r")
        cells = self._quoted_cells(line) if _QUOTE in line else line.split(self._delimiter)
        try:
            return [_inner(cell).decode(self._encoding) for cell in cells]
        except UnicodeDecodeError:
            raise UnreadableRows(Flaw.ENCODING, f"its header is not {self._encoding}") from None


def _columns(names: Sequence[str], needed: Sequence[Path | None]) -> dict[Path, int]:
    """Where the columns stand that must be there, once each."""
    # In a table a dot is a part of the name.
    wanted = {path: ".".join(path) for path in needed if path is not None}
    missing = sorted({name for name in wanted.values() if name not in names})
    if missing:
        raise UnreadableRows(Flaw.HEADER, f"its header lacks {', '.join(missing)}")
    twice = sorted({name for name in wanted.values() if names.count(name) > 1})
    if twice:
        raise UnreadableRows(Flaw.HEADER, f"its header has more than one {', '.join(twice)}")
    return {path: names.index(name) for path, name in wanted.items()}


def _inner(raw: bytes) -> bytes:
    return raw[1:-1].replace(_QUOTE * 2, _QUOTE) if raw.startswith(_QUOTE) else raw


class _Look:
    """The targets in bytes, so that a row need not be decoded to be nobody's; never less than `Subjects` finds."""

    def __init__(self, subjects: Subjects, encoding: str) -> None:
        self._ids = _encoded(subjects.ids, encoding)
        self._folded = _encoded(subjects.folded, encoding)
        self._emails = _encoded(subjects.emails, encoding)

    def knows_id(self, cell: bytes) -> bool:
        if cell in self._ids:
            return True
        cell = cell.strip()
        return cell in self._ids or cell.lower() in self._folded or cell.removesuffix(b".0") in self._ids

    def knows_email(self, cell: bytes) -> bool:
        # Blanks and letters of ASCII alone, as emails are compared.
        cell = cell.strip().lower()
        return cell in self._emails or cell.startswith(_MASKED)


def _encoded(texts: Iterable[str], encoding: str) -> frozenset[bytes]:
    # What the encoding cannot write does not stand in the file.
    return frozenset(raw for text in texts if (raw := text.encode(encoding, errors="ignore")))
