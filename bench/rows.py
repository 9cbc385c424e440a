"""`python -m bench --of rows`: what masking rows inside files costs, against a bare copy in the same library.

Each way runs in a process of its own, so that its peak of memory is its own.
Add here: another figure of every format.
Keep out: files and bare ways (`row_files.py`, `row_ways.py`), S3 itself, and databases (`bench/__main__.py`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.results import Result
from bench.row_files import FORMATS, TARGETS, contributor_id, item_of, make, targets
from bench.row_ways import BARE, unpacked_and_packed
from erasure.settings import var_dir
from erasure.stores.s3.rows.base import rules_for
from erasure.stores.s3.rows.codecs import codec_of

BYTES = 1_000_000_000
# Contributors for whom a script rewrites the whole file, one after the other.
_SAMPLE = 2


@dataclass(frozen=True, kw_only=True)
class RowsResult:
    """One format: megabytes are of the file as it lies, seconds and peaks of ours and of the bare way.

    packing_s: of packed formats, what unpacking and packing alone takes.
    per_contributor_s: a script that rewrites the file for each contributor, extrapolated from `per_contributor_sample`.
    """

    format: str
    bare: str
    megabytes: int
    rows: int
    masked: int
    ours_s: float
    bare_s: float
    ours_peak_mb: int
    bare_peak_mb: int
    packing_s: float | None
    per_contributor_s: float
    per_contributor_sample: int = _SAMPLE

    @property
    def ratio(self) -> float:
        """How many times as long as the bare way ours takes."""
        return round(self.ours_s / self.bare_s, 2)

    @property
    def ratio_per_contributor(self) -> float:
        """How many times as long as ours the script takes."""
        return round(self.per_contributor_s / self.ours_s, 1)

    def as_result(self) -> Result:
        """The same as an entry beside those of the stores."""
        return Result(
            store="s3 rows",
            work=f"{self.format}, {self.megabytes} MB",
            contributors=TARGETS,
            records=self.masked,
            ours_s=self.ours_s,
            bare_s=self.bare_s,
            per_contributor_s=self.per_contributor_s,
            per_contributor_sample=self.per_contributor_sample,
            peak_rss_mb=self.ours_peak_mb,
            engine_peak_mb=0,
            recount_s=0.0,
        )


def one_way(way: str, source: Path) -> dict[str, Any]:
    """Runs one way in this process: seconds, the peak of memory (MB), and what ours has counted."""
    sink = source.with_suffix(source.suffix + ".out")
    work = _work(way, source, sink)
    began = time.perf_counter()
    counts = work()
    seconds = time.perf_counter() - began
    sink.unlink()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) // 1024
    return {"seconds": seconds, "peak": peak, **counts}


def _work(way: str, source: Path, sink: Path) -> Callable[[], dict[str, Any]]:
    kind = source.name.removeprefix("rows.")

    item = item_of(source.name)
    codec, rules = codec_of(source.name, item), rules_for(item, targets())
    if codec is None:
        raise SystemExit(f"no codec for {source.name}")
    rewrite = codec.rewrite

    def ours() -> dict[str, Any]:
        with source.open("rb") as old, sink.open("wb") as new:
            return asdict(rewrite(old, new, rules))

    def bare() -> dict[str, Any]:
        BARE[kind].copy(source, sink, None)
        return {}

    def loop() -> dict[str, Any]:
        for number in range(_SAMPLE):
            BARE[kind].copy(source, sink, contributor_id(number))
        return {}

    def packing() -> dict[str, Any]:
        unpacked_and_packed(source, sink)
        return {}

    if kind == "parquet":
        # Reading a library in is no part of any way; Arrow reads pandas in for the first array of Python's values.
        import pandas  # noqa: F401

        import erasure.stores.s3.rows.parquet.passes  # noqa: F401
    return {"ours": ours, "bare": bare, "loop": loop, "packing": packing}[way]


def _in_a_process(way: str, source: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.rows", "--way", way, "--file", str(source)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


def measure(
    size: int, say: Callable[[str], None], *, repeats: int = 3, formats: Sequence[str] = FORMATS
) -> list[RowsResult]:
    """Every format, ours and bare in turns; the shortest of each counts, since others use the machine too."""
    results = []
    for kind in formats:
        with tempfile.TemporaryDirectory(prefix="rows-bench-") as held:
            source = Path(held) / f"rows.{kind}"
            make(source, size)
            results.append(_measured(kind, source, repeats))
        say(as_text(results[-1]))
    return results


def _measured(kind: str, source: Path, repeats: int) -> RowsResult:
    runs = [(_in_a_process("ours", source), _in_a_process("bare", source)) for _ in range(repeats)]
    ours = min((run for run, _ in runs), key=lambda run: run["seconds"])
    bare = min((run for _, run in runs), key=lambda run: run["seconds"])
    packing = _in_a_process("packing", source)["seconds"] if kind.endswith(".gz") else None
    return RowsResult(
        format=kind,
        bare=BARE[kind].what,
        megabytes=source.stat().st_size // 1_000_000,
        rows=ours["rows"],
        masked=ours["to_mask"],
        ours_s=round(ours["seconds"], 3),
        bare_s=round(bare["seconds"], 3),
        ours_peak_mb=max(run["peak"] for run, _ in runs),
        bare_peak_mb=max(run["peak"] for _, run in runs),
        packing_s=round(packing, 3) if packing is not None else None,
        per_contributor_s=round(_in_a_process("loop", source)["seconds"] * TARGETS / _SAMPLE, 1),
    )


def as_text(result: RowsResult) -> str:
    """One line of a table."""
    packing = f", gzip alone {result.packing_s:.2f} s" if result.packing_s is not None else ""
    return (
        f"{result.format:<12} {result.megabytes:>5} MB {result.rows:>9} rows {result.masked:>8} masked"
        f" {result.ours_s:>7.2f} s {result.ours_peak_mb:>4} MB, bare {result.bare_s:>7.2f} s"
        f" {result.bare_peak_mb:>4} MB, x {result.ratio:.2f} ({result.bare}{packing}),"
        f" a contributor at a time x {result.ratio_per_contributor:.0f}"
    )


def main() -> None:
    """Measures, prints a table, and writes `var/bench/rows.json`."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1 GB of rows of each format")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--format", action="append", choices=FORMATS, help="only these")
    parser.add_argument("--out", type=Path, default=var_dir() / "bench" / "rows.json")
    parser.add_argument("--way", choices=("ours", "bare", "loop", "packing"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one_way(options.way, options.file)))
        return
    results = measure(
        int(BYTES * options.scale), print, repeats=options.repeats, formats=options.format or FORMATS
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    entries = [
        asdict(result) | {"ratio": result.ratio, "ratio_per_contributor": result.ratio_per_contributor}
        for result in results
    ]
    options.out.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
