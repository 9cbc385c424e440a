"""Values of Redis: whose they say they are, and how the rules of a person's fields change them.

JSON is changed by the bytes of the values concerned; everything else in it stays as it was written.
Holds: `owner_in`, `masked_value`, `masked_fields`, `unknown_in`, `beyond`.
Add here: another form in which a value holds fields.
Keep out: keys, clients, and members of sets, lists and streams (`content.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from erasure.inventory import Field, InventoryObject
from erasure.inventory_checks.redis_keys import WHOLE
from erasure.rules import Person, Rule, apply
from erasure.stores.redis.json_text import JsonText, Unreadable, loaded, steps_of
from erasure.stores.redis.templates import Wanted

Fields = Mapping[bytes, bytes]


def owner_in(content: bytes | Fields, item: InventoryObject, wanted: Wanted) -> tuple[str | None, bool]:
    """The target whose value it is, or None; and whether its id and an email in it name two people.

    The email decides only where there is no id. Raises Unreadable.
    """
    subject = item.subject
    ids = _at(content, subject.contributor_id)
    email = _at(content, subject.email)
    by_email = wanted.by_email(email) if isinstance(email, str) else None
    if isinstance(ids, str | int) and not isinstance(ids, bool):
        who = wanted.by_id(str(ids))
        return who, who is None and (by_email is not None or _lists_a_target(content, item, wanted))
    if ids is None and isinstance(email, str):
        return by_email, by_email is None and _lists_a_target(content, item, wanted)
    raise Unreadable


def masked_value(value: bytes, fields: Sequence[Field], person: Person) -> bytes:
    """A string value after its rules; Unreadable where a path leads into what is no JSON object."""
    for field in fields:
        if field.name == WHOLE:
            value = _text_of(apply(field.rule, _text(value), person))
    paths = [(field.rule, steps_of(field.name)) for field in fields if field.name != WHOLE]
    return _masked(value, paths, person) if paths else value


def masked_fields(content: Fields, fields: Sequence[Field], person: Person) -> dict[bytes, bytes | None]:
    """Of a hash or a stream's entry: what changes, and to what; None where the field goes."""
    changed: dict[bytes, bytes | None] = {}
    for field in fields:
        steps = steps_of(field.name)
        for length in range(1, len(steps) + 1):
            name, rest = ".".join(steps[:length]).encode(), steps[length:]
            value = changed.get(name, content.get(name))
            if value is None:
                continue
            if rest:
                changed[name] = _masked(value, [(field.rule, rest)], person)
            else:
                masked = apply(field.rule, _text(value), person)
                changed[name] = None if masked is None else _text_of(masked)
    return {name: value for name, value in changed.items() if value != content[name]}


def unknown_in(content: bytes | Fields, item: InventoryObject) -> int:
    """How many keys within a target's value the inventory does not speak of; 0 where a rule takes it as a whole."""
    names = {field.name for field in item.fields}
    if not names or WHOLE in names:
        return 0
    known = {
        steps_of(name) for name in names | {item.subject.contributor_id, item.subject.email} - {None} if name
    }
    node = _json(content) if isinstance(content, bytes) else _opened(content, known)
    return sum(1 for _ in beyond(node, (), known))


def _lists_a_target(content: bytes | Fields, item: InventoryObject, wanted: Wanted) -> bool:
    """Whether a list in somebody else's value names a target, although all in it is said to be the owner's."""
    paths = {steps_of(field.name) for field in item.ruled_fields if "[]" in field.name}
    if not paths:
        return False
    node = _json(content) if isinstance(content, bytes) else _opened(content, paths)
    texts = (value for path in paths for value in _leaves(node, path) if isinstance(value, str))
    return any(wanted.by_email(text) is not None for text in texts)


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(node, list):
        for each in node:
            yield from _leaves(each, path)
    elif not path:
        yield node
    elif isinstance(node, dict):
        yield from _leaves(node.get(path[0]), path[1:])


def beyond(node: Any, path: tuple[str, ...], known: set[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The paths in a document at which stands what is not known; one for each time that it does."""
    if isinstance(node, list):
        for each in node:
            yield from beyond(each, path, known)
    elif isinstance(node, dict):
        for key, value in node.items():
            here = (*path, key)
            if here in known:
                continue
            if any(each[: len(here)] == here for each in known):
                yield from beyond(value, here, known)
            else:
                yield here
    elif node is not None:
        # Where a path would lead on stands a value.
        yield path


def _opened(content: Fields, known: set[tuple[str, ...]]) -> dict[str, Any]:
    """A hash as a document: its names, with the JSON in the fields into which a known path leads."""
    flat, deep = {".".join(path) for path in known}, {path[0] for path in known if len(path) > 1}
    node: dict[str, Any] = {}
    for name, value in content.items():
        text = _text(name)
        if text not in flat:
            node[text] = loaded(value) if text in deep else None
    return node


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _text_of(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "surrogateescape")


def _json(value: bytes) -> dict[str, Any]:
    document = loaded(value)
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


def _masked(value: bytes, paths: Sequence[tuple[Rule, tuple[str, ...]]], person: Person) -> bytes:
    _json(value)
    text = JsonText(value)
    for rule, path in paths:
        text.mask(rule, path, person)
    return text.changed()
