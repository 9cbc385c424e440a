"""Counts rows while they pass by.

Holds: `Tally`, `shown_column`, `shown_key`.
Add here: a figure of `RowCounts`.
Keep out: what the figures mean (`base.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from erasure.stores.s3.rows.base import Flaw, RowCounts, UnreadableRows

_NAMED_AT_MOST = 20
# A column's name can have blanks; a key with one can be somebody's name.
_COLUMN = re.compile(r"[^\W\d][\w .-]{0,63}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_NO_NAME = "one whose name is no plain word"


@dataclass(kw_only=True)
class Tally:
    """The figures so far."""

    rows: int = 0
    of_targets: int = 0
    to_mask: int = 0
    cells: int = 0
    conflicts: int = 0
    unregistered: set[str] = field(default_factory=set)

    def meet(self, names: Iterable[str], *, row: int | None, writes: bool) -> None:
        """Takes down names, as they are shown, that the inventory does not know; where rows are written, it raises."""
        unknown = set(names)
        if writes and unknown:
            raise UnreadableRows(
                Flaw.UNREGISTERED, f"not in the inventory: {', '.join(sorted(unknown))}", row
            )
        if len(self.unregistered) < _NAMED_AT_MOST:
            self.unregistered |= unknown

    def counts(self) -> RowCounts:
        """The figures, as they are now."""
        return RowCounts(
            rows=self.rows,
            of_targets=self.of_targets,
            to_mask=self.to_mask,
            cells=self.cells,
            conflicts=self.conflicts,
            unregistered=tuple(sorted(self.unregistered)[:_NAMED_AT_MOST]),
        )


def shown_column(name: str) -> str:
    """A column's name as it may be told: what passes for a header can be a row."""
    return name if _COLUMN.fullmatch(name) else _NO_NAME


def shown_key(name: str) -> str:
    """A key's name as it may be told: a key of a map can be somebody's email."""
    return name if _KEY.fullmatch(name) else _NO_NAME
