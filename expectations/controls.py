"""Reads what must not change from the two SQL stores: the rows of the reports, and every record of a control.

Holds: `read_controls`.
Add here: another store in which both can be read at a reasonable price.
Keep out: comparing (`erasure/controls.py`). Of search, S3 and Redis only the tests compare every record.
"""

from collections.abc import Mapping

from erasure.controls import AllFigures
from erasure.inventory import Inventory
from erasure.settings import Settings
from expectations.readers.batch import read_batch
from expectations.readers.clickhouse import read_clickhouse_controls
from expectations.readers.postgres import read_postgres_controls


def read_controls(
    settings: Settings, inventory: Inventory, batch_id: str, reports: Mapping[str, Mapping[str, str]]
) -> AllFigures:
    """Store -> report or table -> its figures now; `reports` has the select of each report, by store.

    Raises StoreUnavailable or StoreRefused where something cannot be read, BadInput for a batch without targets.
    """
    batch = read_batch(settings, batch_id)
    readers = {"postgres": read_postgres_controls, "clickhouse": read_clickhouse_controls}
    return {
        # A store in which the world has nothing need not be there.
        store: read(settings, inventory, batch, reports[store]) if inventory.registered(store) else {}
        for store, read in readers.items()
    }
