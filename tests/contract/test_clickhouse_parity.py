"""What a mask must leave alone, on the real engine: a kept column that changes beside it is noticed.

Holds: changes by somebody else between the two measures of a mutation.
Add here: another thing that must stay as it is in a masked row.
Keep out: which rows can be compared (`tests/unit/test_clickhouse_parity.py`), and exchanges (`*_shadow.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from erasure.errors import Incomplete
from erasure.ledger.lease import Lease
from erasure.stores.clickhouse.store import ClickHouseStore
from tests.contract.clickhouse_events import EMAIL, events
from tests.contract.sql_world import SqlWorld


class Careless:
    """The project's own masks, and behind them a change of a kept column in somebody's row."""

    def __init__(self, world: SqlWorld, event_id: int) -> None:
        self._world, self._event_id = world, event_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world.project, name)

    def mask(
        self, store: str, batch_id: str, fence: int, storage: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        changed = self._world.project.mask(store, batch_id, fence, storage)
        self._world.analytics.command(
            f"alter table kepler.app_events update duration_ms = 6 where event_id = {self._event_id}"
            " settings mutations_sync = 2"
        )
        return changed


def careless(world: SqlWorld, lease: Lease, event_id: int) -> ClickHouseStore:
    return ClickHouseStore(
        settings=world.settings.clickhouse,
        world="kepler",
        registered=world.inventory.registered("clickhouse"),
        objects=world.inventory.of("clickhouse"),
        models=Careless(world, event_id),
        fence=lease.fence,
    )


def test_a_kept_column_that_changes_in_a_masked_row_makes_the_mask_incomplete(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    events(events_world)
    with pytest.raises(Incomplete, match="clickhouse/app_events: kept columns of its 3 masked rows") as found:
        events_world.mask(careless(events_world, events_lease, event_id=2))
    assert EMAIL not in str(found.value)
    # Whoever resumes goes on from what is there.
    assert events_world.mask(events_world.clickhouse(events_lease))["app_events"].records in {0, 3}


def test_what_others_change_in_their_own_rows_meanwhile_is_their_business(
    events_world: SqlWorld, events_lease: Lease
) -> None:
    events(events_world)
    assert events_world.mask(careless(events_world, events_lease, event_id=4))["app_events"].records == 3
