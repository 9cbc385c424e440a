"""What the search store makes of answers: ends of tasks, refusals, errors of a client.

Add here: an answer that looks like success, or an error with a sentence of its own.
Keep out: engines; the answers here have the form that engines gave.
"""

from typing import Any

import pytest

from erasure.errors import Incomplete, StoreRefused, StoreUnavailable
from erasure.stores.search.client import SearchError, Trouble, answered
from erasure.stores.search.failures import speaking_of
from erasure.stores.search.tasks import judge

SECRET = "worker7@example.com"
DONE = {"total": 5, "updated": 3, "noops": 2, "version_conflicts": 0, "failures": []}


def ended(**response: Any) -> dict[str, Any]:
    return {"completed": True, "response": DONE | response}


def failure(kind: str, status: int) -> dict[str, Any]:
    return {"index": "project-1", "id": "u", "cause": {"type": kind, "reason": SECRET}, "status": status}


def test_a_task_that_looked_at_everything_is_done() -> None:
    assert judge(ended(), object_name="units") == 3


@pytest.mark.parametrize(
    "answer",
    [
        ended(total=6),
        ended(canceled="by user request"),
        {"completed": True},
        ended(updated=0),
        ended(timed_out=True),
        {"completed": True, "error": {"type": "task_cancelled_exception"}},
        ended(failures=[failure("task_cancelled_exception", 400)]),
    ],
    ids=[
        "stopped early",
        "cancelled",
        "no response",
        "fewer than found",
        "out of time",
        "cancelled at once",
        "cancelled in a shard",
    ],
)
def test_a_task_that_only_looks_done_is_incomplete(answer: dict[str, Any]) -> None:
    if answer == {"completed": True}:
        answer = answer | {"response": {"total": 1}}
    with pytest.raises(Incomplete, match="resume"):
        judge(answer, object_name="units")


@pytest.mark.parametrize(
    ("kind", "status", "raises", "says"),
    [
        ("cluster_block_exception", 403, StoreRefused, "index project-1 is blocked"),
        ("cluster_block_exception", 429, StoreRefused, "index project-1 is blocked"),
        ("mapper_parsing_exception", 400, StoreRefused, "does not take the masked value"),
        ("strict_dynamic_mapping_exception", 400, StoreRefused, "does not take the masked value"),
        ("rejected_execution_exception", 429, StoreUnavailable, "overloaded at index project-1"),
        ("some_new_exception", 429, StoreUnavailable, "overloaded at index project-1"),
        ("some_new_exception", 500, StoreRefused, "answered some_new_exception for index project-1"),
    ],
)
def test_a_failed_document_names_its_index_and_no_value(
    kind: str, status: int, raises: type[StoreRefused], says: str
) -> None:
    with pytest.raises(raises, match=says) as caught:
        judge(ended(failures=[failure(kind, status)]), object_name="units")

    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("elasticsearch/units: ")


def test_deleted_documents_are_changed_documents() -> None:
    assert judge(ended(updated=0, deleted=3), object_name="units") == 3


def test_a_task_with_an_error_is_refused() -> None:
    with pytest.raises(StoreRefused, match="script_exception"):
        judge({"completed": True, "error": {"type": "script_exception"}}, object_name="units")


def test_conflicts_with_other_writers_are_left_to_the_next_count() -> None:
    assert judge(ended(total=6, version_conflicts=1), object_name="units") == 3


def test_conflicts_do_not_hide_that_a_task_ended_early() -> None:
    conflict = failure("version_conflict_engine_exception", 409)

    with pytest.raises(Incomplete, match="looked at 6 of 9 documents"):
        judge(ended(total=9, version_conflicts=1, failures=[conflict]), object_name="units")


def test_a_conflict_does_not_hide_another_failure() -> None:
    both = [failure("version_conflict_engine_exception", 409), failure("mapper_parsing_exception", 400)]

    with pytest.raises(StoreRefused):
        judge(ended(version_conflicts=1, failures=both), object_name="units")


def refused_with(kind: str) -> dict[str, Any]:
    return {"error": {"type": kind, "reason": SECRET, "root_cause": [{"type": kind, "index": "project-1"}]}}


@pytest.mark.parametrize(
    ("error", "raises", "says"),
    [
        (SearchError(Trouble.UNREACHABLE, reason="ConnectionError"), StoreUnavailable, "cannot be reached"),
        (SearchError(Trouble.LATE), StoreUnavailable, "in time"),
        (SearchError(Trouble.UNTRUSTED), StoreUnavailable, "certificate"),
        (SearchError(Trouble.SHUT, status=403), StoreUnavailable, "lets nobody in"),
        (SearchError(Trouble.NO_SEARCH_SERVER), StoreUnavailable, "not a search server"),
        (answered(401, {}), StoreUnavailable, "credentials"),
        (answered(403, refused_with("security_exception")), StoreRefused, "user"),
        (answered(403, {"message": SECRET}), StoreUnavailable, "403"),
        (answered(404, refused_with("index_not_found_exception")), StoreRefused, "exist"),
        (answered(400, refused_with("index_closed_exception")), StoreRefused, "is closed"),
        (answered(400, refused_with(SECRET)), StoreRefused, "an error for index project-1"),
        (answered(413, SECRET), StoreRefused, "too large"),
        (answered(500, None), StoreUnavailable, "500"),
    ],
)
def test_errors_of_a_client_become_sentences_without_values(
    error: SearchError, raises: type[StoreRefused], says: str
) -> None:
    with pytest.raises(raises, match=says) as caught, speaking_of("units"):
        raise error

    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
