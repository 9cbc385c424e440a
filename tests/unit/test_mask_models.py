"""The mask models stand as the inventory wants them, and `sync` writes and removes exactly what differs."""

from pathlib import Path

from erasure.mask_models import mask_models, sync
from erasure.settings import PROJECT_ROOT
from tests.inventory_fixtures import kepler_inventory

MASKED = PROJECT_ROOT / "dbt_project" / "models" / "kepler" / "masked"


def test_the_mask_models_of_kepler_are_in_step_with_its_inventory() -> None:
    present = {str(path.relative_to(MASKED)): path.read_text() for path in MASKED.rglob("*.sql")}
    assert present == mask_models(kepler_inventory()), "run `contributor-deletion inventory sync`"


def test_a_parent_is_masked_after_the_child_that_is_reached_through_it() -> None:
    judgments = mask_models(kepler_inventory())["postgres/mask__kepler_postgres__judgments.sql"]
    assert "depends_on: {{ ref('mask__kepler_postgres__disputes') }}" in judgments


def test_sync_writes_what_is_missing_and_removes_what_is_stale(tmp_path: Path) -> None:
    inventory = kepler_inventory()
    assert len(sync(inventory, tmp_path)) == len(mask_models(inventory))
    assert sync(inventory, tmp_path) == []
    stale = tmp_path / "postgres" / "mask__kepler_postgres__gone.sql"
    stale.write_text("x")
    spoilt = tmp_path / "clickhouse" / "mask__kepler_clickhouse__app_events.sql"
    spoilt.write_text("x")
    assert set(sync(inventory, tmp_path)) == {stale, spoilt}
    assert not stale.exists() and "masked_rows" in spoilt.read_text()
