"""Values of Redis that list many people, on a real Redis: only a target's objects change, and nothing is missed.

Add here: another way in which one value holds many people.
Keep out: the bytes of such values (`unit/test_redis_shared.py`), values of one person (`test_redis_masking.py`).
"""

import json
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import StoreRefused
from erasure.inventory import Field, Subject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from sandbox.config import SandboxConfig
from tests.contract.redis_masking_support import ANN, ANNS_EMAIL, BOB, BOBS_EMAIL, TARGETS, survivors
from tests.contract.redis_support import fields, store_with

DECLARED: dict[str, Any] = {
    "fields": tuple(
        Field(name=name, rule=rule, owner="[].id", email="[].at.email", reason="made up")
        for name, rule in {"[].at.email": Rule.CONSTANT, "[].score": Rule.KEEP}.items()
    )
}


def team(*emails: str) -> str:
    """A list of Ann by id, Bob by id, Ann by email, Bob who has noted Ann's email in a text, and nobody."""
    owners = (f'"id": "{ANN}"', f'"id": "{BOB}"', '"id": null', f'"id":\t"{BOB}"', '"id": null')
    people = [
        f'{{{owner}, "at": {{"email": "{email}"}}, "score": 1.50}}'
        for owner, email in zip(owners, emails, strict=False)
    ]
    return f"[{',  '.join(people)}]"


def test_only_the_objects_of_targets_change_and_the_judge_agrees(
    redis_db: Any, redis_config: SandboxConfig
) -> None:
    others = team("", BOBS_EMAIL).replace(ANN, BOB)
    redis_db.set("team:1", team(ANNS_EMAIL, BOBS_EMAIL, " ANN@example.com", BOBS_EMAIL, ""), ex=5_000)
    redis_db.set("team:2", others)
    redis_db.set("team:3", "[]")
    store = store_with(redis_db, "team:*", **DECLARED)

    assert survivors(redis_config, store) == 2
    assert store.count(TARGETS)["extra"] == Count(records=1, elements=2, total_elements=7, expiring=1)
    assert store.mask(TARGETS, no_progress)["extra"] == Count(records=1)
    assert redis_db.get("team:1").decode() == team(MASK, BOBS_EMAIL, MASK, BOBS_EMAIL, "")
    assert redis_db.get("team:2").decode() == others
    assert redis_db.get("team:3") == b"[]"
    assert 4_900 < redis_db.ttl("team:1") <= 5_000
    assert survivors(redis_config, store) == 0
    assert store.count(TARGETS)["extra"] == Count(records=0, total_elements=7)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            f'[{{"at": {{"email": "{ANNS_EMAIL}"}}}}, {{"id": true, "at": {{"email": null}}}}]',
            "do not say whose",
        ),
        (f'[{{"at": {{"email": ["{ANNS_EMAIL}"]}}}}]', "do not say whose"),
        (ANNS_EMAIL, "do not say whose"),
        (f'["{ANNS_EMAIL}"]', "1 keys within values"),
        (f'[{{"id": null, "at": "{ANNS_EMAIL}"}}]', "1 keys within values"),
        (f'[{{"id": "{BOB}", "street": "Main Street"}}]', "1 keys within values"),
        (f'{{"people": [{{"id": "{ANN}", "at": {{"email": "{ANNS_EMAIL}"}}}}]}}', "1 keys within values"),
    ],
)
def test_a_list_of_people_of_another_form_is_refused_and_not_missed(
    redis_db: Any, value: str, says: str
) -> None:
    redis_db.set("team:1", value)
    redis_db.set("team:2", team(ANNS_EMAIL, BOBS_EMAIL))
    store = store_with(redis_db, "team:*", **DECLARED)
    for ask in (store.count, lambda some: store.mask(some, no_progress)):
        with pytest.raises(StoreRefused, match=says) as caught:
            ask(TARGETS)
        assert ANNS_EMAIL not in str(caught.value)
    assert redis_db.get("team:1").decode() == value
    redis_db.delete("team:1")
    assert store.count(TARGETS)["extra"] == Count(records=1, elements=1, total_elements=2)


def test_an_element_of_somebody_elses_id_with_a_targets_email_is_a_conflict(redis_db: Any) -> None:
    redis_db.set("team:1", team("", ANNS_EMAIL))
    store = store_with(redis_db, "team:*", **DECLARED)
    assert store.count(TARGETS)["extra"].conflicts == 1


def test_a_list_in_somebody_elses_value_that_names_a_target_is_a_conflict(redis_db: Any) -> None:
    """The inventory says that all in it is the owner's, and it is not."""
    declared = {
        "subject": Subject(contributor_id="id"),
        "fields": (*fields(id="keep"), Field(name="team[].email", rule=Rule.CONSTANT)),
    }
    store = store_with(redis_db, "job:*", **declared)
    redis_db.set(
        "job:1", json.dumps({"id": BOB, "team": [{"email": BOBS_EMAIL}, {"email": ANNS_EMAIL.upper()}]})
    )
    redis_db.set("job:2", json.dumps({"id": BOB, "team": [{"email": BOBS_EMAIL}, {"email": None}]}))
    redis_db.hset("job:3", mapping={"id": BOB, "team": json.dumps([{"email": ANNS_EMAIL}])})
    redis_db.hset("job:4", mapping={"id": BOB, "team": json.dumps([{"email": BOBS_EMAIL}])})
    assert store.count(TARGETS)["extra"] == Count(records=0, conflicts=2)
    redis_db.set("job:5", json.dumps({"id": ANN, "team": [{"email": ANNS_EMAIL}]}))
    assert store.count(TARGETS)["extra"] == Count(records=1, conflicts=2)
