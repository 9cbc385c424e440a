"""Files of two gigabytes in bounded memory: each is rewritten in a process of its own, which tells its peak.

Add here: a format that is to stay bounded.
Keep out: how long it takes (`bench/rows.py`), and what is written (`test_rows_*.py`).
"""

import io
import json
import subprocess
import sys
from itertools import repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.row_files import make, packed

SIZE = 2_000_000_000
# Every row of a sample is written again and again, so that making the file takes no longer than masking it.
SAMPLE = 30_000_000
MOST_MB = 500
GROUP = 1_000_000


def large_text(path: Path, raw: bytes) -> None:
    """Below one header the same rows; packed without being made smaller, so that the object is as large as its rows."""
    header = raw[: raw.index(b"\n") + 1] if ".csv" in path.name else b""
    rows = raw.removeprefix(header)
    with path.open("wb") as file, packed(file, path.name, level=0) as sink:
        sink.write(header)
        for _ in range(SIZE // len(rows) + 1):
            sink.write(rows)


def large_array(path: Path, raw: bytes) -> None:
    """One array of the same elements."""
    elements = raw.strip()[1:-1].strip() + b",\n"
    with path.open("wb") as file:
        file.write(b"[")
        file.writelines(repeat(elements, SIZE // len(elements) + 1))
        file.write(elements.removesuffix(b",\n") + b"]\n")


def large_parquet(path: Path, raw: bytes) -> None:
    """Groups of a million rows, which are packed by nothing."""
    table = pq.read_table(io.BytesIO(raw))
    group = pa.concat_tables([table] * (GROUP // table.num_rows + 1)).slice(0, GROUP)
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as writer:
        while path.stat().st_size < SIZE:
            writer.write_table(group, row_group_size=GROUP)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["csv.gz", "jsonl", "json", "parquet"])
def test_two_gigabytes_are_rewritten_in_less_than_half_of_one(kind: str, tmp_path: Path) -> None:
    plain = kind.removesuffix(".gz")
    sample, large = tmp_path / f"rows.{plain}", tmp_path / "large" / f"rows.{kind}"
    large.parent.mkdir()
    make(sample, SAMPLE)
    write = {"json": large_array, "parquet": large_parquet}.get(kind, large_text)
    write(large, sample.read_bytes())
    command = [sys.executable, "-m", "bench.rows", "--way", "ours", "--file", str(large)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    print(f"{kind}: {told['peak']} MB at most, {told['seconds']:.0f} s")
    assert large.stat().st_size >= SIZE
    assert 0 < told["to_mask"] < told["rows"]
    assert told["peak"] < MOST_MB, told["peak"]
    large.unlink()
