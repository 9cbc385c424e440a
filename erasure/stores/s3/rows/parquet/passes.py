"""One pass over a file of Parquet: counted, or written in the way that changes the least.

Holds: `counted`, `rewritten`.
Add here: another way of writing, and when it is taken.
Keep out: the ways themselves (`chunks.py`, `anew.py`), and what changes in a batch of rows (`arrow_rows.py`).
"""

from typing import BinaryIO, Protocol

import pyarrow.parquet as pq

from erasure.stores.s3.rows.arrow_files import Guarded
from erasure.stores.s3.rows.arrow_rows import ArrowRows
from erasure.stores.s3.rows.base import Flaw, RowCounts, RowRules, UnreadableRows
from erasure.stores.s3.rows.parquet.anew import written_anew
from erasure.stores.s3.rows.parquet.chunks import written_by_chunks
from erasure.stores.s3.rows.parquet.footer import footer_of
from erasure.stores.s3.rows.parquet.opened import batches, flaws, opened, written_schema
from erasure.stores.s3.rows.tally import Tally


class _Way(Protocol):
    def write(self, rows: ArrowRows, sink: BinaryIO) -> int: ...


def counted(source: BinaryIO, rules: RowRules) -> RowCounts:
    """What `rewritten` would change; raises UnreadableRows where it would."""
    with flaws(guarded := Guarded(source)):
        file, tally = opened(guarded), Tally()
        rows = ArrowRows(written_schema(file), rules, tally, writes=False)
        _way(file, guarded, rules, rows)
        for group in range(file.num_row_groups):
            for batch in batches(file, group, rows.needed):
                rows.masked(batch)
        return tally.counts()


def rewritten(source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
    """Copies everything into the sink, which is at its beginning, but for the ruled values of targets."""
    with flaws(guarded := Guarded(source)):
        file, tally = opened(guarded), Tally()
        rows = ArrowRows(written_schema(file), rules, tally, writes=True)
        read = _way(file, guarded, rules, rows).write(rows, sink)
        if read != file.metadata.num_rows:
            raise UnreadableRows(Flaw.FORMAT, f"{read} of {file.metadata.num_rows} rows could be read")
        return tally.counts()


def _way(file: pq.ParquetFile, source: Guarded, rules: RowRules, rows: ArrowRows) -> _Way:
    """Raises UnreadableRows where the file can be written in no way."""
    footer = footer_of(source)
    footer.require_whole()
    way = written_by_chunks(file, source, footer, rows.ruled_names) if not rules.delete else None
    if way is not None:
        return way
    return written_anew(file, rows.ruled_names)
