"""Controls and reports before masking and after it: figures that must be the same, compared without any value.

Records are put into cells by a digest of all their columns; a cell has the number of its records and the sum of their
digests. A changed record leaves one cell and enters another, or changes a sum, so that figures that are the same stand
for records that are. (The sum tells two equal records from none, which a xor would not.)
Add here: another figure that must not move.
Keep out: reading (`expectations/controls.py`) and keeping the figures of before (`ledger/controls.py`).
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from erasure.errors import BadInput

# Cell -> its number of records, and the sum of their digests as a text of digits.
Figures = Mapping[str, tuple[int, str]]
# Store -> report or table -> its figures.
AllFigures = Mapping[str, Mapping[str, Figures]]
REPORT_PREFIX = "report__"
# Each row of a report has a cell of its own. Of so many cells for a table a few changes hardly ever share one, and what
# is kept of it stays small, however large it is.
CELLS_OF_A_TABLE = 1024


class Controls(StrEnum):
    """How much is compared: `parity` on a system where others write all day, `full` on a quiet one."""

    PARITY = "parity"
    FULL = "full"


def controls_of(text: str) -> Controls:
    """The mode of that name; raises BadInput for any other."""
    try:
        return Controls(text)
    except ValueError:
        known = " or ".join(Controls)
        raise BadInput(f"--controls (or `controls` of plan__confirmed) is {known}, not {text!r}.") from None


def is_report(name: str) -> bool:
    """Whether figures of this name are a report's, and not those of a table's control records."""
    return name.startswith(REPORT_PREFIX)


def records(figures: Figures) -> int:
    """How many records the figures are of."""
    return sum(number for number, _ in figures.values())


def differing(before: Figures, after: Figures) -> int:
    """How many records differ: exactly for a report; at least so many for a table, where two may share a cell."""
    lost = gained = changed = 0
    for cell in before.keys() | after.keys():
        was, now = before.get(cell, (0, "0")), after.get(cell, (0, "0"))
        lost += max(0, was[0] - now[0])
        gained += max(0, now[0] - was[0])
        changed += was[0] == now[0] and was[1] != now[1]
    return max(lost, gained) + changed


def all_differing(before: AllFigures, after: AllFigures) -> dict[str, dict[str, int]]:
    """Store -> report or table -> how many records differ, for those of which any does; also one that only one has."""
    return {
        store: found
        for store in sorted(before.keys() | after.keys())
        if (
            found := {
                name: number
                for name in sorted(before.get(store, {}).keys() | after.get(store, {}).keys())
                if (number := _of_one(before.get(store, {}).get(name), after.get(store, {}).get(name)))
            }
        )
    }


def sentences(found: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """One for each report or table that differs: its name and a number, never a value."""
    for store, names in found.items():
        for name, number in names.items():
            noun = "row differs" if number == 1 else "rows differ"
            if is_report(name):
                yield f"{store}/{name}: {number} {noun} from the report of before masking"
            else:
                noun = noun.replace("row", "control record")
                yield f"{store}/{name}: at least {number} {noun} from before masking"


def as_json(figures: Mapping[str, Figures]) -> dict[str, Any]:
    """For the ledger: digests and counts only."""
    return {name: {cell: list(pair) for cell, pair in cells.items()} for name, cells in figures.items()}


def from_json(kept: Mapping[str, Any]) -> dict[str, Figures]:
    """What `as_json` made."""
    return {
        name: {cell: (int(number), str(total)) for cell, (number, total) in cells.items()}
        for name, cells in kept.items()
    }


def _of_one(before: Figures | None, after: Figures | None) -> int:
    if before is None or after is None:
        # A report or table that has come or gone has changed, even if it is empty.
        return max(1, records(before or after or {}))
    return differing(before, after)
