"""What PostgreSQL and ClickHouse share: the mask models they are handed, and how a catalog is held against the
inventory.

Add here: what is the same for every SQL engine.
Keep out: connections and dialects; each engine has its own module beside this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from erasure.counts import Count, Counts
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.rules import Rule
from erasure.stores.base import Progress

Connected = TypeVar("Connected")


@dataclass(frozen=True, kw_only=True)
class MaskExpressions:
    """The pieces of a table's mask in SQL, over its columns without an alias; `values` is column -> masked value."""

    is_subject: str
    not_yet_masked: str
    values: Mapping[str, str]


class MaskModels(Protocol):
    """dbt, as a store sees it; whoever wires the store hands it in."""

    def masked_rows(self, store: str, batch_id: str) -> Mapping[str, str]:
        """Object -> the select of the rows that its mask will change."""
        ...

    def expressions(self, store: str, batch_id: str) -> Mapping[str, MaskExpressions]:
        """Object -> the predicates and values that its mask is made of (ClickHouse only)."""
        ...

    def mask(
        self, store: str, batch_id: str, fence: int, storage: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Runs the masks; object -> rows changed.

        storage: object -> the (quoted) table that holds its rows; given, these objects are masked, and no others.
        """
        ...


def recounted(*, store: str, changed: Mapping[str, int], left: Counts, progress: Progress) -> Counts:
    """What was changed, once nothing is left to change. Raises Incomplete that names the first object with a rest."""
    for name, count in left.items():
        done = changed.get(name, 0)
        progress(name, done, done)
        if count.records:
            raise Incomplete(
                store=store,
                object_name=name,
                what=f"{count.records} rows are left unmasked",
                remedy="something writes them at the same time; resume masks again",
            )
    return {name: Count(records=number) for name, number in changed.items()}


class SqlStore(Generic[Connected]):
    """What both SQL stores are made of; `fence` is the lease's number, needed for masking alone."""

    def __init__(
        self,
        *,
        settings: Connected,
        world: str,
        registered: tuple[InventoryObject, ...],
        objects: tuple[InventoryObject, ...],
        models: MaskModels,
        fence: int = 0,
    ) -> None:
        self._settings = settings
        self._world = world
        self._registered = registered
        self._objects = tuple(item for item in objects if item.is_masked)
        self._models = models
        self._fence = fence


# Table -> its columns, as the engine's catalog has them.
Catalog = Mapping[str, frozenset[str]]


def unregistered(
    *,
    store: str,
    world: str,
    schema: str,
    catalog: Catalog,
    objects: tuple[InventoryObject, ...],
    elsewhere: str,
) -> Iterator[str]:
    """One sentence for each table or column that only one of catalog and inventory knows.

    Raises StoreRefused where no table is there at all: then this is another place, and `elsewhere` is what to check.
    """
    file = f"dbt_project/models/{world}/inventory/{store}.yml"
    registered = {item.location: item for item in objects}
    if registered and not set(registered) & set(catalog):
        raise StoreRefused(
            store=store,
            object_name=schema,
            what=f"none of the {len(registered)} tables of the inventory is there",
            remedy=f"{elsewhere}, or correct {file}",
        )
    for table in sorted(set(catalog) - set(registered)):
        yield f"{store}: table {schema}.{table} is not in the inventory; register or waive it in {file}"
    for table, item in sorted(registered.items()):
        if table not in catalog:
            yield f"{store}: table {schema}.{table} of the inventory does not exist; correct {file}"
            continue
        if item.waived is not None:
            continue
        # Where records go as a whole, so do all of their columns.
        unknown = frozenset() if item.rule is Rule.DELETE else catalog[table] - item.known_fields
        for column in sorted(unknown):
            yield f"{store}: column {schema}.{table}.{column} is not in the inventory; give it a rule in {file}"
        for column in sorted(item.known_fields - catalog[table]):
            yield f"{store}: column {schema}.{table}.{column} of the inventory does not exist; correct {file}"
