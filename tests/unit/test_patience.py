"""The deadline over a driver's call."""

import threading

import pytest

from erasure.patience import within


def test_what_is_asked_in_time_is_returned_or_raised() -> None:
    def fail() -> None:
        raise LookupError("mine")

    assert within(30, lambda: "answer") == "answer"
    with pytest.raises(LookupError, match="mine"):
        within(30, fail)


def test_a_call_without_an_end_is_given_up_and_goes_on_alone() -> None:
    begun, free, ended = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        begun.set()
        free.wait(60)
        ended.set()

    with pytest.raises(TimeoutError):
        within(0.05, wait)
    assert begun.wait(30)
    assert not ended.is_set()
    free.set()
    assert ended.wait(30)
