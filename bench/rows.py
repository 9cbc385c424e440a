"""`python -m bench.rows`: what masking rows inside files costs, against a bare copy in the same library.

Each way runs in a process of its own, so that its peak of memory is its own.
Add here: a format, or another bare way.
Keep out: S3 itself, and databases (`bench/__main__.py`).
"""

import argparse
import csv
import gzip
import io
import json
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from erasure.inventory import Field, InventoryObject, Rows, Subject
from erasure.rules import Rule
from erasure.settings import var_dir
from erasure.stores.s3.rows.base import rules_for
from erasure.stores.s3.rows.codecs import codec_of
from erasure.targets import Needle, TargetSet

CONTRIBUTORS = 100_000
TARGETS = 10_000
BYTES = 1_000_000_000
FORMATS = ("csv", "csv.gz", "jsonl", "jsonl.gz", "json", "parquet")
_COLUMNS = ("unit_id", "contributor_id", "email", "label", "price", "at")
_PIECE = 1024 * 1024
_GROUP = 200_000
_LEVEL = 6


@dataclass(frozen=True, kw_only=True)
class RowsResult:
    """One format: megabytes are of the file as it lies, seconds and peaks of ours and of the bare way."""

    format: str
    bare: str
    megabytes: int
    rows: int
    masked: int
    ours_s: float
    bare_s: float
    ours_peak_mb: int
    bare_peak_mb: int

    @property
    def ratio(self) -> float:
        """How many times as long as the bare way ours takes."""
        return round(self.ours_s / self.bare_s, 2)


def targets() -> TargetSet:
    """The first tenth of the contributors."""
    return TargetSet(
        batch_id="b20260101T000000Z-bbbb",
        contributor_ids=frozenset(_id(number) for number in range(TARGETS)),
        needles=tuple(
            Needle(contributor_id=_id(number), kind="email", value=_email(number))
            for number in range(TARGETS)
        ),
    )


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def _email(number: int) -> str:
    return f"person{number}@example.com"


def _item(key: str) -> InventoryObject:
    return InventoryObject(
        store="s3",
        name="exports",
        source="bench_s3",
        schema="bench_s3",
        location=key,
        subject=Subject(contributor_id="contributor_id", email="email"),
        fields=(
            Field(name="email", rule=Rule.CONSTANT),
            *(Field(name=name, rule=Rule.KEEP, reason="bench") for name in _COLUMNS if name != "email"),
        ),
        rows=Rows(),
    )


def _records(size: int) -> Iterator[dict[str, Any]]:
    """Rows of about 150 bytes each as CSV, as many as make that many bytes."""
    dice = random.Random(7)
    for number in range(size // 150):
        who = dice.randrange(CONTRIBUTORS)
        yield {
            "unit_id": f"unit-{number:012d}",
            "contributor_id": _id(who),
            "email": _email(who),
            "label": dice.choice(("cat", "dog", "bird, or plane")) * 2,
            "price": dice.randrange(10_000) / 100,
            "at": f"2026-01-{1 + number % 28:02d}T00:00:{number % 60:02d}Z",
        }


def make(path: Path, size: int) -> None:
    """Writes a file in the format of its name."""
    kind = path.name.removeprefix("rows.")
    if kind == "parquet":
        _make_parquet(path, size)
        return
    with path.open("wb") as file, _packed(file, kind) as packed, _text(packed) as text:
        if kind.startswith("csv"):
            writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(_records(size))
        elif kind == "json":
            text.write("[")
            for number, record in enumerate(_records(size)):
                text.write((",\n" if number else "\n") + json.dumps(record))
            text.write("\n]\n")
        else:
            text.writelines(json.dumps(record) + "\n" for record in _records(size))


def _packed(file: Any, kind: str) -> Any:
    return gzip.GzipFile("", "wb", _LEVEL, file) if kind.endswith(".gz") else file


def _text(packed: Any) -> io.TextIOWrapper:
    return io.TextIOWrapper(packed, encoding="utf-8", newline="")


def _make_parquet(path: Path, size: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.float64() if name == "price" else pa.string()) for name in _COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        held = []
        # Parquet packs such rows to about a third.
        for record in _records(size * 3):
            held.append(record)
            if len(held) == _GROUP:
                writer.write_table(pa.Table.from_pylist(held, schema), row_group_size=_GROUP)
                held = []
        writer.write_table(pa.Table.from_pylist(held, schema), row_group_size=_GROUP)


def _bare_csv(source: Path, sink: Path) -> None:
    with (
        source.open(newline="", encoding="utf-8") as old,
        sink.open("w", newline="", encoding="utf-8") as new,
    ):
        csv.writer(new, lineterminator="\n").writerows(csv.reader(old))


def _bare_gzip(source: Path, sink: Path) -> None:
    unpack, pack = zlib.decompressobj(31), zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    with source.open("rb") as old, sink.open("wb") as new:
        while piece := old.read(_PIECE):
            new.write(pack.compress(unpack.decompress(piece)))
        new.write(pack.flush())


def _bare_lines(source: Path, sink: Path) -> None:
    with source.open("rb") as old, sink.open("wb") as new:
        for line in old:
            orjson.loads(line)
            new.write(line)


def _bare_json(source: Path, sink: Path) -> None:
    # A library for arrays is none of ours: the same lines, parsed one by one without what stands between them.
    with source.open("rb") as old, sink.open("wb") as new:
        for line in old:
            if line.startswith(b"{"):
                orjson.loads(line.rstrip(b",\n"))
            new.write(line)


def _bare_parquet(source: Path, sink: Path) -> None:
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file, pq.ParquetWriter(sink, file.schema_arrow) as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group), row_group_size=_GROUP)


