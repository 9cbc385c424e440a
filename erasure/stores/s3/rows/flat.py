"""Flat JSON rows, many at once: a row that was read shows how its writer writes, and a pattern of it takes the others.

A pattern takes well-formed JSON alone, with exactly the keys, blanks and order of the row that it was learned from.
What it does not take (nested, or escaped where it matters) is for `documents.py`, which decides the same.
Holds: `FlatRows`.
Add here: another form of a value that many rows have.
Keep out: rows that are not flat (`documents.py`), and what lies between rows (`json_lines.py`, `json_values.py`).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from erasure.rules import MASK, Rule
from erasure.stores.s3.rows.base import RowRules
from erasure.stores.s3.rows.subjects import Subjects, Verdict, masked_text
from erasure.stores.s3.rows.tally import Tally

_NULL = b"null"
_MASKED = f'"{MASK}'.encode()
_BLANK = rb"[ \t\r\n]*+"
_NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
# Any text, where there is neither a backslash nor a control character in what is read: much the quickest pattern.
_QUICK = rb'"[^"]*+"'
_PLAIN = rb'"[^"\\\x00-\x1f]*+"'
_CAREFUL = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
# An id or email that is compared by its bytes: no blanks to trim, nothing beyond ASCII.
_TOKEN = rb'"[^"\\\x00-\x20\x7f-\xff]*+"'
_WHOLE = rb"(?:0|[1-9][0-9]{0,17})"
_BEGIN = re.compile(rb"\{" + _BLANK)
_MEMBER = re.compile(
    rb'"([^"\\\x00-\x1f]*+)"'
    + _BLANK
    + b":"
    + _BLANK
    + b"("
    + _CAREFUL
    + b"|"
    + _NUMBER
    + b"|true|false|null)"
    b"(" + _BLANK + rb"(?:,(?=" + _BLANK + rb'")|\})' + _BLANK + b")"
)
_SHAPES = 8
_LEARNED_AT_MOST = 32
_REMEMBERED_AT_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class FlatLook:
    """Which rows are flat: the keys that they may have (None: any), those that say whose a row is, and the rules."""

    keys: frozenset[str] | None
    owner: str | None
    email: str | None
    cells: tuple[tuple[str, Rule], ...]


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Rows with one order of keys, and what stands behind each. `controls`: control characters of a row, none of them
    in its texts. The others are numbers of groups; where a row has no id or email, of an empty one.
    """

    quick: re.Pattern[bytes]
    careful: re.Pattern[bytes]
    controls: int
    owner: int
    email: int
    cells: tuple[tuple[int, Rule], ...]


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
        self._shapes: dict[bytes, _Shape] = {}
        self._left_to_learn = _LEARNED_AT_MOST if look is not None else 0
        self._ids = frozenset(_written_ids(rules.subjects))
        self._emails = frozenset(f'"{email}"'.lower().encode() for email in rules.subjects.emails)
        self._verdicts: dict[tuple[bytes, bytes], Verdict] = {}
        self._data = b""
        self._end = 0
        self._is_plain = False

    def learn(self, raw: bytes, gap: bytes) -> None:
        """Takes the shape of a row that `documents.py` has passed, with what stands between it and the next."""
        if not self._left_to_learn or self._look is None:
            return
        # What follows the gap in an array; where nothing need follow, it does no harm.
        if any(shape.careful.match(raw + gap + b"{") for shape in self._shapes.values()):
            return
        self._left_to_learn -= 1
        key, shape = _shape_of(raw, gap, self._look, self._behind) or (b"", None)
        if shape is not None:
            self._shapes = {key: shape, **self._shapes}
            while len(self._shapes) > _SHAPES:
                self._shapes.popitem()

    def passed(self, data: bytes, at: int, out: list[bytes]) -> tuple[int, int]:
        """Where it stands behind all rows from `at` that have one known shape, and how many these are; `out` takes them
        as they are to be.
        """
        if not self._shapes:
            return at, 0
        if data is not self._data:
            self._look_at(data)
        for shape in self._shapes.values():
            patterns = (shape.quick, shape.careful) if self._is_plain else (shape.careful,)
            for pattern in patterns:
                if pattern.match(data, at, self._end) is None:
                    break
                end, rows, suspects = self._run(shape, pattern, data, at)
                if pattern is shape.quick and _controls(data, at, end) != rows * shape.controls:
                    # A text with a line end in it is no JSON, and would have hidden a row.
                    continue
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

    def _run(
        self, shape: _Shape, pattern: re.Pattern[bytes], data: bytes, at: int
    ) -> tuple[int, int, list[re.Match[bytes]]]:
        """All rows that follow each other; suspects are no fewer than those of targets."""
        ids, emails, groups = self._ids, self._emails, (shape.owner, shape.email)
        rows, suspects = 0, []
        for match in pattern.finditer(data, at, self._end):
            if match.start() != at:
                break
            at = match.end()
            rows += 1
            owner, email = match.group(*groups)
            if owner.lower() in ids or email.lower() in emails or email.startswith(_MASKED):
                suspects.append(match)
        return at, rows, suspects

    def _changes(self, shape: _Shape, suspects: list[re.Match[bytes]]) -> Iterator[tuple[int, int, bytes]]:
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
                    yield match.start(group), match.end(group), _written(new, old)
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


