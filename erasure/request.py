"""The request: the CSV that names contributors, read line by line, and written so that no spreadsheet runs a cell.

Add here: what a CSV may carry, and what is wrong with a line.
Keep out: what PostgreSQL says of a line (`ledger/outcomes.py`), and the set that a request leads to (`targets.py`).
"""

import csv
import hashlib
import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from erasure.errors import BadInput
from erasure.rules import normalise_email

ID_COLUMN = "contributor_id"
EMAIL_COLUMN = "email_address"
LINES_SHOWN = 20
# Longer than any row; a file without line ends would else be read into memory as one line.
_LONGEST_LINE = 1_000_000
# Form of ids (`id_form` of the inventory) -> how one looks, and what is said where one does not.
_IDS = {
    "uuid": (
        re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
        "not a uuid such as 00000000-0000-0000-0000-000000000000",
    ),
    "integer": (re.compile(r"0|-?[1-9][0-9]{0,18}"), "not a whole number such as 4711"),
    "text": (re.compile(r"[^\x00-\x1f]{1,200}"), "longer than any id, or holds signs that no id has"),
}
_EMAIL = re.compile(r"\S+@[^\s@]+")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# How a cell begins that a spreadsheet takes for a formula, the full-width signs of some of them included.
_FORMULA = "[=+\\-@\uff1d\uff0b\uff0d\uff20]"
# An apostrophe makes a text of it. It is added wherever one could have been added, so that one can be taken away.
_ESCAPABLE = re.compile(rf"'*{_FORMULA}")
_ESCAPED = re.compile(rf"'+{_FORMULA}")
# Where lists are separated by semicolons a spreadsheet begins a cell behind each, even within quotes.
_CELL_WITHIN = re.compile(rf";['\"]*{_FORMULA}")


@dataclass(frozen=True, kw_only=True, repr=False, slots=True)
class RequestedContributor:
    """A row of a CSV: who is to be erased, and the line in which the row begins (the header is line 1)."""

    line: int
    contributor_id: str
    email: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Request:
    """A whole CSV, valid in form; `sha256` of its bytes is what a plan is found by again."""

    rows: tuple[RequestedContributor, ...]
    sha256: str


@dataclass(frozen=True, kw_only=True)
class WrongLines:
    """What is wrong, line by line: how many such lines there are, and the first of them with their sentences."""

    number: int = 0
    first: tuple[tuple[int, str], ...] = ()

    def __add__(self, other: "WrongLines") -> "WrongLines":
        first = sorted([*self.first, *other.first])[:LINES_SHOWN]
        return WrongLines(number=self.number + other.number, first=tuple(first))

    @property
    def sentences(self) -> list[str]:
        """One for each line that is shown, and how many there are beyond."""
        rest = self.number - len(self.first)
        return [f"line {line}: {what}" for line, what in self.first] + ([f"and {rest} more"] if rest else [])


class WrongRequest(BadInput):
    """Lines are wrong in form; `right` holds the others, so that they can be held against PostgreSQL as well."""

    def __init__(self, path: Path, lines: WrongLines, right: Request, more: Iterable[str] = ()) -> None:
        super().__init__(
            f"{path} is wrong in {lines.number} places; nothing was changed.", [*lines.sentences, *more]
        )
        self.path = path
        self.lines = lines
        self.right = right


def read_request(path: Path, *, id_form: str = "uuid") -> Request:
    """Reads and validates a CSV with at least the columns `contributor_id` and `email_address`; the ids are of the form
    that the inventory declares at the table of the contributors.

    Raises WrongRequest that lists the offending lines by number, and BadInput where the file is no such CSV at all;
    no value is repeated.
    """
    reading = _Reading(path, id_form)
    try:
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            # A pipe would be empty when the plan comes to read it again.
            what = "a directory" if stat.S_ISDIR(kind) else "no plain file"
            raise BadInput(f"{path} is {what}; save the CSV and name it by --csv.")
        with path.open("rb", buffering=0) as file:
            hashed = _Hashed(file)
            reading.read(io.TextIOWrapper(io.BufferedReader(hashed), encoding="utf-8-sig", newline=""))
    except UnicodeDecodeError:
        raise BadInput(f"{path}: line {_undecodable(path)} is not UTF-8; save the file in UTF-8.") from None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__}); name a CSV by --csv.") from None
    request = Request(rows=tuple(reading.rows), sha256=hashed.sha256.hexdigest())
    if reading.number:
        raise WrongRequest(path, WrongLines(number=reading.number, first=tuple(reading.first)), request)
    if not request.rows:
        raise BadInput(f"{path} names no contributor; expected a row for each below the header.")
    return request


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed as they pass, so that they are read once and never held as a whole."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        number = self._file.readinto(buffer)
        self.sha256.update(memoryview(buffer)[:number])
        return number


