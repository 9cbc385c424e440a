"""The script in the engine, held to `erasure.rules` by hypothesis: for any value it leaves what the rule says.

Holds: texts of any letters and cases, numbers, lists within lists; an owner who is a target, a control, or nobody.
Add here: a rule that the script learns, or another sort of value.
Keep out: where values stand in documents (`test_search_shapes.py`), rules outside the engine (`test_search_rules.py`).
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from erasure.rules import MASK, Person, Rule, apply, is_mask, normalise_email
from erasure.stores.base import no_progress
from erasure.stores.search.requests import IN_THE_ENGINE
from tests.contract.search_shapes import known, pattern, ruled
from tests.contract.search_support import CONTROLS, TARGETS, Ground, only

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, OTHER, C = TARGETS[0], TARGETS[1], CONTROLS[0]
TARGET_IDS = {T.id, OTHER.id}
# Blanks that one language trims and another does not, and letters that grow when they are lowered.
AROUND = st.text(" \t\n\r\x0b\x0c\x1c\x85\u00a0\u2003\u0130ßK", max_size=2)
EMAILS = st.builds(
    lambda before, email, flips, after: (
        before
        + "".join(
            letter.upper() if flip else letter
            for letter, flip in zip(email, flips + [False] * 40, strict=False)
        )
        + after
    ),
    AROUND,
    st.sampled_from([T.email, OTHER.email, C.email]),
    st.lists(st.booleans(), max_size=30),
    AROUND,
)
MASKS = st.sampled_from([MASK, f"{MASK}-{T.id}", f"{MASK}-", f"{MASK}x", MASK.lower(), f" {MASK}"])
SCALARS = st.one_of(
    EMAILS, EMAILS, MASKS, st.text(max_size=12), st.none(), st.integers(-(2**31), 2**31), st.booleans()
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4), max_leaves=6)
OWNERS = st.sampled_from([T.id, T.id.upper(), OTHER.id, C.id, f"{T.id}0", None])


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif value is not None:
        yield value


def names_a_target(value: Any) -> bool:
    return isinstance(value, str) and normalise_email(value) in {T.email, OTHER.email}


def expected(rule: Rule, owner: str | None, value: Any) -> Any:
    """What a field must be afterwards, by the rules alone."""
    held = list(leaves(value))
    if owner is None:
        # Without an owner a value speaks for itself, and for those beside it where none is anybody else's.
        whole = all(names_a_target(one) or (isinstance(one, str) and is_mask(one)) for one in held)
    else:
        whole = owner.lower() in TARGET_IDS
        if not whole:
            # Another's field that holds nothing but masks was somebody's of an earlier batch.
            whole = all(isinstance(one, str) and is_mask(one) for one in held)
    if whole and rule is Rule.CLEAR and held:
        return None
    return masked(rule, value, whole=whole, named=owner is None)


def masked(rule: Rule, value: Any, *, whole: bool, named: bool) -> Any:
    if isinstance(value, list):
        return [masked(rule, each, whole=whole, named=named) for each in value]
    if value is None or not (whole or (named and names_a_target(value))):
        return value
    return apply(rule, str(value), Person(contributor_id=T.id))


@pytest.mark.full
@pytest.mark.parametrize("rule", sorted(IN_THE_ENGINE))
def test_the_script_leaves_of_any_value_what_the_rule_says(ground: Ground, rule: Rule) -> None:
    @settings(
        max_examples=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(st.lists(st.tuples(OWNERS, VALUES), min_size=50, max_size=50))
    def compare(pairs: list[tuple[str | None, Any]]) -> None:
        index = ground.index(uuid.uuid4().hex[:8], {"enabled": False})
        documents = [{"n": n, "id": owner, "email": value} for n, (owner, value) in enumerate(pairs)]
        ground.fill(index, documents)
        store, targets = ground.store(pattern(index, ruled("email", "id", rule))), known(T, OTHER)
        wanted = [expected(rule, owner, value) for owner, value in pairs]
        changed = sum(
            # 1 is True to Python, and not to a document.
            repr(after) != repr(value)
            for (_, value), after in zip(pairs, wanted, strict=True)
        )

        plan = only(store.count(targets))
        done = only(store.mask(targets, no_progress))

        after = ground.read_sources(index, by="n")
        assert [after[n] for n in range(50)] == [
            document | {"email": value} for document, value in zip(documents, wanted, strict=True)
        ]
        assert (plan.records, done.records) == (changed, changed)
        ground.client.indices.delete(index=index)

    compare()
