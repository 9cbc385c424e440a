"""Reads Elasticsearch or OpenSearch: every document of every index, judged in Python.

A full read takes longer than a query by target, and sees what a query would not: fields that are not indexed,
cut off at `ignore_above`, or written in another case.
Holds: `read_search`.
Add here: another way in which the engine keeps documents from being seen.
Keep out: paths in documents (`documents.py`), queries that name persons (engines log some).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from erasure.errors import StoreRefused, StoreUnavailable
from erasure.inventory import Inventory, InventoryObject
from erasure.settings import Settings
from erasure.stores.search.client import SearchError, Trouble
from erasure.stores.search.server import SearchServer, search_server
from expectations.readers.base import FieldReading, Tally, VerifiedBatch
from expectations.readers.documents import pairs

_PAGE = 2_000
_SCROLL = "2m"
_CLOSED_DOORS = (401, 403)
# Names of indices stand in the address, which has room for about 4,000 characters.
_INDICES_AT_ONCE = 40


def read_search(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every ruled path of every index pattern."""
    server = search_server(settings.elasticsearch)
    try:
        return [
            reading for item in inventory.of("elasticsearch") for reading in _read_object(server, item, batch)
        ]
    finally:
        server.close()


def _read_object(server: SearchServer, item: InventoryObject, batch: VerifiedBatch) -> list[FieldReading]:
    tallies = {field: Tally() for field in item.ruled_fields}
    records = 0
    with _errors(item):
        for document in _documents(server, item):
            mine = False
            for field, tally in tallies.items():
                for value, owner in pairs(document, field.name, field.owner):
                    if batch.holds(owner, value):
                        mine = True
                        tally.add(field.rule, value, owner)
            records += mine
    return [tally.reading(item, field.name, records) for field, tally in tallies.items()]


def _documents(server: SearchServer, item: InventoryObject) -> Iterator[dict[str, Any]]:
    names = _indices(server, item)
    paths = [path for field in item.ruled_fields for path in (field.name, field.owner) if path]
    wanted = sorted({path.replace("[]", "") for path in paths})
    for start in range(0, len(names), _INDICES_AT_ONCE):
        indices = ",".join(names[start : start + _INDICES_AT_ONCE])
        _require_whole_sources(server, item, indices)
        # What has been written and not yet refreshed is invisible to a search.
        server.refresh(indices)
        yield from _scroll(server, item, indices, wanted)


def _indices(server: SearchServer, item: InventoryObject) -> list[str]:
    # Names of indices rather than the pattern: an alias with a filter would hide documents.
    listed = server.list_indices(item.location)
    closed = sum(index["status"] != "open" for index in listed)
    if closed:
        _refuse(item, f"{closed} of its indices are closed and cannot be read", "open them")
    if not listed:
        _refuse(item, "no index fits its pattern", "check the inventory and [elasticsearch] url")
    return sorted(index["index"] for index in listed)


def _require_whole_sources(server: SearchServer, item: InventoryObject, indices: str) -> None:
    mappings = server.mappings(indices).values()
    if any(mapping["mappings"].get("_source") for mapping in mappings):
        _refuse(item, "an index does not keep its documents whole", "take _source out of its mapping")


def _scroll(
    server: SearchServer, item: InventoryObject, indices: str, wanted: list[str]
) -> Iterator[dict[str, Any]]:
    body = {"query": {"match_all": {}}, "sort": ["_doc"], "_source": wanted, "track_total_hits": True}
    params = {"scroll": _SCROLL, "size": str(_PAGE), "allow_partial_search_results": "false"}
    page = server.search(indices, body, params)
    total, read = page["hits"]["total"]["value"], 0
    try:
        while page["hits"]["hits"]:
            if page["timed_out"] or page["_shards"]["failed"]:
                _refuse(item, "a part of its shards did not answer", "look at the cluster's health")
            read += len(page["hits"]["hits"])
            yield from (hit["_source"] for hit in page["hits"]["hits"])
            page = server.next_page(page["_scroll_id"], _SCROLL)
    finally:
        # An open scroll keeps old segments, which a purge has to wait for.
        server.end_scroll(page["_scroll_id"])
    if read != total:
        _refuse(item, f"{read} of {total} documents could be read", "look at the cluster's health")


def _refuse(item: InventoryObject, what: str, remedy: str) -> NoReturn:
    remedy = f"{remedy}, then verify again"
    raise StoreRefused(store=item.store, object_name=item.name, what=what, remedy=remedy)


@contextmanager
def _errors(item: InventoryObject) -> Iterator[None]:
    try:
        yield
    except SearchError as error:
        closed_door = error.trouble is not Trouble.ANSWERED or error.status in _CLOSED_DOORS
        kind = StoreUnavailable if closed_door else StoreRefused
        raise kind(
            store=item.store,
            object_name=item.name,
            what=f"could not be read ({error})",
            remedy=error.remedy or "check [elasticsearch] url in the configuration, and the cluster's health",
        ) from None