class _Reading:
    """A CSV on its way through: the rows that are right so far, the lines that are wrong, and what was seen before."""

    def __init__(self, path: Path, id_form: str) -> None:
        self._path = path
        self._id_form = id_form
        self._id, self._no_id = _IDS[id_form]
        self.rows: list[RequestedContributor] = []
        self.number = 0
        self.first: list[tuple[int, str]] = []
        self._seen_ids: dict[str, int] = {}
        self._seen_emails: dict[str, int] = {}

    def read(self, text: IO[str]) -> None:
        reader = csv.reader(self._lines(text), strict=True)
        begins = 1
        try:
            header = [name.strip().lstrip("\ufeff") for name in next(reader, [])]
            id_at, email_at = self._columns(header)
            while True:
                # A cell may hold line breaks: a row is named by the line in which it begins.
                begins = reader.line_num + 1
                cells = next(reader, None)
                if cells is None:
                    return
                if len(cells) != len(header):
                    if any(cell.strip() for cell in cells):
                        self._wrong(
                            begins, f"has {len(cells)} cells, expected {len(header)} as in the header"
                        )
                    continue
                self._row(begins, cells[id_at].strip(), email_of(cells[email_at]), cells)
        except csv.Error as error:
            raise BadInput(
                f"{self._path}: line {begins} is not CSV ({error}); is a quote never closed?"
            ) from None

    def _lines(self, text: IO[str]) -> Iterator[str]:
        number = 0
        while line := text.readline(_LONGEST_LINE):
            number += 1
            if len(line) == _LONGEST_LINE:
                raise BadInput(f"{self._path}: line {number} is longer than any row of a CSV.")
            if "\0" in line:
                raise BadInput(f"{self._path}: line {number} holds a NUL byte; expected plain CSV.")
            yield line

    def _columns(self, header: list[str]) -> tuple[int, int]:
        missing = [name for name in (ID_COLUMN, EMAIL_COLUMN) if name not in header]
        if missing:
            found = [name for sign, name in _SEPARATORS.items() if len(header) == 1 and sign in header[0]]
            raise BadInput(
                f"{self._path}: line 1 lacks the column {' and '.join(missing)}"
                f"{f', and its cells are separated by {found[0]}' if found else ''}; "
                f"expected a header with {ID_COLUMN} and {EMAIL_COLUMN}, separated by commas."
            )
        for name in (ID_COLUMN, EMAIL_COLUMN):
            if header.count(name) > 1:
                raise BadInput(f"{self._path}: line 1 names the column {name} twice.")
        return header.index(ID_COLUMN), header.index(EMAIL_COLUMN)

    def _row(self, line: int, contributor_id: str, email: str, cells: list[str]) -> None:
        if not self._id.fullmatch(contributor_id):
            if any(cell.strip() for cell in cells):
                self._wrong(line, f"{ID_COLUMN} is {self._no_id}")
            return
        if not _EMAIL.fullmatch(email):
            self._wrong(line, f"{EMAIL_COLUMN} is not an email address")
            return
        normalised = normalise_email(email)
        if self._id_form == "uuid":
            contributor_id = contributor_id.lower()
        for what, key, seen in (
            (ID_COLUMN, contributor_id, self._seen_ids),
            # One text for both where they are equal: of a million lines that is a fifth of the memory.
            (EMAIL_COLUMN, email if normalised == email else normalised, self._seen_emails),
        ):
            before = seen.setdefault(key, line)
            if before != line:
                self._wrong(line, f"{what} stands in line {before} already")
        self.rows.append(RequestedContributor(line=line, contributor_id=contributor_id, email=email))

    def _wrong(self, line: int, what: str) -> None:
        self.number += 1
        if len(self.first) < LINES_SHOWN:
            self.first.append((line, what))


def _undecodable(path: Path) -> int:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return 1


def email_of(cell: str) -> str:
    """The email that a cell stands for: trimmed, and without the apostrophe that `cell_of` puts before some."""
    text = cell.strip()
    return text[1:] if _ESCAPED.match(text) else text


def cell_of(email: str) -> str | None:
    """An email as a cell that no spreadsheet takes for a formula; None where no cell leads back to this email.

    `=`, `+`, `-` and `@` may begin an email, and a formula as well. An apostrophe before it is what spreadsheets
    themselves use for a text; quotes do not help, and leaving such people out would keep them from being forgotten.
    """
    text = email.strip()
    cell = f"'{text}" if _ESCAPABLE.match(text) else text
    same = normalise_email(email_of(cell)) == normalise_email(email)
    return cell if same and _EMAIL.fullmatch(text) and not _CELL_WITHIN.search(text) else None


def write_csv(path: Path, rows: Iterable[tuple[str, str]]) -> int:
    """Writes (contributor_id, email) as a CSV that only its owner can read; returns the number of rows.

    Raises BadInput where the file exists or cannot be written, and ValueError for an email that no cell can hold; a
    file that could not be finished is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Opened with the narrow mode at once: a chmod afterwards would leave a moment in which others can read.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return _write(descriptor, path, rows)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise BadInput(f"{path} exists already; name another file by --csv.") from None
        raise BadInput(f"{path} cannot be written ({type(error).__name__}); name another by --csv.") from None


def _write(descriptor: int, path: Path, rows: Iterable[tuple[str, str]]) -> int:
    written = 0
    try:
        with open(descriptor, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((ID_COLUMN, EMAIL_COLUMN))
            for contributor_id, email in rows:
                cell = cell_of(email)
                if cell is None:
                    raise ValueError("an email that no cell can hold")
                writer.writerow((contributor_id, cell))
                written += 1
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return written
