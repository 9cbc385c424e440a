"""Judges one document here, for rules that a task of the engine must not be told the means of.

Holds: `Judge`: the same decisions as the script's (`script.py`), and new values by `erasure.rules.apply`.
Add here: how a rule treats a value that is no text.
Keep out: the engine. `tests/contract/test_search_shapes.py` holds this and the script to each other.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from erasure.inventory import InventoryObject
from erasure.rules import MASK, Person, Rule, apply, is_mask, normalise_email
from erasure.stores.search.shapes import Place, Trail, places_of
from erasure.targets import TargetSet

_UUID_LENGTH = 36
# What may stand behind a day: its time and zone, which the first day of a year does not keep.
_TIME = re.compile(r"[T ][0-9:.,]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?")
_DAY_LENGTH = 10

Steps = tuple[str | int, ...]
_NAMED, _MASKED, _OTHER = 1, 2, 4
_MINE, _THEIRS = 1, 2


@dataclass(frozen=True, kw_only=True, repr=False)
class Change:
    """A value of a document that is not in its masked form, and what it becomes. Its repr shows nothing."""

    steps: Steps
    value: Any


@dataclass(kw_only=True, repr=False)
class Finding:
    """What a document holds: its changes, and the figures that the counting script has of it."""

    changes: list[Change] = field(default_factory=list)
    by_email: int = 0
    total_elements: int = 0
    conflicts: int = 0
    touched: int = 0
    masked: int = 0
    lasting: int = 0


@dataclass(frozen=True, kw_only=True, repr=False)
class _Node:
    """An object on the way to a field: what it is, where it stands, how many steps of the path it has taken."""

    value: Mapping[str, Any]
    steps: Steps
    depth: int


class Judge:
    """Knows the places of an index pattern and the people of a batch."""

    def __init__(self, item: InventoryObject, targets: TargetSet) -> None:
        self._places = places_of(item)
        self._targets = targets

    def examine(self, source: Mapping[str, Any]) -> Finding:
        """What is to be changed in a document; changes nothing."""
        finding = Finding()
        for place in self._places:
            for chain in _chains(source, place, (), 0, ()):
                self._weigh(place, chain, finding)
        return finding

    def _weigh(self, place: Place, chain: tuple[_Node, ...], finding: Finding) -> None:
        element = chain[-1]
        held = {
            name: rule
            for name, rule in place.fields[element.depth].items()
            if element.value.get(name) is not None
        }
        if not held:
            return
        finding.total_elements += len(held)
        own = {name: self._look(element.value[name]) for name in held}
        if place.email is None:
            deciding = list(own.values())
            split = False
        else:
            said = self._look(_whose(chain, place.email))
            deciding = [said]
            split = bool(said & _NAMED and said & _OTHER)
        worn = _MASKED in deciding
        named = any(one & _NAMED for one in deciding)
        decided = any(one & _NAMED and not one & _OTHER for one in deciding)
        owners = _whose(chain, place.owner)
        known = [self._target(owner) for owner in owners]
        target = bool(owners) and all(one is not None for one in known)
        foreign = any(one is None for one in known)
        mixed = foreign and any(one is not None for one in known)
        if target or worn or any(one & _MASKED for one in own.values()):
            finding.touched = 1
        if mixed or (foreign and named) or (not owners and split):
            finding.conflicts += 1
        everything = target or worn or (not owners and decided)
        some = not everything and not owners and named and place.email is None
        person = self._person_of(place, chain, owners, known if target else [])
        for name, rule in held.items():
            value = element.value[name]
            new = value
            if everything or some:
                new = self._masked(value, rule, person, everything=everything)
            if new == value and type(new) is type(value):
                finding.masked += everything or bool(own[name] & _MASKED)
                continue
            finding.by_email += not target and not worn
            finding.lasting += rule is not Rule.CLEAR
            finding.changes.append(Change(steps=(*element.steps, name), value=new))

    def _person_of(
        self, place: Place, chain: tuple[_Node, ...], owners: Sequence[Any], known: Sequence[str | None]
    ) -> Person:
        ids = [one for one in known if one is not None]
        if not ids and not owners:
            values = _whose(chain, place.email) if place.email else list(self._own(place, chain[-1]))
            ids = sorted(set(self._named(values)))
        if ids:
            return self._person(*ids)
        return Person(contributor_id=_text(owners[0]) if owners else "")

    @staticmethod
    def _own(place: Place, element: _Node) -> Iterator[Any]:
        for name in place.fields[element.depth]:
            yield element.value.get(name)

    def _person(self, *ids: str) -> Person:
        targets = self._targets
        people = {targets.persons.get(one, one) for one in ids}
        needles = sorted({needle for one in people for needle in targets.needles_of.get(one, ())})
        return Person(contributor_id=ids[0], needles=tuple(needles), salt=targets.salts.get(ids[0], ""))

    def _target(self, owner: Any) -> str | None:
        """The id as the target set writes it; UUIDs in any case."""
        text = _text(owner)
        if text in self._targets.contributor_ids:
            return text
        if len(text) == _UUID_LENGTH and normalise_email(text) in self._targets.contributor_ids:
            return normalise_email(text)
        return None

    def _look(self, value: Any) -> int:
        if value is None:
            return 0
        if isinstance(value, list):
            seen = 0
            for each in value:
                seen |= self._look(each)
            return seen
        if not isinstance(value, str):
            return _OTHER
        if is_mask(value):
            return _MASKED
        return _NAMED if normalise_email(value) in self._targets.emails else _OTHER

    def _named(self, value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for each in value:
                yield from self._named(each)
        elif isinstance(value, str) and not is_mask(value):
            found = self._targets.emails.get(normalise_email(value))
            if found is not None:
                yield found

    def _masked(self, value: Any, rule: Rule, person: Person, *, everything: bool) -> Any:
        if value is None:
            return None
        if isinstance(value, list):
            if rule is Rule.CLEAR and everything:
                return None if any(each is not None for each in value) else value
            return [self._masked(each, rule, person, everything=everything) for each in value]
        if everything:
            return masked_value(rule, value, person)
        if self._look(value) != _NAMED:
            return value
        # An entry that names a target among others belongs to that one alone.
        return masked_value(rule, value, self._person(*self._named(value)))


def masked_value(rule: Rule, value: Any, person: Person) -> Any:
    """A single value of a document after its rule, by `erasure.rules.apply`; of what is no text, its JSON is taken."""
    if isinstance(value, dict):
        if rule is Rule.SCRUB_TEXT:
            return {key: _scrubbed(held, person) for key, held in value.items()}
        return apply(rule, json.dumps(value), person)
    if not isinstance(value, str):
        text = json.dumps(value)
        new = apply(rule, text, person)
        return value if new == text else new
    if rule is Rule.UNIQUE and not person.contributor_id:
        # Nobody is known any more whose record this was; so says the SQL of this rule too.
        return value if is_mask(value) else MASK
    if rule is Rule.COARSEN_DATE and _TIME.fullmatch(value[_DAY_LENGTH:]):
        return _coarse_moment(value, person)
    return apply(rule, value, person)


def _scrubbed(value: Any, person: Person) -> Any:
    if isinstance(value, list):
        return [_scrubbed(each, person) for each in value]
    return None if value is None else masked_value(Rule.SCRUB_TEXT, value, person)


def _coarse_moment(value: str, person: Person) -> str | None:
    # Documents write days with their time, and a mapping of dates takes what has the same form.
    day = apply(Rule.COARSEN_DATE, value[:_DAY_LENGTH], person)
    return day if day == MASK else f"{day}{re.sub('[0-9]', '0', value[_DAY_LENGTH:])}"


def _chains(
    node: Any, place: Place, steps: Steps, depth: int, above: tuple[_Node, ...]
) -> Iterator[tuple[_Node, ...]]:
    """The objects on the way to each that may hold fields of a place, the innermost last."""
    if isinstance(node, list):
        for number, each in enumerate(node):
            yield from _chains(each, place, (*steps, number), depth, above)
    elif isinstance(node, dict):
        chain = (*above, _Node(value=node, steps=steps, depth=depth))
        yield chain
        for name, end in place.ways[depth]:
            if node.get(name) is not None:
                yield from _chains(node[name], place, (*steps, name), end, chain)


def _whose(chain: tuple[_Node, ...], trail: Trail | None) -> list[Any]:
    """What stands at a trail, seen from the nearest object that has something there."""
    if trail is None:
        return []
    for node in reversed(chain):
        if node.depth <= trail.depth:
            found = list(_collected(node.value, trail, node.depth, lists=node.depth == trail.depth))
            if found:
                return found
    return []


def _collected(node: Any, trail: Trail, at: int, *, lists: bool) -> Iterator[Any]:
    if isinstance(node, list):
        if lists or at == trail.length:
            for each in node:
                yield from _collected(each, trail, at, lists=lists)
    elif at == trail.length:
        if node is not None:
            yield node
    elif isinstance(node, dict):
        for name, end in trail.ways[at]:
            if node.get(name) is not None:
                yield from _collected(node[name], trail, end, lists=lists)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
