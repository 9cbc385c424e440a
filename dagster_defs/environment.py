"""The environment that Dagster, dbt and Great Expectations read: where they keep things, and no telemetry.

Add here: a variable that one of them reads at import or start.
Keep out: settings of the product (`erasure/settings.py`).
"""

import os

from erasure.settings import PROJECT_ROOT, var_dir


def prepare_environment() -> None:
    """Sets what is not set yet; called before dagster, dbt or great_expectations is imported."""
    storage = var_dir() / "dagster"
    storage.mkdir(parents=True, exist_ok=True)
    for name, value in {
        "DAGSTER_HOME": str(PROJECT_ROOT),
        "CONTRIBUTOR_DELETION_DAGSTER": str(storage),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }.items():
        os.environ.setdefault(name, value)
