"""Parquet: the chunks of ruled columns are written anew, and everything else is copied by its bytes.

Holds: `Parquet`.
Add here: nothing; what is done with a file is in `passes.py`.
Keep out: Arrow, which takes a while to import, and most runs read no Parquet.
"""

from typing import BinaryIO

from erasure.stores.s3.rows.base import RowCounts, RowRules


class Parquet:
    """Files of Parquet."""

    needs_seek = True

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change; reads no columns but those that decide or are ruled."""
        from erasure.stores.s3.rows.parquet.passes import counted

        return counted(source, rules)

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything, but for the ruled values of targets."""
        from erasure.stores.s3.rows.parquet.passes import rewritten

        return rewritten(source, sink, rules)
