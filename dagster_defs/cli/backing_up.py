"""The CSVs that a deletion takes by itself before it changes anything: a folder a batch, a CSV an object.

Holds: `back_up`.
Add here: another store, by its line in `_WRITERS`.
Keep out: writing them (`erasure/csv_backups/`), and removing them at the end of the undo window (`erasure/expiry.py`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from dagster_defs.cli.run import Run
from erasure.csv_backups import clickhouse, files, postgres, redis, s3, search
from erasure.inventory import Inventory
from erasure.ledger.freezing import load_targets
from erasure.settings import Settings, var_dir
from erasure.targets import TargetSet

_Writer = Callable[[Settings, Inventory, TargetSet, Path], Mapping[str, int]]


def back_up(run: Run, settings: Settings, batch_id: str) -> None:
    """Writes CSVs of what is about to change, and says where and how much. Raises what the stores raise."""
    from dagster_defs.worlds import inventory_of

    inventory = inventory_of(settings.erasure.world)
    targets = load_targets(settings, batch_id=batch_id)
    written: dict[str, Mapping[str, int]] = {}
    with files.made(var_dir(), batch_id) as folder:
        for store, write in _WRITERS.items():
            if store in inventory.stores:
                written[store] = write(settings, inventory, targets, folder / store)
    records = sum(sum(objects.values()) for objects in written.values())
    objects = sum(len(objects) for objects in written.values())
    run.say(f"✅ Backup: {records} records of {objects} objects in {folder}")
    run.result["backup"] = {"folder": str(folder), "records": written}


def _postgres(
    settings: Settings, inventory: Inventory, targets: TargetSet, folder: Path
) -> Mapping[str, int]:
    from dagster_defs.wiring import dbt_of

    return postgres.write(
        settings.database,
        objects=[item for item in inventory.of("postgres") if item.is_masked],
        selects=dbt_of(settings).masked_rows("postgres", targets.batch_id),
        folder=folder,
    )


def _clickhouse(
    settings: Settings, inventory: Inventory, targets: TargetSet, folder: Path
) -> Mapping[str, int]:
    from dagster_defs.wiring import dbt_of

    return clickhouse.write(
        settings.clickhouse,
        objects=[item for item in inventory.of("clickhouse") if item.is_masked],
        models=dbt_of(settings),
        targets=targets,
        folder=folder,
    )


def _search(settings: Settings, inventory: Inventory, targets: TargetSet, folder: Path) -> Mapping[str, int]:
    from erasure.stores.search.server import search_server

    server = search_server(settings.elasticsearch)
    try:
        objects = [item for item in inventory.of("elasticsearch") if item.waived is None]
        return search.write(server, objects=objects, targets=targets, folder=folder)
    finally:
        server.close()


def _s3(settings: Settings, inventory: Inventory, targets: TargetSet, folder: Path) -> Mapping[str, int]:
    from erasure.s3_client import s3_client

    objects = [item for item in inventory.of("s3") if item.rows is None]
    return s3.write(
        s3_client(settings.s3), settings.s3.bucket_name, objects=objects, targets=targets, folder=folder
    )


def _redis(settings: Settings, inventory: Inventory, targets: TargetSet, folder: Path) -> Mapping[str, int]:
    from dagster_defs.wiring import redis_store

    return redis.write(redis_store(settings, inventory), targets=targets, folder=folder)


_WRITERS: Mapping[str, _Writer] = {
    "postgres": _postgres,
    "clickhouse": _clickhouse,
    "elasticsearch": _search,
    "s3": _s3,
    "redis": _redis,
}
