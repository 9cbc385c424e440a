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

from erasure.errors import StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Inventory, InventoryObject
from erasure.patience import SEARCH_SECONDS
from erasure.settings import Settings
from expectations.readers.base import FieldReading, Tally, VerifiedBatch
from expectations.readers.documents import pairs

_PAGE = 2_000
_SCROLL = "2m"
# Names of indices stand in the address, which has room for about 4,000 characters.
_INDICES_AT_ONCE = 40


def read_search(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every ruled path of every index pattern."""
    from opensearchpy import OpenSearch

    client = OpenSearch(hosts=[settings.elasticsearch.url], timeout=SEARCH_SECONDS)
    try:
        return [
            reading for item in inventory.of("elasticsearch") for reading in _read_object(client, item, batch)
        ]
    finally:
        client.close()


def _read_object(client: Any, item: InventoryObject, batch: VerifiedBatch) -> list[FieldReading]:
    tallies = {field: Tally() for field in item.ruled_fields}
    records = 0
    with _errors(item):
        for document in _documents(client, item):
            mine = False
            for field, tally in tallies.items():
                for value, owner in pairs(document, field.name, field.owner):
                    if batch.holds(owner, value):
                        mine = True
                        tally.add(field.rule, value, owner)
            records += mine
    return [tally.reading(item, field.name, records) for field, tally in tallies.items()]


def _documents(client: Any, item: InventoryObject) -> Iterator[dict[str, Any]]:
    names = _indices(client, item)
    paths = [path for field in item.ruled_fields for path in (field.name, field.owner) if path]
    wanted = sorted({path.replace("[]", "") for path in paths})
    for start in range(0, len(names), _INDICES_AT_ONCE):
        indices = ",".join(names[start : start + _INDICES_AT_ONCE])
        _require_whole_sources(client, item, indices)
        # What has been written and not yet refreshed is invisible to a search.
        client.indices.refresh(index=indices)
        yield from _scroll(client, item, indices, wanted)


def _indices(client: Any, item: InventoryObject) -> list[str]:
    # Names of indices rather than the pattern: an alias with a filter would hide documents.
    listed = client.cat.indices(
        index=item.location, format="json", h="index,status", params={"expand_wildcards": "all"}
    )
    closed = sum(index["status"] != "open" for index in listed)
    if closed:
        _refuse(item, f"{closed} of its indices are closed and cannot be read", "open them")
    if not listed:
        _refuse(item, "no index fits its pattern", "check the inventory and [elasticsearch] url")
    return sorted(index["index"] for index in listed)


def _require_whole_sources(client: Any, item: InventoryObject, indices: str) -> None:
    mappings = client.indices.get_mapping(index=indices).values()
    if any(mapping["mappings"].get("_source") for mapping in mappings):
        _refuse(item, "an index does not keep its documents whole", "take _source out of its mapping")


def _scroll(client: Any, item: InventoryObject, indices: str, wanted: list[str]) -> Iterator[dict[str, Any]]:
    body = {"query": {"match_all": {}}, "sort": ["_doc"], "_source": wanted, "track_total_hits": True}
    params = {"scroll": _SCROLL, "size": _PAGE, "allow_partial_search_results": "false"}
    page = client.search(index=indices, body=body, params=params)
    total, read = page["hits"]["total"]["value"], 0
    try:
        while page["hits"]["hits"]:
            if page["timed_out"] or page["_shards"]["failed"]:
                _refuse(item, "a part of its shards did not answer", "look at the cluster's health")
            read += len(page["hits"]["hits"])
            yield from (hit["_source"] for hit in page["hits"]["hits"])
            page = client.scroll(body={"scroll_id": page["_scroll_id"], "scroll": _SCROLL})
    finally:
        # An open scroll keeps old segments, which a purge has to wait for.
        client.clear_scroll(body={"scroll_id": [page["_scroll_id"]]})
    if read != total:
        _refuse(item, f"{read} of {total} documents could be read", "look at the cluster's health")


def _refuse(item: InventoryObject, what: str, remedy: str) -> NoReturn:
    remedy = f"{remedy}, then verify again"
    raise StoreRefused(store=item.store, object_name=item.name, what=what, remedy=remedy)


@contextmanager
def _errors(item: InventoryObject) -> Iterator[None]:
    from opensearchpy import exceptions

    closed_doors = (
        exceptions.ConnectionError,
        exceptions.AuthenticationException,
        exceptions.AuthorizationException,
    )
    try:
        yield
    except exceptions.OpenSearchException as error:
        kind = StoreUnavailable if isinstance(error, closed_doors) else StoreRefused
        raise kind(
            store=item.store,
            object_name=item.name,
            what=f"could not be read ({safe_reason(error)})",
            remedy="check [elasticsearch] url in the configuration, and the cluster's health",
        ) from None
