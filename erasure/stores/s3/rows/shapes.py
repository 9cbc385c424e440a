"""How a writer writes flat JSON rows: the keys, blanks and order of one row as patterns that take the others.

A pattern takes well-formed JSON alone. What it does not take, such as values that are nested, or escaped where it
matters, is no less right: it is for `documents.py`.
Holds: `FlatLook`, `Shape`, `shape_of`.
Add here: another form of a value that many rows have.
Keep out: whose a row is, and what it becomes (`flat.py`).
"""

import re
from dataclasses import dataclass

from erasure.rules import Rule

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


@dataclass(frozen=True, kw_only=True)
class FlatLook:
    """Which rows are flat: the keys that they may have (None: any), those that say whose a row is, and the rules."""

    keys: frozenset[str] | None
    owner: str | None
    email: str | None
    cells: tuple[tuple[str, Rule], ...]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Rows with one order of keys, and what stands behind each.

    careful: takes any such row. quick: takes them by whole lines, as long as nobody has put a control character or a
    backslash into a text, which it does not see; None where rows do not begin with a line.
    controls, lines: control characters and line ends in what stands around the values of a row.
    owner, email, cells: numbers of groups; where a row has no id or email, of an empty one.
    """

    careful: re.Pattern[bytes]
    quick: re.Pattern[bytes] | None
    controls: int
    lines: int
    owner: int
    email: int
    cells: tuple[tuple[int, Rule], ...]


def shape_of(raw: bytes, gap: bytes, look: FlatLook, behind: bytes) -> Shape | None:
    """The shape of a row with what stands between it and the next; None where it is not flat, or has a key twice or one
    that nobody has registered. behind: what must follow, as a pattern.
    """
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
    careful = re.compile(_pattern(literals, members, look, (_CAREFUL, _TOKEN, _PLAIN)) + behind)
    quick = re.compile(b"^" + _pattern(literals, members, look, (_QUICK,) * 3) + behind, re.MULTILINE)
    rules = dict(look.cells)
    taken = [key for key in members if _is_taken(key, look)]
    group_of = {key: number for number, key in enumerate(taken, start=1)}
    around = b"".join(literals)
    return Shape(
        careful=careful,
        quick=quick if gap.endswith(b"\n") else None,
        controls=sum(byte < ord(" ") for byte in around),
        lines=around.count(b"\n"),
        owner=group_of.get(look.owner or "", careful.groups),
        email=group_of.get(look.email or "", careful.groups),
        cells=tuple((group, rules[key]) for key, group in group_of.items() if key in rules),
    )


def _is_taken(key: str, look: FlatLook) -> bool:
    return key in (look.owner, look.email) or any(key == cell for cell, _ in look.cells)


def _pattern(
    literals: list[bytes], members: dict[str, bytes], look: FlatLook, texts: tuple[bytes, bytes, bytes]
) -> bytes:
    """A row as a pattern, with a group for each value that is taken, and empty last ones for those that it lacks.

    texts: patterns of any text, of an id or email, and of one that has a rule.
    """
    text, token, ruled = texts
    parts = [re.escape(literals[0])]
    for (key, sample), literal in zip(members.items(), literals[1:], strict=True):
        if key == look.owner:
            parts.append(b"(" + token + b"|" + _WHOLE + b"|null)")
        elif key == look.email:
            parts.append(b"(" + token + b"|null)")
        elif _is_taken(key, look):
            parts.append(b"(" + ruled + b"|null)")
        else:
            # What the sample was is tried first.
            both = (text, _NUMBER) if sample.startswith(b'"') else (_NUMBER, text)
            parts.append(b"(?:" + b"|".join(both) + b"|true|false|null)")
        parts.append(re.escape(literal))
    lacks = not {look.owner, look.email} <= members.keys()
    # Two, so that what is found of a row is never one group alone, which comes in another form.
    return b"".join(parts) + (b"()()" if lacks else b"")
