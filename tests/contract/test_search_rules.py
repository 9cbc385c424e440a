"""The search store on a real engine: what becomes of a value, rule by rule, is what `erasure.rules` says.

Holds: every rule on every sort of value, what a task may know of a person, writers in between.
Add here: a rule that the store learns.
Keep out: whose a value is (`test_search_shapes.py`).
"""

import json
import random
import threading
from typing import Any

import pytest

from erasure.inventory import Field, InventoryObject
from erasure.rules import MASK, Person, Rule, apply, is_mask
from erasure.stores.base import no_progress
from tests.contract.search_shapes import judged, known, pattern, ruled
from tests.contract.search_support import ANY_MAPPING, CONTROLS, TARGETS, Ground, only

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

T, C = TARGETS[0], CONTROLS[0]
NAME = "Ada Example"
RULES = (
    Rule.CONSTANT,
    Rule.UNIQUE,
    Rule.CLEAR,
    Rule.HASH,
    Rule.TRUNCATE_IP,
    Rule.COARSEN_DATE,
    Rule.SCRUB_TEXT,
)
MAPPING = {
    "dynamic": True,
    "properties": {rule.value: {"type": "object", "enabled": False} for rule in RULES},
}


def everything(ground: Ground) -> InventoryObject:
    return pattern(f"{ground.prefix}-*", *(ruled(rule.value, "id", rule) for rule in RULES))


def some_values(chance: random.Random) -> list[str]:
    """Texts that one rule or another takes for its own, and texts that almost are."""
    parts = [NAME, NAME.upper(), T.email, f"x{T.email}", C.email, " ", ".", "é", "\u0130", "-", "\n", MASK]
    texts = ["".join(chance.choices(parts, k=chance.randint(1, 5))) for _ in range(40)]
    addresses = [
        "192.0.2.77",
        " 192.0.2.77",
        "2001:db8:1:2::5",
        "::ffff:192.0.2.7",
        "fe80::1%eth0",
        "1.2.3",
        "::",
    ]
    days = ["2024-05-06", "2024-02-30", "2024-W05-1", "20240506", "0001-01-02", "2024-05-06 ", "2023-01-01"]
    masks = [MASK, f"{MASK}-{T.id}", f"{MASK}-{'0' * 32}", f"{MASK}-x", MASK.lower()]
    return [*texts, *addresses, *days, *masks, ""]


def test_every_rule_makes_of_every_text_what_the_rules_say(ground: Ground) -> None:
    index = ground.index("a", MAPPING)
    values = some_values(random.Random(5))
    # Of anybody's value that is a mask already, the neighbours are masked too.
    others = [value for value in values if not is_mask(value)]
    documents = [
        {"n": n, "id": worker.id, **{rule.value: value for rule in RULES}}
        for n, (worker, value) in enumerate(
            [*((T, value) for value in values), *((C, value) for value in others)]
        )
    ]
    ground.fill(index, documents)
    targets, item = known(T, names=(NAME,)), everything(ground)
    person = Person(contributor_id=T.id, needles=(T.email, NAME), salt=targets.salts[T.id])

    plan = only(ground.store(item).count(targets))
    done = only(ground.store(item).mask(targets, no_progress))

    after = ground.read_sources(index, by="n")
    changed = 0
    for document in documents:
        expected = dict(document)
        if document["id"] == T.id:
            expected |= {rule.value: apply(rule, document[rule.value], person) for rule in RULES}
        assert after[document["n"]] == expected
        changed += expected != document
    assert (plan.records, done.records) == (changed, changed)
    before = ground.read(index)
    assert only(ground.store(item).mask(targets, no_progress)).records == 0
    assert ground.read(index) == before
    assert all(reading.survivors == 0 for reading in judged(ground, item, targets))


