"""The search store on a real engine: a target's elements are masked wherever they stand, controls keep all.

Holds: masking in indices with several hundred documents of many people, and whose an element is.
Add here: another way in which an element may belong to somebody.
Keep out: forms of documents (`test_search_documents.py`), refusals (`test_search_refusals.py`), copies on disk
(`test_search_copies.py`); requests and sentences that need no engine (`tests/unit/test_search_*.py`).
"""

import json
import random
import threading
import uuid
from typing import Any

import pytest

from erasure.counts import Count
from erasure.rules import MASK, normalise_email
from erasure.stores.base import no_progress
from erasure.targets import Needle, TargetSet
from tests.contract.search_support import (
    CONTROLS,
    DOCUMENTS,
    TARGETS,
    Ground,
    Worker,
    expected_after,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")

# Masking


def test_only_the_elements_of_targets_are_masked_among_many_peoples(ground: Ground) -> None:
    documents = {document["unit_id"]: document for document in many_units()}
    first, second = ground.index("a"), ground.index("b")
    ground.fill(first, list(documents.values())[: DOCUMENTS // 2])
    ground.fill(second, list(documents.values())[DOCUMENTS // 2 :])
    targets = target_set(*TARGETS)

    plan = only(ground.store().count(targets))
    done = only(ground.store().mask(targets, no_progress))

    after = ground.read(first) | ground.read(second)
    changed = 0
    for unit_id, document in documents.items():
        expected = expected_after(document, *TARGETS)
        if expected == document:
            assert after[unit_id] == {"version": 1, "source": json.dumps(document)}
        else:
            assert after[unit_id]["version"] == 2
            assert json.loads(after[unit_id]["source"]) == expected
            changed += 1
    elements = sum(
        element["workerId"] in {worker.id for worker in TARGETS}
        for document in documents.values()
        for element in [*document["judgments"], *([document["latest"]] if document["latest"] else [])]
    )
    assert 0 < changed < DOCUMENTS
    assert (plan.records, plan.elements, plan.total) == (changed, elements, DOCUMENTS)
    assert done == plan
    assert only(ground.store().count(targets)).records == 0


def test_what_users_look_for_is_found_under_latest(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0]), judgment(TARGETS[0])), unit(judgment(CONTROLS[0]))])

    ground.store().mask(target_set(TARGETS[0]), no_progress)

    found = ground.client.count(index=index, body={"query": {"term": {"latest.workerEmail": MASK}}})
    assert found["count"] == 1


def test_masking_again_changes_nothing(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, many_units())
    targets = target_set(*TARGETS)
    ground.store().mask(targets, no_progress)
    before = ground.read(index)

    again = only(ground.store().mask(targets, no_progress))

    assert (again.records, again.elements) == (0, 0)
    assert ground.read(index) == before


def test_everybody_elses_elements_count_in_the_totals_alone(ground: Ground) -> None:
    ground.fill(
        ground.index("a"), [unit(judgment(CONTROLS[0]), judgment(TARGETS[0])), unit(judgment(CONTROLS[1]))]
    )

    count = only(ground.store().count(target_set(TARGETS[0])))

    assert count == Count(records=1, elements=2, total=2, total_elements=5)


def test_documents_that_were_not_refreshed_are_found(ground: Ground) -> None:
    index = ground.index("a", settings={"refresh_interval": "-1"})
    ground.fill(index, many_units(), refresh=False)
    unseen = ground.client.count(index=index)["count"]

    done = only(ground.store().mask(target_set(*TARGETS), no_progress))

    assert unseen == 0
    assert done.records > 0
    assert not any(worker.email in json.dumps(ground.read(index)) for worker in TARGETS[:1])


def test_progress_ends_with_all_that_was_planned(ground: Ground) -> None:
    ground.fill(ground.index("a"), many_units())
    told: list[tuple[str, int, int]] = []

    done = only(ground.store().mask(target_set(*TARGETS), lambda *step: told.append(step)))

    assert told[-1] == ("units", done.records, done.records)
    assert [step[1] for step in told] == sorted(step[1] for step in told)


def test_a_batch_that_concerns_nobody_starts_no_task(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0]))])
    stranger = Worker(id=str(uuid.uuid4()), email="stranger@example.org")

    assert only(ground.store().mask(target_set(stranger), no_progress)).records == 0
    assert stranger.id not in ground.stored_tasks()


