"""The people of a made-up world: told apart, cast by arithmetic, and some of them hard to write down."""

import unicodedata
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.world.cast import MERGED, Part, cast_people
from sandbox.world.chance import Die, Permutation
from sandbox.world.generate import World, generated_world, labelled_world
from sandbox.world.labels import collect_labels
from sandbox.world.people import (
    MOST_PEOPLE,
    alias_email,
    drawn_numbers,
    email,
    full_name,
    hashed_numbers,
    iban,
    phone,
)
from tests.unit.world_support import labels_file

AS_OF = datetime(2026, 3, 1, tzinfo=UTC)
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def world() -> World:
    return generated_world(contributors=300, seed=7, as_of=AS_OF)


@given(SEEDS, st.text(max_size=5), st.lists(st.integers(1, 2**64), min_size=1, max_size=100))
def test_a_die_draws_what_it_drew_before_and_nothing_beyond_its_limit(
    seed: int, name: str, limits: list[int]
) -> None:
    one, again = Die(seed, name), Die(seed, name)
    drawn = [one.below(limit) for limit in limits]
    assert drawn == [again.below(limit) for limit in limits]
    assert all(0 <= each < limit for each, limit in zip(drawn, limits, strict=True))


@given(SEEDS, st.integers(1, 500))
def test_an_order_has_every_number_once_and_knows_where_it_is(seed: int, size: int) -> None:
    order = Permutation.drawn(Die(seed), size)
    numbers = [order.at(rank) for rank in range(size)]
    assert sorted(numbers) == list(range(size))
    assert [order.rank(number) for number in numbers] == list(range(size))


@given(SEEDS, st.sets(st.integers(0, MOST_PEOPLE - 1), min_size=2, max_size=200))
def test_no_two_places_have_one_number(seed: int, places: set[int]) -> None:
    number = drawn_numbers(seed)
    numbers = {number(place) for place in places}
    assert len(numbers) == len(places)
    assert all(0 <= each < MOST_PEOPLE for each in numbers)


@given(SEEDS, st.sets(st.text(max_size=8), max_size=50))
def test_no_two_workers_have_one_number(seed: int, keys: set[str]) -> None:
    assert len(set(hashed_numbers(seed, sorted(keys)))) == len(keys)


def test_a_worker_is_the_same_person_in_another_file(tmp_path: Path) -> None:
    one = labelled_world(collect_labels(labels_file(tmp_path / "1", [("a", "u", "Yes"), ("b", "u", "No")])))
    two = labelled_world(collect_labels(labels_file(tmp_path / "2", [("c", "u", "Yes"), ("a", "v", "No")])))
    assert one.contributors[0].person == two.contributors[1].person
    assert one.contributors[1].person != two.contributors[0].person


@given(st.sets(st.integers(0, MOST_PEOPLE - 1), min_size=2, max_size=50))
def test_nothing_of_a_person_is_part_of_another_person(some: set[int]) -> None:
    def in_cyrillic(number: int) -> str:
        return full_name(number, in_cyrillic=True)

    for write in (full_name, in_cyrillic, email, alias_email, phone, lambda number: iban("DE", number)):
        written = {write(number).lower() for number in some}
        assert len(written) == len(some)
        assert len({len(text.partition("@")[0]) for text in written}) == 1
    assert {email(number) for number in some}.isdisjoint(alias_email(number) for number in some)


def test_names_are_unique_but_for_one_pair_of_namesakes_one_of_whom_is_active(world: World) -> None:
    shared = {name: n for name, n in Counter(e.person.full_name for e in world.contributors).items() if n > 1}
    assert list(shared.values()) == [2]
    pair = [each for each in world.contributors if each.person.full_name in shared]
    assert {each.part for each in pair} == {Part.NAMESAKE, Part.ACTIVE_NAMESAKE}
    assert {each.inactive for each in pair} == {True, False}
    assert len({each.email for each in pair}) == len({each.phone for each in pair}) == len(pair)