def test_values_that_are_no_texts_and_lists_of_values_are_masked_in_their_place(ground: Ground) -> None:
    index = ground.index("a", MAPPING)
    document: dict[str, Any] = {
        "n": 0,
        "id": [T.id],
        "constant": 5,
        "unique": ["a", None, ["b"]],
        "hash": True,
        "truncate_ip": ["192.0.2.77", "2001:db8:1:2::5"],
        "coarsen_date": ["2024-05-06T07:08:09.123+02:00", "2024-05-06 10:00", 17],
        "scrub_text": {"body": [f"by {NAME}", 7], "of": {"mail": T.email}, "rest": None},
        "kept": {"b": 1.50, "a": [{"y": 1}, {"z": None}]},
    }
    ground.fill(index, [document])
    targets, item = known(T, names=(NAME,)), everything(ground)

    ground.store(item).mask(targets, no_progress)

    after = ground.read_sources(index, by="n")[0]
    own = f"{MASK}-{T.id}"
    person = Person(contributor_id=T.id, salt=targets.salts[T.id])
    assert after == document | {
        "constant": MASK,
        "unique": [own, None, [own]],
        "hash": apply(Rule.HASH, "true", person),
        "truncate_ip": ["192.0.2.0", "2001:db8:1::"],
        "coarsen_date": ["2024-01-01T00:00:00.000+00:00", "2024-01-01 00:00", MASK],
        "scrub_text": {"body": [f"by {MASK}", 7], "of": {"mail": MASK}, "rest": None},
    }
    assert list(after) == list(document)
    assert only(ground.store(item).count(targets)).records == 0
    assert all(reading.survivors == 0 for reading in judged(ground, item, targets))


def test_a_survivor_of_any_rule_is_seen_by_verification(ground: Ground) -> None:
    index, targets, item = ground.index("a", MAPPING), known(T, names=(NAME,)), everything(ground)
    ground.fill(index, [{"n": 0, "id": T.id, **{rule.value: f"{NAME} 192.0.2.7" for rule in RULES}}])

    assert [reading.survivors for reading in judged(ground, item, targets)] == [1] * len(RULES)
    assert [reading.survivors for reading in judged(ground, item, known(TARGETS[1]))] == [0] * len(RULES)


def test_neither_names_nor_emails_nor_salts_come_into_the_description_of_a_task(ground: Ground) -> None:
    ground.fill(ground.index("a", MAPPING), [{"n": 0, "id": T.id, "scrub_text": NAME, "hash": "secret"}])
    ground.fill(ground.index("b", ANY_MAPPING), [{"n": 1, "id": T.id, "email": T.email}])
    targets = known(T, names=(NAME,))
    plain = pattern(f"{ground.prefix}-b", ruled("email", "id"))

    ground.store(pattern(f"{ground.prefix}-a", ruled("scrub_text", "id", Rule.SCRUB_TEXT))).mask(
        targets, no_progress
    )
    ground.store(plain).mask(targets, no_progress)

    described = ground.stored_tasks()
    assert T.id in described
    for secret in (NAME, T.email, targets.salts[T.id]):
        assert secret not in described


def test_writers_in_between_lose_nothing_and_leave_nobody_unmasked(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    texts = ruled("text", "id", Rule.SCRUB_TEXT)
    ground.fill(index, [{"n": n, "id": T.id, "text": f"{NAME} wrote {n}", "seen": 0} for n in range(600)])

    def write() -> None:
        for n in range(0, 600, 4):
            body = {"doc": {"seen": 1}}
            ground.client.update(index=index, id=str(n), body=body, params={"retry_on_conflict": "50"})

    writer = threading.Thread(target=write)
    writer.start()
    ground.store(pattern(f"{ground.prefix}-*", texts)).mask(known(T, names=(NAME,)), no_progress)
    writer.join()

    ground.client.indices.refresh(index=index)
    hits = ground.client.search(index=index, body={"size": 1000})["hits"]["hits"]
    assert [hit for hit in hits if NAME in json.dumps(hit["_source"])] == []
    assert sum(hit["_source"]["seen"] for hit in hits) == 150
    assert {hit["_source"]["text"] for hit in hits} == {f"{MASK} wrote {n}" for n in range(600)}


def test_pages_keep_the_routing_of_documents(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING, settings={"number_of_shards": 3})
    body = {"n": 1, "id": T.id, "text": NAME, "email": T.email}
    for n, route in enumerate("abcdef"):
        ground.client.index(index=index, id=str(n), body=body, params={"routing": route})
    fields: tuple[Field, ...] = (ruled("text", "id", Rule.SCRUB_TEXT), ruled("email", "id"))
    for field in fields:
        done = only(
            ground.store(pattern(f"{ground.prefix}-*", field)).mask(known(T, names=(NAME,)), no_progress)
        )
        assert done.records == 6

    for n, route in enumerate("abcdef"):
        found = ground.client.get(index=index, id=str(n), params={"routing": route})
        assert found["_source"] == {"n": 1, "id": T.id, "text": MASK, "email": MASK}
    assert ground.client.count(index=index)["count"] == 6