def test_other_writers_in_between_do_not_leave_anybody_unmasked(ground: Ground) -> None:
    index = ground.index("a")
    documents = many_units()
    ground.fill(index, documents)
    writer = threading.Thread(target=rewrite_urls, args=(ground, index, documents[:150]))
    writer.start()

    ground.store().mask(target_set(*TARGETS), no_progress)
    writer.join()

    left = ground.store().count(target_set(*TARGETS))
    assert only(left).records == 0
    urls = [json.loads(entry["source"])["url"] for entry in ground.read(index).values()]
    assert urls.count("https://example.com/rewritten") == 150


def rewrite_urls(ground: Ground, index: str, documents: list[dict[str, Any]]) -> None:
    # Partial updates, as a platform does them: they read the document and write all of it again.
    for document in documents:
        ground.client.update(
            index=index,
            id=document["unit_id"],
            body={"doc": {"url": "https://example.com/rewritten"}},
            params={"retry_on_conflict": 50},
        )


# Whose an element is


def test_the_email_decides_in_any_case_where_there_is_no_owner(ground: Ground) -> None:
    index = ground.index("a")
    target, control = TARGETS[0], CONTROLS[0]
    shouted = judgment(target, workerId=None, workerEmail=f" \t{target.email.upper()} ")
    absent = {key: value for key, value in judgment(target).items() if key != "workerId"}
    other = judgment(control, workerId=None, workerEmail=control.email.upper())
    longer = judgment(control, workerId=None, workerEmail=f"x{target.email}")
    ground.fill(index, [unit(judgment(control), shouted, other), unit(absent, longer), unit(other)])
    targets = target_set(target)

    plan = only(ground.store().count(targets))
    done = only(ground.store().mask(targets, no_progress))

    emails = [
        [element["workerEmail"] for element in json.loads(entry["source"])["judgments"]]
        for entry in ground.read(index).values()
    ]
    assert sorted(emails) == sorted(
        [[control.email, MASK, control.email.upper()], [MASK, f"x{target.email}"], [control.email.upper()]]
    )
    assert plan.records == done.records == 2


def test_emails_are_compared_as_the_rules_compare_them(ground: Ground) -> None:
    index = ground.index("a")
    chance = random.Random(11)
    # Blanks and letters that one language trims or lowers and another does not.
    alphabet = "aAzZ@.é É\u0130ß\u017fΣςÄä \t\n\r\x0b\x0c\x00\x1c\x85\u00a0\u2003\U0001f600"
    values = ["".join(chance.choices(alphabet, k=chance.randint(0, 6))) for _ in range(DOCUMENTS)]
    wanted = {normalise_email(value) for value in chance.sample(values, DOCUMENTS // 2)}
    needles = tuple(Needle(contributor_id=TARGETS[0].id, kind="email", value=value) for value in wanted)
    documents = [unit(judgment(TARGETS[0], workerId=None, workerEmail=value)) for value in values]
    ground.fill(index, documents)

    ground.store().mask(
        TargetSet(batch_id="b-test", contributor_ids=frozenset({TARGETS[0].id}), needles=needles), no_progress
    )

    after = ground.read(index)
    for document, value in zip(documents, values, strict=True):
        email = json.loads(after[document["unit_id"]]["source"])["latest"]["workerEmail"]
        assert email == (MASK if normalise_email(value) in wanted else value)


def test_a_controls_element_with_a_targets_email_is_a_conflict_and_is_left_alone(ground: Ground) -> None:
    index = ground.index("a")
    target, control = TARGETS[0], CONTROLS[0]
    ground.fill(index, [unit(judgment(control, workerEmail=target.email.upper()), judgment(CONTROLS[1]))])
    before = ground.read(index)

    count = only(ground.store().count(target_set(target)))
    ground.store().mask(target_set(target), no_progress)

    assert (count.conflicts, count.records) == (1, 0)
    assert ground.read(index) == before


def test_the_id_decides_where_a_targets_element_bears_another_email(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(TARGETS[0], workerEmail=CONTROLS[0].email), judgment(CONTROLS[0]))])

    count = only(ground.store().mask(target_set(TARGETS[0]), no_progress))

    (entry,) = ground.read(index).values()
    assert [each["workerEmail"] for each in json.loads(entry["source"])["judgments"]] == [
        MASK,
        CONTROLS[0].email,
    ]
    assert count.conflicts == 0


def test_an_id_that_begins_with_a_targets_id_is_another_one(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0], workerId=f"{TARGETS[0].id}0"))])

    assert only(ground.store().count(target_set(TARGETS[0]))).records == 0
