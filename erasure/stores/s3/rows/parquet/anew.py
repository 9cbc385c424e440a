"""Every column written anew by Arrow: for files of which whole rows go, and for groups too large to be held.

What Arrow cannot keep: pages are written anew, so `created_by`, page sizes, compression levels, page checksums and
version, and a stale `ARROW:schema` are not what they were; statistics, page index and bloom filters are made of the
new values. A group that is large in memory (`GROUP_AT_MOST`) is written as several. A schema that Arrow would write
otherwise is an error before anything is written.
Holds: `Anew`.
Add here: nothing that `chunks.py` could do, which changes less.
Keep out: what changes in a batch of rows (`arrow_rows.py`).
"""

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.arrow_rows import ArrowRows
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.parquet.opened import batches, written_schema
from erasure.stores.s3.rows.parquet.properties import Properties, kept_properties, tried_properties

GROUP_AT_MOST = 96 * 1024 * 1024
_ROWS_IN_A_GROUP = 64 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Anew:
    """One file, and how it is written."""

    file: pq.ParquetFile
    properties: Properties

    def write(self, rows: ArrowRows, sink: BinaryIO) -> int:
        """Returns how many rows were read."""
        writer = pq.ParquetWriter(
            pa.PythonFile(Guarded(sink), mode="w"), written_schema(self.file), **self.properties
        )
        _add_metadata(writer, self.file)
        read = 0
        for group in range(self.file.num_row_groups):
            held: list[pa.RecordBatch] = []
            for batch in batches(self.file, group, None):
                read += batch.num_rows
                held.append(rows.masked(batch))
                if sum(each.nbytes for each in held) > GROUP_AT_MOST:
                    _write(writer, held)
                    held = []
            _write(writer, held)
        writer.close()
        return read


def written_anew(file: pq.ParquetFile, ruled: frozenset[str]) -> Anew:
    """How all of a file is written; raises UnreadableRows where nothing makes Arrow write this file's schema."""
    kept = kept_properties(file) | {"sorting_columns": _still_sorted(file, ruled)}
    schema = written_schema(file)
    for properties in tried_properties(file, kept):
        tried = io.BytesIO()
        with pq.ParquetWriter(tried, schema, **properties) as writer:
            _add_metadata(writer, file)
        made = pq.ParquetFile(tried)
        if made.schema.equals(file.schema) and made.schema_arrow.equals(
            file.schema_arrow, check_metadata=True
        ):
            return Anew(file=file, properties=properties)
    raise UnreadableRows(Flaw.FORMAT, "its schema is one that Arrow would not write as it is")


def _write(writer: pq.ParquetWriter, held: list[pa.RecordBatch]) -> None:
    table = pa.Table.from_batches(held) if held else None
    if table is not None and table.num_rows:
        writer.write_table(table.replace_schema_metadata(None), row_group_size=_ROWS_IN_A_GROUP)


def _add_metadata(writer: pq.ParquetWriter, file: pq.ParquetFile) -> None:
    # Arrow's own entry among them, which the writer takes from nowhere else.
    if file.metadata.metadata:
        writer.add_key_value_metadata(file.metadata.metadata)


def _still_sorted(file: pq.ParquetFile, ruled: frozenset[str]) -> list[Any] | None:
    """The order that rows were said to have, as far as no ruled column is a part of it."""
    if not file.num_row_groups:
        return None
    kept = []
    for column in file.metadata.row_group(0).sorting_columns:
        if file.schema.column(column.column_index).path.split(".")[0] in ruled:
            break
        kept.append(column)
    return kept or None
