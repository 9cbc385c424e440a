"""The target set: the CSV that names contributors, and the frozen set with its needles.

Add here: what a CSV may carry, and what a store needs to know of a person.
Keep out: SQL (the set is computed by `dbt_project/models/targets/` and frozen by the ledger).
"""

import csv
import hashlib
import io
import os
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from erasure.errors import BadInput
from erasure.rules import normalise_email

ID_COLUMN = "contributor_id"
EMAIL_COLUMN = "email_address"
_PROBLEMS_SHOWN = 20
_UUID_LENGTH = 36
_BATCH_ID = re.compile(r"b\d{8}T\d{6}Z-[0-9a-f]{4,32}")


@dataclass(frozen=True, kw_only=True, repr=False)
class RequestedContributor:
    """A row of a CSV: who is to be erased, and the line that says so (the header is line 1)."""

    line: int
    contributor_id: str
    email: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Request:
    """A whole CSV, valid in form; `sha256` of its bytes is what a plan is found by again."""

    rows: tuple[RequestedContributor, ...]
    sha256: str


@dataclass(frozen=True, kw_only=True, repr=False)
class Needle:
    """A value by which a person can be found: kind is `email` (normalised), `name` or `phone`."""

    contributor_id: str
    kind: str
    value: str


@dataclass(frozen=True, kw_only=True, repr=False)
class TargetSet:
    """The contributors of a batch, frozen. Its repr shows no one."""

    batch_id: str
    contributor_ids: frozenset[str]
    needles: tuple[Needle, ...] = field(default=())

    def __repr__(self) -> str:
        return f"TargetSet(batch_id={self.batch_id!r}, contributors={len(self.contributor_ids)})"

    @cached_property
    def emails(self) -> Mapping[str, str]:
        """Normalised email -> contributor id; the smallest id where two members share one."""
        pairs = [(needle.value, needle.contributor_id) for needle in self.needles if needle.kind == "email"]
        return dict(sorted(pairs, reverse=True))


def mint_batch_id(now: datetime | None = None) -> str:
    """An opaque id such as `b20261123T141200Z-3f9a1c`: it sorts by time and says nothing of anybody."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"b{moment}-{uuid.uuid4().hex[:6]}"


def require_batch_id(batch_id: str) -> str:
    """A batch id as we mint them. Partitions can be named by hand in the UI, and the id stands in statements."""
    if not _BATCH_ID.fullmatch(batch_id):
        raise BadInput(
            f"{batch_id!r} is no batch id such as b20261123T141200Z-3f9a1c; launch request_deletion, which mints one."
        )
    return batch_id


def read_request(path: Path) -> Request:
    """Reads and validates a CSV with at least the columns `contributor_id` and `email_address`.

    Raises BadInput that lists every offending line by number; no value is repeated.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({type(error).__name__}); name a CSV by --csv.") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{path}: line {line} is not UTF-8; save the file in UTF-8.") from None
    rows = tuple(_rows(path, text))
    return Request(rows=rows, sha256=hashlib.sha256(raw).hexdigest())


def _rows(path: Path, text: str) -> Iterator[RequestedContributor]:
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadInput(f"{path}: line {line} holds a NUL byte; expected plain CSV.")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    problems: list[str] = []
    seen: dict[str, int] = {}
    rows: list[RequestedContributor] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        columns = _columns(path, header)
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            # A cell may hold line breaks: the reader's number is that of the row's last line.
            found = _row(reader.line_num, cells, len(header), columns)
            if isinstance(found, str):
                problems.append(found)
            else:
                problems.extend(_doubles(found, seen))
                rows.append(found)
    except csv.Error as error:
        raise BadInput(f"{path}: line {reader.line_num} is not CSV ({error}).") from None
    if problems:
        rest = len(problems) - _PROBLEMS_SHOWN
        shown = problems[:_PROBLEMS_SHOWN] + ([f"and {rest} more"] if rest > 0 else [])
        raise BadInput(f"{path} is wrong in {len(problems)} places; nothing was changed.", shown)
    if not rows:
        raise BadInput(f"{path} names no contributor; expected a row for each below the header.")
    return iter(rows)


def _columns(path: Path, header: list[str]) -> tuple[int, int]:
    missing = [name for name in (ID_COLUMN, EMAIL_COLUMN) if name not in header]
    if missing:
        raise BadInput(
            f"{path}: line 1 lacks the column {' and '.join(missing)}; "
            f"expected a header with {ID_COLUMN} and {EMAIL_COLUMN}, separated by commas."
        )
    for name in (ID_COLUMN, EMAIL_COLUMN):
        if header.count(name) > 1:
            raise BadInput(f"{path}: line 1 names the column {name} twice.")
    return header.index(ID_COLUMN), header.index(EMAIL_COLUMN)


def _row(line: int, cells: list[str], width: int, columns: tuple[int, int]) -> RequestedContributor | str:
    if len(cells) != width:
        return f"line {line}: has {len(cells)} cells, expected {width} as in the header"
    contributor_id, email = (cells[column].strip() for column in columns)
    if not _is_uuid(contributor_id):
        return f"line {line}: {ID_COLUMN} is not a uuid such as 00000000-0000-0000-0000-000000000000"
    if not _is_email(email):
        return f"line {line}: {EMAIL_COLUMN} is not an email address"
    return RequestedContributor(line=line, contributor_id=contributor_id.lower(), email=email)


def _doubles(row: RequestedContributor, seen: dict[str, int]) -> Iterator[str]:
    for what, key in ((ID_COLUMN, row.contributor_id), (EMAIL_COLUMN, normalise_email(row.email))):
        if key in seen:
            yield f"line {row.line}: {what} stands in line {seen[key]} already"
        seen.setdefault(key, row.line)


def _is_uuid(text: str) -> bool:
    try:
        return len(text) == _UUID_LENGTH and str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_email(text: str) -> bool:
    name, at, host = text.rpartition("@")
    return bool(name and at and host) and not any(character.isspace() for character in text)


def write_csv(path: Path, rows: Iterable[tuple[str, str]]) -> int:
    """Writes (contributor_id, email) as a CSV that only its owner can read; returns the number of rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened with the narrow mode at once: a chmod afterwards would leave a moment in which others can read.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    written = 0
    with open(descriptor, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((ID_COLUMN, EMAIL_COLUMN))
        for row in rows:
            writer.writerow(row)
            written += 1
    return written
