"""The search store on a real engine where the `_id` or the routing of a document is itself somebody's email.

Holds: that a plan and verification tell of it, and that the rule delete leaves none.
Add here: another part of a document's metadata that names a person.
Keep out: routing that names nobody (`test_search_rules.py`).
"""

from typing import Any

import pytest

from erasure.inventory import InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from erasure.stores.search.identified import IDENTIFIED
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import ANY_MAPPING, CONTROLS, TARGETS, Ground, only

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, OTHER, C = TARGETS[0], TARGETS[1], CONTROLS[0]


def put(ground: Ground, index: str, n: int, worker: Any, *, id: str, **params: str) -> None:
    body = {"n": n, "id": worker.id, "email": worker.email}
    ground.client.index(index=index, id=id, body=body, params=params)


def profiles(ground: Ground, rule: Rule | None = None) -> InventoryObject:
    fields = () if rule else (ruled("email", "id"),)
    return pattern(
        f"{ground.prefix}-*", *fields, subject=Subject(contributor_id="id", email="email"), rule=rule
    )


def test_documents_named_by_a_targets_email_are_told_of_and_never_clean(ground: Ground) -> None:
    first, second = ground.index("a", ANY_MAPPING, {"number_of_shards": 3}), ground.index("b", ANY_MAPPING)
    put(ground, first, 0, T, id=T.email)
    put(ground, first, 1, T, id="1", routing=T.email)
    put(ground, first, 2, OTHER, id=OTHER.email.upper(), routing=OTHER.email)
    put(ground, second, 3, C, id=OTHER.email)
    put(ground, second, 4, C, id=C.email, routing=C.email)
    put(ground, second, 5, T, id=T.id, routing=T.id)
    item, targets = profiles(ground), known(T, OTHER)

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    assert plan.not_erasable == done.not_erasable == {IDENTIFIED: 4}
    assert T.email not in IDENTIFIED
    assert done.records == 4
    after = ground.read_sources(f"{ground.prefix}-*", by="n")
    assert {n: source["email"] for n, source in after.items()} == {
        n: C.email if n in (3, 4) else MASK for n in range(6)
    }
    readings = judged(ground, item, targets)
    assert [(reading.survivors, reading.not_erasable) for reading in readings] == [(0, 4)]


def test_documents_named_by_nobody_who_is_erased_are_clean(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    put(ground, index, 0, T, id=T.id, routing="somewhere")
    put(ground, index, 1, T, id=f"x{T.email}")
    put(ground, index, 2, C, id=C.email, routing=C.email)
    item, targets = profiles(ground), known(T, OTHER)

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    assert plan.not_erasable == done.not_erasable == {}
    assert done.records == 2
    assert [(one.survivors, one.not_erasable) for one in judged(ground, item, targets)] == [(0, 0)]


def test_an_id_in_any_case_is_seen_by_verification(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    put(ground, index, 0, T, id=f" {T.email.title()}")
    item, targets = profiles(ground), known(T)

    assert only(ground.store(item).mask(targets, no_progress)).records == 1
    assert [(one.survivors, one.not_erasable) for one in judged(ground, item, targets)] == [(0, 1)]


def test_the_rule_delete_takes_the_ids_along(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    put(ground, index, 0, T, id=T.email, routing=T.email)
    put(ground, index, 1, C, id=C.email, routing=C.email)
    item, targets = profiles(ground, Rule.DELETE), known(T)

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    assert (plan.records, done.records) == (1, 1)
    assert plan.not_erasable == done.not_erasable == {}
    assert list(ground.read(index)) == [C.email]
    assert [one.not_erasable for one in judged(ground, item, targets)] == [0]
