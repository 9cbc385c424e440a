"""A file of Parquet as Arrow reads it: opened, its schema as it is to be written, its rows in batches.

Holds: `opened`, `flaws`, `written_schema`, `batches`.
Add here: another thing about which Arrow must be asked before it reads.
Keep out: writing (`anew.py`, `chunks.py`), and what the file says of its bytes (`footer.py`).
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from erasure.errors import safe_reason
from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.base import Flaw, UnreadableRows

# Rows are judged so many at a time, and fewer where they are long.
BATCH_ROWS = 64 * 1024
_BATCH_BYTES = 16 * 1024 * 1024
_BUFFER = 1024 * 1024
_ENCRYPTED = b"PARE"


def opened(source: Guarded) -> pq.ParquetFile:
    """The file; raises UnreadableRows where it is encrypted."""
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
def flaws(source: Guarded) -> Iterator[None]:
    """Says by UnreadableRows what Arrow says by its own exceptions."""
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


def batches(file: pq.ParquetFile, group: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """The rows of a group, of these columns alone where they are named."""
    told = file.metadata.row_group(group)
    rows = min(BATCH_ROWS, max(1, _BATCH_BYTES * told.num_rows // max(told.total_byte_size, 1)))
    for batch in file.iter_batches(batch_size=rows, row_groups=[group], columns=columns):
        schema = pa.schema([field.with_type(_plain(field.type)) for field in batch.schema])
        yield batch if schema.equals(batch.schema) else batch.cast(schema)


def written_schema(file: pq.ParquetFile) -> pa.Schema:
    """The schema without dictionaries: the writer would write each with all the values that it once had, masked or
    not. That columns are dictionaries (or views) to Arrow stands in the file's metadata, which stay.
    """
    return pa.schema([field.with_type(_plain(field.type)) for field in file.schema_arrow])


def _plain(kind: pa.DataType) -> pa.DataType:
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
