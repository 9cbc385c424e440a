"""Values that list many people: of each object in the JSON it is asked whose it is, and only a target's fields change.

Holds: `masked_shared`, `Shared`.
Add here: another way in which an element of a list names its person.
Keep out: values of one person (`values.py`), and how text is changed (`json_text.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erasure.document_paths import common_depth
from erasure.inventory import InventoryObject
from erasure.rules import Rule
from erasure.stores.redis.json_text import JsonText, Unreadable, loaded, steps_of
from erasure.stores.redis.templates import Wanted
from erasure.stores.redis.values import beyond

_Steps = tuple[str, ...]
# The objects at a path, and where in them the id and the email stand -> what is ruled in them.
_Groups = Mapping[tuple[_Steps, _Steps, _Steps], Sequence[tuple[Rule, _Steps]]]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Shared:
    """A value after its rules; `elements` of its `total` have changed, `unknown` keys in it nobody has ruled."""

    value: bytes
    elements: int
    total: int
    conflicts: int
    unknown: int


def masked_shared(value: bytes, item: InventoryObject, wanted: Wanted) -> Shared:
    """Raises Unreadable where the value is no JSON, or an object in it that is ruled does not say whose it is."""
    document = loaded(value)
    if not isinstance(document, list | dict):
        raise Unreadable
    text = JsonText(value)
    seen: set[int] = set()
    changed: set[int] = set()
    conflicts: set[int] = set()
    for (path, owner, email), ruled in _groups(item).items():
        for begin, element in text.elements(path):
            seen.add(begin)
            who, is_conflict = _owner(element, owner, email, ruled, wanted)
            if is_conflict:
                conflicts.add(begin)
            if who is None:
                continue
            person = wanted.person(who)
            if any([text.mask(rule, rest, person, within=begin) for rule, rest in ruled]):
                changed.add(begin)
    known = {steps_of(name) for name in item.known_fields}
    return Shared(
        value=text.changed(),
        elements=len(changed),
        total=len(seen),
        conflicts=len(conflicts),
        unknown=sum(1 for _ in beyond(document, (), known)),
    )


def _groups(item: InventoryObject) -> _Groups:
    groups: dict[tuple[_Steps, _Steps, _Steps], list[tuple[Rule, _Steps]]] = {}
    for field in item.ruled_fields:
        whose, steps = item.whose(field), steps_of(field.name)
        ways = [steps_of(path) if path else () for path in (whose.owner, whose.email)]
        depth = min(common_depth(steps, way) for way in ways if way)
        owner, email = (way[depth:] for way in ways)
        groups.setdefault((steps[:depth], owner, email), []).append((field.rule, steps[depth:]))
    return groups


def _owner(
    element: Mapping[str, Any],
    owner: _Steps,
    email: _Steps,
    ruled: Sequence[tuple[Rule, _Steps]],
    wanted: Wanted,
) -> tuple[str | None, bool]:
    """The target whose element it is, and whether its id and its email name two people. Raises Unreadable."""
    contributor_id, address = _at(element, owner), _at(element, email)
    by_email = wanted.by_email(address) if isinstance(address, str) else None
    if isinstance(contributor_id, str | int) and not isinstance(contributor_id, bool):
        who = wanted.by_id(str(contributor_id))
        return who, who is None and by_email is not None
    if contributor_id is None and isinstance(address, str):
        return by_email, False
    # Nobody's are an element that says so by null, and one in which nothing is ruled.
    is_said = (
        contributor_id is None and address is None and (_stands(element, owner) or _stands(element, email))
    )
    if is_said or not any(_stands(element, rest) for _, rest in ruled):
        return None, False
    raise Unreadable


def _at(node: Any, steps: _Steps) -> Any:
    for step in steps:
        node = node.get(step) if isinstance(node, dict) else None
    return node if steps else None


def _stands(node: Any, steps: _Steps) -> bool:
    *above, last = steps or ("",)
    around = _at(node, tuple(above)) if above else node
    # A list between an element and a ruled field of it: it may hold one.
    return isinstance(around, list) or (bool(steps) and isinstance(around, dict) and last in around)
