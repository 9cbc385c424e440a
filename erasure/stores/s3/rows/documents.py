"""One JSON document as a row, or as elements of many people: what it changes to, with all other bytes as they are.

A document is parsed to decide, spliced to change, and parsed again to prove that only what was meant has changed.
Holds: `DocumentRows`.
Add here: another way in which a document can name its subject.
Keep out: how documents stand in an object (`json_lines.py`, `json_values.py`), and bytes (`splice.py`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from erasure.rules import Person, Rule
from erasure.stores.s3.rows.base import Flaw, Path, Place, RowRules, RuledCell, UnreadableRows
from erasure.stores.s3.rows.shapes import FlatLook
from erasure.stores.s3.rows.splice import Wanted, spans_of, spliced
from erasure.stores.s3.rows.subjects import masked_text
from erasure.stores.s3.rows.tally import Tally, shown_key

# Keys and numbers of elements, from the row down.
_Location = tuple[str | int, ...]
_Document = dict[str, Any]


@dataclass(kw_only=True)
class _Known:
    """What the inventory knows below a key; a path that is registered itself covers all that lies below it."""

    covers: bool = False
    below: dict[str, "_Known"] = field(default_factory=dict)


class DocumentRows:
    """Judges documents one after the other; `writes` is whether they are to be written."""

    def __init__(self, rules: RowRules, tally: Tally, *, writes: bool) -> None:
        self._rules = rules
        self._tally = tally
        self._writes = writes
        # Where rows go as a whole, so does all that is in them.
        self._known = _Known(covers=True) if rules.delete else _known(rules.known)
        paths = [(*place.element, *path) for place in rules.places for path in _paths(place)]
        self._wanted = _wanted(paths)
        self._decisive = frozenset(step for path in paths for step in path)
        self._number = 0
        self.flat = _flat_look(rules, self._known, self._decisive)

    def masked(self, raw: bytes) -> bytes | None:
        """The document after the rules: the same object where nothing changes, None where the row goes."""
        self._number += 1
        try:
            return self._masked(raw)
        except UnreadableRows as flaw:
            if flaw.row is not None:
                raise
            raise UnreadableRows(flaw.kind, str(flaw), self._number) from None
        except RecursionError:
            raise UnreadableRows(Flaw.FORMAT, "it is nested too deeply", self._number) from None

    def pass_by(self, rows: int) -> None:
        """Counts rows that were judged elsewhere, so that errors name the right one."""
        self._number += rows

    def _masked(self, raw: bytes) -> bytes | None:
        document = _parsed(raw)
        if self.flat is not None and self._is_nobodys(raw, document, self.flat):
            self._tally.rows += 1
            return raw
        self._require_one_meaning(raw, document)
        self._meet(document)
        changes: dict[_Location, str | None] = {}
        for place in self._rules.places:
            for location, element in _elements(document, place.element, ()):
                self._tally.rows += 1
                person = self._person_of(element, place)
                if person is None:
                    continue
                self._tally.of_targets += 1
                if self._rules.delete:
                    self._tally.to_mask += 1
                    return None
                found = dict(_changes(element, place, person))
                self._tally.to_mask += bool(found)
                self._tally.cells += len(found)
                changes.update({location + below: new for below, new in found.items()})
        return self._spliced(raw, document, changes) if changes and self._writes else raw

    def _is_nobodys(self, raw: bytes, document: Any, look: FlatLook) -> bool:
        """Whether a flat document is well-formed, registered, and no target's: what most are, so it is quick."""
        if type(document) is not dict or (look.keys is not None and not document.keys() <= look.keys):
            return False
        # As many keys in the bytes as were parsed: none stands twice, and there is nothing nested.
        if raw.count(b'":') != len(document) or _is_spread(raw):
            return False
        owner = document.get(look.owner) if look.owner is not None else None
        email = document.get(look.email) if look.email is not None else None
        if not (owner is None or type(owner) is str) or not (email is None or type(email) is str):
            return False
        return not self._rules.subjects.may_concern(owner, (email,) if email is not None else ())

    def _require_one_meaning(self, raw: bytes, document: Any) -> None:
        if not isinstance(document, dict):
            raise UnreadableRows(Flaw.FORMAT, "it is no object with keys")
        if _may_have_twins(raw, document):
            json.loads(raw, object_pairs_hook=self._without_twins)

    def _without_twins(self, pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs if key in self._decisive]
        # A parser takes the last of them, and the others would keep what they hold.
        if len(keys) > len(set(keys)):
            raise UnreadableRows(Flaw.KEYS, "a key that decides or is ruled stands twice in one object")

    def _meet(self, document: _Document) -> None:
        unknown = list(_unknown(document, self._known, ""))
        if unknown:
            self._tally.meet(unknown, row=self._number, writes=self._writes)

    def _person_of(self, element: _Document, place: Place) -> Person | None:
        owner = _text(_single(element, place.owner)) if place.owner is not None else None
        emails = [
            email
            for path in place.emails
            for _, value in _values(element, path, (), whole=False)
            if isinstance(value, str) and (email := value)
        ]
        subjects = self._rules.subjects
        if not subjects.may_concern(owner, emails):
            return None
        verdict = subjects.verdict(owner, emails, by_mask=not self._rules.delete)
        self._tally.conflicts += verdict.conflict
        return verdict.person

    def _spliced(self, raw: bytes, document: _Document, changes: Mapping[_Location, str | None]) -> bytes:
        spans = spans_of(raw, self._wanted)
        result = spliced(raw, [(spans.below(location), new) for location, new in changes.items()])
        for location, new in changes.items():
            holder: Any = document
            for step in location[:-1]:
                holder = holder[step]
            holder[location[-1]] = new
        again = _parsed(result)
        # A value that is not a number equals nothing, not even itself.
        if again != document and repr(again) != repr(document):
            raise UnreadableRows(Flaw.FORMAT, "it could not be changed without changing more than was meant")
        return result


