"""Crews: the parts into which a world is cut, so that one of them at a time is in memory.

Holds: a crew's people, units and judgments by places, drawn by arithmetic or taken from a file of labels.
Add here: another source of judgments.
Keep out: what a judgment looks like (judgments.py), and the people themselves.

The people of a crew judge the crew's units and no others. In a world of its own a crew has at most 5,000 people and
its judgments come in blocks, so that what is in memory grows neither with the contributors nor with the judgments.
A file of labels is one crew, whose workers are in memory all together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import gcd
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sandbox.world.labels import Labels

PEOPLE_A_CREW = 5_000
JUDGMENTS_A_UNIT = 6
JUDGMENTS_A_BLOCK = 20_000
LABELS = ("Yes", "No", "Unsure")

Numbers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True)
class Slots:
    """Who judged what, in columns: judgment ids, places of units, positions within the crew, indices of labels."""

    judgment_id: Numbers
    unit: Numbers
    contributor: Numbers
    label: Numbers


class Crew(Protocol):
    """Some places of people, with the units and judgments that are theirs."""

    @property
    def places(self) -> range: ...
    @property
    def units(self) -> range: ...
    @property
    def judgments(self) -> int: ...
    def slots(self) -> Iterator[Slots]:
        """The judgments in blocks, a unit's together and in the order of their ids."""

    def first_judgments(self) -> Numbers:
        """The lowest judgment of each of its people; 0 where somebody has none."""


@dataclass(frozen=True, kw_only=True)
class DrawnCrew:
    """Judgments go in rounds through all its people, each round in an order of its own."""

    seed: int
    places: range
    units: range
    first_judgment: int
    judgments: int

    def slots(self) -> Iterator[Slots]:
        people = len(self.places)
        # Whole rounds: a unit is judged within a round, so that nobody judges it twice.
        at_once = max(JUDGMENTS_A_BLOCK // people, 1) * people
        for start in range(0, self.judgments, at_once):
            yield self._slots(np.arange(start, min(start + at_once, self.judgments), dtype=np.int64))

    def first_judgments(self) -> Numbers:
        first = np.zeros(len(self.places), dtype=np.int64)
        slots = self._slots(np.arange(min(len(self.places), self.judgments), dtype=np.int64))
        first[slots.contributor] = slots.judgment_id
        return first

    def _slots(self, index: Numbers) -> Slots:
        people = len(self.places)
        turn, position = index // people, index % people
        steps = np.array([step for step in range(1, people + 1) if gcd(step, people) == 1], dtype=np.int64)
        draw = scattered(self.seed + self.places.start, turn)
        start = (draw % np.uint64(people)).astype(np.int64)
        step = steps[((draw >> np.uint64(32)) % np.uint64(len(steps))).astype(np.int64)]
        judgment_id = self.first_judgment + index
        return Slots(
            judgment_id=judgment_id,
            unit=self.units.start + turn * units_a_round(people) + position // JUDGMENTS_A_UNIT,
            contributor=(start + step * position) % people,
            label=(scattered(self.seed, ~judgment_id) % np.uint64(len(LABELS))).astype(np.int64),
        )


@dataclass(frozen=True, kw_only=True)
class FileCrew:
    """All workers of a file. A judgment's id is the number of its line."""

    labels: Labels

    @property
    def places(self) -> range:
        return range(len(self.labels.workers))

    @property
    def units(self) -> range:
        return range(len(self.labels.units))

    @property
    def judgments(self) -> int:
        return len(self.labels.unit_of)

    def slots(self) -> Iterator[Slots]:
        units, workers, labels = (
            np.frombuffer(each, dtype=np.uint32).astype(np.int64)
            for each in (self.labels.unit_of, self.labels.worker_of, self.labels.label_of)
        )
        order = np.argsort(units, kind="stable")
        # A block ends where a unit does.
        ends = np.flatnonzero(np.diff(units[order], append=-1)) + 1
        start = 0
        while start < len(order):
            end = int(ends[min(int(np.searchsorted(ends, start + JUDGMENTS_A_BLOCK)), len(ends) - 1)])
            lines = order[start:end]
            yield Slots(
                judgment_id=lines + 1, unit=units[lines], contributor=workers[lines], label=labels[lines]
            )
            start = end

    def first_judgments(self) -> Numbers:
        _, first = np.unique(np.frombuffer(self.labels.worker_of, dtype=np.uint32), return_index=True)
        return np.asarray(first + 1, dtype=np.int64)  # every worker has a line


def drawn_crews(*, seed: int, people: int, judgments: int) -> tuple[DrawnCrew, ...]:
    """As many crews as the people need; the judgments are spread evenly."""
    crews: list[DrawnCrew] = []
    number = -(-people // PEOPLE_A_CREW)
    unit = 0
    for each in range(number):
        places = range(people * each // number, people * (each + 1) // number)
        before, after = (judgments * bound // people for bound in (places.start, places.stop))
        rounds, rest = divmod(after - before, len(places))
        units = rounds * units_a_round(len(places)) + -(-rest // JUDGMENTS_A_UNIT)
        crews.append(
            DrawnCrew(
                seed=seed,
                places=places,
                units=range(unit, unit + units),
                first_judgment=before + 1,
                judgments=after - before,
            )
        )
        unit += units
    return tuple(crews)


def units_a_round(people: int) -> int:
    """The last of them has fewer judgments where the people do not come out even."""
    return -(-people // JUDGMENTS_A_UNIT)


def scattered(seed: int, indices: Numbers) -> Words:
    """`chance.scatter` of many indices at once."""
    bits = np.uint64(seed * 0xD1342543DE82EF95 % (1 << 64)) + (
        indices.astype(np.uint64) + np.uint64(1)
    ) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
