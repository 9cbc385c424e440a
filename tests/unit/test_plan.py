"""The plan: its fingerprint names it, caps and conflicts hold it back, and drift is told per object."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erasure.counts import Count
from erasure.plan import Plan, PlanCounts, conflicts, drifted, exceeded_caps, not_erasable
from erasure.settings import ErasureSettings
from tests.inventory_fixtures import kepler_inventory

CAPS = ErasureSettings()
COUNTS: PlanCounts = {
    "postgres": {"judgments": Count(records=10, total=9_000)},
    "redis": {"profiles": Count(records=3, expiring=1)},
}
PLAN = Plan(
    batch_id="b1",
    contributors=10,
    all_contributors=100,
    targets_digest="t",
    inventory_digest="i",
    counts=COUNTS,
)


def with_count(store: str, name: str, count: Count) -> Plan:
    """The plan with one object's count."""
    return replace(PLAN, counts={store: {name: count}})


def exceeded(plan: Plan) -> list[str]:
    """The caps that a plan exceeds, with kepler's inventory and the defaults."""
    return exceeded_caps(plan, inventory=kepler_inventory(), settings=CAPS)


def test_the_same_plan_has_the_same_fingerprint_and_any_change_another() -> None:
    assert PLAN.fingerprint == replace(PLAN).fingerprint
    others = [
        replace(PLAN, batch_id="b2"),
        replace(PLAN, targets_digest="u"),
        replace(PLAN, inventory_digest="j"),
        replace(PLAN, product_version="9"),
        with_count("postgres", "judgments", Count(records=11, total=9_000)),
    ]
    assert len({PLAN.fingerprint, *(plan.fingerprint for plan in others)}) == len(others) + 1


def test_records_that_expire_by_themselves_and_totals_do_not_change_the_fingerprint() -> None:
    fewer = {**COUNTS, "redis": {"profiles": Count(records=2, expiring=0)}}
    grown = {**COUNTS, "postgres": {"judgments": Count(records=10, total=9_999)}}
    assert replace(PLAN, counts=fewer).fingerprint == PLAN.fingerprint
    assert replace(PLAN, counts=grown).fingerprint == PLAN.fingerprint


def test_notices_are_kept_with_the_plan_and_have_no_part_in_its_name() -> None:
    told = replace(PLAN, notices=("a trigger will run",))
    assert told.fingerprint == PLAN.fingerprint
    assert told.as_json()["notices"] == ("a trigger will run",)


def test_a_plan_within_the_caps_is_not_held_back() -> None:
    assert exceeded(PLAN) == []
    assert exceeded(replace(PLAN, contributors=20)) == []


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        (replace(PLAN, contributors=21), "21% of all contributors"),
        (replace(PLAN, contributors=10_001, all_contributors=10**6), "10001 contributors"),
        (
            with_count("postgres", "judgments", Count(records=501, total=1_000)),
            "postgres/judgments: 50% of its 1000",
        ),
    ],
)
def test_each_cap_that_is_exceeded_is_named_with_its_setting(plan: Plan, sentence: str) -> None:
    found = exceeded(plan)
    assert len(found) == 1
    assert sentence in found[0] and "[erasure] max_" in found[0]


def test_small_objects_and_objects_of_one_person_each_have_no_share() -> None:
    assert exceeded(with_count("postgres", "payments", Count(records=999, total=999))) == []
    assert exceeded(with_count("postgres", "contributors", Count(records=1_000, total=1_000))) == []
    assert exceeded(with_count("redis", "profiles", Count(records=5_000, total=5_000))) == []


def test_where_many_people_share_a_document_its_elements_count() -> None:
    shared = Count(records=5_000, total=5_000, elements=5_000, total_elements=40_000)
    assert exceeded(with_count("elasticsearch", "units", shared)) == []
    assert exceeded(with_count("elasticsearch", "units", replace(shared, elements=20_001))) != []


def test_records_that_name_two_people_are_listed_by_object_and_count() -> None:
    assert conflicts(COUNTS) == []
    found = conflicts({"postgres": {"judgments": Count(records=1, conflicts=2)}})
    assert found == [
        "postgres/judgments: 2 records belong to a target and to somebody else (by id and email, or by two parents)"
    ]


@given(before=st.integers(0, 50), now=st.integers(0, 50), tolerance=st.integers(0, 10))
def test_drift_is_told_exactly_beyond_the_tolerance(before: int, now: int, tolerance: int) -> None:
    planned = {"s3": {"files": Count(records=before)}}
    current = {"s3": {"files": Count(records=now)}}
    found = drifted(planned, current, tolerance=tolerance)
    assert found == ([f"s3/files: planned {before}, now {now}"] if abs(before - now) > tolerance else [])


def test_an_object_that_was_not_planned_drifts() -> None:
    assert drifted({}, {"s3": {"files": Count(records=1)}}) == ["s3/files: planned 0, now 1"]


LOCKED = Count(records=2, not_erasable={"legal hold": 3})


def test_what_cannot_be_erased_is_named_with_its_reason_and_changes_the_fingerprint() -> None:
    assert not_erasable(COUNTS) == []
    assert not_erasable({"s3": {"files": LOCKED}}) == ["s3/files: 3 cannot be erased (legal hold)"]
    free, locked = with_count("s3", "files", Count(records=2)), with_count("s3", "files", LOCKED)
    assert free.fingerprint != locked.fingerprint


def test_more_that_cannot_be_erased_is_drift_at_any_tolerance_and_less_is_none() -> None:
    planned, more = {"s3": {"files": LOCKED}}, replace(LOCKED, not_erasable={"legal hold": 4})
    assert drifted(planned, {"s3": {"files": more}}, tolerance=100) == [
        "s3/files: planned 3 that cannot be erased (legal hold), now 4"
    ]
    assert drifted(planned, {"s3": {"files": Count(records=2)}}) == []
