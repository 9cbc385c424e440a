"""A world as the product works with it: which one is configured, and its inventory, held against its models.

Add here: another thing that must agree before anybody works with a world.
Keep out: parsing the project (`dbt_runner.py`), and the form of an inventory's files (`inventory_files.py`).
"""

import os
from functools import cache

from dagster_defs import dbt_runner
from dagster_defs.inventory_files import problems_of_files
from dagster_defs.reporting import problems_of_reports
from erasure import mask_models
from erasure.errors import BadInput, ErasureError
from erasure.inventory import Inventory
from erasure.inventory_reading import read_inventory
from erasure.settings import DEFAULT_WORLD, config_path, load_settings


def configured_world() -> str:
    """The world of the configuration that this process would read; the default where there is none, or a wrong one.

    For what is built before anybody asks for settings, and must load without them.
    """
    try:
        path = config_path(config=None, integration=False, environ=os.environ)
        return load_settings(path, environ=os.environ).erasure.world
    except ErasureError:
        return DEFAULT_WORLD


@cache
def _inventory(world: str, version: str) -> Inventory:
    problems = problems_of_files(dbt_runner.PROJECT_DIR, world)
    if problems:
        raise BadInput("The inventory is wrong; nothing was changed.", problems)
    return read_inventory(dbt_runner.manifest_json("postgres", world)["sources"], world=world)


def inventory_of(world: str) -> Inventory:
    """The inventory of a world, validated."""
    return _inventory(world, dbt_runner.project_hash())


def inventory_with_models(world: str) -> Inventory:
    """The same, once its mask models are what it declares, and no report reads what they change.

    Raises BadInput that names each file that is wrong.
    """
    inventory = inventory_of(world)
    missing = dbt_runner.missing_staging(world)
    if missing:
        raise BadInput(
            "The world does not say who its contributors are; write the missing models as those of kepler. "
            "Nothing was changed.",
            [f"models/{world}/staging/{name}.sql: is missing" for name in missing],
        )
    found = mask_models.differences(inventory, dbt_runner.PROJECT_DIR / "models" / world / "masked")
    if found:
        raise BadInput(
            "The mask models are not those of the inventory; run `contributor-deletion inventory sync`. "
            "Nothing was changed.",
            [f"{path.relative_to(dbt_runner.PROJECT_DIR)}: {what}" for path, what in found.items()],
        )
    problems = problems_of_reports(
        {target: dbt_runner.manifest_json(target, world) for target in dbt_runner.TARGETS}, inventory
    )
    if problems:
        raise BadInput("A report would change by masking; nothing was changed.", problems)
    return inventory
