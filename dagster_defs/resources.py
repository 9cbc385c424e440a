"""The platform as assets see it: settings, inventory, dbt and the stores, made when they are first asked for.

Add here: another thing that assets need to reach.
Keep out: values in a resource's configuration (the UI shows them): they are read from the settings when a run starts.
How a store is built stands in `wiring.py`.
"""

import os
from pathlib import Path
from typing import Any

import dagster as dg

from dagster_defs.dbt_models import DbtProject
from dagster_defs.wiring import dbt_of, store_of
from dagster_defs.worlds import inventory_of
from erasure.inventory import Inventory
from erasure.job_api.client import JobApi
from erasure.settings import Settings, config_path, load_settings, var_dir
from erasure.stores.base import Store


class Platform(dg.ConfigurableResource[Any]):
    """Settings, inventory, dbt and stores of the configuration that CONTRIBUTOR_DELETION_CONFIG names."""

    def settings(self) -> Settings:
        """Read anew each time: a long-lived code location must see a changed file."""
        return load_settings(
            config_path(config=None, integration=False, environ=os.environ), environ=os.environ
        )

    def inventory(self) -> Inventory:
        """The inventory of the configured world."""
        return inventory_of(self.settings().erasure.world)

    def dbt(self) -> DbtProject:
        """dbt with the configured connections."""
        return dbt_of(self.settings())

    def store(self, name: str, *, fence: int = 0) -> Store:
        """A store by its name in the inventory."""
        return store_of(name, self.settings(), self.inventory(), fence=fence)

    def job_api(self) -> JobApi | None:
        """The platform's job API; None where no job URL is configured."""
        api = self.settings().api
        return JobApi(api.job_url, settings=api) if api.job_url else None

    def reports_dir(self) -> Path:
        """Where Data Docs and the index of all batches go."""
        return var_dir() / "reports"
