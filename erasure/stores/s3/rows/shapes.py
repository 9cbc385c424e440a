"""How a writer writes JSON rows: the keys, blanks and order of one row as patterns that take the others.

A pattern takes well-formed JSON alone. What it does not take, such as values that are escaped or nested where it
matters, is no less right: it is for `documents.py`.
Holds: `FlatLook`, `Shape`, `LinePattern`, `Fate`, `shape_of`, `any_line`.
Add here: another form of a value that many rows have.
Keep out: what is nested (`nested.py`), whose a row is, and what it becomes (`flat.py`).
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from erasure.rules import Rule
from erasure.stores.s3.rows.nested import BLANK, NUMBER, PLAIN, nested_pattern, scalar_pattern
from erasure.stores.s3.rows.splice import element_end
from erasure.stores.s3.rows.uniform import Uniform

# Any text, where there is neither a backslash nor a control character in what is read: much the quickest pattern.
_QUICK = rb'"[^"]*+"'
_CAREFUL = rb'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
# An id or email that is compared by its bytes: no blanks to trim, nothing beyond ASCII.
_TOKEN = rb'"[^"\\\x00-\x20\x7f-\xff]*+"'
_WHOLE = rb"(?:0|[1-9][0-9]{0,17})"
# A longer pattern takes too long to make.
_UNION_AT_MOST = 20_000
_BEGIN = re.compile(rb"\{" + BLANK)
_KEY = re.compile(rb'"([^"\\\x00-\x1f]*+)"' + BLANK + b":" + BLANK)
_SCALAR = re.compile(_CAREFUL + b"|" + NUMBER + b"|true|false|null")
_AFTER = re.compile(BLANK + rb"(?:," + BLANK + rb'(?=")|\}' + BLANK + b")")


@dataclass(frozen=True, kw_only=True)
class FlatLook:
    """Which rows are flat: the keys that they may have (None: any), those that say whose a row is, and the rules.

    decisive: names that must not stand twice in one object, however deep that lies.
    """

    keys: frozenset[str] | None
    owner: str | None
    email: str | None
    cells: tuple[tuple[str, Rule], ...]
    decisive: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class LinePattern:
    """Rows by whole lines, with two groups, those of the id and the email in the order of the keys."""

    each_line: bytes

    @cached_property
    def all(self) -> re.Pattern[bytes]:
        """Compiled when first asked for; many a row has no second one."""
        return re.compile(b"^" + self.each_line, re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a row by the values of its groups: the new ones by the numbers of groups."""

    conflict: bool
    of_target: bool
    new: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Rows with one order of keys, and what stands behind each.

    careful: takes any such row. quick: whole lines, as long as nobody has put a control character or a backslash into
    a text, which it does not see. escaped: the same where there are backslashes. Both are None where rows do not begin
    with a line.
    controls, lines: control characters and line ends in what stands around the values of a row.
    owner, email, cells: numbers of groups; where a row has no id or email, of an empty one.
    is_email_first: whether the email stands before the id.
    uniform: the same for rows whose values are all of the sample's kinds; None where these are no texts or nested.
    fates: what `flat.py` remembers of values that the groups had.
    """

    careful: re.Pattern[bytes]
    quick: LinePattern | None
    escaped: LinePattern | None
    controls: int
    lines: int
    owner: int
    email: int
    cells: tuple[tuple[int, Rule], ...]
    is_email_first: bool
    uniform: Uniform | None
    fates: dict[tuple[bytes, ...], Fate] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """Patterns of any text, of an id or email, and of one that has a rule; is_uniform: a text only where one was."""

    text: bytes
    token: bytes
    ruled: bytes
    is_uniform: bool = False


_CAREFUL_WAY = _Way(text=_CAREFUL, token=_TOKEN, ruled=PLAIN)
_QUICK_WAY = _Way(text=_QUICK, token=_QUICK, ruled=_QUICK)
_UNIFORM_WAY = _Way(text=_QUICK, token=_QUICK, ruled=_QUICK, is_uniform=True)


def shape_of(raw: bytes, gap: bytes, look: FlatLook, behind: bytes) -> Shape | None:
    """The shape of a row with what stands between it and the next; None where what decides or has a rule is nested, and
    where a key stands twice or nobody has registered it. behind: what must follow, as a pattern.
    """
    begin = _BEGIN.match(raw)
    if begin is None:
        return None
    at, literals, members = begin.end(), [begin[0]], dict[str, bytes]()
    closed = False
    while not closed:
        key = _KEY.match(raw, at)
        end = _value_end(raw, key.end()) if key is not None else None
        after = _AFTER.match(raw, end) if end is not None else None
        if key is None or after is None:
            return None
        name = key[1].decode("utf-8", "replace")
        if name in members or (look.keys is not None and name not in look.keys):
            return None
        members[name] = raw[key.end() : end]
        if members[name][:1] in (b"{", b"[") and _is_taken(name, look):
            return None
        literals[-1] += key[0]
        literals.append(after[0])
        at, closed = after.end(), b"}" in after[0]
    if at != len(raw):
        return None
    literals[-1] += gap
    return _shape(_Row(literals, members, look, behind), is_by_lines=gap.endswith(b"\n"))


def any_line(shapes: Sequence[Shape], *, is_plain: bool) -> re.Pattern[bytes] | None:
    """Lines of any of these shapes, with two groups of each; None where rows are not by lines, some
    have more of them, or the shapes are large."""
    ways = [shape.quick if is_plain else shape.escaped for shape in shapes]
    lines = [way.each_line for way in ways if way is not None]
    if (
        len(lines) < len(ways)
        or sum(map(len, lines)) > _UNION_AT_MOST
        or len({(shape.controls, shape.lines) for shape in shapes}) > 1
    ):
        return None
    return re.compile(b"^(?:" + b"|".join(lines) + b")", re.MULTILINE)


def _value_end(raw: bytes, at: int) -> int | None:
    if raw[at : at + 1] in (b"{", b"["):
        return element_end(raw, at)
    scalar = _SCALAR.match(raw, at)
    return scalar.end() if scalar is not None else None


def _is_taken(key: str, look: FlatLook) -> bool:
    return key in (look.owner, look.email) or any(key == cell for cell, _ in look.cells)


class _Row:
    """A row that was read, from which patterns are made."""

    def __init__(
        self, literals: list[bytes], members: dict[str, bytes], look: FlatLook, behind: bytes
    ) -> None:
        self.literals = literals
        self.members = members
        self.look = look
        self.taken = [key for key in members if _is_taken(key, look)]
        self.deciding = [key for key in members if key in (look.owner, look.email)]
        self._behind = behind
        self._decisive = [key.encode() for key in look.decisive]

    def pattern(self, way: _Way, groups: Collection[str], least: int) -> bytes:
        """A row, with a group for each of these values, and empty last ones where there are fewer than `least`."""
        parts = [re.escape(self.literals[0])]
        for (key, sample), literal in zip(self.members.items(), self.literals[1:], strict=True):
            value = self._value(way, key, sample)
            parts += [b"(" + value + b")" if key in groups else value, re.escape(literal)]
        return b"".join(parts) + b"()" * (least - len(groups)) + self._behind

    def _value(self, way: _Way, key: str, sample: bytes) -> bytes:
        if way.is_uniform:
            return way.text if sample.startswith(b'"') else b"(?:" + NUMBER + b"|true|false|null)"
        if key == self.look.owner:
            return b"(?:" + way.token + b"|" + _WHOLE + b"|null)"
        if key == self.look.email:
            return b"(?:" + way.token + b"|null)"
        if key in self.taken:
            return b"(?:" + way.ruled + b"|null)"
        if sample.startswith((b"{", b"[")):
            nested = nested_pattern(sample, self._decisive, way.text)
            return b"(?:" + nested + b"|" + scalar_pattern(sample, way.text) + b")"
        return scalar_pattern(sample, way.text)


def _shape(row: _Row, *, is_by_lines: bool) -> Shape:
    look = row.look
    group_of = {key: number for number, key in enumerate(row.taken, start=1)}
    none = len(row.taken) + 1

    def by_lines(way: _Way) -> LinePattern:
        return LinePattern(each_line=row.pattern(way, row.deciding, 2))

    rules = dict(look.cells)
    around = b"".join(row.literals)
    return Shape(
        careful=re.compile(row.pattern(_CAREFUL_WAY, row.taken, none)),
        quick=by_lines(_QUICK_WAY) if is_by_lines else None,
        escaped=by_lines(_CAREFUL_WAY) if is_by_lines else None,
        controls=sum(byte < ord(" ") for byte in around),
        lines=around.count(b"\n"),
        owner=group_of.get(look.owner or "", none),
        email=group_of.get(look.email or "", none),
        cells=tuple((group, rules[key]) for key, group in group_of.items() if key in rules),
        is_email_first=row.deciding[:1] == [look.email],
        uniform=_uniform(row),
    )


def _uniform(row: _Row) -> Uniform | None:
    opened, count = dict[str, int](), 0
    for key, sample in row.members.items():
        if sample.startswith(b'"'):
            # Behind the two of the key.
            opened[key] = count + 2
        elif sample.startswith((b"{", b"[")) or key in row.taken:
            return None
        count += 4 if key in opened else 2
    return Uniform(
        pattern=re.compile(b"(?:" + row.pattern(_UNIFORM_WAY, (), 0) + b")*+"),
        quotes=count,
        controls=sum(byte < ord(" ") for literal in row.literals for byte in literal),
        begin=len(row.literals[0].partition(b'"')[0]),
        owner=opened.get(row.look.owner or ""),
        email=opened.get(row.look.email or ""),
        taken=tuple(opened[key] for key in row.taken),
    )