_BARE: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "csv": ("csv reader to csv writer", _bare_csv),
    "csv.gz": ("unpacked and packed, nothing looked at", _bare_gzip),
    "jsonl": ("each line parsed by orjson", _bare_lines),
    "jsonl.gz": ("unpacked and packed, nothing looked at", _bare_gzip),
    "json": ("each line parsed by orjson", _bare_json),
    "parquet": ("row group by row group", _bare_parquet),
}


def one_way(way: str, source: Path) -> dict[str, Any]:
    """Runs one way in this process: seconds, the peak of memory (MB), and what ours has counted."""
    sink = source.with_suffix(source.suffix + ".out")
    kind = source.name.removeprefix("rows.")
    counts: dict[str, Any] = {}
    began = time.perf_counter()
    if way == "ours":
        codec = codec_of(source.name, item := _item(source.name))
        if codec is None:
            raise SystemExit(f"no codec for {source.name}")
        rules = rules_for(item, targets())
        began = time.perf_counter()
        with source.open("rb") as old, sink.open("wb") as new:
            counts = asdict(codec.rewrite(old, new, rules))
    else:
        _BARE[kind][1](source, sink)
    seconds = time.perf_counter() - began
    sink.unlink()
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) // 1024
    return {"seconds": seconds, "peak": peak, **counts}


def _in_a_process(way: str, source: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.rows", "--way", way, "--file", str(source)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


def measure(size: int, say: Callable[[str], None], *, repeats: int = 3) -> list[RowsResult]:
    """Every format, ours and bare in turns; the shortest of each counts, since others use the machine too."""
    results = []
    for kind in FORMATS:
        with tempfile.TemporaryDirectory(prefix="rows-bench-") as held:
            source = Path(held) / f"rows.{kind}"
            make(source, size)
            megabytes = source.stat().st_size // 1_000_000
            runs = [(_in_a_process("ours", source), _in_a_process("bare", source)) for _ in range(repeats)]
        ours = min((run for run, _ in runs), key=lambda run: run["seconds"])
        bare = min((run for _, run in runs), key=lambda run: run["seconds"])
        results.append(
            RowsResult(
                format=kind,
                bare=_BARE[kind][0],
                megabytes=megabytes,
                rows=ours["rows"],
                masked=ours["to_mask"],
                ours_s=round(ours["seconds"], 2),
                bare_s=round(bare["seconds"], 2),
                ours_peak_mb=max(run["peak"] for run, _ in runs),
                bare_peak_mb=max(run["peak"] for _, run in runs),
            )
        )
        say(as_text(results[-1]))
    return results


def as_text(result: RowsResult) -> str:
    """One line of a table."""
    return (
        f"{result.format:<9} {result.megabytes:>5} MB {result.rows:>9} rows {result.masked:>8} masked"
        f" {result.ours_s:>7.2f} s {result.ours_peak_mb:>4} MB, bare {result.bare_s:>7.2f} s"
        f" {result.bare_peak_mb:>4} MB, x {result.ratio:.2f} ({result.bare})"
    )


def main() -> None:
    """Measures, prints a table, and writes `var/bench/rows.json`."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__.partition("\n")[0])
    parser.add_argument("--scale", type=float, default=1.0, help="1 is 1 GB of rows of each format")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=var_dir() / "bench" / "rows.json")
    parser.add_argument("--way", choices=("ours", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one_way(options.way, options.file)))
        return
    results = measure(int(BYTES * options.scale), print, repeats=options.repeats)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    entries = [asdict(result) | {"ratio": result.ratio} for result in results]
    options.out.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
