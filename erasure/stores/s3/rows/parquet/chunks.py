"""The chunks of ruled columns written anew, all others copied by their bytes: nothing is decoded that no rule is about.

So codecs and their levels, pages, encodings, checksums and indexes of other columns, the groups, and who has written
the file (`created_by`) are what they were. The ruled columns are written anew in every group, also where no row of it
changes: a dictionary can hold a value that no row of the group has.
Holds: `ByChunks`, `written_by_chunks`.
Add here: another part of a chunk that must go with it.
Keep out: where the file says that something stands (`footer.py`), and what changes in a batch (`arrow_rows.py`).
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.arrow_rows import ArrowRows
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.parquet.footer import (
    MAGIC,
    Chunk,
    Footer,
    Seekable,
    Span,
    footer_bytes,
    footer_of,
    moved_offset_index,
)
from erasure.stores.s3.rows.parquet.opened import BATCH_ROWS, batches, written_schema
from erasure.stores.s3.rows.parquet.properties import Properties, kept_properties, tried_properties

# Of the ruled columns of one group, as Arrow holds them; they are held once more as they are written.
HELD_AT_MOST = 96 * 1024 * 1024
_ROWS_AT_MOST = 64 * 1024 * 1024
_PIECE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A chunk, and the file in which it stands."""

    source: Seekable
    chunk: Chunk

    def read(self, span: Span) -> bytes:
        self.source.seek(span[0])
        return self.source.read(span[1] - span[0])


@dataclass(frozen=True, kw_only=True)
class _Index:
    """Of a chunk that has been written: what is said of its pages, which stands at the end of a file."""

    chunk: Chunk
    columns: bytes | None
    offsets: bytes | None


class _Sink:
    """Knows where it stands."""

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self.at = 0

    def write(self, data: bytes) -> None:
        self._sink.write(data)
        self.at += len(data)

    def copy(self, source: Seekable, span: Span) -> None:
        source.seek(span[0])
        left = span[1] - span[0]
        while left:
            piece = source.read(min(left, _PIECE))
            if not piece:
                raise UnreadableRows(Flaw.FORMAT, "a column ends behind the end of the file")
            self.write(piece)
            left -= len(piece)


@dataclass(frozen=True, kw_only=True)
class ByChunks:
    """One file, and how its ruled columns are written. `ruled` are numbers of leaves, in their order."""

    file: pq.ParquetFile
    source: Guarded
    footer: Footer
    schema: pa.Schema
    ruled: Sequence[int]
    properties: Properties

    def write(self, rows: ArrowRows, sink: BinaryIO) -> int:
        """Returns how many rows were read."""
        out, indexes, read = _Sink(sink), list[_Index](), 0
        out.write(MAGIC)
        for group in range(self.file.num_row_groups):
            table = self._masked(group, rows)
            read += table.num_rows
            old = self.footer.chunks(group)
            fresh = self._fresh(table, old) if table.num_rows else {}
            parts = [
                fresh.get(leaf) or _Part(source=self.source, chunk=chunk) for leaf, chunk in enumerate(old)
            ]
            indexes += _placed(out, parts)
            self.footer.put_chunks(group, [part.chunk for part in parts], frozenset(self.ruled))
        _write_indexes(out, indexes)
        end = footer_bytes(self.footer)
        self._require_readable(end)
        out.write(end)
        return read

    def _masked(self, group: int, rows: ArrowRows) -> pa.Table:
        """The ruled columns of a group, after the rules."""
        held = [
            rows.masked(batch).select(self.schema.names) for batch in batches(self.file, group, rows.needed)
        ]
        return pa.Table.from_batches([each.cast(self.schema) for each in held], self.schema)

    def _fresh(self, table: pa.Table, old: Sequence[Chunk]) -> Mapping[int, _Part]:
        """The chunks of the ruled columns, by the numbers of their leaves."""
        held = io.BytesIO()
        with pq.ParquetWriter(held, self.schema, **self.properties) as writer:
            writer.write_table(table, row_group_size=table.num_rows)
        parts = {}
        for leaf, chunk in zip(self.ruled, footer_of(held).chunks(0), strict=True):
            chunk.take_place_of(old[leaf])
            parts[leaf] = _Part(source=held, chunk=chunk)
        return parts

    def _require_readable(self, end: bytes) -> None:
        """The file as it will say that it is: what Arrow reads of that is what it was."""
        found, was = pq.ParquetFile(io.BytesIO(MAGIC + end)), self.file
        groups = range(was.num_row_groups)
        if (
            not found.schema.equals(was.schema)
            or not found.schema_arrow.equals(was.schema_arrow, check_metadata=True)
            or found.metadata.metadata != was.metadata.metadata
            or [found.metadata.row_group(at).num_rows for at in range(found.num_row_groups)]
            != [was.metadata.row_group(at).num_rows for at in groups]
        ):
            raise UnreadableRows(Flaw.FORMAT, "it could not be written without changing more than was meant")


