"""Writes the short mask models of a world from its inventory: one file for each table that masking changes.

Add here: what a mask model says beyond its table.
Keep out: the masking itself, which is `masked_rows` and the materialization `mask`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from erasure.inventory import Inventory, InventoryObject

SQL_STORES = ("postgres", "clickhouse")


def mask_models(inventory: Inventory) -> Mapping[str, str]:
    """Path below `models/<world>/masked/` -> the model's text, for every such table of PostgreSQL and ClickHouse."""
    return {
        f"{store}/{model_name(item)}.sql": "\n".join(_lines(item, inventory)) + "\n"
        for store in SQL_STORES
        for item in inventory.of(store)
        if item.is_masked
    }


def model_name(item: InventoryObject) -> str:
    """The name of a table's mask model, unique in the dbt project."""
    return f"mask__{item.source}__{item.name}"


def sync(inventory: Inventory, folder: Path) -> list[Path]:
    """Makes the files below `folder` equal to `mask_models`; returns those written or removed."""
    wanted = {folder / name: text for name, text in mask_models(inventory).items()}
    changed = list(differences(inventory, folder))
    for path in changed:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path])
        else:
            path.unlink()
    return changed


def differences(inventory: Inventory, folder: Path) -> Mapping[Path, str]:
    """File below `folder` -> how it differs from `mask_models`; what is masked would then not be what is declared."""
    wanted = {folder / name: text for name, text in mask_models(inventory).items()}
    present = {path for store in SQL_STORES for path in (folder / store).glob("*.sql")}
    found = {path: "is missing" for path in wanted if not path.exists()}
    found |= {
        path: "is another" for path, text in wanted.items() if path.exists() and path.read_text() != text
    }
    return found | {path: "has no table in the inventory" for path in sorted(present - set(wanted))}


def _lines(item: InventoryObject, inventory: Inventory) -> Iterator[str]:
    children = [
        other
        for other in inventory.of(item.store)
        if other.subject.via and other.subject.via.table == item.name and other.is_masked
    ]
    for child in children:
        # A child is found through its parent, so it is masked first.
        yield f"-- depends_on: {{{{ ref('{model_name(child)}') }}}}"
    yield f"{{{{ masked_rows('{item.source}', '{item.name}') }}}}"