def _written(text: str | None, old: bytes) -> bytes:
    return json.dumps(text, ensure_ascii=old.isascii()).encode("utf-8", "surrogatepass")


def _controls(data: bytes, at: int, end: int) -> int:
    return int(np.count_nonzero(np.frombuffer(data, np.uint8, end - at, at) < ord(" ")))


def _shape_of(raw: bytes, gap: bytes, look: FlatLook, behind: bytes) -> tuple[bytes, _Shape] | None:
    """The shape of a row, and what names it; None where it is not flat, or has a key twice or one nobody registered."""
    begin = _BEGIN.match(raw)
    if begin is None:
        return None
    at, literals, members = begin.end(), [begin[0]], dict[str, bytes]()
    closed = False
    while not closed:
        member = _MEMBER.match(raw, at)
        if member is None:
            return None
        key = member[1].decode("utf-8", "replace")
        if key in members or (look.keys is not None and key not in look.keys):
            return None
        literals[-1] += raw[at : member.start(2)]
        members[key] = member[2]
        literals.append(member[3])
        at, closed = member.end(), b"}" in member[3]
    if at != len(raw):
        return None
    literals[-1] += gap
    rules = {key: rule for key, rule in look.cells}
    quick, careful = (
        re.compile(_pattern(literals, members, look, text) + behind) for text in (_QUICK, _CAREFUL)
    )
    group_of = dict(
        zip((key for key in members if _is_taken(key, look)), range(1, careful.groups + 1), strict=False)
    )
    return careful.pattern, _Shape(
        quick=quick,
        careful=careful,
        controls=sum(byte < ord(" ") for literal in literals for byte in literal),
        owner=group_of.get(look.owner, careful.groups),
        email=group_of.get(look.email, careful.groups),
        cells=tuple((group, rules[key]) for key, group in group_of.items() if key in rules),
    )


def _is_taken(key: str, look: FlatLook) -> bool:
    return key in (look.owner, look.email) or any(key == cell for cell, _ in look.cells)


def _pattern(literals: list[bytes], members: dict[str, bytes], look: FlatLook, text: bytes) -> bytes:
    """A row as a pattern, with a group for each value that is taken, and an empty last one for those that it lacks."""
    parts = [re.escape(literals[0])]
    for (key, sample), literal in zip(members.items(), literals[1:], strict=True):
        if key == look.owner:
            parts.append(b"(" + _TOKEN + b"|" + _WHOLE + b"|null)")
        elif key == look.email:
            parts.append(b"(" + _TOKEN + b"|null)")
        elif _is_taken(key, look):
            parts.append(b"(" + _PLAIN + b"|null)")
        else:
            # What the sample was is tried first.
            both = (text, _NUMBER) if sample.startswith(b'"') else (_NUMBER, text)
            parts.append(b"(?:" + b"|".join(both) + b"|true|false|null)")
        parts.append(re.escape(literal))
    return b"".join(parts) + b"()"
