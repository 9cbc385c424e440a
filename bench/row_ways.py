"""What ours is compared with: a bare copy in the same library, and a script that masks one contributor in a file.

Add here: the bare way of another format.
Keep out: the files (`row_files.py`), and how a way is measured (`rows.py`).
"""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench.row_files import GROUP, LEVEL
from erasure.rules import MASK

_PIECE = 1024 * 1024
# From a file into another; of one contributor, where one is named, the email is masked on the way.
Copy = Callable[[Path, Path, str | None], None]


@contextmanager
def _streams(source: Path, sink: Path) -> Iterator[tuple[Any, Any]]:
    if source.name.endswith(".gz"):
        with gzip.open(source, "rb") as old, gzip.open(sink, "wb", LEVEL) as new:
            yield old, new
    else:
        with source.open("rb") as old, sink.open("wb") as new:
            yield old, new


def _csv(source: Path, sink: Path, one: str | None) -> None:
    opener: Any = gzip.open if source.name.endswith(".gz") else open
    level = {"compresslevel": LEVEL} if source.name.endswith(".gz") else {}
    with (
        opener(source, "rt", newline="", encoding="utf-8") as old,
        opener(sink, "wt", newline="", encoding="utf-8", **level) as new,
    ):
        reader, writer = csv.reader(old), csv.writer(new, lineterminator="\n")
        if one is None:
            writer.writerows(reader)
            return
        for row in reader:
            if row[1] == one:
                row[2] = MASK
            writer.writerow(row)


def _lines(source: Path, sink: Path, one: str | None) -> None:
    with _streams(source, sink) as (old, new):
        for line in old:
            document = orjson.loads(line)
            if document["contributor_id"] == one:
                line = orjson.dumps(document | {"email": MASK}) + b"\n"  # noqa: PLW2901
            new.write(line)


def _json(source: Path, sink: Path, one: str | None) -> None:
    # A library for arrays is none of ours: the same lines, parsed one by one without what stands between them.
    with _streams(source, sink) as (old, new):
        for line in old:
            if line.startswith(b"{"):
                document = orjson.loads(line.rstrip(b",\n"))
                if document["contributor_id"] == one:
                    end = line[len(line.rstrip(b",\n")) :]
                    line = orjson.dumps(document | {"email": MASK}) + end  # noqa: PLW2901
            new.write(line)


def _parquet(source: Path, sink: Path, one: str | None) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(source) as file, pq.ParquetWriter(sink, file.schema_arrow) as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            if one is not None:
                theirs = pc.equal(table["contributor_id"], one)
                at = table.schema.get_field_index("email")
                masked = pc.if_else(theirs, pa.scalar(MASK), table["email"])
                table = table.set_column(at, table.schema.field(at), masked)
            writer.write_table(table, row_group_size=GROUP)


def unpacked_and_packed(source: Path, sink: Path) -> None:
    """Nothing but gzip, which is a part of every way through a packed file."""
    unpack, pack = zlib.decompressobj(31), zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    with source.open("rb") as old, sink.open("wb") as new:
        while piece := old.read(_PIECE):
            new.write(pack.compress(unpack.decompress(piece)))
        new.write(pack.flush())


@dataclass(frozen=True, kw_only=True)
class Bare:
    """A bare way, and what it is in words."""

    what: str
    copy: Copy


BARE = {
    "csv": Bare(what="csv reader to csv writer", copy=_csv),
    "csv.gz": Bare(what="csv reader to csv writer, through gzip", copy=_csv),
    "jsonl": Bare(what="each line parsed by orjson", copy=_lines),
    "jsonl.gz": Bare(what="each line parsed by orjson, through gzip", copy=_lines),
    "nested.jsonl": Bare(what="each line parsed by orjson", copy=_lines),
    "json": Bare(what="each line parsed by orjson", copy=_json),
    "parquet": Bare(what="row group by row group", copy=_parquet),
}
