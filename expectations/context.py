"""Great Expectations' surroundings: an ephemeral context that publishes one Data Docs site per batch.

Holds: `batch_context`, where the site lies, and the lock around it.
Add here: what the site of a batch shows besides validations.
Keep out: suites, readings, and values of persons: what comes here is published.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

SITE = "batch"
_SITE_DIR = "data_docs"
_RESULTS_DIR = "validations"


def site_index(docs_dir: Path) -> Path:
    """The page that leads to every validation of a batch."""
    return docs_dir.resolve() / _SITE_DIR / "index.html"


def batch_context(docs_dir: Path) -> "EphemeralDataContext":
    """A context that keeps its results below `docs_dir`, so that each store's step adds to the same site.

    Everything else lives in memory: a file context would scaffold a project there.
    """
    # Read when the library is first imported, so it cannot come later than here.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    defaults = InMemoryStoreBackendDefaults()
    defaults.stores[defaults.validation_results_store_name]["store_backend"] = _files(docs_dir / _RESULTS_DIR)
    defaults.data_docs_sites = {
        SITE: {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": _files(docs_dir / _SITE_DIR),
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
    }
    config = DataContextConfig(
        store_backend_defaults=defaults,
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _files(directory: Path) -> dict[str, str]:
    return {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory.resolve())}


@contextmanager
def site_lock(docs_dir: Path) -> Iterator[None]:
    """One writer at a time: stores may be verified in several processes, and all write the index page."""
    docs_dir.mkdir(parents=True, exist_ok=True)
    with (docs_dir / ".lock").open("w") as file:
        # Released by the system when the file is closed, also when the process dies.
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
