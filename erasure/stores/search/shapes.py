"""Where the ruled fields of documents stand, and where it is written whose they are: the inventory as a table.

Holds: `Place`, `Trail`, `places_of`, `record_of`.
Add here: another way in which the inventory says whose something is.
Keep out: walking through documents (`script.py` in the engine, `elements.py` here), and values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from erasure.document_paths import common_depth, steps_of
from erasure.inventory import Field, InventoryObject
from erasure.rules import Rule

# What stands at a step of a path: ways to go on, as (name, steps taken by then). A source may write
# `{"latest": {"workerEmail": ...}}` or `{"latest.workerEmail": ...}`; the mapping is the same.
Ways = tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Trail:
    """The way to an id or an email, from any object on the way to a field.

    depth: how many steps it shares with the field; beyond them it leads through lists as well.
    ways: for each step, the ways to go on.
    """

    depth: int
    ways: tuple[Ways, ...]

    @property
    def length(self) -> int:
        """How many steps lead to the value."""
        return len(self.ways)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Ruled fields of one object, which belong to the same person.

    ways: for each step towards their object, the ways to go on.
    fields: for each step, the name that a field has from there, and its rule.
    email: what decides where there is no id; None where the ruled values themselves do.
    """

    ways: tuple[Ways, ...]
    fields: tuple[Mapping[str, Rule], ...]
    owner: Trail | None = None
    email: Trail | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """Whose a whole document is."""

    owner: Trail | None = None
    email: Trail | None = None


@dataclass(kw_only=True)
class _Group:
    parent: tuple[str, ...]
    owner: str | None
    email: str | None
    fields: list[Field] = field(default_factory=list)


def places_of(item: InventoryObject) -> tuple[Place, ...]:
    """The ruled fields of an index pattern, grouped by the object they stand in and by what says whose they are."""
    groups: dict[tuple[object, ...], _Group] = {}
    for ruled in item.ruled_fields:
        whose = item.whose(ruled)
        parent = steps_of(ruled.name)[:-1]
        # A field that is its own email decides for itself alone.
        alone = ruled.name if whose.email == ruled.name else None
        group = _Group(parent=parent, owner=whose.owner, email=None if alone else whose.email)
        groups.setdefault((parent, whose.owner, whose.email, alone), group).fields.append(ruled)
    return tuple(_place(group) for group in groups.values())


def record_of(item: InventoryObject) -> Record | None:
    """Whose the documents of an index pattern are, where they go as a whole."""
    if item.rule is not Rule.DELETE:
        return None
    return Record(owner=_trail(item.subject.contributor_id, ("",)), email=_trail(item.subject.email, ("",)))


def _place(group: _Group) -> Place:
    parent = group.parent
    depths = range(len(parent) + 1)
    inside = (*parent, "")
    return Place(
        ways=tuple(
            tuple((".".join(parent[at:end]), end) for end in range(at + 1, len(parent) + 1)) for at in depths
        ),
        fields=tuple(
            {".".join((*parent, steps_of(ruled.name)[-1])[at:]): ruled.rule for ruled in group.fields}
            for at in depths
        ),
        owner=_trail(group.owner, inside),
        email=_trail(group.email, inside),
    )


def _trail(path: str | None, inside: tuple[str, ...]) -> Trail | None:
    if path is None:
        return None
    steps = steps_of(path)
    ways = tuple(
        tuple((".".join(steps[at:end]), end) for end in range(at + 1, len(steps) + 1))
        for at in range(len(steps))
    )
    return Trail(depth=common_depth(steps, inside), ways=ways)
