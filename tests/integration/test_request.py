"""How a batch begins in the UI: `request_deletion` mints it and plans it, and nothing is changed by that.

Holds: a request by criteria, one by a CSV, and a wrong one.
Add here: another way of asking for a deletion in the UI.
Keep out: what a plan holds (`test_delete.py`).
"""

from typing import Any

import dagster as dg
import pytest

from tests.flow_fixtures import Flow
from tests.integration.outcome import require_unchanged, world
from tests.integration.raw_look import look


def batches(flow: Flow) -> list[dict[str, Any]]:
    """All batches, newest first."""
    found: list[dict[str, Any]] = flow.command("status").result["batches"]
    return found


def test_criteria_are_planned_under_a_batch_of_their_own_and_nothing_is_changed(flow: Flow) -> None:
    before, known = look(flow.config), len(batches(flow))

    requested = flow.request(max_contributors=3)
    assert requested.success

    newest, *others = batches(flow)
    assert (newest["state"], len(others)) == ("planned", known)
    assert newest["fingerprint"]
    with flow.surroundings(), dg.DagsterInstance.get() as instance:
        assert instance.has_dynamic_partition("batches", newest["batch_id"])
    runs = flow.runs(newest["batch_id"])
    assert sorted(runs.values()) == ["plan_deletion", "request_deletion"]
    (told,) = (
        event.step_output_data.metadata for event in requested.all_events if event.is_successful_output
    )
    assert told["batch"].value == newest["batch_id"]
    assert told["fingerprint"].value == newest["fingerprint"]
    assert runs[str(told["plan"].value)] == "plan_deletion"
    assert told["review"].value == dg.AssetKey(["plan", "summary"])
    require_unchanged(world(before), world(look(flow.config)))


def test_a_csv_is_planned_as_it_is(flow: Flow) -> None:
    csv = flow.csv(flow.plain()[:2])

    assert flow.request(csv=str(csv)).success

    newest = batches(flow)[0]
    assert flow.command("status", newest["batch_id"]).result["state"] == "planned"
    assert flow.sql(
        "select count(*) as people from erasure.targets where batch_id = %s and kind = 'contributor'",
        newest["batch_id"],
    ) == [{"people": 2}]


@pytest.mark.parametrize("config", [{"csv": "/nowhere/at/all.csv"}, {"days_inactive": 100_000}])
def test_a_request_for_nobody_fails_and_leaves_no_plan(flow: Flow, config: dict[str, Any]) -> None:
    known = batches(flow)
    assert not flow.request(**config).success
    assert [batch for batch in batches(flow) if batch["state"] == "planned"] == [
        batch for batch in known if batch["state"] == "planned"
    ]


def test_a_partition_named_by_hand_is_refused_before_it_reaches_a_statement(flow: Flow) -> None:
    csv = flow.csv(flow.plain()[:1])
    config = {"targets__deletion_targets": {"csv": str(csv)}}
    outcome = flow.launch("plan_deletion", "x' or '1'='1", config)
    assert not outcome.succeeded
    assert [error.error_class for error in outcome.errors] == ["BadInput"]
    assert "is no batch id" in outcome.errors[0].message
