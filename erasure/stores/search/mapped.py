"""What a mapping says of a path: its type, whether the index finds whole ids there, what it can hold.

Holds: `Spot`, `find`, `candidates_in`, `why_not`.
Add here: a parameter or type of mappings that hides values from queries, or that a masked value does not fit.
Keep out: requests, and what of it is told to whom (`field_checks.py`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erasure.document_paths import steps_of
from erasure.rules import Rule
from erasure.stores.search.requests import Candidates

# Where an object above is stored without being looked into, so that the mapping does not speak of the path.
UNSEEN = "unseen"
_OBJECTS = frozenset({"object", "nested"})
# An object that is one field to the index: its strings are kept, and none of its paths is mapped.
_FLAT = frozenset({"flattened", "flat_object"})
_TEXTS = frozenset({
    UNSEEN, "keyword", "text", "wildcard", "match_only_text", "search_as_you_type", "completion", "token_count",
    "annotated_text", "icu_collation_keyword",
})  # fmt: skip
_INTEGERS = frozenset({"byte", "short", "integer", "long", "unsigned_long"})
_DATES = frozenset({"date", "date_nanos"})
_MAY_BE_MALFORMED = (
    _INTEGERS | _DATES | {"ip", "float", "half_float", "double", "scaled_float", "geo_point", "geo_shape"}
)
# Rules that leave a text; what else may come of them is the mask, for values that are none of their kind.
_FITTING: Mapping[Rule, frozenset[str]] = {
    Rule.TRUNCATE_IP: frozenset({"ip"}),
    Rule.COARSEN_DATE: _DATES,
}


@dataclass(frozen=True, kw_only=True)
class Spot:
    """What stands in a mapping at a path; `nested` is the path of the innermost nested object around it."""

    kind: str
    definition: Mapping[str, Any]
    nested: str | None = None

    @property
    def is_object(self) -> bool:
        """Whether it has fields of its own, in sight of the mapping."""
        return self.kind in _OBJECTS and self.definition.get("enabled") is not False


def find(mapping: Mapping[str, Any], path: str) -> Spot | None:
    """The spot of a path; None where the mapping does not have it and would take it in, so that no document has it."""
    return _find(mapping, steps_of(path), "", None, "true")


def _find(
    node: Mapping[str, Any], steps: Sequence[str], above: str, nested: str | None, dynamic: str
) -> Spot | None:
    dynamic = str(node.get("dynamic", dynamic)).lower()
    properties = node.get("properties") or {}
    for end in range(1, len(steps) + 1):
        name = ".".join(steps[:end])
        child = properties.get(name)
        if child is None:
            continue
        path = f"{above}{name}"
        kind = str(child.get("type", "object"))
        inner = path if kind == "nested" else nested
        if end == len(steps):
            return Spot(kind=kind, definition=child, nested=nested)
        if kind in _FLAT or child.get("enabled") is False:
            return Spot(kind=UNSEEN, definition=child, nested=inner)
        found = _find(child, steps[end:], f"{path}.", inner, dynamic)
        if found is not None:
            return found
    hides = node.get("enabled") is False or dynamic in ("false", "runtime")
    return Spot(kind=UNSEEN, definition=node, nested=nested) if hides else None


def candidates_in(mapping: Mapping[str, Any], path: str, ids: Sequence[str]) -> Candidates | None:
    """How the index finds documents by whole ids at a path; None where it would miss some, or not take the question."""
    spot = find(mapping, path)
    if spot is None:
        return Candidates(field=path)
    if spot.kind in _INTEGERS and spot.definition.get("index") is not False:
        return Candidates(field=path, nested=spot.nested) if all(map(str.isdecimal, ids)) else None
    longest = max(map(len, ids), default=0)
    if _holds_whole(spot.definition, longest):
        return Candidates(field=path, nested=spot.nested)
    # What dynamic mapping makes of a text: words, and the whole of it beside them.
    for name, part in sorted((spot.definition.get("fields") or {}).items()):
        if _holds_whole(part, longest):
            return Candidates(field=f"{path}.{name}", nested=spot.nested)
    return None


def _holds_whole(definition: Mapping[str, Any], longest: int) -> bool:
    return (
        definition.get("type") == "keyword"
        and definition.get("index") is not False
        and "normalizer" not in definition
        and int(definition.get("ignore_above", longest)) >= longest
    )


def why_not(mapping: Mapping[str, Any], path: str, rule: Rule, *, lenient: bool = False) -> str | None:
    """Why the masked value of a rule does not fit a path, as it goes on behind its name; None where it does.

    `lenient` is whether the index takes malformed values anywhere (`index.mapping.ignore_malformed`).
    """
    spot = find(mapping, path)
    if spot is None or rule is Rule.KEEP:
        return None
    if spot.kind == "alias":
        return "another name for a field, and in no document; rule the field that it stands for"
    if rule is Rule.CLEAR or (rule is Rule.SCRUB_TEXT and spot.kind in _FLAT):
        return None
    if spot.is_object:
        return "an object; rule its fields, or clear it"
    for kind, definition, name in _stored_as(mapping, spot, path):
        if not _fits(kind, definition, rule, lenient=lenient):
            through = f" through {name}" if name != path else ""
            return f"of type {kind}{through}, which does not take what the rule {rule} makes"
    return None


def _stored_as(
    mapping: Mapping[str, Any], spot: Spot, path: str
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Every way in which the index takes a value in: the field, its further forms, and the fields it is copied to."""
    if spot.kind == UNSEEN or spot.definition.get("enabled") is False:
        return
    yield spot.kind, spot.definition, path
    for name, part in (spot.definition.get("fields") or {}).items():
        yield str(part.get("type")), part, f"{path}.{name}"
    copied = spot.definition.get("copy_to") or []
    for target in [copied] if isinstance(copied, str) else copied:
        other = find(mapping, target)
        if other is not None and other.kind != UNSEEN:
            yield other.kind, other.definition, target


def _fits(kind: str, definition: Mapping[str, Any], rule: Rule, *, lenient: bool) -> bool:
    if kind in _TEXTS or kind in _FITTING.get(rule, ()):
        return True
    return kind in _MAY_BE_MALFORMED and bool(definition.get("ignore_malformed", lenient))
