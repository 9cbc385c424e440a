"""What the pages tell of: one batch, asked for, refused once and executed, by runs as the UI launches them.

Holds: `Story`, and the fixtures `flow` and `story`.
Add here: something that must have happened before a page is looked at.
Keep out: pages. While Playwright holds the thread's event loop no run can be launched in it, so all runs are here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dagster_defs.launch import Outcome
from erasure.inventory import ALL_STORES
from sandbox.supervisor import Sandbox
from tests.flow_fixtures import Flow, Person, fresh_flow

WRONG_FINGERPRINT = "0123456789abcdef"
# The steps of executing, as design and README name them.
STEPS = (
    *("plan__confirmed", "revoke__access", "revoke__controls", "verify__controls"),
    *(f"{stage}__{store}" for stage in ("mask", "verify", "purge") for store in ALL_STORES),
    "report__summary",
)


@dataclass(frozen=True, kw_only=True)
class Story:
    """The batch, its people, and the runs in the order in which they were launched, by id."""

    people: tuple[Person, ...]
    batch_id: str
    fingerprint: str
    requested: str
    planned: str
    refused: str
    executed: str

    @property
    def runs(self) -> tuple[str, ...]:
        return self.requested, self.planned, self.refused, self.executed


@pytest.fixture(scope="package")
def flow(sandbox: Sandbox) -> Iterator[Flow]:
    """The flow of all browser tests."""
    yield from fresh_flow(sandbox)


@pytest.fixture(scope="package")
def story(chromium: Path, flow: Flow) -> Story:
    """Two people's batch, planned and executed; in between it was not, since a wrong fingerprint was named."""
    people = tuple(flow.plain()[:2])
    requested = flow.request(csv=str(flow.csv(people)))
    assert requested.success
    (batch,) = flow.command("status").result["batches"]
    batch_id, fingerprint = batch["batch_id"], batch["fingerprint"]
    (planned,) = (run for run in flow.runs(batch_id) if run != requested.run_id)
    refused = _execute(flow, batch_id, WRONG_FINGERPRINT)
    assert not refused.succeeded
    assert flow.command("status", batch_id).result["state"] == "planned"
    executed = _execute(flow, batch_id, fingerprint)
    assert executed.succeeded, executed.errors
    return Story(
        people=people,
        batch_id=batch_id,
        fingerprint=fingerprint,
        requested=requested.run_id,
        planned=planned,
        refused=refused.run_id,
        executed=executed.run_id,
    )


def _execute(flow: Flow, batch_id: str, fingerprint: str) -> Outcome:
    config = {"plan__confirmed": {"fingerprint": fingerprint, "reviewed": True}}
    return flow.launch("execute_deletion", batch_id, config)
