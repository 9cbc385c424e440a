"""What indices say of the fields that the inventory rules, before anything is counted.

Holds: `problems_of_fields`, which refuse a plan, and `notices_of`, which say how the rest is handled.
Add here: another way in which an index would hide a value from masking, or not take the masked one.
Keep out: what a mapping says of a path (`mapped.py`), and requests.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from erasure.document_paths import plain
from erasure.inventory import InventoryObject
from erasure.stores.search.failures import STORE
from erasure.stores.search.layout import Layout, leaf_fields
from erasure.stores.search.mapped import UNSEEN, candidates_in, find, why_not
from erasure.stores.search.requests import is_masked_in_the_engine

_UUID = ("0" * 36,)
_PIPELINES = ("index.default_pipeline", "index.final_pipeline")
_LENIENT = "index.mapping.ignore_malformed"


def problems_of_fields(item: InventoryObject, layouts: Mapping[str, Layout], *, file: str) -> Iterator[str]:
    """What must be mended first, a sentence each."""
    here = f"{item.name} in {file}"
    known = {plain(path) for path in item.known_fields}
    for name, layout in sorted(layouts.items()):
        if not layout.keeps_whole_source:
            yield f"{STORE}: index {name} does not keep its whole _source; reindex it, or take it out of {here}"
        if item.is_masked and item.rule is not None:
            continue
        for path in leaf_fields(layout.mapping):
            if not _is_known(path, known):
                yield f"{STORE}: index {name} has the field {path}; give it a rule at {here}"
        for ruled in item.ruled_fields:
            why = why_not(
                layout.mapping, plain(ruled.name), ruled.rule, lenient=layout.settings.get(_LENIENT) == "true"
            )
            if why is not None:
                yield f"{STORE}: index {name} has the field {plain(ruled.name)}, {why}; change its rule at {here}"
            if layout.is_in_a_stream and ruled.name == "@timestamp":
                yield f"{STORE}: index {name} is of a data stream, which needs its @timestamp; keep it at {here}"
    for path in sorted(_decisive(item)):
        if layouts and all(find(layout.mapping, path) is None for layout in layouts.values()):
            yield f"{STORE}: no index of {item.location} has the field {path}; correct it at {here}, or take it out"


def notices_of(item: InventoryObject, layouts: Mapping[str, Layout]) -> Iterator[str]:
    """What whoever reviews the plan should know, a sentence each."""
    place = f"{STORE}: {item.location}"
    for path in sorted(owners_of(item)):
        hidden = [
            name for name, layout in layouts.items() if candidates_in(layout.mapping, path, _UUID) is None
        ]
        if hidden:
            yield f"{place}: {path} cannot be searched for whole ids in {_these(hidden)}; all documents there are read"
    for ruled in item.ruled_fields:
        path = plain(ruled.name)
        unseen = [name for name, layout in layouts.items() if _is_unseen(layout.mapping, path)]
        if unseen:
            yield f"{place}: the mapping does not look into {path} in {_these(unseen)}; it is masked in the documents"
    if not is_masked_in_the_engine(item):
        yield f"{place}: has rules that are applied outside the engine; its documents are read and written in pages"
    for what, found in (
        ("hidden, and masked like the others", [n for n, one in layouts.items() if one.is_hidden]),
        (
            "of a mapping that takes in fields without naming them (dynamic: false), whatever these may hold",
            [name for name, one in layouts.items() if _takes_in_silence(one.mapping)],
        ),
        (
            "blocked for writing (index.blocks); lift that before the batch is executed",
            [name for name, one in layouts.items() if one.is_blocked],
        ),
        (
            "with an ingest pipeline of their own, which runs on masked documents too; what it puts back is counted",
            [name for name, one in layouts.items() if _has_pipeline(one.settings)],
        ),
    ):
        if found:
            yield f"{place}: {_these(found)}: {what}"


def owners_of(item: InventoryObject) -> frozenset[str]:
    """The paths of the ids that say whose something is."""
    if item.rule is not None:
        return frozenset(filter(None, [item.subject.contributor_id]))
    whose = [item.whose(field) for field in item.ruled_fields]
    return frozenset(plain(one.owner) for one in whose if one.owner)


def _decisive(item: InventoryObject) -> Iterable[str]:
    """The paths without which somebody would be missed."""
    said = {item.subject.contributor_id, item.subject.email} if item.rule is not None else set()
    for field in item.ruled_fields:
        whose = item.whose(field)
        said |= {field.name, whose.owner, whose.email}
    return {plain(path) for path in said if path}


def _is_known(path: str, known: set[str]) -> bool:
    steps = path.split(".")
    return any(".".join(steps[:end]) in known for end in range(1, len(steps) + 1))


def _is_unseen(mapping: Mapping[str, Any], path: str) -> bool:
    spot = find(mapping, path)
    return spot is not None and (spot.kind == UNSEEN or spot.definition.get("enabled") is False)


def _takes_in_silence(mapping: Mapping[str, Any]) -> bool:
    silent = str(mapping.get("dynamic", "true")).lower() in ("false", "runtime")
    inner = (mapping.get("properties") or {}).values()
    return silent or any("properties" in field and _takes_in_silence(field) for field in inner)


def _has_pipeline(settings: Mapping[str, Any]) -> bool:
    return any(settings.get(name, "_none") != "_none" for name in _PIPELINES)


def _these(names: list[str]) -> str:
    first = min(names)
    return f"index {first}" if len(names) == 1 else f"{len(names)} indices, first {first}"
