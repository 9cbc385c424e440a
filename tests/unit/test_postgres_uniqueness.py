"""Which unique indexes masked rows collide in: the verdict, against rows that are really masked and compared."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from erasure.stores.postgres.survey.uniqueness import Effect, Key, offender

COLUMNS = ("person", "a", "b")
Row = Mapping[str, str | None]
values = st.one_of(st.none(), st.sampled_from("xyz"))
rows = st.lists(
    st.fixed_dictionaries({"person": st.sampled_from("pq"), "a": values, "b": values}), max_size=5
)
effects = st.fixed_dictionaries({"a": st.sampled_from(Effect), "b": st.sampled_from(Effect)})


def masked(row: Row, effects: Mapping[str, Effect]) -> Row:
    made = dict(row)
    for name, effect in effects.items():
        if row[name] is None or effect is Effect.STAYS:
            continue
        made[name] = {Effect.PERSON: f"mask-{row['person']}", Effect.NOTHING: None, Effect.SAME: "mask"}[
            effect
        ]
    return made


def is_unique(rows: list[Row], columns: frozenset[str], *, nulls_are_equal: bool) -> bool:
    keys = [tuple(row[name] for name in sorted(columns)) for row in rows]
    compared = keys if nulls_are_equal else [key for key in keys if None not in key]
    return len(compared) == len(set(compared))


@given(
    rows=rows,
    targets=st.sets(st.sampled_from("pq")),
    index=st.sets(st.sampled_from(COLUMNS), min_size=1),
    other=st.sets(st.sampled_from(COLUMNS), min_size=1),
    effects=effects,
    nulls_are_equal=st.booleans(),
)
def test_where_nothing_is_said_masked_rows_do_not_collide(
    rows: list[Row],
    targets: set[str],
    index: set[str],
    other: set[str],
    effects: Mapping[str, Effect],
    nulls_are_equal: bool,
) -> None:
    key, apart = frozenset(index), frozenset(other)
    holds = is_unique(rows, key, nulls_are_equal=nulls_are_equal)
    # The other index counts as evidence only where masking leaves its columns as different as they were.
    is_evidence = (
        all(effects.get(name, Effect.STAYS) is Effect.STAYS for name in apart)
        and is_unique(rows, apart, nulls_are_equal=False)
        and (not nulls_are_equal or all(row[name] is not None for row in rows for name in apart))
    )
    if not holds:
        return
    keys = [
        Key(names=frozenset({name}), is_column=True, effect=effects.get(name, Effect.STAYS), column=name)
        for name in sorted(key)
    ]
    found = offender(
        keys, person="person", apart=[apart] if is_evidence else [], nulls_are_equal=nulls_are_equal
    )
    after = [masked(row, effects) if row["person"] in targets else row for row in rows]
    if found is None:
        assert is_unique(after, key, nulls_are_equal=nulls_are_equal)
    else:
        assert found.effect is not Effect.STAYS


def test_what_collides_is_named_by_the_rule_that_makes_one_value_of_many() -> None:
    same, person = (
        Key(names=frozenset({name}), is_column=True, effect=effect, column=name)
        for name, effect in (("a", Effect.SAME), ("b", Effect.PERSON))
    )
    assert offender([person, same], person="person", apart=[], nulls_are_equal=False) is same
    assert offender([person], person="person", apart=[], nulls_are_equal=False) is person
    assert offender([person], person="person", apart=[frozenset({"person"})], nulls_are_equal=False) is None
