"""How far a load is, as lines where there is no terminal: few, with rate and totals, and none for a short load."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from sandbox.progress import LINES_EACH, QUIET_SECONDS, Lines, shown


class Clock:
    """Goes on by so much at each look."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self._step = step

    def __call__(self) -> float:
        self.now += self._step
        return self.now


def reported(totals: list[int], *, calls: int, step: float) -> list[str]:
    said: list[str] = []
    lines = Lines(say=said.append, clock=Clock(step))
    for call in range(1, calls + 1):
        for number, total in enumerate(totals):
            lines.report(f"store/{number}", total * call // calls, total)
    return said


@given(st.lists(st.integers(1, 10**7), min_size=1, max_size=8), st.integers(1, 2_000))
def test_there_are_a_few_lines_an_object_however_often_a_writer_calls(totals: list[int], calls: int) -> None:
    said = reported(totals, calls=calls, step=10.0)
    for number in range(len(totals)):
        assert len([line for line in said if line.startswith(f"store/{number}:")]) <= LINES_EACH


def test_a_line_tells_how_much_is_done_of_how_much_and_how_fast() -> None:
    said: list[str] = []
    clock = Clock(0.0)
    lines = Lines(say=said.append, clock=clock)
    lines.report("search/units", 1, 10_000_000)
    clock.now = 50.0
    lines.report("search/units", 2_500_000, 10_000_000)
    assert said == ["search/units: 2,500,000 of 10,000,000, 50,000/s"]


def test_a_load_that_is_over_at_once_says_nothing() -> None:
    assert reported([300], calls=100, step=QUIET_SECONDS / 1_000) == []
    assert reported([300], calls=100, step=QUIET_SECONDS)


@pytest.mark.parametrize("total", [0, 1])
def test_an_object_of_nothing_or_one_is_done_when_it_is_done(total: int) -> None:
    assert len(reported([total], calls=3, step=10.0)) <= 1


def test_a_terminal_gets_bars_with_totals_and_rates_and_none_stays() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with shown(console) as report:
        for done in range(0, 1_001, 100):
            report("postgres/judgments", done, 1_000)
    assert re.search(r"postgres/judgments.*1000/1000.*/s", screen.getvalue())
    assert screen.getvalue().rstrip().endswith("\x1b[2K")


def test_no_terminal_gets_lines_without_control_characters() -> None:
    written = io.StringIO()
    with shown(Console(file=written, force_terminal=False)) as report:
        report("postgres/judgments", 0, 1_000)
        report("postgres/judgments", 1_000, 1_000)
    assert "\x1b" not in written.getvalue()
