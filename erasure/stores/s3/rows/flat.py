"""JSON rows, many at once: a row that was read shows how its writer writes, and a pattern of it takes the others.

Holds: `FlatRows`.
Add here: another way to tell sooner that rows are nobody's.
Keep out: patterns (`shapes.py`, `nested.py`), rows that are unlike others (`documents.py`, which decides the same of
every row), and what lies between rows (`json_lines.py`, `json_values.py`).
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, compress, count, repeat
from operator import methodcaller
from typing import Any

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
_LETTERS = 26
_IN_VAIN_AT_MOST = 8
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
        self._sample: tuple[bytes, bytes] | None = None
        self._shapes: list[Shape] = []
        self._left_to_learn = _LEARNED_AT_MOST if look is not None else 0
        self._ids = frozenset(_written_ids(rules.subjects))
        self._emails = frozenset(f'"{email}"'.lower().encode() for email in rules.subjects.emails)
        self._verdicts: dict[tuple[bytes, bytes], Verdict] = {}
        self._data = b""
        self._end = 0
        self._is_plain = False
        self._is_mixed = False
        self._in_vain = 0

    def learn(self, raw: bytes, gap: bytes) -> None:
        """Takes a row that `documents.py` has passed, with what stands between it and the next, as a sample."""
        self._sample = (raw, gap)

    def _learn(self) -> None:
        """Only when there is another row: to make patterns takes longer than a row."""
        if self._sample is None or not self._left_to_learn or self._look is None:
            return
        (raw, gap), self._sample = self._sample, None
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
        self._learn()
        if not self._shapes:
            return at, 0
        if data is not self._data:
            self._look_at(data)
        for place, shape in enumerate(self._shapes):
            if shape.careful.match(data, at, self._end) is not None:
                end, rows, suspects = self._lines(place, data, at) or self._run(shape, data, at)
                self._tally.rows += rows
                self._write(data, at, end, self._changes(shape, suspects), out)
                return end, rows
        return at, 0

    def _look_at(self, data: bytes) -> None:
        self._data = data
        self._is_plain = b"\\" not in data
        self._is_mixed = False
        self._end = len(data)
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                # Or a letter of which the rest has not been read yet.
                self._end = error.start

    def _lines(self, place: int, data: bytes, at: int) -> _Found | None:
        """All rows up to the last whole line, where every one has that shape and is easy to read; else None.

        Each match begins with a line. Where no control character stands outside of their bare forms, no line lies
        between them, and none is hidden in a text.
        """
        shape = self._shapes[place]
        end = data.rfind(b"\n", at, self._end - 1) + 1
        # What was in vain once would be so again, for each row that is another's.
        if self._is_mixed or self._in_vain >= _IN_VAIN_AT_MOST or end <= at:
            return None
        controls = int(np.count_nonzero(np.frombuffer(data, np.uint8, end - at, at) < ord(" ")))
        patterns = shape.quick if self._is_plain else shape.escaped
        for number, pattern in enumerate(patterns):
            # One sign more, for what must follow.
            found = pattern.all.findall(data, at, end + 1)
            if len(found) * shape.controls == controls:
                if number:
                    self._shapes[place] = replace(shape, quick=patterns[number:])
                numbers = self._suspects(
                    list(chain.from_iterable(found)), is_email_first=shape.is_email_first
                )
                if numbers is None:
                    break
                starts = _starts(data, at, end, numbers, shape.lines)
                matches = list(map(pattern.one.match, repeat(data), starts))
                self._in_vain = 0
                return end, len(found), [match for match in matches if match is not None]
        self._is_mixed = True
        self._in_vain += 1
        return None

    def _run(self, shape: Shape, data: bytes, at: int) -> _Found:
        """All rows that follow each other, and of these no fewer than those of targets."""
        # Unlike `finditer` it ends with the first that does not follow.
        scanner: Any = shape.careful.scanner(data, at, self._end)  # type: ignore[attr-defined]
        matches: list[_Match] = list(iter(scanner.match, None))
        tokens = list(chain.from_iterable(map(methodcaller("group", shape.owner, shape.email), matches)))
        numbers = self._suspects(tokens, is_email_first=False)
        suspects = matches if numbers is None else [matches[number] for number in numbers]
        return matches[-1].end(), len(matches), suspects

    def _suspects(self, tokens: list[bytes], *, is_email_first: bool) -> list[int] | None:
        """The numbers of rows that may be a target's, by an id and an email of each; None where these must be looked at
        more closely.
        """
        owners, emails = tokens[is_email_first::2], tokens[not is_email_first :: 2]
        # Who wears a mask is a suspect too.
        told = b"".join(emails)
        masked = told.count(_MASKED)
        told = b"".join([told.replace(_MASKED, b'"') if masked else told, *owners])
        if not told.isascii() or b" " in told or b"\x7f" in told:
            return None
        concerned: list[Iterable[bool]] = []
        if masked:
            concerned.append(map(methodcaller("startswith", _MASKED), emails))
        if _has_capitals(told):
            owners, emails = list(map(bytes.lower, owners)), list(map(bytes.lower, emails))
        if not self._ids.isdisjoint(owners):
            concerned.append(map(self._ids.__contains__, owners))
        if not self._emails.isdisjoint(emails):
            concerned.append(map(self._emails.__contains__, emails))
        return sorted(set(chain.from_iterable(compress(count(), each) for each in concerned)))

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


def _starts(data: bytes, at: int, end: int, numbers: list[int], lines: int) -> Iterator[int]:
    """Where rows begin, by their numbers, of rows that follow each other and have so many lines each."""
    if not numbers:
        return iter(())
    ends = np.flatnonzero(np.frombuffer(data, np.uint8, end - at, at) == ord("\n"))
    begins = np.concatenate(([at], ends[lines - 1 :: lines] + (at + 1)))
    return iter(begins[numbers].tolist())


def _has_capitals(text: bytes) -> bool:
    # What is less than A becomes more than Z.
    return bool(np.any(np.frombuffer(text, np.uint8) - np.uint8(ord("A")) < _LETTERS))


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
