"""What the gateway must know about a statement before the engine sees it.

Holds a scanner of ClickHouse SQL and the questions asked of it: is there a second statement, which output
format does it name, does it reach for files or end the process, where does the data of an INSERT begin.
Add here: further questions of that kind. Keep out: running anything, the rows of an INSERT (`values.py`), and
regular expressions over whole statements: one that nests repeats takes minutes on a long list of ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

# Operators and numbers matter to no question asked here. Numbers are found all the same, and jumped over:
# a dollar sign inside a word opens no heredoc, behind a number it does.
_NEXT = re.compile(
    rb"[A-Za-z_][A-Za-z0-9_$]*|[0-9][A-Za-z0-9_]*"
    rb"|['\"`]|\xe2\x80[\x98\x9c]|--|//|#[ !]|/\*|\$[A-Za-z0-9_]*\$|[().,;]"
)
LINE_COMMENTS = (b"--", b"//", b"# ", b"#!")
COMMENT_EDGE = re.compile(rb"/\*|\*/")
COMMENT_START = re.compile(rb"--|//|#[ !]|/\*")
QUOTE_END = {quote: re.compile(rb"[\\" + quote + rb"]") for quote in (b"'", b'"', b"`")}
# Typographic quotes know no escapes.
TYPOGRAPHIC_END = {b"\xe2\x80\x98": b"\xe2\x80\x99", b"\xe2\x80\x9c": b"\xe2\x80\x9d"}
_HEREDOC = re.compile(rb"(?=(\$[A-Za-z0-9_]*\$))")
_GAP_BEFORE_DATA = re.compile(rb"[ \t\f]*\r?\n?")
# What the engine takes for blanks, of ASCII and beyond, and the semicolons that may end a statement.
BLANKS = re.compile(
    rb"(?:[ \t\n\r\f\v;]|\xc2[\x85\xa0]|\xe1(?:\x9a\x80|\xa0\x8e)|\xe2\x80[\x80-\x8d\xa8\xa9\xaf]"
    rb"|\xe2\x81[\x9f\xa0]|\xe3\x80\x80|\xef\xbb\xbf)*"
)
_FILES = {("INTO", "OUTFILE"), ("FROM", "INFILE")}
_ENDS_PROCESS = {("SYSTEM", "SHUTDOWN"), ("SYSTEM", "KILL")}


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word, a punctuation mark or a quoted piece; `word` is empty for what is quoted."""

    word: str
    start: int
    end: int


_NOTHING = Token(word="", start=0, end=0)


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The shape of a statement that carries no data of its own."""

    verb: str = ""
    output_format: str | None = None
    touches_files: bool = False
    ends_process: bool = False
    looks_into_process: bool = False
    followed_by_another: bool = False


@dataclass(frozen=True, kw_only=True)
class InlineInsert:
    """An INSERT whose rows come with the request: `head` ends before VALUES or FORMAT."""

    head: bytes
    input_format: str
    data_at: int


def scan(text: bytes) -> Iterator[Token]:
    """Words, punctuation and quoted pieces of `text`, without its comments and numbers."""
    heredocs = _Heredocs(text)
    at = 0
    while found := _NEXT.search(text, at):
        piece, start, at = found.group(), found.start(), found.end()
        if piece in LINE_COMMENTS or piece == b"/*":
            at = _end_of_comment(text, at, piece)
        elif piece in QUOTE_END or piece in TYPOGRAPHIC_END:
            at = _end_of_quote(text, at, piece)
            yield Token(word="", start=start, end=at)
        elif piece.startswith(b"$"):
            at = heredocs.end(piece, start)
        elif not piece[:1].isdigit():
            yield Token(word=piece.decode().upper(), start=start, end=at)


def examine(text: bytes) -> Statement:
    """The shape of the first statement of `text`, and whether another follows it.

    Keeps three tokens at a time: a list of all of them would cost a hundred times the text.
    """
    verb = _NOTHING
    output_format: str | None = None
    touches_files = ends_process = looks_into_process = followed = False
    depth = 0
    before = last = anywhere = _NOTHING
    for token in scan(text):
        looks_into_process |= (anywhere.word, token.word) == ("PYTHON", "(")
        anywhere = token
        if token.word in {"(", ")"}:
            depth += 1 if token.word == "(" else -1
            continue
        # A semicolon ends the statement wherever it stands.
        if depth > 0 and token.word != ";":
            continue
        if token.word in {";", "SETTINGS"} and before.word == "FORMAT":
            output_format = _name(text, last) or output_format
        if token.word == ";":
            followed = not only_blanks(text, token.end)
            break
        if last is _NOTHING:
            verb = token
        touches_files |= (last.word, token.word) in _FILES
        ends_process |= last is verb and (verb.word, token.word) in _ENDS_PROCESS
        before, last = last, token
    else:
        if before.word == "FORMAT":
            output_format = _name(text, last) or output_format
    return Statement(
        verb=verb.word,
        output_format=output_format,
        touches_files=touches_files,
        ends_process=ends_process,
        looks_into_process=looks_into_process,
        followed_by_another=followed,
    )


def inline_insert(text: bytes) -> InlineInsert | None:
    """The parts of an INSERT that brings its rows along; None for every other statement.

    Only the beginning is scanned, so `text` may be cut off anywhere behind it.
    """
    tokens = _outside_parentheses(scan(text))
    if not _skip_insert_target(tokens):
        return None
    before = ""
    for token in tokens:
        part_of_name, before = before == ".", token.word
        if part_of_name:
            continue
        if token.word == "VALUES":
            return InlineInsert(head=text[: token.start], input_format="Values", data_at=token.end)
        if token.word == "FORMAT":
            name = next(tokens, None)
            if name is None:
                return None
            input_format = text[name.start : name.end].decode("utf-8", "replace")
            gap = _GAP_BEFORE_DATA.match(text, name.end)
            data_at = gap.end() if gap else name.end
            return InlineInsert(head=text[: token.start], input_format=input_format, data_at=data_at)
        if token.word in {"SELECT", "WITH", "FROM", "WATCH", ";"}:
            return None
    return None


def quoted(text: str) -> str:
    """`text` as a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def to_bytes(text: str) -> bytes:
    """The bytes behind `text`: what was no UTF-8 when it was read comes out as it was."""
    return text.encode("utf-8", "surrogateescape")


