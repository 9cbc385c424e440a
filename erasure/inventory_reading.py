"""Turns the sources of dbt's manifest into the inventory, and refuses every line that is wrong, all at once.

dbt, its docs and Python read the same lines; dbt itself is silent about misspelled keys and wrong values.
Add here: how what was declared becomes an object or a field.
Keep out: the forms of keys (`inventory_forms.py`), what well-formed objects must still fulfil (`inventory_checks/`),
I/O, and the YAML itself (`dagster_defs/inventory_files.py`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from erasure.errors import BadInput
from erasure.inventory import (
    ALL_STORES,
    SQL_STORES,
    Access,
    Field,
    Inventory,
    InventoryObject,
    Rows,
    Subject,
    Via,
)
from erasure.inventory_checks.problems import problems_among, problems_of
from erasure.inventory_forms import (
    LOCATION_KEYS,
    OBJECT_KEYS,
    DeclaredColumn,
    DeclaredKey,
    DeclaredObject,
    sentences_of,
)
from erasure.rules import CAPABILITIES, Rule

_SLUG = re.compile(r"[A-Za-z0-9_]+")


def read_inventory(sources: Mapping[str, Mapping[str, Any]], *, world: str) -> Inventory:
    """Turns the `sources` of dbt's manifest into the inventory of a world.

    Raises BadInput with one sentence for each wrong line: unknown keys, rules and stores, wrong forms, objects without
    a subject, rules that the store cannot do, double names, a world without the table whose access column ends access.
    """
    mine = {
        node_id: node
        for node_id, node in sources.items()
        if str(node["source_name"]).startswith(f"{world}_")
        or str(node.get("original_file_path", "")).startswith(f"models/{world}/")
    }
    if not mine:
        raise BadInput(
            "The inventory is wrong; nothing was changed.",
            [f"no source named {world}_<store>; set [erasure] world to a folder in dbt_project/models"],
        )
    reader = _Reader(world)
    read = [reader.object(mine[node_id]) for node_id in sorted(mine)]
    objects = tuple(item for item in read if item is not None)
    # An object that could not be read is missing here: what is said of all would then be wrong.
    problems = reader.problems or list(problems_among(objects, reader.places, world=world))
    if problems:
        raise BadInput("The inventory is wrong; nothing was changed.", problems)
    return Inventory(world=world, objects=objects)


class _Reader:
    """Collects every problem of an inventory, so that a user mends the file once."""

    def __init__(self, world: str) -> None:
        self._world = world
        self.problems: list[str] = []
        # (store, name) -> file and name, as sentences begin.
        self.places: dict[tuple[str, str], str] = {}

    def object(self, node: Mapping[str, Any]) -> InventoryObject | None:
        where = f"{node.get('original_file_path', 'the inventory')}: {node['source_name']}.{node['name']}"
        before = len(self.problems)
        source_meta = self._meta(node.get("source_meta"), where)
        meta = source_meta | self._meta(_config_meta(node), where)
        store = str(meta.pop("store", ""))
        if store not in CAPABILITIES:
            self._wrong(where, f"store {store!r} is not known; expected one of {', '.join(ALL_STORES)}")
            return None
        if node["source_name"] != f"{self._world}_{store}":
            self._wrong(where, f"a source of {store} is named {self._world}_{store} in this world")
        if not _SLUG.fullmatch(str(node["name"])):
            self._wrong(where, "a name has letters, digits and underscores only; patterns stand in meta")
        declared = self._declared(meta, store, where)
        fields = tuple(self._fields(node, store=store, where=where))
        if declared is None or len(self.problems) > before:
            return None
        item = _build(node, declared, store, fields)
        self.places[store, item.name] = where
        self.problems += [f"{where}{problem}" for problem in problems_of(item)]
        return item

    def _meta(self, found: Any, where: str) -> dict[str, Any]:
        if found is None:
            return {}
        if isinstance(found, Mapping) and all(isinstance(key, str) for key in found):
            return dict(found)
        self._wrong(where, "meta: expected keys and values")
        return {}

    def _declared(self, meta: Mapping[str, Any], store: str, where: str) -> DeclaredObject | None:
        self._unknown(meta, OBJECT_KEYS[store], where, store)
        known = {key: value for key, value in meta.items() if key in OBJECT_KEYS[store]}
        try:
            declared = DeclaredObject.model_validate(known)
        except ValidationError as error:
            for sentence in sentences_of(error):
                self._wrong(where, sentence)
            return None
        if declared.rule is not None:
            self._rule(declared.rule, store, where)
        ways = LOCATION_KEYS.get(store, ())
        given = [way for way in ways if getattr(declared, way) is not None]
        if ways and not given:
            self._wrong(where, f"needs {' or '.join(ways)}, the pattern by which its records are found")
        if len(given) > 1:
            self._wrong(where, f"has {' and '.join(given)}; records are found by one of them")
        return declared

    def _fields(self, node: Mapping[str, Any], *, store: str, where: str) -> Iterator[Field]:
        for name, column in (node.get("columns") or {}).items():
            at = f"{where}.{name}"
            before = len(self.problems)
            meta = self._meta(_config_meta(column), at)
            self._unknown(meta, _COLUMN_KEYS[store in SQL_STORES], at, "a column")
            if len(self.problems) > before:
                continue
            try:
                declared = DeclaredColumn.model_validate(meta)
            except ValidationError as error:
                for sentence in sentences_of(error):
                    self._wrong(at, f"{sentence}{_ONE_OF_RULES if 'rule' in sentence else ''}")
                continue
            yield from self._field(name, declared, store=store, at=at)

    def _field(self, name: str, declared: DeclaredColumn, *, store: str, at: str) -> Iterator[Field]:
        if declared.rule and declared.keys:
            self._wrong(at, "has both rule and keys; what is within it is ruled by its keys")
            return
        if not declared.rule and not declared.keys:
            self._wrong(at, f"rule: is missing{_ONE_OF_RULES}")
            return
        parts: Mapping[str, DeclaredColumn | DeclaredKey] = declared.keys or {"": declared}
        for key, part in parts.items():
            place = f"{at}.{key}" if key else at
            before = len(self.problems)
            rule = self._rule(part.rule, store, place)
            if rule is Rule.DELETE and store in SQL_STORES:
                self._wrong(place, "delete is for whole records and stands in the meta of the table")
            if rule is Rule.KEEP and part.reason is None:
                self._wrong(place, "keep needs a reason")
            if len(self.problems) == before and rule is not None:
                yield Field(
                    name=name,
                    rule=rule,
                    reason=part.reason,
                    owner=declared.owner,
                    email=declared.email,
                    path=tuple(key.split(".")) if key else (),
                    elements=declared.elements,
                    volatile=declared.volatile,
                )

    def _rule(self, rule: str, store: str, where: str) -> Rule | None:
        if rule not in set(Rule):
            self._wrong(where, f"rule {rule!r} is not known{_ONE_OF_RULES}")
            return None
        if Rule(rule) not in CAPABILITIES[store]:
            able = ", ".join(sorted(CAPABILITIES[store]))
            self._wrong(where, f"{store} cannot do the rule {rule}; it can do {able}")
            return None
        return Rule(rule)

    def _unknown(self, meta: Mapping[str, Any], known: frozenset[str], where: str, who: str) -> None:
        unknown = sorted(set(meta) - known)
        if unknown:
            self._wrong(where, f"unknown key {', '.join(unknown)}; {who} knows {', '.join(sorted(known))}")

    def _wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")


# What a column of a table knows, and what a field of a document does.
_COLUMN_KEYS = {
    True: frozenset(DeclaredColumn.model_fields),
    False: frozenset({"rule", "reason", "owner", "email"}),
}
_ONE_OF_RULES = f"; expected one of {', '.join(Rule)}"


def _config_meta(node: Mapping[str, Any]) -> Any:
    return (node.get("config") or {}).get("meta") or node.get("meta")


def _build(
    node: Mapping[str, Any], declared: DeclaredObject, store: str, fields: Sequence[Field]
) -> InventoryObject:
    subject, access = declared.subject, declared.access
    return InventoryObject(
        store=store,
        name=str(node["name"]),
        source=str(node["source_name"]),
        schema=str(node["schema"]),
        location=(declared.index if store == "elasticsearch" else declared.key or declared.glob)
        or str(node["identifier"]),
        subject=Subject(
            contributor_id=subject.contributor_id,
            email=subject.email,
            via=Via(**subject.via.model_dump()) if subject.via else None,
        ),
        primary_key=tuple(declared.primary_key),
        fields=tuple(fields),
        rule=Rule(declared.rule) if declared.rule else None,
        access=Access(**access.model_dump()) if access else None,
        id_form=declared.id_form,
        index=declared.index if store == "redis" else None,
        members=declared.members,
        db=declared.db,
        ends_access=declared.ends_access,
        rows=_rows(declared),
        waived=declared.waived or None,
        bucket=declared.bucket,
        tag=declared.tag,
        metadata=declared.metadata,
    )


def _rows(declared: DeclaredObject) -> Rows | None:
    if declared.glob is None:
        return None
    return Rows(
        format=declared.format,
        compression=declared.compression,
        delimiter=declared.delimiter,
        encoding=declared.encoding,
    )