def test_emails_are_unique_whatever_their_case_and_some_are_written_in_mixed_case(world: World) -> None:
    written = [each.email for each in world.contributors]
    assert len({address.lower() for address in written}) == len(written)
    assert 0 < sum(address != address.lower() for address in written) < len(written) / 2
    domains = {address.lower().partition("@")[2] for address in written}
    assert domains == {"example.com", "example.org", "example.net"}


def test_some_names_are_not_ascii_and_some_addresses_have_quotes_and_newlines(world: World) -> None:
    people = [each.person for each in world.contributors]
    scripts = Counter(unicodedata.name(each.full_name[0]).partition(" ")[0] for each in people)
    assert 0 < scripts["CYRILLIC"] < scripts["LATIN"]
    latin = [each for each in people if unicodedata.name(each.full_name[0]).startswith("LATIN")]
    assert 0 < sum(each.full_name.isascii() for each in latin) < len(latin)
    assert 0 < sum('"' in each.address and "\n" in each.address for each in people) < len(people)
    assert any("\t" in each.address for each in people)


def test_ibans_have_right_check_digits() -> None:
    written = iban("DE", 12_345)
    moved = written[4:] + written[:4]
    assert int("".join(str(int(letter, 36)) for letter in moved)) % 97 == 1


@pytest.mark.parametrize(
    ("people", "without"),
    [
        (9, set(Part)),
        (
            10,
            {
                *(Part.DISPUTE_OPEN, Part.OLD_HALF, Part.ACTIVE_HALF),
                *(Part.TWIN, Part.TWIN_MERGED, Part.ACTIVE_ON_HOLD),
            },
        ),
        (19, {Part.TWIN, Part.TWIN_MERGED, Part.ACTIVE_ON_HOLD}),
        (20, set()),
        (1_000_000, set()),
    ],
)
def test_a_world_has_the_parts_that_its_people_have_room_for(people: int, without: set[Part]) -> None:
    assert set(cast_people(1, people).places) == set(Part) - without


@given(SEEDS, st.integers(1, 200))
def test_parts_are_of_different_people_who_are_as_active_as_they_should_be(seed: int, people: int) -> None:
    cast = cast_people(seed, people)
    assert len(cast.parts) == len(cast.places)
    for part, place in cast.places.items():
        assert cast.parts[place] is part
        assert cast.is_inactive(place) is not part.value.startswith("active_")
    for one, other in MERGED.items():
        assert (one in cast.places) == (other in cast.places)
    inactive = [place for place in range(people) if cast.is_inactive(place)]
    assert len(inactive) == cast.inactive
    assert sorted(cast.inactive_places(people)) == inactive
    assert sorted([*inactive, *cast.recent_places(people)]) == list(range(people))
    assert people < 40 or len(inactive) == people // 5
    assert people == 1 or 0 < len(inactive) < people


def test_people_with_a_part_that_is_hard_to_write_are_in_the_smallest_world() -> None:
    smallest = generated_world(contributors=10, seed=1, as_of=AS_OF)
    hard = [each for each in smallest.contributors if each.part in (Part.ALIASED, Part.ACTIVE_ALIASED)]
    assert {each.inactive for each in hard} == {True, False}
    for each in hard:
        assert unicodedata.name(each.person.full_name[0]).startswith("CYRILLIC")
        assert each.address is not None and '"' in each.address and "\n" in each.address


def test_anybody_of_a_world_of_a_million_is_made_without_the_others() -> None:
    large = generated_world(contributors=1_000_000, seed=3, as_of=AS_OF)
    some = [large.contributors[place] for place in range(0, 1_000_000, 9_973)]
    assert (
        len({each.email.lower() for each in some}) == len({each.contributor_id for each in some}) == len(some)
    )
    share = sum(each.inactive for each in some) / len(some)
    assert 0.05 < share < 0.4
    assert large.contributors[999_999].contributor_id == large.contributors[-1].contributor_id
    with pytest.raises(IndexError):
        large.contributors[1_000_000]
