"""CSVs of what a batch is about to change in ClickHouse: whole rows as they are, in the engine's own CSV.

Add here: what ClickHouse knows of its rows besides.
Keep out: which rows change (the predicates of dbt's mask models say so).
"""

from collections.abc import Sequence
from pathlib import Path

from erasure.csv_backups.files import opened
from erasure.inventory import InventoryObject
from erasure.store_settings import ClickHouseSettings
from erasure.stores.clickhouse.cluster import quoted
from erasure.stores.clickhouse.connection import Server, connected
from erasure.stores.clickhouse.targets import carried_over
from erasure.stores.sql import MaskModels
from erasure.targets import TargetSet

_BLOCK = 1 << 20
# Answered once the whole is there: an error in the middle of an answer would pass for a row.
_WHOLE = {"wait_end_of_query": 1}


def write(
    settings: ClickHouseSettings,
    *,
    objects: Sequence[InventoryObject],
    models: MaskModels,
    targets: TargetSet,
    folder: Path,
) -> dict[str, int]:
    """Writes a CSV for each object of which rows will change; returns object -> rows."""
    rows: dict[str, int] = {}
    with connected(settings) as server, carried_over(server, targets):
        # Compiling asks the server, which has no table of targets before.
        expressions = models.expressions("clickhouse", targets.batch_id)
        for item in objects:
            mask = expressions[item.name]
            changing = (
                f"from {quoted(item.schema)}.{quoted(item.location)}"
                f" where {mask.is_subject} and {mask.not_yet_masked}"
            )
            number = server.number(f"select count() {changing}")
            if number:
                _write(server, f"select * {changing}", folder / f"{item.name}.csv")
                rows[item.name] = number
    return rows


def _write(server: Server, query: str, path: Path) -> None:
    with opened(path) as file, server.client.raw_stream(query, settings=_WHOLE, fmt="CSVWithNames") as answer:
        while block := answer.read(_BLOCK):
            file.write(block)
