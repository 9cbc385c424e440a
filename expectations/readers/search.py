"""Reads Elasticsearch or OpenSearch: every document of every index, judged in Python.

A full read takes longer than a query by target, and sees what a query would not: fields that are not indexed,
cut off at `ignore_above`, or written in another case.
Holds: `read_search`.
Add here: another way in which the engine keeps documents from being seen.
Keep out: paths in documents (`documents.py`), whose a value is (`subjects.py`), queries that name persons (engines
log some).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn

from erasure.document_paths import plain
from erasure.errors import StoreRefused, StoreUnavailable
from erasure.inventory import Inventory, InventoryObject
from erasure.rules import Rule, normalise_email
from erasure.settings import Settings
from erasure.stores.search.client import SearchError, Trouble
from erasure.stores.search.server import SearchServer, search_server
from expectations.readers.base import RECORD, FieldReading, Tally, VerifiedBatch, judged_places
from expectations.readers.subjects import DocumentJudge

_PAGE = 2_000
_SCROLL = "2m"
_CLOSED_DOORS = (401, 403)
# Names of indices stand in the address, which has room for about 4,000 characters.
_INDICES_AT_ONCE = 40


def read_search(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every ruled path of every index pattern."""
    judged = set(judged_places(inventory, "elasticsearch", batch))
    server = search_server(settings.elasticsearch)
    try:
        return [
            reading
            for item in inventory.of("elasticsearch")
            for reading in _read_object(server, item, batch)
            if reading.place in judged
        ]
    finally:
        server.close()


def _read_object(server: SearchServer, item: InventoryObject, batch: VerifiedBatch) -> list[FieldReading]:
    judge = DocumentJudge(item, batch)
    tallies = {field: Tally() for field in item.ruled_fields}
    records = identified = 0
    with _errors(item):
        names, closed = _indices(server, item)
        for hit in _documents(server, item, names):
            document = hit["_source"]
            records += judge.survives(document) if item.rule is Rule.DELETE else judge.add(tallies, document)
            identified += item.rule is not Rule.DELETE and _names_somebody(hit, batch)
    if item.rule is Rule.DELETE:
        left = {RECORD: Tally(survivors=records)}
    else:
        left = {field.name: tally for field, tally in tallies.items()}
    readings = (tally.reading(item, name, records) for name, tally in left.items())
    return [replace(reading, not_erasable=closed + identified) for reading in readings]


def _names_somebody(hit: dict[str, Any], batch: VerifiedBatch) -> bool:
    """Whether what no mask changes of a document, `_id` and routing, is an email of a target."""
    said = (hit["_id"], hit.get("_routing"))
    return any(isinstance(one, str) and normalise_email(one) in batch.emails for one in said)


def _documents(server: SearchServer, item: InventoryObject, names: list[str]) -> Iterator[dict[str, Any]]:
    subject = item.subject
    paths = [subject.contributor_id, subject.email]
    for field in item.ruled_fields:
        paths += [field.name, field.owner, field.email]
    wanted = sorted({plain(path) for path in paths if path})
    for start in range(0, len(names), _INDICES_AT_ONCE):
        indices = ",".join(names[start : start + _INDICES_AT_ONCE])
        _require_whole_sources(server, item, indices)
        # What has been written and not yet refreshed is invisible to a search.
        server.refresh(indices)
        yield from _scroll(server, item, indices, wanted)


def _indices(server: SearchServer, item: InventoryObject) -> tuple[list[str], int]:
    """The names of those that can be read, and how many are closed."""
    # Names of indices rather than the pattern: an alias with a filter would hide documents.
    listed = server.list_indices(item.location)
    if not listed:
        _refuse(item, "no index fits its pattern", "check the inventory and [elasticsearch] url")
    names = sorted(index["index"] for index in listed if index["status"] == "open")
    for index in listed:
        if index["status"] == "open" and index["health"] == "red":
            _refuse(item, f"index {index['index']} lacks a shard", "bring it back")
    return names, len(listed) - len(names)


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
            yield from page["hits"]["hits"]
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
            what=f"{f'index {error.index} ' if error.index else ''}could not be read ({error})",
            remedy=error.remedy or "check [elasticsearch] url in the configuration, and the cluster's health",
        ) from None
