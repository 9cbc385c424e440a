"""What a well-formed object of the inventory must still fulfil, store by store, and all of them together.

Holds: `problems_of`, `problems_among`.
Add here: a store with its module, and a condition between objects.
Keep out: forms and keys (`inventory_reading.py`), what only a store can say (`survey` of the stores), and conditions
for one store (a module each, beside this one).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from erasure.inventory import InventoryObject
from erasure.inventory_checks.documents import problems_of_documents
from erasure.inventory_checks.redis_keys import problems_of_redis_keys
from erasure.inventory_checks.s3_objects import problems_of_s3_objects
from erasure.inventory_checks.tables import problems_of_table

_PROBLEMS_IN: Mapping[str, Callable[[InventoryObject], Iterator[str]]] = {
    "postgres": problems_of_table,
    "clickhouse": problems_of_table,
    "elasticsearch": problems_of_documents,
    "s3": problems_of_s3_objects,
    "redis": problems_of_redis_keys,
}


def problems_of(item: InventoryObject) -> Iterator[str]:
    """What is wrong with one object; each begins as it goes on behind the object's name."""
    if item.waived is not None:
        return
    yield from _PROBLEMS_IN[item.store](item)


def problems_among(
    objects: Sequence[InventoryObject], places: Mapping[tuple[str, str], str], *, world: str
) -> Iterator[str]:
    """What is wrong between the objects of a world; `places` says where each is declared."""
    seen: dict[tuple[str, ...], InventoryObject] = {}
    for item in objects:
        # The same key in two buckets or databases, or read by two of the ways that name a contributor, is two places.
        home = item.bucket or (item.schema if item.db is None else f"{item.schema} {item.db}")
        where = (home, item.tag or item.metadata or "", item.location)
        for key in ((item.store, item.name), (item.store, *where)):
            other = seen.setdefault(key, item)
            if other is not item:
                twin = places[other.store, other.name]
                yield f"{places[item.store, item.name]}: {key[-1]} is declared by {twin} already"
    by_name = {(item.store, item.name): item for item in objects}
    for item in objects:
        if item.subject.via and item.waived is None:
            yield from (f"{places[item.store, item.name]}: {what}" for what in _of_parents(item, by_name))
    gates = [item for item in objects if item.access is not None]
    if len(gates) != 1:
        names = f" ({', '.join(item.name for item in gates)})" if gates else ""
        yield (
            f"{world}: exactly one table declares access, found {len(gates)}{names}; "
            f"say it in models/{world}/inventory/postgres.yml at the table of the contributors"
        )


def _of_parents(item: InventoryObject, by_name: Mapping[tuple[str, str], InventoryObject]) -> Iterator[str]:
    passed, at = {item.name}, item
    while at.subject.via:
        parent = by_name.get((item.store, at.subject.via.table))
        if parent is None or parent.waived is not None:
            yield f"via.table {at.subject.via.table} is no table of {item.source} that is masked"
            return
        if parent.name in passed:
            yield f"via leads in a circle, back to {parent.name}"
            return
        if at is item and item.subject.via and item.subject.via.parent_column not in parent.known_fields:
            yield f"via.parent_column {item.subject.via.parent_column} is no column of {parent.name}"
        passed.add(parent.name)
        at = parent
