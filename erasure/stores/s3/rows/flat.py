"""Flat JSON rows, many at once: a row that was read shows how its writer writes, and a pattern of it takes the others.

Holds: `FlatRows`.
Add here: another way to tell sooner that rows are nobody's.
Keep out: patterns (`shapes.py`), rows that are not flat (`documents.py`, which decides the same of every row), and what
lies between rows (`json_lines.py`, `json_values.py`).
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import compress, count
from operator import or_

import numpy as np

from erasure.rules import MASK
from erasure.stores.s3.rows.base import RowRules
from erasure.stores.s3.rows.shapes import FlatLook, Shape, shape_of
from erasure.stores.s3.rows.subjects import Subjects, Verdict, masked_text
from erasure.stores.s3.rows.tally import Tally

_NULL = b"null"
_MASKED = f'"{MASK}'.encode()
_SHAPES = 8
_SHORT = 100
_LEARNED_AT_MOST = 32
_REMEMBERED_AT_MOST = 100_000
_Match = re.Match[bytes]
# Where rows end, how many they are, and matches of those that may be a target's.
_Found = tuple[int, int, list[_Match]]


class FlatRows:
    """Passes by rows of shapes that it has learned. `behind`: what must follow a row and its gap, as a pattern."""

    def __init__(
        self, rules: RowRules, look: FlatLook | None, tally: Tally, *, writes: bool, behind: bytes = b""
    ) -> None:
        self._rules = rules
        self._look = look
        self._tally = tally
        self._writes = writes
        self._behind = behind
        self._shapes: list[Shape] = []
        self._left_to_learn = _LEARNED_AT_MOST if look is not None else 0
        self._ids = frozenset(_written_ids(rules.subjects))
        emails = (f'"{email}"'.lower().encode() for email in rules.subjects.emails)
        self._emails = frozenset([_MASKED, *emails])
        self._verdicts: dict[tuple[bytes, bytes], Verdict] = {}
        self._data = b""
        self._end = 0
        self._is_plain = False

    def learn(self, raw: bytes, gap: bytes) -> None:
        """Takes the shape of a row that `documents.py` has passed, with what stands between it and the next."""
        if not self._left_to_learn or self._look is None:
            return
        # What follows the gap in an array; where nothing need follow, it does no harm.
        if any(shape.careful.match(raw + gap + b"{") for shape in self._shapes):
            return
        self._left_to_learn -= 1
        if (shape := shape_of(raw, gap, self._look, self._behind)) is not None:
            self._shapes = [shape, *self._shapes[: _SHAPES - 1]]

    def passed(self, data: bytes, at: int, out: list[bytes]) -> tuple[int, int]:
        """Where it stands behind all rows from `at` that have one known shape, and how many these are; `out` takes them
        as they are to be.
        """
        if not self._shapes:
            return at, 0
        if data is not self._data:
            self._look_at(data)
        for shape in self._shapes:
            if shape.careful.match(data, at, self._end) is not None:
                end, rows, suspects = self._lines(shape, data, at) or self._run(shape, data, at)
                self._tally.rows += rows
                self._write(data, at, end, self._changes(shape, suspects), out)
                return end, rows
        return at, 0

    def _look_at(self, data: bytes) -> None:
        self._data = data
        self._is_plain = b"\\" not in data
        self._end = len(data)
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                # Or a letter of which the rest has not been read yet.
                self._end = error.start

    def _lines(self, shape: Shape, data: bytes, at: int) -> _Found | None:
        """All rows up to the last whole line, where every one has that shape and is easy to read; else None.

        Each match begins with a line. Where no control character stands outside of their bare forms, no line lies
        between them, and none is hidden in a text.
        """
        end = data.rfind(b"\n", at, self._end - 1) + 1
        if shape.quick is None or not self._is_plain or end <= at:
            return None
        # One sign more, for what must follow.
        found = shape.quick.findall(data, at, end + 1)
        controls = np.frombuffer(data, np.uint8, end - at, at) < ord(" ")
        if int(np.count_nonzero(controls)) != len(found) * shape.controls:
            return None
        columns = list(zip(*found, strict=True))
        owners, emails = columns[shape.owner - 1], columns[shape.email - 1]
        told = b"".join(owners) + b"".join(emails)
        if not told.isascii() or b" " in told or b"\x7f" in told:
            return None
        if told != told.lower():
            # Who wears a mask is a suspect too; the mask stands among the emails.
            emails = tuple(_MASKED if each.startswith(_MASKED) else each.lower() for each in emails)
            owners = tuple(each.lower() for each in owners)
        concerned = map(or_, map(self._ids.__contains__, owners), map(self._emails.__contains__, emails))
        suspects = list(compress(count(), concerned))
        matches = list(_rows_at(shape, data, at, end, suspects))
        known = [match for match in matches if match is not None]
        return (end, len(found), known) if len(known) == len(matches) else None

    def _run(self, shape: Shape, data: bytes, at: int) -> _Found:
        """All rows that follow each other, and of these no fewer than those of targets."""
        ids, emails, groups = self._ids, self._emails, (shape.owner, shape.email)
        rows, suspects = 0, []
        for match in shape.careful.finditer(data, at, self._end):
            if match.start() != at:
                break
            at = match.end()
            rows += 1
            owner, email = match.group(*groups)
            if owner.lower() in ids or email.lower() in emails or email.startswith(_MASKED):
                suspects.append(match)
        return at, rows, suspects

    def _changes(self, shape: Shape, suspects: list[_Match]) -> Iterator[tuple[int, int, bytes]]:
        """(from, to, new bytes), in order."""
        tally, delete = self._tally, self._rules.delete
        for match in suspects:
            verdict = self._verdict(match[shape.owner], match[shape.email])
            tally.conflicts += verdict.conflict
            if verdict.person is None:
                continue
            tally.of_targets += 1
            if delete:
                tally.to_mask += 1
                yield match.start(), match.end(), b""
                continue
            before = tally.cells
            for group, rule in shape.cells:
                old = match[group]
                if old == _NULL:
                    continue
                text = old[1:-1].decode()
                new = masked_text(rule, text, verdict.person)
                if new != text:
                    tally.cells += 1
                    yield match.start(group), match.end(group), _written(new, ascii_only=old.isascii())
            tally.to_mask += tally.cells > before

    def _verdict(self, owner: bytes, email: bytes) -> Verdict:
        known = self._verdicts.get((owner, email))
        if known is None:
            if len(self._verdicts) >= _REMEMBERED_AT_MOST:
                self._verdicts.clear()
            named = _text(email)
            known = self._rules.subjects.verdict(
                _text(owner), [named] if named else [], by_mask=not self._rules.delete
            )
            self._verdicts[owner, email] = known
        return known

    def _write(
        self, data: bytes, at: int, end: int, changes: Iterator[tuple[int, int, bytes]], out: list[bytes]
    ) -> None:
        for start, stop, new in changes:
            if self._writes:
                out += (data[at:start], new)
            at = stop
        if self._writes:
            out.append(data[at:end])


def _rows_at(shape: Shape, data: bytes, at: int, end: int, numbers: list[int]) -> Iterator[_Match | None]:
    """Rows by their numbers, of rows that follow each other."""
    if not numbers:
        return
    ends = np.flatnonzero(np.frombuffer(data, np.uint8, end - at, at) == ord("\n")) + at + 1
    for number in numbers:
        yield shape.careful.match(data, int(ends[number * shape.lines - 1]) if number else at)


def _written_ids(subjects: Subjects) -> Iterator[bytes]:
    """Every way in which a token can name a target, in lower letters."""
    for one in subjects.ids:
        text = json.dumps(one.lower(), ensure_ascii=False).encode()
        yield text
        yield text[:-1] + b'.0"'
        if one.isascii() and one.isdigit():
            yield one.encode()


def _text(raw: bytes) -> str | None:
    """What a group has captured: null, a whole number, a text, or nothing where the row has no such key."""
    if raw in (b"", _NULL):
        return None
    return raw.strip(b'"').decode()


def _written(text: str | None, *, ascii_only: bool) -> bytes:
    # A mask is written again and again; a long text would only fill the memory.
    return (_encoded if text is None or len(text) <= _SHORT else _encoded.__wrapped__)(text, ascii_only)


@lru_cache(maxsize=1024)
def _encoded(text: str | None, ascii_only: bool) -> bytes:
    return json.dumps(text, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
