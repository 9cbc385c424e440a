"""Who judged what: everybody about equally often, nobody a unit twice, and the same by arithmetic as by counting."""

from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world import crews
from sandbox.world.chance import scatter
from sandbox.world.crews import (
    JUDGMENTS_A_BLOCK,
    JUDGMENTS_A_UNIT,
    PEOPLE_A_CREW,
    Crew,
    FileCrew,
    Slots,
    drawn_crews,
    scattered,
)
from sandbox.world.generate import generated_world
from sandbox.world.labels import collect_labels
from tests.unit.world_support import labels_file

SEEDS = st.integers(0, 2**32)


def together(crew: Crew) -> Slots:
    """All blocks in one, each of which has whole units."""
    blocks = list(crew.slots())
    for one, other in pairwise(blocks):
        assert one.unit[-1] < other.unit[0]
    columns = ("judgment_id", "unit", "contributor", "label")
    return Slots(**{name: np.concatenate([getattr(each, name) for each in blocks]) for name in columns})


@given(SEEDS, st.lists(st.integers(0, 2**62), max_size=20))
def test_many_indices_are_scattered_as_each_of_them(seed: int, indices: list[int]) -> None:
    assert scattered(seed, np.array(indices, dtype=np.int64)).tolist() == [
        scatter(seed, index) for index in indices
    ]


@given(SEEDS, st.integers(10, 200), st.integers(1, 2_000))
def test_judgments_are_spread_evenly_and_nobody_judges_a_unit_twice(
    seed: int, people: int, judgments: int
) -> None:
    (crew,) = drawn_crews(seed=seed, people=people, judgments=judgments)
    slots = together(crew)
    assert slots.judgment_id.tolist() == list(range(1, judgments + 1))
    assert sorted(set(slots.unit.tolist())) == list(crew.units)
    each = Counter(slots.contributor.tolist())
    assert set(each) <= set(range(people))
    assert max(each.values()) - min(each.get(position, 0) for position in range(people)) <= 1
    pairs = list(zip(slots.unit.tolist(), slots.contributor.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert max(Counter(slots.unit.tolist()).values()) <= JUDGMENTS_A_UNIT


@given(SEEDS, st.integers(10, 200), st.integers(1, 600))
def test_the_first_judgment_of_everybody_is_known_without_going_through_them(
    seed: int, people: int, judgments: int
) -> None:
    (crew,) = drawn_crews(seed=seed, people=people, judgments=judgments)
    slots = together(crew)
    expected = [0] * people
    for judgment_id, contributor in zip(
        reversed(slots.judgment_id.tolist()), reversed(slots.contributor.tolist()), strict=True
    ):
        expected[contributor] = judgment_id
    assert crew.first_judgments().tolist() == expected


@given(SEEDS, st.integers(10, 1_000_000), st.integers(1, 10_000_000))
def test_crews_divide_people_units_and_judgments_without_a_gap(
    seed: int, people: int, judgments: int
) -> None:
    made = drawn_crews(seed=seed, people=people, judgments=judgments)
    assert made[0].places.start == made[0].units.start == 0
    assert (made[-1].places.stop, sum(crew.judgments for crew in made)) == (people, judgments)
    for one, other in pairwise(made):
        assert (one.places.stop, one.units.stop) == (other.places.start, other.units.start)
        assert one.first_judgment + one.judgments == other.first_judgment
    assert all(len(crew.places) <= PEOPLE_A_CREW for crew in made)
    # So little of each is in memory at a time, whatever is asked for.
    assert all(len(slots.unit) <= JUDGMENTS_A_BLOCK for slots in islice(made[-1].slots(), 1))


def test_a_block_of_a_crew_that_judges_very_much_is_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = drawn_crews(seed=1, people=10, judgments=10_000_000)[0]
    slots = crew.slots()
    assert [len(next(slots).unit) for _ in range(3)] == [JUDGMENTS_A_BLOCK] * 3
    (small,) = drawn_crews(seed=1, people=10, judgments=1_000)
    in_one_block = together(small)
    monkeypatch.setattr(crews, "JUDGMENTS_A_BLOCK", 100)
    assert len(list(small.slots())) == 10
    assert together(small).contributor.tolist() == in_one_block.contributor.tolist()


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("uvwxyz"), st.just("Yes")), min_size=1),
    st.integers(1, 5),
)
def test_the_lines_of_a_file_come_by_unit_in_blocks_that_end_with_a_unit(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, str, str]], size: int
) -> None:
    labels = collect_labels(labels_file(tmp_path_factory.mktemp("labels") / "labels", lines))
    crew = FileCrew(labels=labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crews, "JUDGMENTS_A_BLOCK", size)
        slots = together(crew)
    found = [
        (labels.workers[contributor], labels.units[unit])
        for contributor, unit in zip(slots.contributor.tolist(), slots.unit.tolist(), strict=True)
    ]
    assert found == [lines[judgment_id - 1][:2] for judgment_id in slots.judgment_id.tolist()]
    assert sorted(slots.judgment_id.tolist()) == list(range(1, len(lines) + 1))
    workers = [line[0] for line in lines]
    assert crew.first_judgments().tolist() == [workers.index(worker) + 1 for worker in labels.workers]


def test_a_file_has_no_judgment_more_than_lines(tmp_path: Path) -> None:
    labels = collect_labels(labels_file(tmp_path / "labels", [("a", "u", "Yes")] * 3))
    assert FileCrew(labels=labels).judgments == 3


@pytest.mark.parametrize(
    ("contributors", "judgments", "message"),
    [
        (9, None, "10 to 7962624 contributors, 9 asked for"),
        (7_962_625, None, "7962625 asked for"),
        (10, 0, "at least one judgment, 0 asked for"),
    ],
)
def test_a_size_that_no_world_has_is_refused(contributors: int, judgments: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generated_world(contributors=contributors, judgments=judgments)


def test_as_many_judgments_as_are_asked_for_are_in_the_world() -> None:
    assert generated_world(contributors=10).judgments == 300
    assert generated_world(contributors=10, judgments=7).judgments == 7
    assert generated_world(contributors=1_000_000, judgments=10_000_000).judgments == 10_000_000
