"""The text of a JSON document, changed by the bytes of the values concerned; everything else stays as it was written.

Holds: `JsonText`, `loaded`, `steps_of`, `Unreadable`.
Add here: another way to lead to a value.
Keep out: whose a value is (`values.py`, `shared.py`).
"""

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from erasure.rules import Person, Rule, apply

_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_PRECISE = (Rule.CONSTANT, Rule.UNIQUE, Rule.CLEAR, Rule.HASH)


class Unreadable(Exception):
    """A value does not say whose it is, or is not of the form that the inventory tells of."""


class JsonText:
    """A value that has been found to be JSON; what is masked is remembered, and written by `changed`."""

    def __init__(self, value: bytes) -> None:
        self._value = value
        self._encoding = json.detect_encoding(value)
        self._text = value.decode(self._encoding, "surrogatepass")
        self._begin = _after_blanks(self._text, 0)
        self._pieces: dict[tuple[int, int], str] = {}

    def mask(self, rule: Rule, path: tuple[str, ...], person: Person, *, within: int | None = None) -> bool:
        """Masks the values at a path, of the whole or of the element that begins there; whether any changes."""
        begin = self._begin if within is None else within
        found = [
            piece
            for start, end in _spans(self._text, begin, path)
            for piece in _masked_spans(self._text, start, end, rule, person)
        ]
        self._pieces.update(found)
        return bool(found)

    def elements(self, path: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Where each object at a path begins, and what it holds; lists are led through, element by element."""
        yield from _objects(self._text, self._begin, path)

    def changed(self) -> bytes:
        """The value with everything masked that was to be."""
        if not self._pieces:
            return self._value
        at, parts = 0, []
        # The outer of two that lie within each other comes first, and the inner goes with it.
        for (start, end), new in sorted(self._pieces.items(), key=lambda piece: (piece[0][0], -piece[0][1])):
            if start >= at:
                parts += [self._text[at:start], new]
                at = end
        return "".join([*parts, self._text[at:]]).encode(self._encoding, "surrogatepass")


def loaded(value: bytes) -> Any:
    """What a value says. Raises Unreadable where it is no JSON."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise Unreadable from None


def steps_of(path: str) -> tuple[str, ...]:
    """The names that lead to a value: lists on the way are led through, whether the path marks them or not."""
    return tuple(path.removeprefix("[].").replace("[]", "").split("."))


def _masked_spans(
    text: str, start: int, end: int, rule: Rule, person: Person
) -> Iterator[tuple[tuple[int, int], str]]:
    value = json.loads(text[start:end])
    if value is None or rule is Rule.KEEP:
        return
    inside = [(a, b) for _, a, b in _parts(text, start)] if isinstance(value, list | dict) else []
    if isinstance(value, list) or (isinstance(value, dict) and rule not in _PRECISE):
        # Of a list each element; of an object every value, where the rule has to look at each.
        for a, b in inside:
            yield from _masked_spans(text, a, b, rule, person)
        return
    before = value if isinstance(value, str) else text[start:end]
    after = apply(rule, before, person)
    if after is None:
        yield (start, end), "null"
    elif after != before:
        yield (start, end), json.dumps(after)


def _spans(text: str, at: int, path: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where the values at a path stand; a list on the way is led through, element by element."""
    if text[at] == "[":
        for _, start, _ in _parts(text, at):
            yield from _spans(text, start, path)
    elif text[at] == "{":
        for key, start, end in _parts(text, at):
            if key == path[0] and len(path) == 1:
                yield start, end
            elif key == path[0]:
                yield from _spans(text, start, path[1:])


def _objects(text: str, at: int, path: tuple[str, ...]) -> Iterator[tuple[int, Any]]:
    if text[at] == "[":
        for _, start, _ in _parts(text, at):
            yield from _objects(text, start, path)
    elif text[at] == "{" and not path:
        yield at, _DECODER.raw_decode(text, at)[0]
    elif text[at] == "{":
        for key, start, _ in _parts(text, at):
            if key == path[0]:
                yield from _objects(text, start, path[1:])


def _parts(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """Key, beginning and end of each value of the object or list that begins at `at`; a list has no keys."""
    closing = "}" if text[at] == "{" else "]"
    at = _after_blanks(text, at + 1)
    while text[at] != closing:
        key = ""
        if closing == "}":
            key, at = scanstring(text, at + 1, True)
            at = _after_blanks(text, _after_blanks(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        yield key, at, end
        at = _after_blanks(text, end)
        if text[at] == ",":
            at = _after_blanks(text, at + 1)


def _after_blanks(text: str, at: int) -> int:
    match = _BLANKS.match(text, at)
    return match.end() if match else at
