"""JSON rows, many at once: a row that was read shows how its writer writes, and a pattern of it takes the others.

Holds: `FlatRows`.
Add here: another way to tell sooner that rows are nobody's.
Keep out: patterns (`shapes.py`, `nested.py`), who may be a target (`suspects.py`), rows that are unlike others
(`documents.py`, which decides the same of every row), and what lies between rows (`json_lines.py`, `json_values.py`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat, starmap
from operator import methodcaller
from typing import Any

import numpy as np

from erasure.rules import Person
from erasure.stores.s3.rows.base import RowRules
from erasure.stores.s3.rows.shapes import Fate, FlatLook, Shape, any_line, shape_of
from erasure.stores.s3.rows.subjects import Verdict, masked_text
from erasure.stores.s3.rows.suspects import suspects_of
from erasure.stores.s3.rows.tally import Tally
from erasure.stores.s3.rows.uniform import Table, Uniform, line_starts, table_of

_NULL = b"null"
_SHAPES = 8
_SHORT = 400
_IN_VAIN_AT_MOST = 8
_FEW = 16
# To make patterns of nested rows takes as long as judging so many bytes, or rows, one by one.
_WORTH_NESTED = 128 * 1024
_BETWEEN_NESTED = 500
_LEARNED_AT_MOST = 32
_REMEMBERED_AT_MOST = 20_000
_Match = re.Match[bytes]
# A row with the values of its groups, and from where to where it and these stand.
_Suspect = tuple[Shape, tuple[bytes, ...], Sequence[tuple[int, int]]]
# Where rows end, how many they are, and those that may be a target's.
_Found = tuple[int, int, list[_Suspect]]


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
        self._by_itself = _BETWEEN_NESTED
        self._shapes: list[Shape] = []
        self._left_to_learn = _LEARNED_AT_MOST if look is not None else 0
        self._verdicts: dict[tuple[bytes, bytes], Verdict] = {}
        self._data = b""
        self._end = 0
        self._is_plain = False
        self._may_be_uniform = False
        self._is_unlike = False
        self._are_mixed = False
        self._in_vain = 0

    def learn(self, raw: bytes, gap: bytes) -> None:
        """Takes a row that `documents.py` has passed, with what stands between it and the next, as a sample."""
        self._sample = (raw, gap)
        self._by_itself += 1

    def _learn(self, left: int) -> None:
        """Only when there are other rows: to make patterns takes longer than a row, most where values are nested."""
        if self._sample is None or self._left_to_learn <= 0 or self._look is None:
            return
        (raw, gap), self._sample = self._sample, None
        is_nested = b"[" in raw or raw.count(b"{") > 1
        if is_nested and (left < _WORTH_NESTED or self._by_itself < _BETWEEN_NESTED):
            return
        # The brace follows the gap in an array; elsewhere it does no harm.
        if any(shape.careful.match(raw + gap + b"{") for shape in self._shapes):
            return
        self._left_to_learn -= 1
        self._by_itself = 0 if is_nested else self._by_itself
        if (shape := shape_of(raw, gap, self._look, self._behind)) is not None:
            self._shapes = [shape, *self._shapes[: _SHAPES - 1]]
            self._in_vain = 0

    def passed(self, data: bytes, at: int, out: list[bytes]) -> tuple[int, int]:
        """Where it stands behind all rows from `at` that have known shapes, and how many these are; `out` takes them as
        they are to be.
        """
        self._learn(len(data) - at)
        if not self._shapes:
            return at, 0
        if data is not self._data:
            self._look_at(data)
        for shape in self._shapes:
            if shape.careful.match(data, at, self._end) is not None:
                end, rows, suspects = (
                    self._table(shape, data, at) or self._lines(shape, data, at) or self._run(shape, data, at)
                )
                self._tally.rows += rows
                self._write(data, at, end, self._changes(suspects), out)
                return end, rows
        return at, 0

    def _look_at(self, data: bytes) -> None:
        self._data = data
        self._is_plain = b"\\" not in data
        self._is_unlike = False
        self._end = len(data)
        self._may_be_uniform = self._is_plain and data.isascii()
        if not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError as error:
                # Or a letter of which the rest has not been read yet.
                self._end = error.start

    def _table(self, shape: Shape, data: bytes, at: int) -> _Found | None:
        """All rows that follow each other and are uniform; None where there are few."""
        if shape.uniform is None or not self._may_be_uniform:
            return None
        # One sign more than any row has, for what must follow.
        table = table_of(shape.uniform, data, at, self._end)
        rows = len(table.quotes) if table is not None else 0
        self._may_be_uniform = rows > _FEW
        if table is None or not self._may_be_uniform:
            return None
        numbers = suspects_of(self._rules.subjects).in_table(table, shape.uniform.owner, shape.uniform.email)
        if numbers is None:
            self._may_be_uniform = False
            return None
        return table.end, rows, list(_cells(shape, shape.uniform, table, data, numbers))

    def _lines(self, shape: Shape, data: bytes, at: int) -> _Found | None:
        """All rows up to the last whole line, where every one has a known shape and is easy to read; else None.

        Each match begins with a line. Where no control character stands outside of their bare forms, no line lies
        between them, and none is hidden in a text.
        """
        end = data.rfind(b"\n", at, self._end - 1) + 1
        # What was in vain once would be so again, for each row that is unlike the others.
        if self._is_unlike or self._in_vain >= _IN_VAIN_AT_MOST or end <= at:
            return None
        controls = int(np.count_nonzero(np.frombuffer(data, np.uint8, end - at, at) < ord(" ")))
        for shapes, pattern in self._ways(shape):
            # One sign more, for what must follow.
            found = pattern.findall(data, at, end + 1)
            if len(found) * shapes[0].controls != controls:
                continue
            numbers = suspects_of(self._rules.subjects).among(*_columns(found, shapes))
            if numbers is None:
                break
            starts = line_starts(data, at, end, numbers, shapes[0].lines)
            suspects = list(_rows(shapes, data, starts))
            # One that no careful pattern takes must not pass for nobody's.
            if len(suspects) < len(numbers):
                break
            self._in_vain, self._are_mixed = 0, len(shapes) > 1
            return end, len(found), suspects
        self._is_unlike, self._are_mixed = True, False
        self._in_vain += 1
        return None

    def _ways(self, shape: Shape) -> Iterator[tuple[list[Shape], re.Pattern[bytes]]]:
        """Patterns of whole lines, the quickest first."""
        way = shape.quick if self._is_plain else shape.escaped
        if not self._are_mixed and way is not None:
            yield [shape], way.all
        if len(self._shapes) > 1 and (pattern := any_line(self._shapes, is_plain=self._is_plain)):
            yield self._shapes, pattern

    def _run(self, shape: Shape, data: bytes, at: int) -> _Found:
        """All rows of the shape that follow each other, and of these no fewer than those of targets."""
        # Unlike `finditer` it ends with the first that does not follow.
        scanner: Any = shape.careful.scanner(data, at, self._end)  # type: ignore[attr-defined]
        matches: list[_Match] = list(iter(scanner.match, None))
        tokens = list(chain.from_iterable(map(methodcaller("group", shape.owner, shape.email), matches)))
        suspects_in = suspects_of(self._rules.subjects)
        find = suspects_in.among if len(matches) > _FEW else suspects_in.among_few
        numbers = find(tokens[::2], tokens[1::2])
        suspects = matches if numbers is None else [matches[number] for number in numbers]
        return matches[-1].end(), len(matches), [(shape, match.groups(), match.regs) for match in suspects]

    def _changes(self, suspects: list[_Suspect]) -> Iterator[tuple[int, int, bytes]]:
        """(from, to, new bytes), in order."""
        tally, delete = self._tally, self._rules.delete
        of_targets = to_mask = cells = conflicts = 0
        for shape, groups, spans in suspects:
            fate = shape.fates.get(groups) or self._fate(shape, groups)
            conflicts += fate.conflict
            if not fate.of_target:
                continue
            of_targets += 1
            if delete:
                to_mask += 1
                yield *spans[0], b""
            elif fate.new:
                to_mask += 1
                cells += len(fate.new)
                for group, new in fate.new:
                    yield *spans[group], new
        tally.of_targets += of_targets
        tally.to_mask += to_mask
        tally.cells += cells
        tally.conflicts += conflicts

    def _fate(self, shape: Shape, groups: tuple[bytes, ...]) -> Fate:
        verdict = self._verdict(groups[shape.owner - 1], groups[shape.email - 1])
        new = [] if verdict.person is None or self._rules.delete else _new(shape, groups, verdict.person)
        fate = Fate(conflict=verdict.conflict, of_target=verdict.person is not None, new=tuple(new))
        # A mask is written again and again; long texts would only fill the memory.
        if sum(map(len, groups)) <= _SHORT:
            if len(shape.fates) >= _REMEMBERED_AT_MOST:
                shape.fates.clear()
            shape.fates[groups] = fate
        return fate

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


def _columns(found: list[tuple[bytes, ...]], shapes: Sequence[Shape]) -> tuple[list[bytes], list[bytes]]:
    """Ids and emails of rows: of each shape two groups, which are empty where a row has another."""
    values, width = list(chain.from_iterable(found)), 2 * len(shapes)
    owners, emails = (
        [values[2 * at + (shape.is_email_first is want) :: width] for at, shape in enumerate(shapes)]
        for want in (True, False)
    )
    if len(shapes) == 1:
        return owners[0], emails[0]
    merged = (list(map(b"".join, zip(*columns, strict=True))) for columns in (owners, emails))
    return next(merged), next(merged)


def _rows(shapes: Sequence[Shape], data: bytes, starts: Iterable[int]) -> Iterator[_Suspect]:
    """What stands at these places, each a row of one of the shapes."""
    for start in starts:
        for shape in shapes:
            if match := shape.careful.match(data, start):
                yield shape, match.groups(), match.regs
                break


def _text(raw: bytes) -> str | None:
    """What a group has captured: null, a whole number, a text, or nothing where the row has no such key."""
    return None if raw in (b"", _NULL) else raw.strip(b'"').decode()


def _cells(
    shape: Shape, uniform: Uniform, table: Table, data: bytes, numbers: list[int]
) -> Iterator[_Suspect]:
    """Rows of a table, by their numbers."""
    begins = table.quotes[:, 0] + (table.begin - uniform.begin)
    rows = zip(begins[numbers].tolist(), np.append(begins[1:], table.end)[numbers].tolist(), strict=True)
    columns = []
    for opened in uniform.taken:
        starts, stops = table.quotes[numbers, opened], table.quotes[numbers, opened + 1]
        columns.append(
            list(zip((starts + table.begin).tolist(), (stops + (table.begin + 1)).tolist(), strict=True))
        )
    values = [map(data.__getitem__, starmap(slice, column)) for column in columns]
    # The last is empty, as the last group of a pattern is.
    return zip(repeat(shape), zip(*values, repeat(b"")), zip(rows, *columns))  # noqa: B905


def _new(shape: Shape, groups: tuple[bytes, ...], person: Person) -> Iterator[tuple[int, bytes]]:
    """Values that change, in order, by the numbers of their groups."""
    for group, rule in shape.cells:
        old = groups[group - 1]
        if old == _NULL:
            continue
        text = old[1:-1].decode()
        new = masked_text(rule, text, person)
        if new != text:
            yield group, json.dumps(new, ensure_ascii=old.isascii()).encode("utf-8", "surrogatepass")
