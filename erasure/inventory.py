"""The inventory: where personal data lies, whose it is, and which rule applies, as frozen dataclasses.

It is read from the sources of dbt's manifest, so that dbt, its docs and Python read the same lines.
Add here: a key that an object or a field may carry, with its validation; dbt itself is silent about misspelled keys.
Keep out: names of tables, indices or keys (they stand in `dbt_project/models/<world>/inventory/`), and I/O.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from erasure.errors import BadInput
from erasure.rules import CAPABILITIES, Rule

SQL_STORES = frozenset({"postgres", "clickhouse"})
ALL_STORES = ("postgres", "clickhouse", "elasticsearch", "s3", "redis")
_SLUG = re.compile(r"^[A-Za-z0-9_]+$")
_OBJECT_KEYS: Mapping[str, frozenset[str]] = {
    "postgres": frozenset({"subject", "primary_key", "access", "waived"}),
    "clickhouse": frozenset({"subject", "primary_key", "waived"}),
    "elasticsearch": frozenset({"index", "waived"}),
    "s3": frozenset({"key", "rule"}),
    "redis": frozenset({"key", "rule", "subject", "index", "members", "ends_access"}),
}
_FIELD_KEYS = frozenset({"rule", "reason", "owner"})


@dataclass(frozen=True, kw_only=True)
class Via:
    """A parent that says whose a record is: `column` of the child refers to `parent_column` of `table`."""

    table: str
    column: str
    parent_column: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose a record is: by id, by email where the id is absent or NULL, or through a parent."""

    contributor_id: str | None = None
    email: str | None = None
    via: Via | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The column that says whether a contributor may work: its value while one may, and once access is revoked."""

    column: str
    active: str
    revoked: str


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column, or a path in a document such as `judgments[].workerEmail`, and its rule.

    `owner` is the path of the contributor id that the field belongs to (documents only).
    """

    name: str
    rule: Rule
    reason: str | None = None
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class InventoryObject:
    """What a rule applies to within a store: a table, an index pattern, a key pattern.

    `location` is the table's name, the index pattern or the key template; `rule` is `delete` where whole records go.
    """

    store: str
    name: str
    source: str
    schema: str
    location: str
    subject: Subject
    primary_key: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    rule: Rule | None = None
    access: Access | None = None
    index: str | None = None
    members: str | None = None
    ends_access: bool = False
    waived: str | None = None

    @property
    def ruled_fields(self) -> tuple[Field, ...]:
        """The fields that masking may change."""
        return tuple(field for field in self.fields if field.rule is not Rule.KEEP)

    @property
    def known_fields(self) -> frozenset[str]:
        """Every column or path that the inventory speaks of; anything else in the store is unregistered."""
        subject = self.subject
        parent = subject.via.column if subject.via else None
        named = [subject.contributor_id, subject.email, parent, *self.primary_key]
        owners = [field.owner for field in self.fields]
        return frozenset(name for name in [*named, *owners] if name) | {field.name for field in self.fields}

    @property
    def is_per_person(self) -> bool:
        """Whether a record of it belongs to one person by its nature, so that shares of it say nothing."""
        return "{contributor_id}" in self.location or self.primary_key == (self.subject.contributor_id,)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All objects of a world."""

    world: str
    objects: tuple[InventoryObject, ...]

    def of(self, store: str) -> tuple[InventoryObject, ...]:
        """The objects of a store that are not waived; children before the parent they are reached through."""
        mine = [item for item in self.objects if item.store == store and item.waived is None]
        return tuple(sorted(mine, key=lambda item: (-_depth(item, mine), item.name)))

    def registered(self, store: str) -> tuple[InventoryObject, ...]:
        """The objects of a store, the waived ones too."""
        return tuple(item for item in self.objects if item.store == store)

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores that hold personal data, in the order of `ALL_STORES`."""
        return tuple(store for store in ALL_STORES if self.of(store))

    @property
    def contributors(self) -> InventoryObject:
        """The table whose access column ends access; there is exactly one."""
        return next(item for item in self.objects if item.access is not None)

    @cached_property
    def digest(self) -> str:
        """Names the inventory and its rules: 64 hexadecimal digits that change with any line of it."""
        return hashlib.sha256(json.dumps(repr(self.objects)).encode()).hexdigest()


def _depth(item: InventoryObject, among: list[InventoryObject]) -> int:
    parent = item.subject.via.table if item.subject.via else None
    for other in among:
        if other.name == parent and other is not item:
            return 1 + _depth(other, [rest for rest in among if rest is not item])
    return 0


