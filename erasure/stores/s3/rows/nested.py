"""Objects and arrays inside JSON rows as patterns: like the one that was seen, or any that is well-formed.

Nothing that decides lies in them, but a key with a name that decides must not stand twice in one object, since
`documents.py` refuses that. So such a key is only taken where one was seen.
Holds: `scalar_pattern`, `nested_pattern`.
Add here: another form that many values have.
Keep out: rows and their keys (`shapes.py`), and which values may be nested.
"""

import re
from collections.abc import Collection
from functools import lru_cache

BLANK = rb"[ \t\r\n]*+"
NUMBER = rb"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+"
# A key, or a text without any escape.
PLAIN = rb'"[^"\\\x00-\x1f]*+"'
_OTHERS = b"true|false|null"
# Levels below any value and below one like the sample, and kinds of elements in one array; what has more is for
# `documents.py`.
_DEPTH = 2
_DEEPEST_LIKE = 8
_KINDS_AT_MOST = 4
# Of a map with a thousand keys the next row has others, and to make such a pattern takes long.
_SAMPLE_AT_MOST = 16 * 1024
_LIKE_AT_MOST = 8 * 1024
_OPENED = re.compile(rb"[{\[]" + BLANK)
_KEY = re.compile(PLAIN + BLANK + b":" + BLANK)
_TEXT = re.compile(rb'"[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+"')
_SCALAR = re.compile(_TEXT.pattern + b"|" + NUMBER + b"|" + _OTHERS)
_NEXT = re.compile(BLANK + b"," + BLANK)
_CLOSED = re.compile(BLANK + rb"[}\]]")


class _Unlike(Exception):
    """The sample is no model for others."""


def scalar_pattern(sample: bytes, text: bytes) -> bytes:
    """Any value that is not nested; what the sample was is tried first. text: a pattern of any text."""
    both = (text, NUMBER) if sample.startswith(b'"') else (NUMBER, text)
    return b"(?:" + b"|".join(both) + b"|" + _OTHERS + b")"


def nested_pattern(sample: bytes, decisive: Collection[bytes], text: bytes) -> bytes:
    """An object or array like the sample, or any that has no decisive key and is not deep."""
    anything = _anything(tuple(sorted(decisive)), text, _DEPTH)
    if len(sample) > _SAMPLE_AT_MOST:
        return anything
    try:
        like, _ = _like(sample, 0, text, _DEEPEST_LIKE)
    except _Unlike:
        return anything
    if len(like) > _LIKE_AT_MOST:
        return anything
    return b"(?>" + like + b"|" + anything + b")"


def _like(raw: bytes, at: int, text: bytes, depth: int) -> tuple[bytes, int]:
    """A pattern of values like the one that begins there, and where that ends."""
    opened = _OPENED.match(raw, at)
    if opened is None:
        scalar = _matched(_SCALAR, raw, at)
        return scalar_pattern(scalar[0], text), scalar.end()
    if not depth:
        raise _Unlike
    inner = _object_like if opened[0].startswith(b"{") else _array_like
    return inner(raw, opened, text, depth - 1)


def _object_like(raw: bytes, opened: re.Match[bytes], text: bytes, depth: int) -> tuple[bytes, int]:
    """The same keys in the same order."""
    parts, at, names = [re.escape(opened[0])], opened.end(), set[bytes]()
    more = _CLOSED.match(raw, at) is None
    while more:
        key = _matched(_KEY, raw, at)
        name = key[0].partition(b'"')[2].partition(b'"')[0]
        if name in names:
            raise _Unlike
        names.add(name)
        value, at = _like(raw, key.end(), text, depth)
        separator = _NEXT.match(raw, at)
        more = separator is not None
        parts += [re.escape(key[0]), value]
        if separator is not None:
            parts.append(re.escape(separator[0]))
            at = separator.end()
    closed = _matched(_CLOSED, raw, at)
    return b"".join([*parts, re.escape(closed[0])]), closed.end()


def _array_like(raw: bytes, opened: re.Match[bytes], text: bytes, depth: int) -> tuple[bytes, int]:
    """Any number of elements like those that it has, or that are not nested."""
    kinds: dict[bytes, None] = {}
    at = opened.end()
    more = _CLOSED.match(raw, at) is None
    while more:
        kind, at = _like(raw, at, text, depth)
        kinds[kind] = None
        separator = _NEXT.match(raw, at)
        more = separator is not None
        at = separator.end() if separator is not None else at
    if len(kinds) > _KINDS_AT_MOST:
        raise _Unlike
    closed = _matched(_CLOSED, raw, at)
    first = next(iter(kinds), b"")
    if not first.startswith(b"(?:"):
        kinds[scalar_pattern(b"", text)] = None
    each = b"(?:" + b"|".join(kinds) + b")"
    return rb"\[" + _elements(each, rb"\]") + rb"\]", closed.end()


def _elements(each: bytes, closed: bytes) -> bytes:
    """Any number of these, with a comma between them and none behind."""
    return BLANK + b"(?:" + each + BLANK + b"(?:," + BLANK + b"(?!" + closed + b")|(?=" + closed + b")))*+"


@lru_cache(maxsize=64)
def _anything(decisive: tuple[bytes, ...], text: bytes, depth: int) -> bytes:
    """An object or array that holds as many levels as that."""
    scalar = scalar_pattern(b'"', text)
    each = b"(?:" + scalar + b"|" + _anything(decisive, text, depth - 1) + b")" if depth else scalar
    names = b"|".join(re.escape(name) for name in decisive)
    key = (b'(?!"(?:' + names + b')")' if names else b"") + PLAIN
    member = key + BLANK + b":" + BLANK + each
    return rb"(?:\[" + _elements(each, rb"\]") + rb"\]|\{" + _elements(member, rb"\}") + rb"\})"


def _matched(pattern: re.Pattern[bytes], raw: bytes, at: int) -> re.Match[bytes]:
    match = pattern.match(raw, at)
    if match is None:
        raise _Unlike
    return match
