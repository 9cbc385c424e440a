"""`python -m bench`: what the product costs in each store, against the same by hand and by loops.

Starts engines of its own below a directory of its own, which are gone at the end.
Add here: an option of the whole bench.
Keep out: the ways that are compared.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.clickhouse import ClickHouseBench
from bench.postgres import PostgresBench
from bench.redis import RedisBench
from bench.results import Result, as_text, write
from bench.rows import BYTES
from bench.rows import measure as measure_files
from bench.s3 import contributors_of
from bench.s3 import measure as measure_objects
from bench.scene import Size, size_of
from bench.search import SearchBench
from erasure.settings import var_dir
from sandbox.supervisor import Sandbox

SQL_ENGINES = ("postgres", "clickhouse")
SEARCH_KINDS = ("opensearch", "elasticsearch")
EVERYTHING = ("sql", *SEARCH_KINDS, "redis", "s3", "rows")


def measure_sql(sandbox: Sandbox, size: Size, say: Callable[[str], None]) -> list[Result]:
    """Both SQL stores, one after the other, on engines that run."""
    pids = {engine.name: engine.pid or 0 for engine in sandbox.status()}
    results = PostgresBench(sandbox.config, pids["postgres"], size, say).run()
    return results + ClickHouseBench(sandbox.config, pids["clickhouse"], size, say).run()


def measure_search(sandbox: Sandbox, size: Size, say: Callable[[str], None]) -> list[Result]:
    """The search server that runs, whichever it is."""
    (pid,) = (engine.pid or 0 for engine in sandbox.status() if engine.name == "search")
    return SearchBench(sandbox.config, pid, sandbox.kind("search"), size, say).run()


def measure_redis(sandbox: Sandbox, size: Size, say: Callable[[str], None]) -> list[Result]:
    """Redis, with keys alone."""
    pids = {engine.name: engine.pid or 0 for engine in sandbox.status()}
    return RedisBench(sandbox.config, pids["redis"], size, say).run()


def measure_rows(scale: float) -> list[Result]:
    """Rows inside files, which need no engine."""
    return [found.as_result() for found in measure_files(int(BYTES * scale), _say)]


def main() -> None:
    """Measures, writes `var/bench/results.json`, and prints it as a table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--scale",
        type=float,
        default=1.0,
        help="1 is 2,000,000 judgments, 20,000,000 metrics, 1,000,000 documents, 1,000,000 keys, 100,000 objects,"
        " and 1 GB of rows of each format",
    )
    parser.add_argument(
        "--of",
        action="append",
        choices=EVERYTHING,
        help="only these; all where none is named",
    )
    parser.add_argument("--out", type=Path, default=var_dir() / "bench" / "results.json")
    options = parser.parse_args()
    wanted = options.of or EVERYTHING
    size = size_of(options.scale)
    results: list[Result] = []
    if "sql" in wanted:
        results += _alone(measure_sql, size, SQL_ENGINES)
    for kind in SEARCH_KINDS:
        if kind in wanted:
            results += _alone(measure_search, size, ("search",), {"search": kind})
    if "redis" in wanted:
        results += _alone(measure_redis, size, ("redis",))
    if "s3" in wanted:

        def measure_s3(sandbox: Sandbox, _: Size, say: Callable[[str], None]) -> list[Result]:
            (pid,) = (engine.pid or 0 for engine in sandbox.status() if engine.name == "s3")
            return measure_objects(sandbox.config, pid, contributors_of(options.scale), say)

        results += _alone(measure_s3, size, ("s3",))
    if "rows" in wanted:
        results += measure_rows(options.scale)
    write(results, options.out)
    print(as_text(results))
    print(f"written to {options.out}")


def _alone(
    measure: Callable[[Sandbox, Size, Callable[[str], None]], list[Result]],
    size: Size,
    engines: Sequence[str],
    kinds: Mapping[str, str | None] | None = None,
) -> list[Result]:
    """Measured on engines that are started for it, with no others beside them."""
    # Outside the checkout: run as root, PostgreSQL works under an account that must get there.
    root = Path(tempfile.mkdtemp(prefix="sandbox-bench-"))
    sandbox = Sandbox(root, engines=engines, kinds=kinds)
    try:
        sandbox.up()
        return measure(sandbox, size, _say)
    finally:
        sandbox.down()
        shutil.rmtree(root, ignore_errors=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
