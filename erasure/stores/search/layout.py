"""The indices behind a pattern, and the fields that their mappings speak of.

Add here: a question about an index that needs its mapping or settings.
Keep out: documents (`store.py`), and changing anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from erasure.stores.search.client import SearchError
from erasure.stores.search.server import SearchServer

_NOT_FOUND = 404
# Engines refuse a request line over 4,096 bytes, and a scroll over more than 500 shards of a node.
_NAMES_LENGTH = 3_000


# Neither can be read: a search passes a frozen index by unless it is told otherwise, and it takes no writes.
_SHUT = frozenset({"closed", "frozen"})
_BLOCKS = ("index.blocks.write", "index.blocks.read_only", "index.blocks.read_only_allow_delete")


@dataclass(frozen=True, kw_only=True)
class Indices:
    """Concrete names behind a pattern: so no filtered alias, hidden or closed index hides a document."""

    open: tuple[str, ...]
    closed: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Mapping and settings (flat) of an index."""

    mapping: Mapping[str, Any]
    settings: Mapping[str, Any]
    is_in_a_stream: bool = False

    @property
    def shards(self) -> int:
        """How many it is spread over, each with its copies."""
        return int(self.settings.get("index.number_of_shards", 1))

    @property
    def window(self) -> int:
        """How many documents it gives out at once."""
        return int(self.settings.get("index.max_result_window", 10_000))

    @property
    def is_hidden(self) -> bool:
        """Whether patterns pass it by; those behind a data stream are all hidden, and found through it."""
        return not self.is_in_a_stream and self.settings.get("index.hidden") == "true"

    @property
    def is_blocked(self) -> bool:
        """Whether it takes no writes."""
        return any(self.settings.get(block) == "true" for block in _BLOCKS)

    @property
    def keeps_whole_source(self) -> bool:
        """Whether `_source` is the document as it was written, and an update does not take from it."""
        made_up = (
            self.settings.get("index.mapping.source.mode", "stored") != "stored",
            self.settings.get("index.derived_source.enabled") == "true",
        )
        return keeps_whole_source(self.mapping) and not any(made_up)


def indices_behind(server: SearchServer, pattern: str) -> Indices:
    """Resolves a pattern, an alias or a data stream; finds nothing where nothing matches."""
    try:
        found = server.resolve(pattern)
    except SearchError as error:
        if error.status != _NOT_FOUND:
            raise
        return Indices(open=(), closed=())
    direct = {entry["name"]: entry["attributes"] for entry in found["indices"]}
    behind = {name for alias in found["aliases"] for name in alias["indices"]}
    behind |= {name for stream in found["data_streams"] for name in stream["backing_indices"]}
    for group in in_groups(behind - set(direct)):
        direct |= {entry["name"]: entry["attributes"] for entry in server.resolve(group)["indices"]}
    return Indices(
        open=tuple(sorted(name for name, attributes in direct.items() if _SHUT.isdisjoint(attributes))),
        closed=tuple(sorted(name for name, attributes in direct.items() if not _SHUT.isdisjoint(attributes))),
    )


def in_groups(names: Iterable[str]) -> Iterator[str]:
    """Names joined by commas, as many in a request as its line can hold."""
    group: list[str] = []
    for name in sorted(names):
        if group and sum(len(each) + 1 for each in group) + len(name) > _NAMES_LENGTH:
            yield ",".join(group)
            group = []
        group.append(name)
    if group:
        yield ",".join(group)


def layouts_of(server: SearchServer, names: Iterable[str]) -> dict[str, Layout]:
    """Index -> its layout."""
    layouts: dict[str, Layout] = {}
    for group in in_groups(names):
        mappings, settings = server.mappings(group), server.setting(group, "index.*")
        for name, entry in mappings.items():
            said = settings.get(name, {}).get("settings", {})
            in_a_stream = _is_in_a_stream(name, entry["mappings"])
            layouts[name] = Layout(mapping=entry["mappings"], settings=said, is_in_a_stream=in_a_stream)
    return layouts


def _is_in_a_stream(name: str, mapping: Mapping[str, Any]) -> bool:
    # Every backing index has both, and nothing else may have the second.
    return name.startswith(".ds-") and "_data_stream_timestamp" in mapping


def leaf_fields(mapping: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Paths that hold values, as the mapping spells them; an object that is stored unseen counts as one."""
    for name, field in (mapping.get("properties") or {}).items():
        path = f"{prefix}{name}"
        kind = field.get("type", "object")
        if kind == "alias":
            continue
        unseen = field.get("enabled") is False or str(field.get("dynamic", "")).lower() == "false"
        if kind not in ("object", "nested") or (unseen and not field.get("properties")):
            yield path
        yield from leaf_fields(field, prefix=f"{path}.")


def keeps_whole_source(mapping: Mapping[str, Any]) -> bool:
    """Whether `_source` holds everything: an update would drop from the index what it does not hold."""
    source = mapping.get("_source") or {}
    parts = source.get("excludes") or source.get("includes")
    return source.get("enabled", True) is not False and not parts and source.get("mode", "stored") == "stored"
