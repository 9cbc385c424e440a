"""What the gateway must know about a statement before the engine sees it.

Holds a scanner of ClickHouse SQL and the three questions asked of it: is there a second statement,
which output format does it name, where does the data of an INSERT begin.
Add here: further questions of that kind. Keep out: running anything, and regular expressions over whole
statements: one that nests repeats takes minutes on a long list of ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# Numbers and operators matter to no question asked here, so the scanner jumps over them.
_NEXT = re.compile(
    rb"[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|['\"`]|--|//|#[ !]|/\*|\*/|\$[A-Za-z0-9_]*\$|[().,;]"
)
_QUOTE_END = {quote: re.compile(rb"[\\" + quote + rb"]") for quote in (b"'", b'"', b"`")}
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_LINE_COMMENTS = (b"--", b"//", b"# ", b"#!")
_GAP_BEFORE_DATA = re.compile(rb"[ \t\f]*\r?\n?")


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word, a punctuation mark or a quoted piece; `word` is empty for what is quoted."""

    word: str
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Statement:
    """The shape of a statement that carries no data of its own."""

    verb: str
    output_format: str | None
    into_file: bool
    followed_by_another: bool


@dataclass(frozen=True, kw_only=True)
class InlineInsert:
    """An INSERT whose rows come with the request: `head` ends before VALUES or FORMAT."""

    head: bytes
    input_format: str
    data_at: int


def scan(text: bytes) -> Iterator[Token]:
    """Words, punctuation and quoted pieces of `text`, without its comments."""
    at = 0
    while found := _NEXT.search(text, at):
        piece, start, at = found.group(), found.start(), found.end()
        if piece in _LINE_COMMENTS:
            line_end = text.find(b"\n", at)
            at = len(text) if line_end < 0 else line_end + 1
        elif piece == b"/*":
            at = _end_of_comment(text, at)
        elif piece in _QUOTE_END:
            at = _end_of_quote(text, at, piece)
            yield Token(word="", start=start, end=at)
        elif piece.startswith(b"$"):
            closing = text.find(piece, at)
            at = start + 1 if closing < 0 else closing + len(piece)
        elif piece != b"*/":
            yield Token(word=piece.decode("utf-8", "replace").upper(), start=start, end=at)


def examine(text: bytes) -> Statement:
    """The shape of the first statement of `text`, and whether another follows it."""
    tokens = list(_outside_parentheses(scan(text)))
    ends = [at for at, token in enumerate(tokens) if token.word == ";"]
    first = tokens[: ends[0]] if ends else tokens
    rest = tokens[ends[0] :] if ends else []
    return Statement(
        verb=first[0].word if first else "",
        output_format=_output_format(text, first),
        into_file=any((a.word, b.word) == ("INTO", "OUTFILE") for a, b in pairwise(first)),
        followed_by_another=any(token.word != ";" for token in rest),
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
            gap = _GAP_BEFORE_DATA.match(text, name.end)
            data_at = gap.end() if gap else name.end
            return InlineInsert(
                head=text[: token.start], input_format=text[name.start : name.end].decode(), data_at=data_at
            )
        if token.word in {"SELECT", "WITH", "FROM", "WATCH", ";"}:
            return None
    return None


def has_second_statement(values: bytes) -> bool:
    """Whether anything but blanks and comments follows a semicolon in the rows of a VALUES."""
    ended = False
    for token in scan(values):
        if ended:
            return True
        ended = token.word == ";"
        if ended and values[token.end :].strip() == b"":
            return False
    return False


def quoted(text: str) -> str:
    """`text` as a string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _end_of_quote(text: bytes, at: int, quote: bytes) -> int:
    """A doubled quote reads as two adjoining pieces, which is as good for our questions."""
    while found := _QUOTE_END[quote].search(text, at):
        if found.group() == quote:
            return found.end()
        at = found.end() + 1
    return len(text)


def _end_of_comment(text: bytes, at: int) -> int:
    """Comments nest in ClickHouse."""
    depth = 1
    while found := _COMMENT_EDGE.search(text, at):
        depth += 1 if found.group() == b"/*" else -1
        at = found.end()
        if depth == 0:
            return at
    return len(text)


def _outside_parentheses(tokens: Iterator[Token]) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        if token.word == "(":
            depth += 1
        elif token.word == ")":
            depth -= 1
        elif depth <= 0:
            yield token


def _output_format(text: bytes, tokens: list[Token]) -> str | None:
    """FORMAT and a name, last in the statement but for SETTINGS."""
    for at in range(len(tokens) - 2, -1, -1):
        ends_here = at + 2 == len(tokens) or tokens[at + 2].word == "SETTINGS"
        if tokens[at].word == "FORMAT" and tokens[at + 1].word.isidentifier() and ends_here:
            return text[tokens[at + 1].start : tokens[at + 1].end].decode()
    return None


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