def written_by_chunks(
    file: pq.ParquetFile, source: Guarded, footer: Footer, names: frozenset[str]
) -> ByChunks | None:
    """How the columns of these names are written; None where Arrow would write them otherwise than they are, or where
    they are too large to be held.
    """
    whole = written_schema(file)
    schema = pa.schema([field for field in whole if field.name in names])
    if not footer.can_be_moved or not _can_be_held(file, schema.names):
        return None
    leaves = _leaves_of(file, whole, names)
    properties = _properties(file, schema, leaves) if leaves is not None else None
    if leaves is None or properties is None:
        return None
    return ByChunks(
        file=file, source=source, footer=footer, schema=schema, ruled=leaves, properties=properties
    )


def _can_be_held(file: pq.ParquetFile, names: list[str]) -> bool:
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    if not groups:
        return True
    largest = max(range(len(groups)), key=lambda number: groups[number].num_rows)
    rows = groups[largest].num_rows
    if rows > _ROWS_AT_MOST:
        return False
    if rows <= BATCH_ROWS and groups[largest].total_byte_size <= HELD_AT_MOST:
        return True
    # What the file says of its size is without what dictionaries spare.
    first = next(batches(file, largest, names), None)
    return first is None or first.nbytes / first.num_rows * rows <= HELD_AT_MOST


def _leaves_of(file: pq.ParquetFile, schema: pa.Schema, names: frozenset[str]) -> list[int] | None:
    """The numbers of the leaves below these columns; None where the file has other leaves than Arrow's schema."""
    found: list[int] = []
    at = 0
    for field in schema:
        count = _leaf_count(field.type)
        if field.name in names:
            found += range(at, at + count)
        at += count
    return found if at == len(file.schema) else None


def _leaf_count(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _leaf_count(kind.storage_type)
    return sum(_leaf_count(kind.field(at).type) for at in range(kind.num_fields)) if kind.num_fields else 1


def _properties(file: pq.ParquetFile, schema: pa.Schema, leaves: list[int]) -> Properties | None:
    """What to tell the writer, so that it writes these leaves with the types and levels that they have."""
    kept = kept_properties(file, leaves)
    old = [file.schema.column(leaf) for leaf in leaves]
    for properties in tried_properties(file, kept):
        tried = io.BytesIO()
        plain = {name: value for name, value in properties.items() if name not in _BY_PATH}
        pq.ParquetWriter(tried, schema, **plain).close()
        made = pq.ParquetFile(tried).schema
        new = [made.column(at) for at in range(len(made))]
        if list(map(_form, new)) == list(map(_form, old)):
            # Elements of lists have other names for other writers, which is for nobody to see: the schema stays.
            return _renamed(properties, {was.path: now.path for was, now in zip(old, new, strict=True)})
    return None


_BY_PATH = frozenset(
    {"compression", "use_dictionary", "write_statistics", "column_encoding", "bloom_filter_options"}
)


def _form(column: Any) -> tuple[object, ...]:
    """What the pages of a column depend on."""
    levels = column.max_definition_level, column.max_repetition_level
    return (column.physical_type, column.length, str(column.logical_type), column.converted_type, *levels)


def _renamed(properties: Properties, names: Mapping[str, str]) -> Properties:
    def one(value: Any) -> Any:
        if isinstance(value, dict):
            return {names[path]: each for path, each in value.items()}
        return [names[path] for path in value] if isinstance(value, list) else value

    return {name: one(value) if name in _BY_PATH else value for name, value in properties.items()}


def _placed(out: _Sink, parts: Sequence[_Part]) -> list[_Index]:
    """Writes the pages of a group and its bloom filters, and tells each chunk where they are."""
    indexes = []
    for part in parts:
        chunk, pages = part.chunk, part.chunk.pages
        columns = part.read(chunk.column_index) if chunk.column_index is not None else None
        offsets = part.read(chunk.offset_index) if chunk.offset_index is not None else None
        by = chunk.move_pages(out.at)
        out.copy(part.source, pages)
        moved = moved_offset_index(offsets, by) if offsets is not None else None
        indexes.append(_Index(chunk=chunk, columns=columns, offsets=moved))
    for part in parts:
        if part.chunk.bloom is not None:
            bloom = part.chunk.bloom
            part.chunk.move_bloom(out.at)
            out.copy(part.source, bloom)
    return indexes


def _write_indexes(out: _Sink, indexes: Sequence[_Index]) -> None:
    for index in indexes:
        if index.columns is not None:
            index.chunk.move_column_index(out.at)
            out.write(index.columns)
    for index in indexes:
        if index.offsets is not None:
            index.chunk.move_offset_index(out.at, len(index.offsets))
            out.write(index.offsets)
