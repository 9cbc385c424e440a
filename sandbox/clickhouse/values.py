"""Rows of an INSERT ... VALUES, read piece by piece, since they may be larger than memory.

Holds the two questions asked of such rows. Does a second statement hide behind them? The engine would take the
rows before a semicolon and silently forget what follows it. And how wide are they? The engine cuts rows of every
other format into blocks of so many bytes, but those of VALUES only by their number.
Add here: what else must be known about rows before the engine sees them. Keep out: statements (`sql.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.clickhouse.compression import PIECE
from sandbox.clickhouse.sql import (
    BLANKS,
    COMMENT_EDGE,
    COMMENT_START,
    LINE_COMMENTS,
    QUOTE_END,
    TYPOGRAPHIC_END,
)

# A dollar sign inside a word opens no heredoc, as in `sql.py`; there words are found, here they need not be.
_OPENING = re.compile(rb"['\"`;]|\xe2\x80[\x98\x9c]|--|//|#[ !]|/\*|(?<![A-Za-z0-9_$])\$[A-Za-z0-9_]*\$")
# Most rows are nothing but this. Possessive repeats, so that it never tries anything twice.
_HARMLESS = re.compile(rb"(?:[^'\"`;\xe2\-/#$]++|'[^'\\]*+'|-(?=[^\-])|/(?=[^/*]))*+")
# What the next piece may turn into an opening. The name of a heredoc is that short, or none.
_LONGEST_NAME = 255
_HALF = re.compile(rb"(?:[-/#]|\xe2\x80?|\$[A-Za-z0-9_]{0,%d})\Z" % _LONGEST_NAME)
_LONGEST_BLANK = 3
_PLAIN_STRINGS = re.compile(rb"'[^'\\]*+'")


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What was seen of rows: whether anything but blanks, comments and semicolons follows a semicolon; and the fewest
    rows that begin in any piece of PIECE bytes, 0 when there is none."""

    second_statement: bool
    fewest_in_a_piece: int


def look_through(pieces: Iterable[bytes]) -> Rows:
    """What is to be known about rows that are cut anywhere. Ends early at a second statement."""
    scanner = _Scanner()
    counts: list[int] = []
    for piece in pieces:
        before = scanner.rows
        if scanner.read(piece):
            break
        if len(piece) == PIECE:
            counts.append(scanner.rows - before)
    return Rows(second_statement=scanner.read(b"", last=True), fewest_in_a_piece=min(counts, default=0))


class _Scanner:
    """Where in the rows we are; keeps the piece at hand and the few bytes before it that are not decided yet."""

    def __init__(self) -> None:
        self._text = b""
        self._at = 0
        self._inside = b""
        self._depth = 0
        self._ended = False
        self._second = False
        # Opening parentheses outside quotes: of tuples and calls there may be more than rows, which do not count
        # for much, being wide in text and narrow in memory.
        self.rows = 0

    def read(self, piece: bytes, *, last: bool = False) -> bool:
        """Whether a second statement has begun so far."""
        # One byte more than the undecided: a word may end there.
        kept = max(0, self._at - 1)
        self._text, self._at = self._text[kept:] + piece, self._at - kept
        while not self._second and (self._leave() if self._inside else self._enter(last)):
            pass
        # An open comment is no blank: see `sql.py`.
        return self._second or (last and self._ended and self._inside == b"/*")

    def _enter(self, last: bool) -> bool:
        """Go on to the next quote or comment; False when this piece has none."""
        found = self._first_behind(last) if self._ended else self._opening()
        if found is None:
            return False
        self._at = found.end()
        if found.group() == b";":
            self._ended = True
        else:
            self._inside, self._depth = found.group(), 1
        return True

    def _opening(self) -> re.Match[bytes] | None:
        harmless = _HARMLESS.match(self._text, self._at)
        found = _OPENING.search(self._text, harmless.end() if harmless else self._at)
        start = self._at
        if found is None:
            half = _HALF.search(self._text, max(self._at, len(self._text) - _LONGEST_NAME - 1))
            self._at = half.start() if half else len(self._text)
        outside = self._text[start : found.start() if found else self._at]
        self.rows += _PLAIN_STRINGS.sub(b"", outside).count(b"(")
        return found

    def _first_behind(self, last: bool) -> re.Match[bytes] | None:
        """Behind the semicolon only a comment may begin."""
        blanks = BLANKS.match(self._text, self._at)
        self._at = blanks.end() if blanks else self._at
        comment = COMMENT_START.match(self._text, self._at)
        left = len(self._text) - self._at
        self._second = comment is None and (left >= _LONGEST_BLANK or (last and left > 0))
        return comment

    def _leave(self) -> bool:
        """Go on to the end of the quote or comment we are in; False when it lies beyond this piece."""
        if self._inside in QUOTE_END:
            found = self._end_of_quote()
        elif self._inside == b"/*":
            found = self._end_of_comment()
        else:
            found = self._end_of_plain()
        if found:
            self._inside = b""
        return found

    def _end_of_quote(self) -> bool:
        search = QUOTE_END[self._inside].search
        while found := search(self._text, self._at):
            if found.group() == self._inside:
                self._at = found.end()
                return True
            if found.end() == len(self._text):
                self._at = found.start()
                return False
            self._at = found.end() + 1
        self._at = len(self._text)
        return False

    def _end_of_comment(self) -> bool:
        while found := COMMENT_EDGE.search(self._text, self._at):
            self._depth += 1 if found.group() == b"/*" else -1
            self._at = found.end()
            if self._depth == 0:
                return True
        self._at = max(self._at, len(self._text) - 1)
        return False

    def _end_of_plain(self) -> bool:
        closing = b"\n" if self._inside in LINE_COMMENTS else TYPOGRAPHIC_END.get(self._inside, self._inside)
        end = self._text.find(closing, self._at)
        self._at = max(self._at, len(self._text) - len(closing) + 1) if end < 0 else end + len(closing)
        return end >= 0