class _Reader:
    """Collects every problem of an inventory, so that a user mends the file once."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def object(self, node: Mapping[str, Any]) -> InventoryObject | None:
        path = str(node.get("original_file_path", "the inventory"))
        meta = dict(node.get("source_meta") or {}) | _meta(node)
        store = str(meta.pop("store", ""))
        where = f"{path}: {node['source_name']}.{node['name']}"
        if store not in CAPABILITIES:
            self._wrong(where, f"store {store!r} is not known; expected one of {', '.join(ALL_STORES)}")
            return None
        unknown = sorted(set(meta) - _OBJECT_KEYS[store])
        if unknown:
            known = ", ".join(sorted(_OBJECT_KEYS[store]))
            self._wrong(where, f"unknown key {', '.join(unknown)}; {store} knows {known}")
            return None
        if not _SLUG.match(str(node["name"])):
            self._wrong(where, "a name has letters, digits and underscores only; patterns stand in meta")
            return None
        fields = tuple(self._fields(node, store=store, where=where))
        item = self._guard(where, lambda: _build(node, meta, store, fields))
        if item is not None and item.waived is None:
            self._check(item, where)
        return item

    def _fields(self, node: Mapping[str, Any], *, store: str, where: str) -> Iterator[Field]:
        for name, column in (node.get("columns") or {}).items():
            meta = _meta(column)
            unknown = sorted(set(meta) - _FIELD_KEYS)
            if unknown:
                known = ", ".join(sorted(_FIELD_KEYS))
                self._wrong(f"{where}.{name}", f"unknown key {', '.join(unknown)}; known are {known}")
                continue
            rule = str(meta.get("rule"))
            if rule not in set(Rule):
                self._wrong(
                    f"{where}.{name}", f"rule {rule!r} is not known; expected one of {', '.join(Rule)}"
                )
                continue
            if Rule(rule) not in CAPABILITIES[store]:
                able = ", ".join(sorted(CAPABILITIES[store]))
                self._wrong(f"{where}.{name}", f"{store} cannot do the rule {rule}; it can do {able}")
                continue
            if Rule(rule) is Rule.KEEP and not meta.get("reason"):
                self._wrong(f"{where}.{name}", "keep needs a reason")
                continue
            yield Field(name=name, rule=Rule(rule), reason=meta.get("reason"), owner=meta.get("owner"))

    def _check(self, item: InventoryObject, where: str) -> None:
        if item.store in SQL_STORES:
            if not item.primary_key:
                self._wrong(where, "needs primary_key, the columns that tell its records apart")
            if item.subject == Subject():
                self._wrong(where, "needs a subject: contributor_id, email or via, to say whose a record is")
            if item.subject.contributor_id is None and any(f.rule is Rule.UNIQUE for f in item.fields):
                self._wrong(where, "the rule unique needs a subject with a contributor_id")
        elif item.store == "elasticsearch":
            for field in item.ruled_fields:
                if field.owner is None:
                    self._wrong(
                        f"{where}.{field.name}", "needs owner, the path of the contributor id it belongs to"
                    )
                elif _parent(field.owner) != _parent(field.name):
                    self._wrong(f"{where}.{field.name}", "its owner must stand in the same object or element")
        elif item.rule is None:
            self._wrong(
                where, f"needs rule; {item.store} can do {', '.join(sorted(CAPABILITIES[item.store]))}"
            )
        elif "{contributor_id}" not in item.location and not item.members and not item.subject.contributor_id:
            self._wrong(where, "needs {contributor_id} in its key, members, or a subject")

    def _guard(self, where: str, build: Callable[[], InventoryObject]) -> InventoryObject | None:
        try:
            return build()
        except (TypeError, ValueError, KeyError) as error:
            self._wrong(where, f"is not of the expected form ({error})")
            return None

    def _wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")


def _meta(node: Mapping[str, Any]) -> dict[str, Any]:
    return dict((node.get("config") or {}).get("meta") or node.get("meta") or {})


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _subject(declared: Mapping[str, Any]) -> Subject:
    via = declared.get("via")
    rest = {key: value for key, value in declared.items() if key != "via"}
    return Subject(**rest, via=Via(**via) if via else None)


def _build(
    node: Mapping[str, Any], meta: Mapping[str, Any], store: str, fields: tuple[Field, ...]
) -> InventoryObject:
    access = meta.get("access")
    return InventoryObject(
        store=store,
        name=str(node["name"]),
        source=str(node["source_name"]),
        schema=str(node["schema"]),
        location=str(meta.get("index" if store == "elasticsearch" else "key") or node["identifier"]),
        subject=_subject(meta.get("subject") or {}),
        primary_key=tuple(meta.get("primary_key") or ()),
        fields=fields,
        rule=Rule(meta["rule"]) if "rule" in meta else None,
        access=Access(**access) if access else None,
        index=meta.get("index") if store == "redis" else None,
        members=meta.get("members"),
        ends_access=bool(meta.get("ends_access", False)),
        waived=meta.get("waived"),
    )


def read_inventory(sources: Mapping[str, Mapping[str, Any]], *, world: str) -> Inventory:
    """Turns the `sources` of dbt's manifest into the inventory of a world.

    Raises BadInput with one sentence for each wrong line: unknown keys, rules and stores, objects without a subject,
    rules that the store cannot do, a world without the table whose access column ends access.
    """
    reader = _Reader()
    mine = [node for node in sources.values() if str(node["source_name"]).startswith(f"{world}_")]
    read = [reader.object(node) for node in sorted(mine, key=lambda node: str(node["unique_id"]))]
    objects = tuple(item for item in read if item is not None)
    if not mine:
        reader.problems.append(
            f"no source named {world}_<store>; set [erasure] world to a folder in dbt_project/models"
        )
    elif sum(item.access is not None for item in objects) != 1:
        reader.problems.append(
            f"{world}: exactly one table declares access, found {sum(i.access is not None for i in objects)}"
        )
    if reader.problems:
        raise BadInput("The inventory is wrong; nothing was changed.", reader.problems)
    return Inventory(world=world, objects=objects)
