"""Finds inactive contributors and exports them to a CSV: the older name of `contributor-deletion fetch`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from dagster_defs.cli.older import run

if __name__ == "__main__":
    run("fetch")
