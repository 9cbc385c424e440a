"""A search server that is killed while its task masks, and is started again on what it has on disk.

Holds: the command's `resume` after it.
Add here: another moment of a task.
Keep out: servers that cannot be reached for a while (`test_store_down.py`), and the store without a command
(`tests/contract/test_search_nodes.py`).
"""

from __future__ import annotations

import psutil
import pytest

from sandbox.supervisor import Sandbox
from tests.faults.detours import address, led_to
from tests.faults.gate import Gate
from tests.flow_fixtures import Flow
from tests.integration.outcome import differing_counts, nonzero, require_erased
from tests.integration.raw_look import look
from tests.sandbox_fixtures import pids

ASKED_FOR_A_TASK = b"GET /_tasks/"


@pytest.mark.full
def test_search_that_is_killed_while_it_masks_is_finished_by_resume(flow: Flow, sandbox: Sandbox) -> None:
    people = [*flow.edge("aliased"), *flow.plain()[1:2]]
    before = look(flow.config)

    def kill() -> None:
        engine = psutil.Process(pids(sandbox)["search"])
        engine.kill()
        psutil.wait_procs([engine], timeout=30)

    with Gate(*address(flow, "elasticsearch"), shut_at=ASKED_FOR_A_TASK, instead=kill) as gate:
        config = led_to(flow, "elasticsearch", gate.port)
        csv = flow.csv(people)
        try:
            failed = flow.command("delete", "--csv", csv, "--execute", "--undo-days", "0", config=config)
        finally:
            sandbox.up()
        assert gate.was_reached
        resumed = flow.command("resume", failed.result["batch_id"], config=config)

    assert failed.code == 1, failed.said
    assert failed.result["state"] == "failed"
    assert any(problem.startswith("elasticsearch") for problem in failed.result["problems"])
    assert "⚠️  Elasticsearch documents masked: not done" in failed.err
    assert "⚠️  PostgreSQL records deleted: not done" in failed.err
    assert resumed.code == 0, resumed.said
    assert resumed.result["state"] == "erased"
    after = look(flow.config)
    require_erased(before, after, people)
    counted = nonzero(resumed.result["counts"])
    searched = "elasticsearch"
    # What the task had done before it was killed is done, and counted by nobody: the second one counts the rest.
    assert {store for store in counted if store != searched} == {
        store for store in nonzero(differing_counts(before, after)) if store != searched
    }
