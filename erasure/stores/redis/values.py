"""Values of Redis: whose they say they are, and how the rules of a person's fields change them.

JSON is changed by the bytes of the values concerned; everything else in it stays as it was written.
Holds: `owner_in`, `masked_value`, `masked_fields`, `unknown_in`.
Add here: another form in which a value holds fields.
Keep out: keys, clients, and members of sets, lists and streams (`content.py`).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from erasure.inventory import Field, InventoryObject
from erasure.inventory_checks.redis_keys import WHOLE
from erasure.rules import Person, Rule, apply
from erasure.stores.redis.templates import Wanted

_BLANKS = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_PRECISE = (Rule.CONSTANT, Rule.UNIQUE, Rule.CLEAR, Rule.HASH)
Fields = Mapping[bytes, bytes]


class Unreadable(Exception):
    """A value does not say whose it is, or is not of the form that the inventory tells of."""


def owner_in(content: bytes | Fields, item: InventoryObject, wanted: Wanted) -> tuple[str | None, bool]:
    """The target whose value it is, or None; and whether its id and its email name two people.

    The email decides only where there is no id. Raises Unreadable.
    """
    subject = item.subject
    ids = _at(content, subject.contributor_id)
    email = _at(content, subject.email)
    by_email = wanted.by_email(email) if isinstance(email, str) else None
    if isinstance(ids, str | int) and not isinstance(ids, bool):
        who = wanted.by_id(str(ids))
        return who, who is None and by_email is not None
    if ids is None and isinstance(email, str):
        return by_email, False
    raise Unreadable


def masked_value(value: bytes, fields: Sequence[Field], person: Person) -> bytes:
    """A string value after its rules; Unreadable where a path leads into what is no JSON object."""
    for field in fields:
        if field.name == WHOLE:
            value = _text_of(apply(field.rule, _text(value), person))
    paths = [(field.rule, _path(field.name)) for field in fields if field.name != WHOLE]
    return _spliced(value, paths, person) if paths else value


def masked_fields(content: Fields, fields: Sequence[Field], person: Person) -> dict[bytes, bytes | None]:
    """Of a hash or a stream's entry: what changes, and to what; None where the field goes."""
    changed: dict[bytes, bytes | None] = {}
    for field in fields:
        steps = _path(field.name)
        for length in range(1, len(steps) + 1):
            name, rest = ".".join(steps[:length]).encode(), steps[length:]
            value = changed.get(name, content.get(name))
            if value is None:
                continue
            if rest:
                changed[name] = _spliced(value, [(field.rule, rest)], person)
            else:
                masked = apply(field.rule, _text(value), person)
                changed[name] = None if masked is None else _text_of(masked)
    return {name: value for name, value in changed.items() if value != content[name]}


def unknown_in(content: bytes | Fields, item: InventoryObject) -> int:
    """How many keys within a target's value the inventory does not speak of; 0 where a rule takes it as a whole."""
    names = {field.name for field in item.fields}
    if not names or WHOLE in names:
        return 0
    known = [
        _path(name) for name in names | {item.subject.contributor_id, item.subject.email} - {None} if name
    ]
    node = _json(content) if isinstance(content, bytes) else {_text(name): None for name in content}
    if not isinstance(content, bytes):
        flat = {".".join(path) for path in known} | {path[0] for path in known}
        return len(node.keys() - flat)
    return sum(1 for _ in _beyond(node, (), set(known)))


def _beyond(node: Any, path: tuple[str, ...], known: set[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    if isinstance(node, list):
        for each in node:
            yield from _beyond(each, path, known)
    elif isinstance(node, dict):
        for key, value in node.items():
            here = (*path, key)
            if here in known:
                continue
            if any(each[: len(here)] == here for each in known):
                yield from _beyond(value, here, known)
            else:
                yield here


def _path(name: str) -> tuple[str, ...]:
    return tuple(name.replace("[]", "").split("."))


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _text_of(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


def _json(value: bytes) -> dict[str, Any]:
    try:
        document = json.loads(value)
    except (ValueError, RecursionError):
        raise Unreadable from None
    if not isinstance(document, dict):
        raise Unreadable
    return document


def _at(content: bytes | Fields, path: str | None) -> Any:
    if path is None:
        return None
    if path == WHOLE:
        return _text(content) if isinstance(content, bytes) else None
    if isinstance(content, bytes):
        return _within(_json(content), path.split("."))
    steps = path.split(".")
    for length in range(1, len(steps) + 1):
        value = content.get(".".join(steps[:length]).encode())
        if value is not None:
            rest = steps[length:]
            return _within(_json(value), rest) if rest else _text(value)
    return None


def _within(node: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _spliced(value: bytes, paths: Iterable[tuple[Rule, tuple[str, ...]]], person: Person) -> bytes:
    _json(value)
    encoding = json.detect_encoding(value)
    text = value.decode(encoding, "surrogatepass")
    begin = _after_blanks(text, 0)
    pieces: dict[tuple[int, int], str] = {}
    for rule, path in paths:
        for start, end in _spans(text, begin, path):
            for (a, b), new in _masked_spans(text, start, end, rule, person):
                pieces[a, b] = new
    at, parts = 0, []
    # The outer of two that lie within each other comes first, and the inner goes with it.
    for (start, end), new in sorted(pieces.items(), key=lambda piece: (piece[0][0], -piece[0][1])):
        if start >= at:
            parts += [text[at:start], new]
            at = end
    return "".join([*parts, text[at:]]).encode(encoding, "surrogatepass")


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
