"""Figures of controls and reports: the same records give the same, and a difference is told by a number.

Add here: a way in which records can differ.
Keep out: reading them from an engine (`contract/test_controls.py`).
"""

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure.controls import (
    CELLS_OF_A_TABLE,
    Controls,
    Figures,
    all_differing,
    as_json,
    controls_of,
    differing,
    from_json,
    records,
    sentences,
)
from erasure.errors import BadInput, ControlsChanged

DIGESTS = st.lists(st.integers(0, 2**63), max_size=30)


def figures_of(digests: Iterable[int], *, cells: int) -> Figures:
    """As an engine makes them."""
    found: dict[str, tuple[int, str]] = {}
    for digest in digests:
        number, total = found.get(str(digest % cells), (0, "0"))
        found[str(digest % cells)] = (number + 1, str(int(total) + digest))
    return found


def of_report(digests: Iterable[int]) -> Figures:
    return figures_of(digests, cells=2**64)


@given(DIGESTS, st.randoms(use_true_random=False))
def test_the_order_of_records_says_nothing(digests: list[int], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = random.sample(digests, len(digests))
    for cells in (CELLS_OF_A_TABLE, 2**64):
        assert differing(figures_of(digests, cells=cells), figures_of(shuffled, cells=cells)) == 0
    assert records(of_report(digests)) == len(digests)


@given(DIGESTS, DIGESTS)
def test_of_a_report_the_rows_that_differ_are_counted(before: list[int], after: list[int]) -> None:
    lost, gained = Counter(before) - Counter(after), Counter(after) - Counter(before)
    assert differing(of_report(before), of_report(after)) == max(lost.total(), gained.total())


@given(DIGESTS, DIGESTS)
def test_of_a_table_never_more_differ_than_there_are_and_never_none_for_another_sum(
    before: list[int], after: list[int]
) -> None:
    lost, gained = Counter(before) - Counter(after), Counter(after) - Counter(before)
    told = differing(figures_of(before, cells=4), figures_of(after, cells=4))
    assert told <= max(lost.total(), gained.total())
    if sum(before) != sum(after) or len(before) != len(after):
        assert told > 0


@given(DIGESTS, st.integers(0, 2**63), st.integers(0, 2**63))
def test_one_changed_record_is_one(digests: list[int], old: int, new: int) -> None:
    for cells in (CELLS_OF_A_TABLE, 2**64):
        before = figures_of([*digests, old], cells=cells)
        assert differing(before, figures_of([*digests, new], cells=cells)) == (old != new)
        assert differing(before, figures_of(digests, cells=cells)) == 1


@given(DIGESTS)
def test_what_the_ledger_keeps_is_read_back_the_same(digests: list[int]) -> None:
    kept = {"judgments": figures_of(digests, cells=CELLS_OF_A_TABLE)}
    assert from_json(as_json(kept)) == kept


def test_a_difference_is_told_by_its_place_and_a_number() -> None:
    before = {
        "postgres": {"payments": of_report([1, 2]), "report__a": of_report([1, 2, 3]), "same": of_report([9])}
    }
    after = {"postgres": {"payments": of_report([1, 4]), "report__a": of_report([1]), "same": of_report([9])}}
    found = all_differing(before, after)
    assert found == {"postgres": {"payments": 1, "report__a": 2}}
    told = list(sentences(found))
    assert told == [
        "postgres/payments: at least 1 control record differs from before masking",
        "postgres/report__a: 2 rows differ from the report of before masking",
    ]
    assert all(sentence in str(ControlsChanged(told)) for sentence in told)


def test_a_table_or_report_that_has_come_or_gone_differs_even_when_empty() -> None:
    assert all_differing({"postgres": {"a": {}}}, {"postgres": {}}) == {"postgres": {"a": 1}}
    assert all_differing({}, {"clickhouse": {"b": of_report([1, 2])}}) == {"clickhouse": {"b": 2}}


def test_another_mode_than_the_two_is_refused() -> None:
    assert controls_of("full") is Controls.FULL
    with pytest.raises(BadInput, match="parity or full, not 'none'"):
        controls_of("none")
