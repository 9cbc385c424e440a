"""Finds where values stand in the bytes of a JSON document, and replaces some of them.

Holds: `Spans`, `spans_of`, `spliced`, `element_end`.
Add here: nothing of what a value means.
Keep out: parsing for its own sake (orjson does that first, so that what comes here is well-formed JSON), and rules.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erasure.stores.s3.rows.base import Flaw, UnreadableRows

# Possessive throughout: nothing is tried twice, however long a text is.
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb"|[{}\[\]]", re.DOTALL)
_MEMBER = re.compile(rb"\s*(" + _STRING + rb")\s*:\s*", re.DOTALL)
_SCALAR = re.compile(_STRING + rb"|[^\s,{}\[\]]++", re.DOTALL)
_BLANK = re.compile(rb"\s*+")
_NEXT = re.compile(rb"\s*([,}\]])\s*")
_NESTED = 6


def _balanced(depth: int) -> bytes:
    inner = rb'[^{}\[\]"]++|' + _STRING + (b"|" + _balanced(depth - 1) if depth else b"")
    return rb"[{\[](?:" + inner + rb")*+[}\]]"


_BALANCED = re.compile(_balanced(_NESTED), re.DOTALL)


def element_end(data: bytes, start: int) -> int | None:
    """Where an object or array that begins at `start` ends; None where it does not in these bytes."""
    if match := _BALANCED.match(data, start):
        return match.end()
    # Cut off, or nested more deeply than the pattern.
    depth = 0
    for token in _TOKEN.finditer(data, start):
        sign = data[token.start()]
        if sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
            if not depth:
                return token.end()
    return None


@dataclass(frozen=True, kw_only=True)
class Spans:
    """Where a value stands, and below it the members and elements that were asked for."""

    start: int
    end: int
    members: Mapping[str, "Spans"]
    elements: Sequence["Spans"]

    def below(self, location: Sequence[str | int]) -> "Spans":
        """The spans of what lies at keys and numbers from here."""
        found = self
        for step in location:
            found = found.elements[step] if isinstance(step, int) else found.members[step]
        return found


# Keys to look for, and what to look for below each.
Wanted = Mapping[str, "Wanted"]


def spans_of(data: bytes, wanted: Wanted) -> Spans:
    """The spans of the wanted keys of a document; raises UnreadableRows where one of them stands twice in an object."""
    return _spans(data, _past_blanks(data, 0), wanted)


def _spans(data: bytes, at: int, wanted: Wanted) -> Spans:
    start = at
    members: dict[str, Spans] = {}
    elements: list[Spans] = []
    opened = data[at : at + 1]
    if opened not in (b"{", b"["):
        return Spans(start=at, end=_skipped(data, at), members=members, elements=elements)
    at = _past_blanks(data, at + 1)
    while data[at : at + 1] not in (b"}", b"]"):
        if opened == b"[":
            elements.append(_spans(data, at, wanted))
            at = elements[-1].end
        else:
            at = _member(data, at, wanted, members)
        separator = _NEXT.match(data, at)
        if separator is None:
            raise UnreadableRows(Flaw.FORMAT, "it is no JSON")
        at = separator.end() if separator[1] == b"," else separator.start(1)
    return Spans(start=start, end=at + 1, members=members, elements=elements)


def _member(data: bytes, at: int, wanted: Wanted, members: dict[str, Spans]) -> int:
    match = _MEMBER.match(data, at)
    if match is None:
        raise UnreadableRows(Flaw.FORMAT, "it is no JSON")
    key = match[1][1:-1].decode() if b"\\" not in match[1] else str(json.loads(match[1]))
    if key not in wanted:
        return _skipped(data, match.end())
    if key in members:
        raise UnreadableRows(Flaw.KEYS, "a key that the inventory rules stands twice in one object")
    members[key] = _spans(data, match.end(), wanted[key])
    return members[key].end


def _skipped(data: bytes, at: int) -> int:
    end = element_end(data, at) if data[at : at + 1] in (b"{", b"[") else None
    if end is not None:
        return end
    scalar = _SCALAR.match(data, at)
    if scalar is None:
        raise UnreadableRows(Flaw.FORMAT, "it is no JSON")
    return scalar.end()


def _past_blanks(data: bytes, at: int) -> int:
    match = _BLANK.match(data, at)
    return match.end() if match else at


def spliced(data: bytes, changes: Sequence[tuple[Spans, str | None]]) -> bytes:
    """The document with new texts (or null) in place of what stood in these spans; they do not overlap."""
    pieces, at = [], 0
    for span, text in sorted(changes, key=lambda change: change[0].start):
        old = data[span.start : span.end]
        # Letters beyond ASCII are written as the writer of the old value wrote them, where that can be told.
        pieces += [
            data[at : span.start],
            json.dumps(text, ensure_ascii=old.isascii()).encode("utf-8", "surrogatepass"),
        ]
        at = span.end
    return b"".join([*pieces, data[at:]])
