"""Parquet: row group by row group, with schema, metadata, codecs, dictionaries, groups and order as they were.

What Arrow cannot keep: pages are written anew, so `created_by`, page sizes, compression levels, page checksums and
version, and a stale `ARROW:schema` are not what they were; statistics, page index and bloom filters are made of the
new values. A group that is large in memory (`GROUP_AT_MOST`) is written as several. A schema that Arrow would write
otherwise is an error before anything is written.
Holds: `Parquet`.
Add here: another property of a file that can be kept.
Keep out: what changes in a batch of rows (`arrow_rows.py`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from erasure.errors import safe_reason
from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.base import Flaw, RowCounts, RowRules, UnreadableRows
from erasure.stores.s3.rows.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

GROUP_AT_MOST = 96 * 1024 * 1024
# Rows are judged so many at a time, and fewer where they are long.
_BATCH_ROWS = 64 * 1024
_BATCH_BYTES = 16 * 1024 * 1024
_BUFFER = 1024 * 1024
_ENCRYPTED = b"PARE"
_ROWS_IN_A_GROUP = 64 * 1024 * 1024
_DICTIONARIES = frozenset({"RLE_DICTIONARY", "PLAIN_DICTIONARY"})
# Encodings that a writer has chosen for a column on purpose.
_CHOSEN = frozenset(
    {"DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT"}
)
_ARROW_SCHEMA = b"ARROW:schema"


class Parquet:
    """Files of Parquet."""

    needs_seek = True

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change; reads no columns but those that decide or are ruled."""
        with _flaws(guarded := Guarded(source)):
            file = _opened(guarded)
            tally = Tally()
            rows = _rows_of(file, rules, tally, writes=False)
            _properties(file, rows.ruled_names)
            for group in range(file.num_row_groups):
                for batch in _batches(file, group, rows.needed):
                    rows.masked(batch)
            return tally.counts()

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything, but for the ruled values of targets."""
        with _flaws(guarded := Guarded(source)):
            file = _opened(guarded)
            tally = Tally()
            rows = _rows_of(file, rules, tally, writes=True)
            writer = _writer(Guarded(sink), file, rows.ruled_names)
            written = 0
            for group in range(file.num_row_groups):
                held: list[pa.RecordBatch] = []
                for batch in _batches(file, group, None):
                    held.append(rows.masked(batch))
                    if sum(each.nbytes for each in held) > GROUP_AT_MOST:
                        written += _write(writer, held)
                        held = []
                written += _write(writer, held)
            writer.close()
            gone = tally.to_mask if rules.delete else 0
            if written != file.metadata.num_rows - gone:
                raise UnreadableRows(Flaw.FORMAT, f"{written} of {file.metadata.num_rows} rows could be read")
            return tally.counts()


def _opened(source: Guarded) -> pq.ParquetFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    end = source.seek(0, io.SEEK_END)
    source.seek(max(0, end - len(_ENCRYPTED)))
    if source.read(len(_ENCRYPTED)) == _ENCRYPTED:
        raise UnreadableRows(Flaw.ENCRYPTED, "it is encrypted Parquet, and nobody here has its key")
    source.seek(0)
    file = pq.ParquetFile(pa.PythonFile(source, mode="r"), buffer_size=_BUFFER, pre_buffer=False)
    if file.num_row_groups:
        # Arrow ends the whole process where it is asked for properties of a column that is encrypted; reading raises.
        next(file.iter_batches(batch_size=1, row_groups=[0]), None)
    return file


@contextmanager
def _flaws(source: Guarded) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        # What broke below Arrow, such as a connection, says nothing of the file.
        if source.failure is not None:
            raise source.failure from None
        if not isinstance(error, pa.ArrowException) and error.errno is not None:
            raise
        if "crypt" in str(error):
            raise UnreadableRows(
                Flaw.ENCRYPTED, "columns of it are encrypted, and nobody here has their key"
            ) from None
        what = f"it is no whole Parquet file, or one that Arrow cannot read ({safe_reason(error)})"
        raise UnreadableRows(Flaw.FORMAT, what) from None


def _rows_of(file: pq.ParquetFile, rules: RowRules, tally: Tally, *, writes: bool) -> Any:
    # Imported here: it needs Arrow, which takes a while.
    from erasure.stores.s3.rows.arrow_rows import ArrowRows

    return ArrowRows(_written_schema(file), rules, tally, writes=writes)


def _batches(file: pq.ParquetFile, group: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    told = file.metadata.row_group(group)
    rows = min(_BATCH_ROWS, max(1, _BATCH_BYTES * told.num_rows // max(told.total_byte_size, 1)))
    for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=columns):
        schema = pa.schema([field.with_type(_plain(field.type)) for field in batch.schema])
        yield batch if schema.equals(batch.schema) else batch.cast(schema)


def _write(writer: pq.ParquetWriter, batches: list[pa.RecordBatch]) -> int:
    import pyarrow as pa

    table = pa.Table.from_batches(batches) if batches else None
    if table is None or not table.num_rows:
        return 0
    writer.write_table(table.replace_schema_metadata(None), row_group_size=_ROWS_IN_A_GROUP)
    return int(table.num_rows)


def _writer(sink: Guarded, file: pq.ParquetFile, ruled: frozenset[str]) -> pq.ParquetWriter:
    import pyarrow as pa
    import pyarrow.parquet as pq

    properties = _properties(file, ruled)
    writer = pq.ParquetWriter(pa.PythonFile(sink, mode="w"), _written_schema(file), **properties)
    _add_metadata(writer, file)
    return writer


def _add_metadata(writer: pq.ParquetWriter, file: pq.ParquetFile) -> None:
    # Arrow's own entry among them, which the writer takes from nowhere else.
    if file.metadata.metadata:
        writer.add_key_value_metadata(file.metadata.metadata)


def _written_schema(file: pq.ParquetFile) -> pa.Schema:
    """The schema without dictionaries: the writer would write each with all the values that it once had, masked or
    not. That columns are dictionaries (or views) to Arrow stands in the file's metadata, which stay.
    """
    import pyarrow as pa

    schema = file.schema_arrow
    fields = [field.with_type(_plain(field.type)) for field in schema]
    return pa.schema(fields)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    return kind


def _properties(file: pq.ParquetFile, ruled: frozenset[str]) -> dict[str, Any]:
    """What to tell the writer, so that it writes this file's schema; raises UnreadableRows where nothing makes it."""
    import pyarrow.parquet as pq

    kept = _kept_properties(file, ruled)
    schema = _written_schema(file)
    versions = dict.fromkeys((file.metadata.format_version, "2.6", "2.4", "1.0"))
    for version in (each for each in versions if each in {"1.0", "2.4", "2.6"}):
        for compliant in (True, False):
            properties = kept | {"version": version, "use_compliant_nested_type": compliant}
            tried = io.BytesIO()
            with pq.ParquetWriter(tried, schema, **properties) as writer:
                _add_metadata(writer, file)
            made = pq.ParquetFile(tried)
            if made.schema.equals(file.schema) and made.schema_arrow.equals(
                file.schema_arrow, check_metadata=True
            ):
                return properties
    raise UnreadableRows(Flaw.FORMAT, "its schema is one that Arrow would not write as it is")