def _flat_look(rules: RowRules, known: _Known, decisive: frozenset[str]) -> FlatLook | None:
    """None where rows may hold elements of several people, or say deeper within whose they are."""
    if len(rules.places) != 1 or rules.places[0].element:
        return None
    place = rules.places[0]
    deciding = [path for path in (place.owner, *place.emails) if path is not None]
    if len(place.emails) > 1 or any(len(path) > 1 for path in deciding) or len(set(deciding)) < len(deciding):
        return None
    registered = frozenset(key for key, below in known.below.items() if below.covers and not below.below)
    return FlatLook(
        keys=None if known.covers else registered,
        owner=place.owner[0] if place.owner else None,
        email=place.emails[0][0] if place.emails else None,
        cells=tuple((cell.path[0], cell.rule) for cell in place.cells if len(cell.path) == 1),
        decisive=decisive,
    )


def _paths(place: Place) -> Iterator[Path]:
    yield from (path for path in (place.owner, *place.emails) if path is not None)
    yield from (cell.path for cell in place.cells)


def _wanted(paths: list[Path]) -> Wanted:
    tree: dict[str, Any] = {}
    for path in paths:
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    return tree


def _known(names: frozenset[str]) -> _Known:
    tree = _Known()
    for name in names:
        node = tree
        for step in name.split("."):
            node = node.below.setdefault(step, _Known())
        node.covers = True
    return tree


def _unknown(node: Any, known: _Known, path: str) -> Iterator[str]:
    """Paths that the inventory does not speak of, as they may be shown."""
    if isinstance(node, list):
        for each in node:
            yield from _unknown(each, known, path)
    elif isinstance(node, dict):
        if not known.covers and not node.keys() <= known.below.keys():
            yield from (f"{path}{shown_key(key)}" for key in node.keys() - known.below.keys())
        for key, below in known.below.items():
            if below.below and node.get(key) is not None:
                yield from _unknown(node[key], below, f"{path}{key}.")
    elif node is not None and not known.covers:
        yield path.removesuffix(".")


def _parsed(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Python's own parser takes what Python's own writer writes: NaN, and halves of pairs of surrogates.
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise UnreadableRows(Flaw.FORMAT, "it is no JSON") from None


def _may_have_twins(raw: bytes, document: _Document) -> bool:
    """Whether a key may stand twice in an object, which a parser does not tell: more keys in the bytes than parsed."""
    if _is_spread(raw):
        return True
    keys = raw.count(b'":')
    return keys != len(document) and keys != _keys_in(document)


def _is_spread(raw: bytes) -> bool:
    """Whether a key may stand apart from its colon, so that keys cannot be counted by `":`."""
    return b" :" in raw or b"\t:" in raw or b"\r:" in raw or b"\n:" in raw


def _keys_in(node: Any) -> int:
    if isinstance(node, dict):
        return len(node) + sum(_keys_in(each) for each in node.values() if isinstance(each, dict | list))
    return sum(_keys_in(each) for each in node if isinstance(each, dict | list))


def _elements(node: Any, path: Path, location: _Location) -> Iterator[tuple[_Location, _Document]]:
    """The objects at a path, with where they are; lists on the way are gone through."""
    if isinstance(node, list):
        for at, each in enumerate(node):
            yield from _elements(each, path, (*location, at))
    elif isinstance(node, dict):
        if not path:
            yield location, node
        elif path[0] in node:
            yield from _elements(node[path[0]], path[1:], (*location, path[0]))


def _single(element: _Document, path: Path) -> Any:
    node: Any = element
    for step in path:
        if isinstance(node, list):
            raise UnreadableRows(Flaw.VALUE, f"{'.'.join(path)} leads through an array, marked by [] nowhere")
        node = node.get(step) if isinstance(node, dict) else None
    return node


def _text(value: Any) -> str | None:
    """A value as a text: an id, or what a rule is applied to."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    raise UnreadableRows(Flaw.VALUE, "an object or array stands where one value was expected")


def _values(node: Any, path: Path, location: _Location, *, whole: bool) -> Iterator[tuple[_Location, Any]]:
    """The values at a path, with where they are: of a list each, or the list itself where it is taken as a whole."""
    if not path and (whole or not isinstance(node, list)):
        yield location, node
    elif isinstance(node, list):
        for at, each in enumerate(node):
            yield from _values(each, path, (*location, at), whole=whole)
    elif isinstance(node, dict) and path[0] in node:
        yield from _values(node[path[0]], path[1:], (*location, path[0]), whole=whole)


def _changes(element: _Document, place: Place, person: Person) -> Iterator[tuple[_Location, str | None]]:
    for cell in place.cells:
        for location, value in _values(element, cell.path, (), whole=cell.rule is Rule.CLEAR):
            if value is None:
                continue
            new = _masked_value(cell, value, person)
            if new != value:
                yield location, new


def _masked_value(cell: RuledCell, value: Any, person: Person) -> Any:
    if cell.rule is Rule.CLEAR:
        return None
    if isinstance(value, dict | list):
        raise UnreadableRows(Flaw.VALUE, f"an object stands where {cell.label} has a rule")
    text = _text(value)
    new = masked_text(cell.rule, text, person) if text is not None else None
    return value if new == text else new
