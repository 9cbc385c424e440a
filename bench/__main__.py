"""`python -m bench`: what the product costs in PostgreSQL and ClickHouse, against the same by hand and by loops.

Starts engines of its own below a directory of its own, which are gone at the end.
Add here: an option of the whole bench.
Keep out: the ways that are compared.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench.clickhouse import ClickHouseBench
from bench.postgres import PostgresBench
from bench.results import Result, as_text, write
from bench.scene import Size, size_of
from erasure.settings import var_dir
from sandbox.supervisor import Sandbox

ENGINES = ("postgres", "clickhouse")


def measure(sandbox: Sandbox, size: Size, say: Callable[[str], None]) -> list[Result]:
    """Both stores, one after the other, on engines that run."""
    pids = {engine.name: engine.pid or 0 for engine in sandbox.status()}
    results = PostgresBench(sandbox.config, pids["postgres"], size, say).run()
    return results + ClickHouseBench(sandbox.config, pids["clickhouse"], size, say).run()


def main() -> None:
    """Measures, writes `var/bench/results.json`, and prints it as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--scale", type=float, default=1.0, help="1 is 2,000,000 judgments and 20,000,000 metrics"
    )
    parser.add_argument("--out", type=Path, default=var_dir() / "bench" / "results.json")
    options = parser.parse_args()
    # Outside the checkout: run as root, PostgreSQL works under an account that must get there.
    root = Path(tempfile.mkdtemp(prefix="sandbox-bench-"))
    sandbox = Sandbox(root, engines=ENGINES)
    try:
        sandbox.up()
        results = measure(
            sandbox, size_of(options.scale), lambda line: print(line, file=sys.stderr, flush=True)
        )
    finally:
        sandbox.down()
        shutil.rmtree(root, ignore_errors=True)
    write(results, options.out)
    print(as_text(results))
    print(f"written to {options.out}")


if __name__ == "__main__":
    main()