def _kept_properties(file: pq.ParquetFile, ruled: frozenset[str]) -> dict[str, Any]:
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    # Arrow's schema, where there is one, is among the metadata that are copied.
    kept: dict[str, Any] = {"store_schema": False}
    if not groups:
        return kept
    columns = [[group.column(at) for group in groups] for at in range(groups[0].num_columns)]
    by_path = {chunks[0].path_in_schema: chunks for chunks in columns}
    first = {path: chunks[0] for path, chunks in by_path.items()}
    encodings = {
        path: {each for chunk in chunks for each in chunk.encodings} for path, chunks in by_path.items()
    }
    dictionaries = [path for path, found in encodings.items() if found & _DICTIONARIES]
    chosen = {path: sorted(found & _CHOSEN) for path, found in encodings.items() if path not in dictionaries}
    statistics = [path for path, chunks in by_path.items() if any(chunk.is_stats_set for chunk in chunks)]
    physical = {chunk.physical_type for chunk in first.values()}
    bloomed = [
        path for path, chunks in by_path.items() if any(c.bloom_filter_offset is not None for c in chunks)
    ]
    kept |= {
        "compression": {path: _codec(chunk.compression) for path, chunk in first.items()},
        "use_dictionary": dictionaries or False,
        "write_statistics": statistics or False,
        "write_page_index": any(chunk.has_offset_index for chunks in columns for chunk in chunks),
        "use_deprecated_int96_timestamps": "INT96" in physical,
        "store_decimal_as_integer": _has_integer_decimals(file),
        "sorting_columns": _still_sorted(file, ruled),
    }
    if any(chosen.values()):
        kept["column_encoding"] = {path: found[0] for path, found in chosen.items() if found}
    if bloomed:
        most = max(group.num_rows for group in groups)
        kept["bloom_filter_options"] = {path: {"ndv": max(most, 1)} for path in bloomed}
    return kept


def _codec(name: str) -> str:
    return "NONE" if name == "UNCOMPRESSED" else name


def _has_integer_decimals(file: pq.ParquetFile) -> bool:
    columns = (file.schema.column(at) for at in range(len(file.schema)))
    return any(
        each.logical_type.type == "DECIMAL" and each.physical_type in {"INT32", "INT64"} for each in columns
    )


def _still_sorted(file: pq.ParquetFile, ruled: frozenset[str]) -> list[Any] | None:
    """The order that rows were said to have, as far as no ruled column is a part of it."""
    kept = []
    for column in file.metadata.row_group(0).sorting_columns:
        if file.schema.column(column.column_index).path.split(".")[0] in ruled:
            break
        kept.append(column)
    return kept or None