class _Heredocs:
    """Where heredocs of a text end. Looking for each end anew would be quadratic where none is closed."""

    def __init__(self, text: bytes) -> None:
        self._text = text

    @cached_property
    def _last(self) -> dict[bytes, int]:
        return {found.group(1): found.start() for found in _HEREDOC.finditer(self._text)}

    def end(self, tag: bytes, start: int) -> int:
        """The position behind a heredoc; an unclosed one is a dollar sign and no more."""
        behind = start + len(tag)
        if self._last[tag] < behind:
            return start + 1
        return self._text.index(tag, behind) + len(tag)


def _end_of_quote(text: bytes, at: int, quote: bytes) -> int:
    """A doubled quote reads as two adjoining pieces, which is as good for our questions."""
    if closing := TYPOGRAPHIC_END.get(quote):
        end = text.find(closing, at)
        return len(text) if end < 0 else end + len(closing)
    while found := QUOTE_END[quote].search(text, at):
        if found.group() == quote:
            return found.end()
        at = found.end() + 1
    return len(text)


def _end_of_comment(text: bytes, at: int, start: bytes) -> int:
    """A comment to the end of the line, or one between marks; those nest in ClickHouse.

    An open one ends beyond the text: the engine takes it for an error in one place and forgets it in another.
    """
    if start in LINE_COMMENTS:
        line_end = text.find(b"\n", at)
        return len(text) if line_end < 0 else line_end + 1
    depth = 1
    while found := COMMENT_EDGE.search(text, at):
        depth += 1 if found.group() == b"/*" else -1
        at = found.end()
        if depth == 0:
            return at
    return len(text) + 1


def only_blanks(text: bytes, at: int) -> bool:
    """Whether nothing follows but blanks, comments and semicolons."""
    while at <= len(text):
        blanks = BLANKS.match(text, at)
        at = blanks.end() if blanks else at
        comment = COMMENT_START.match(text, at)
        if comment is None:
            return at == len(text)
        at = _end_of_comment(text, comment.end(), comment.group())
    return False


def _outside_parentheses(tokens: Iterator[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        if token.word == "(":
            depth += 1
        elif token.word == ")":
            depth -= 1
        elif depth <= 0 or token.word == ";":
            yield token


def _name(text: bytes, token: Token) -> str | None:
    return text[token.start : token.end].decode() if token.word.isidentifier() else None


def _skip_insert_target(tokens: Iterator[Token]) -> bool:
    """Consume `INSERT INTO [TABLE|FUNCTION] name`, so that a table called `format` is no clause."""
    token = next(tokens, None)
    if token is None or token.word != "INSERT":
        return False
    token = next(tokens, None)
    for optional in ("INTO", "TABLE", "FUNCTION"):
        if token is not None and token.word == optional:
            token = next(tokens, None)
    return token is not None
