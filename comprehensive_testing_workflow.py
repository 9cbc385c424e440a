"""Routes units, tests, deletes, tests again and verifies: the older name of `contributor-deletion workflow`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from dagster_defs.cli.older import run

if __name__ == "__main__":
    run("workflow")
