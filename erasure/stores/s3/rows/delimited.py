"""CSV and TSV: the bytes of the ruled cells are replaced, and everything else is left as it stands.

A cell is put back quoted as it was. An empty cell is NULL, quoted or not, since writers that quote everything write
NULL so; `clear` writes an empty cell without quotes, which every reader takes for NULL.
Holds: `Delimited`.
Add here: another way to write a table as text.
Keep out: whose a row is (`subjects.py`), compression, and readers that repair what is broken: what RFC 4180 does not
allow is an error, since another reader may see other rows in it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from erasure.rules import MASK, Rule
from erasure.stores.s3.rows.base import Flaw, Path, RowRules, UnreadableRows
from erasure.stores.s3.rows.compression import Packer, Readable
from erasure.stores.s3.rows.lines import in_pieces
from erasure.stores.s3.rows.passes import TextRows
from erasure.stores.s3.rows.subjects import masked_text
from erasure.stores.s3.rows.tally import Tally, shown_column

_QUOTE = b'"'
_END = b"\n"
# What may stand around an id or email in a cell.
_AROUND = b'" \t\r\n\x0b\x0c'
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_MASKED = MASK.lower().encode()


class Delimited(TextRows):
    """Tables as text, their first row a header."""

    def __init__(self, *, delimiter: str, encoding: str, compression: str | None) -> None:
        super().__init__(compression=compression)
        self._delimiter = delimiter.encode()
        self._encoding = encoding

    def _judge(self, source: Readable, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        def begun(header: bytes) -> _Table:
            return _Table(header, rules, tally, self._delimiter, self._encoding, writes=packer is not None)

        in_pieces(source, _Pieces(packer, begun).take)


class _Pieces:
    """Cuts a table into its header and its rows; `begin` makes the table of a header."""

    def __init__(self, packer: Packer | None, begin: Callable[[bytes], "_Table"]) -> None:
        self._packer = packer
        self._begin = begin
        self._table: _Table | None = None

    def take(self, data: bytes, ended: bool) -> int:
        """All whole rows; the last one of all may lack its end."""
        out: list[bytes] = []
        at = 0
        if self._table is None:
            at = _row_end(data)
            if not at and not ended:
                return 0
            at = at or len(data)
            if data.count(_QUOTE, 0, at) % 2:
                raise UnreadableRows(Flaw.QUOTES, "quotes are not balanced")
            self._table = self._begin(data[:at].removesuffix(_END))
            out.append(data[:at])
        at = self._table.passed(data, at, out)
        whole = len(data) if ended else data.rfind(b"\n") + 1
        if at < whole:
            # What the quick way does not take: an empty line, a last row without its end, or what is broken.
            end = b"\n" if data[whole - 1 : whole] == b"\n" else b""
            rows, unfinished = _joined(data[at : whole - len(end)].split(b"\n"))
            at = whole - len(unfinished)
            if ended and unfinished:
                raise UnreadableRows(Flaw.QUOTES, "quotes are not balanced")
            kept = self._table.masked(rows)
            if kept:
                out.append(b"\n".join(kept) + (b"\n" if unfinished else end))
        if self._packer is not None:
            self._packer.write(b"".join(out))
        return at


def _row_end(data: bytes) -> int:
    """Where the first row ends; 0 where it does not."""
    end = data.find(_END) + 1
    while end and data.count(_QUOTE, 0, end) % 2:
        end = data.find(_END, end) + 1
    return end


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
        self._ids = frozenset(_bare(rules.subjects.ids, encoding, (b"", b".0")))
        self._emails = frozenset(_bare(rules.subjects.emails, encoding))
        self._row, self._id_group, self._email_group = self._pattern(apart)

    def passed(self, data: bytes, at: int, out: list[bytes]) -> int:
        """Counts the well-formed rows from `at`, each with its end; `out` takes them as they are to be written."""
        matched, groups = self._row.match, (self._id_group, self._email_group)
        concerns, rows, kept_from = self._concerns, self._tally.rows, at
        while (match := matched(data, at)) is not None:
            rows += 1
            end = match.end()
            if concerns(*match.group(*groups)):
                self._tally.rows = rows
                line = match[1]
                cells = self._quoted_cells(line) if _QUOTE in line else line.split(self._delimiter)
                changed = self._weighed(cells)
                if changed is not cells:
                    new = self._delimiter.join(changed) if changed is not None else b""
                    out += (data[kept_from:at], new)
                    kept_from = end if changed is None else match.end(1)
            at = end
        self._tally.rows = rows
        out.append(data[kept_from:at])
        return at

    def _pattern(self, apart: bytes) -> tuple[re.Pattern[bytes], int, int]:
        """A whole row, and the groups of the cells that say whose it is; group 1 is all of it but its end."""
        cell = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^"\r\n' + apart + rb"]*+)"
        cells = [cell] * self._width
        taken = sorted({at for at in (self._id, self._email) if at is not None})
        for at in taken:
            cells[at] = b"(" + cell + b")"
        # An empty last group stands for what the table lacks.
        none = len(taken) + 2
        groups = [taken.index(at) + 2 if at is not None else none for at in (self._id, self._email)]
        return re.compile(b"(" + apart.join(cells) + rb")\r?+\n()"), groups[0], groups[1]

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
            if not self._concerns(
                cells[self._id] if self._id is not None else b"",
                cells[self._email] if self._email is not None else b"",
            ):
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

    def _concerns(self, owner: bytes, email: bytes) -> bool:
        """Whether the row may be one of a target; most are not, and are told by the bytes of two cells alone."""
        if owner.strip(_AROUND).lower() in self._ids:
            return True
        email = email.strip(_AROUND).lower()
        return email in self._emails or email.startswith(_MASKED)

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
        if b"\r" in line:
            # Old spreadsheets end rows so: the whole file would pass for a header, and its cells for names to be told.
            raise UnreadableRows(
                Flaw.HEADER, "a carriage return stands alone in its header, where a row may end"
            )
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


def _bare(texts: Iterable[str], encoding: str, ends: Sequence[bytes] = (b"",)) -> Iterator[bytes]:
    """Texts as cells hold them, without what may stand around them: never fewer than `Subjects` finds."""
    for text in texts:
        # What the encoding cannot write does not stand in the file.
        if raw := text.encode(encoding, errors="ignore"):
            inner = raw.replace(_QUOTE, _QUOTE * 2)
            yield from ((inner + end).strip(_AROUND).lower() for end in ends)
