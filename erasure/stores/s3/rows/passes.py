"""One pass over rows as text: unpacked, judged, and packed again as they were.

Holds: `TextRows`, what the codecs of text have in common.
Add here: what every such format does before or behind its rows.
Keep out: a format's rows (a module each), and Parquet, which is neither packed as a whole nor read from its beginning.
"""

from abc import ABC, abstractmethod
from contextlib import ExitStack
from typing import BinaryIO

from erasure.stores.s3.rows.base import RowCounts, RowRules
from erasure.stores.s3.rows.compression import Packer, Readable, unpacked
from erasure.stores.s3.rows.stages import read_ahead, written_behind
from erasure.stores.s3.rows.tally import Tally


class TextRows(ABC):
    """A codec that goes through its source once; a format says by `_judge` how."""

    needs_seek = False

    def __init__(self, *, compression: str | None) -> None:
        self._compression = compression

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change."""
        return self._pass(source, None, rules)

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything, but for what is ruled of targets."""
        return self._pass(source, sink, rules)

    def _pass(self, source: BinaryIO, sink: BinaryIO | None, rules: RowRules) -> RowCounts:
        packed = unpacked(source, self._compression)
        tally = Tally()
        with ExitStack() as stages:
            packer = stages.enter_context(written_behind(packed.packer(sink))) if sink is not None else None
            self._judge(stages.enter_context(read_ahead(packed)), packer, rules, tally)
        return tally.counts()

    @abstractmethod
    def _judge(self, source: Readable, packer: Packer | None, rules: RowRules, tally: Tally) -> None:
        """Takes all of the source, and gives to the packer, where there is one, what is to be written."""
