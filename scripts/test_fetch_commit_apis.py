"""Calls the job's APIs as contributors of a CSV: the older name of `contributor-deletion test-apis`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dagster_defs.cli.older import run

if __name__ == "__main__":
    run("test-apis")
