"""What is expected of a store, and the judge's own forms: no engine, counts and texts alone.

Holds: tests of suites, of masked forms in patterns, of paths in documents, of key templates and of free text.
Add here: a case in which two writers of the same rule could disagree.
Keep out: readings of engines (`tests/contract/test_expectations.py`).
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure.rules import MASK, Person, Rule, apply, is_masked, scrub_pattern
from expectations.checkpoints import judge
from expectations.readers.base import (
    FieldReading,
    VerifiedBatch,
    judged_places,
    ruled_places,
    unjudged_places,
)
from expectations.readers.documents import Document, text
from expectations.readers.free_text import TextJudge
from expectations.readers.keys import KeyPattern
from expectations.readers.sql import TRUNCATED_IP
from expectations.suites import Evidence, missing_masked, unaccepted
from tests.inventory_fixtures import kepler_inventory

ANN = "a0000000-0000-4000-8000-000000000001"
BEN = "b0000000-0000-4000-8000-000000000001"
CONTROL = "c0000000-0000-4000-8000-000000000001"
NOBODY = Person(contributor_id=ANN)
PLACES = ("judgments.email", "judgments.ip")
BATCH = VerifiedBatch(
    batch_id="b1",
    persons={ANN: ANN, BEN: BEN},
    emails={"ann@example.com": ANN, "ben@example.com": BEN},
    needles={ANN: ("ann@example.com", "Ann I. Sky"), BEN: ("ben@example.com", "Ben Stone", "+1 555 0100")},
)


def reading(field: str, survivors: int = 0, masked: int = 3) -> FieldReading:
    return FieldReading(object="judgments", field=field, survivors=survivors, masked=masked, records=4)


def evidence(readings: list[FieldReading], expected: dict[str, int]) -> Evidence:
    return Evidence(
        batch_id="b1", store="postgres", readings=tuple(readings), places=PLACES, expected_masked=expected
    )


def passes(readings: list[FieldReading], docs_dir: Path, expected: dict[str, int] | None = None) -> bool:
    return bool(judge(evidence(readings, expected or {}), docs_dir).success)


def test_a_store_is_clean_when_every_place_was_read_once_and_has_no_survivor(tmp_path: Path) -> None:
    assert passes([reading("email"), reading("ip")], tmp_path)
    assert passes([reading("email"), reading("ip")], tmp_path, {"judgments": 6, "judgments.ip": 3})


@pytest.mark.parametrize(
    "readings",
    [
        [reading("email", survivors=1), reading("ip")],
        [reading("email")],
        [],
        [reading("email"), reading("email")],
        [reading("email"), reading("ip"), reading("label")],
        [reading("email"), reading("label")],
        [reading("email"), reading("ip", survivors=-1)],
    ],
    ids=[
        "a survivor",
        "one missing",
        "none read",
        "one twice",
        "one too many",
        "another",
        "a negative number",
    ],
)
def test_a_survivor_or_a_place_that_is_missing_doubled_or_unknown_fails(
    readings: list[FieldReading], tmp_path: Path
) -> None:
    assert not passes(readings, tmp_path)


def test_fewer_masked_values_than_were_made_fail_by_place_and_by_object(tmp_path: Path) -> None:
    readings = [reading("email"), reading("ip")]
    assert missing_masked(evidence(readings, {"judgments.ip": 5})) == {
        "judgments.email": 0,
        "judgments.ip": 2,
    }
    assert missing_masked(evidence(readings, {"judgments": 7})) == {"judgments.email": 1, "judgments.ip": 1}
    assert not passes(readings, tmp_path, {"judgments": 7})


def test_what_nobody_can_erase_passes_as_far_as_it_was_accepted(tmp_path: Path) -> None:
    stuck = replace(reading("email"), not_erasable=2)
    readings = [stuck, reading("ip")]
    asked = evidence(readings, {})
    assert unaccepted(asked) == {"judgments.email": 2, "judgments.ip": 0}
    assert not judge(asked, tmp_path).success
    assert not judge(replace(asked, accepted={"judgments": 1}), tmp_path).success
    assert judge(replace(asked, accepted={"judgments": 2}), tmp_path).success


def test_after_expiry_free_text_and_records_known_by_email_alone_are_left_unjudged() -> None:
    inventory = kepler_inventory()
    expired = VerifiedBatch(batch_id="b1", persons={ANN: ANN})
    assert unjudged_places(inventory, "postgres", BATCH) == ()
    assert judged_places(inventory, "postgres", BATCH) == ruled_places(inventory, "postgres")
    unjudged = unjudged_places(inventory, "postgres", expired)
    assert "support_messages.body" in unjudged
    assert "judgments.contributor_email" not in unjudged
    assert unjudged_places(inventory, "clickhouse", expired) == (
        "app_events.worker_email",
        "notifications.recipient",
    )
    assert "app_events.worker_email" not in judged_places(inventory, "clickhouse", expired)


def test_a_batch_shows_nobody() -> None:
    assert "ann" not in repr(BATCH).lower()


@pytest.mark.parametrize(
    ("contributor_id", "email", "expected"),
    [
        (ANN, None, True),
        (ANN.upper(), "control@example.net", True),
        (None, " Ann@Example.COM\t", True),
        (None, MASK, True),
        (CONTROL, f"{MASK}-{CONTROL}", True),
        (CONTROL, "ann@example.com", False),
        (None, "joann@example.com", False),
        (None, None, False),
    ],
)
def test_the_id_decides_then_the_email_then_the_mask(
    contributor_id: str | None, email: str | None, expected: bool
) -> None:
    assert BATCH.holds(contributor_id, email) is expected


def _is_truncated(value: str) -> bool:
    return re.search(TRUNCATED_IP, value) is not None


@given(st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:.]{1,20}", fullmatch=True) | st.just(MASK))
def test_the_pattern_of_truncated_addresses_agrees_with_the_rule(value: str) -> None:
    assert _is_truncated(value) is is_masked(Rule.TRUNCATE_IP, value, NOBODY)
    assert _is_truncated(apply(Rule.TRUNCATE_IP, value, NOBODY) or "")


@pytest.mark.parametrize("value", ["0.0.0.0", "192.0.2.0", "2001:db8:1::", "2001::", "0:0:1::", "::", MASK])
def test_truncated_addresses_are_recognised(value: str) -> None:
    assert _is_truncated(value)


@pytest.mark.parametrize(
    "value", ["192.0.2.1", "256.0.2.0", "192.0.02.0", "2001:db8:1:2::", "2001:0::", "2001:DB8:1::", " ::", ""]
)
def test_other_addresses_are_not_taken_for_truncated(value: str) -> None:
    assert not _is_truncated(value)


def test_a_field_keeps_its_owner_however_a_document_is_written() -> None:
    field, owner = "judgments[].workerEmail", "judgments[].workerId"
    as_list = {"judgments": [{"workerId": "1", "workerEmail": "a"}, {"workerEmail": "b"}]}
    assert _found(as_list, field, owner) == {("a", "1"), ("b", None)}
    assert _found({"judgments": {"workerId": 1, "workerEmail": ["a", "b"]}}, field, owner) == {
        ("a", "1"),
        ("b", "1"),
    }
    assert _found(
        {"latest.workerEmail": "a", "latest.workerId": "1"}, "latest.workerEmail", "latest.workerId"
    ) == {("a", "1")}
    assert _found({"a": {"b.c": [{"d": "x", "e": "1"}]}}, "a.b.c[].d", "a.b.c[].e") == {("x", "1")}
    assert _found({"judgments": []}, field, owner) == set()


def _found(document: object, field: str, owner: str) -> set[tuple[str | None, str | None]]:
    found = Document(document)
    return {
        (value, text(who))
        for lists, value in found.values(field)
        for who in found.beside(field, lists, owner) or [None]
    }


def test_a_key_belongs_to_a_whole_id_only() -> None:
    folder = KeyPattern("contributors/{contributor_id}/", is_folder=True)
    assert folder.owner(f"contributors/{ANN}/a/b.txt") == ANN
    assert folder.owner(f"contributors/{ANN.upper()}/b.txt") == ANN
    assert folder.owner(f"contributors/{ANN}9/b.txt") is None
    assert folder.owner(f"x/contributors/{ANN}/b.txt") is None
    assert folder.fixed_part == "contributors/"
    key = KeyPattern("profile:{contributor_id}")
    assert key.owner(f"profile:{ANN}") == ANN
    assert key.owner(f"profile:{ANN}:more") is None
    assert KeyPattern("session:*").fits("session:abc")
    assert not KeyPattern("session:*").fits("session_of:abc")


@pytest.mark.parametrize(
    ("text", "contributor_id", "email", "expected"),
    [
        ("I am ANN i. sky.", ANN, None, False),
        (f"I am {MASK}, not Joann I. Sky", ANN, None, True),
        ("Ben Stone wrote to me", ANN, None, True),
        ("yours, Ben Stone", None, "Ben@Example.com", False),
        ("ann@example.com", None, "ben@example.com", True),
        ("call +1 555 0100", None, MASK, False),
        ("call +1 555 01000", None, MASK, True),
        ("yours, ANN \u0130. SKY", None, MASK, False),
        ("Ben Stone", CONTROL, MASK, None),
    ],
)
def test_a_text_is_searched_for_the_needles_of_its_own_subject(
    text: str, contributor_id: str | None, email: str | None, expected: bool | None
) -> None:
    assert TextJudge(BATCH).is_masked(text, contributor_id, email) is expected


@given(
    st.text(alphabet="aAbBi\u0130\u0131sS\u017fk\u212a .-_1", max_size=12),
    st.lists(st.text("abisk .-1", max_size=4)),
)
def test_looking_up_first_words_finds_what_one_pattern_of_all_needles_finds(
    text: str, needles: list[str]
) -> None:
    batch = VerifiedBatch(batch_id="b1", persons={ANN: ANN}, needles={ANN: tuple(needles)})
    pattern = scrub_pattern(needles)
    expected = pattern is None or pattern.search(text) is None
    assert TextJudge(batch).is_masked(text, None, MASK) is expected
