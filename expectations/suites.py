"""What is expected of a store after erasure, as a suite of Great Expectations.

The frame that is judged has a row a place (`object.field`) with counts: survivors, masked, records,
missing_masked, not_erasable and unaccepted. For all five stores it is a pandas frame of readings: the readers
push the counting down by their own SQL, and no value of a person can come near a report.
Holds: `Evidence`, and the frame and the suite made of it.
Add here: an expectation that holds for every store.
Keep out: reading (`readers/`), running and publishing (`checkpoints.py`, `context.py`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expectations.readers.base import RECORD, FieldReading

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

PLACE_KEY = "place"
_ZEROS = {
    "survivors": "No value of a target may be left that is neither empty nor in its masked form.",
    "missing_masked": "What the ledger says was masked must be seen in its masked form.",
    "unaccepted": "What nobody can erase must have been accepted when the batch was executed.",
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is laid before the judge.

    places: where something must have been read.
    unjudged: where nothing can be said, since the batch has expired.
    expected_masked: what the ledger says was made: a place with its values, or an object with its records.
    accepted: what the ledger says was left because nobody can erase it: an object with its number.
    """

    batch_id: str
    store: str
    readings: tuple[FieldReading, ...]
    places: tuple[str, ...]
    unjudged: tuple[str, ...] = ()
    expected_masked: Mapping[str, int] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)


def missing_masked(evidence: Evidence) -> Mapping[str, int]:
    """Place -> how many masked values are missing of those that the ledger says were made.

    A changed record has at least one masked value: all masked values of an object together cannot be fewer
    than its changed records.
    """
    together: Counter[str] = Counter()
    for reading in evidence.readings:
        together[reading.object] += reading.masked
    missing = {}
    for reading in evidence.readings:
        if reading.field == RECORD:
            # Records that were deleted are not there to be seen.
            missing[reading.place] = 0
            continue
        of_place = evidence.expected_masked.get(reading.place, 0) - reading.masked
        of_object = evidence.expected_masked.get(reading.object, 0) - together[reading.object]
        missing[reading.place] = max(0, of_place, of_object)
    return missing


def unaccepted(evidence: Evidence) -> Mapping[str, int]:
    """Place -> how many more survivors than were accepted lie where nobody can erase them."""
    return {
        reading.place: max(0, reading.not_erasable - evidence.accepted.get(reading.object, 0))
        for reading in evidence.readings
    }


def places_frame(evidence: Evidence) -> "pd.DataFrame":
    """A row for each reading."""
    import pandas as pd

    missing, beyond = missing_masked(evidence), unaccepted(evidence)
    rows = [
        {
            "object": reading.object,
            "field": reading.field,
            PLACE_KEY: reading.place,
            "survivors": reading.survivors,
            "masked": reading.masked,
            "records": reading.records,
            "missing_masked": missing[reading.place],
            "not_erasable": reading.not_erasable,
            "unaccepted": beyond[reading.place],
        }
        for reading in evidence.readings
    ]
    figures = ["survivors", "masked", "records", "missing_masked", "not_erasable", "unaccepted"]
    return pd.DataFrame(rows, columns=["object", "field", PLACE_KEY, *figures])


def store_suite(evidence: Evidence) -> "ExpectationSuite":
    """Every place was read once, none has a survivor, and none has fewer masked values than were made.

    That the places are complete is asked by number, membership and uniqueness: a place that is missing is
    unknown, and unknown is not clean.
    """
    from great_expectations import ExpectationSuite
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.row_conditions import Column

    suite = ExpectationSuite(name=evidence.store, meta={"unjudged": list(evidence.unjudged)})

    def expect(kind: str, notes: str | None = None, **kwargs: Any) -> None:
        suite.add_expectation_configuration(
            ExpectationConfiguration(type=f"expect_{kind}", kwargs=kwargs, notes=notes)
        )

    expect("table_row_count_to_equal", value=len(evidence.places), notes=_complete(evidence))
    expect("column_values_to_be_unique", column=PLACE_KEY)
    expect("column_values_to_be_in_set", column=PLACE_KEY, value_set=list(evidence.places))
    for column, notes in _ZEROS.items():
        # Checks of a range pass by what is null.
        expect("column_values_to_not_be_null", column=column)
        expect("column_values_to_be_between", column=column, min_value=0, max_value=0, notes=notes)
    for name in evidence.places:
        # A sum, since a report shows the number it found: which place has how many survivors.
        here = Column(PLACE_KEY) == name
        expect("column_sum_to_be_between", column="survivors", row_condition=here, min_value=0, max_value=0)
    return suite


def _complete(evidence: Evidence) -> str:
    text = f"Each of {len(evidence.places)} places that the inventory rules was read."
    if evidence.unjudged:
        text += f" Not judged, since the batch has expired: {', '.join(evidence.unjudged)}."
    return text
