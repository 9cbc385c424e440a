"""Into how many slices a pass over indices is cut, and what becomes of the parts.

Add here: a limit of slices.
Keep out: engines.
"""

import threading
import warnings
from contextlib import ExitStack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from erasure.stores.search.library import Library, LibraryClient
from erasure.stores.search.slices import page_over, slices_over
from erasure.stores.search.tally import Tally, merged


def test_an_index_of_one_shard_is_worked_on_by_two_and_others_by_a_slice_a_shard() -> None:
    assert slices_over([1]) == 2
    assert slices_over([5]) == 5
    assert slices_over([3, 8]) == 3
    assert slices_over([64]) < 64


@given(st.lists(st.integers(1, 300), max_size=300))
def test_slices_never_open_more_scrolls_than_a_node_keeps(shards: list[int]) -> None:
    slices = slices_over(shards)

    assert slices >= 1
    assert slices == 1 or slices * sum(shards) <= 200


def test_pages_are_larger_the_smaller_the_documents_are_and_never_beyond_the_window() -> None:
    assert page_over(1_000_000, 500_000_000, window=10_000) == 5_000
    assert page_over(1_000, 4_000_000, window=10_000) == 1_000
    assert page_over(10, 900_000_000, window=10_000) == 100
    assert page_over(0, 0, window=10_000) == 5_000
    assert page_over(1_000_000, 500_000_000, window=50) == 50


def test_parts_of_an_index_add_up_and_indices_stay_apart() -> None:
    parts = [
        {"a": Tally(total=3, records=1, masked=2), "b": Tally(total=1)},
        {"a": Tally(total=4, records=2, conflicts=1)},
    ]

    assert merged(parts) == {
        "a": Tally(total=7, records=3, masked=2, conflicts=1),
        "b": Tally(total=1),
    }
    assert merged([]) == {}


class Loud(LibraryClient):
    """Warns on every request, and waits for another thread in its middle."""

    def __init__(self, meeting: threading.Barrier) -> None:
        self._meeting = meeting

    def close(self) -> None:
        """Nothing is open."""

    def _send(self, method: str, path: str, params: dict[str, str], body: Any, seconds: float | None) -> Any:
        self._meeting.wait(10)
        warnings.warn("of a later version", FutureWarning, stacklevel=1)
        return None

    def _library(self) -> Library:
        return Library(
            errors=(OSError,),
            late=TimeoutError,
            broken=ConnectionError,
            warning=FutureWarning,
            answer=lambda error: None,
        )


def test_two_threads_that_ask_at_once_hear_no_warning_and_leave_the_filters_as_they_were() -> None:
    client = Loud(threading.Barrier(2))
    with ExitStack() as stack:
        heard = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        found = list(warnings.filters)
        threads = [threading.Thread(target=client.ask, args=("GET", "/")) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(warnings.filters) == found
        assert heard == []
        warnings.warn("heard again", FutureWarning, stacklevel=1)
        assert len(heard) == 1
