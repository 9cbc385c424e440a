"""`--controls full` in the flow, where something else than the targets' records changes: what stops.

Add here: another end of such a batch, and how it goes on.
Keep out: a deletion that changes nothing else (`test_raw_look.py`), and which changes are noticed
(`contract/test_controls.py`).
"""

from __future__ import annotations

import pytest

from tests.flow_fixtures import Flow

MEDDLE = """
create function public.meddle() returns trigger language plpgsql as $$ begin
    update public.payments set amount = amount + 1
    where payment_id = (select max(payment_id) from public.payments where contributor_id <> new.contributor_id
        and contributor_id = '{control}');
    return null;
end $$;
create trigger meddle after update of full_name on public.contributors for each row execute function public.meddle()
"""
UNMEDDLE = "drop trigger meddle on public.contributors; drop function public.meddle()"


@pytest.mark.full
def test_a_control_record_that_changes_blocks_the_purge_until_comparing_is_given_up(flow: Flow) -> None:
    target, *others = flow.plain()
    control = next(person for person in others if person.ibans)
    flow.sql(MEDDLE.format(control=control.contributor_id))
    csv = flow.csv([target])
    answer = flow.command("delete", "--csv", csv, "--execute", "--controls", "full", "--undo-days", "0")
    flow.sql(UNMEDDLE)
    batch_id = answer.result["batch_id"]

    require_blocked(flow, batch_id, answer.code, answer.result["problems"], answer.err)
    assert control.email not in answer.said and control.contributor_id not in answer.said

    again = flow.command("resume", batch_id)
    require_blocked(flow, batch_id, again.code, again.result["problems"], again.err)

    given_up = flow.command("resume", batch_id, "--controls", "parity")
    assert given_up.code == 0, given_up.said
    assert given_up.result["state"] == "erased"
    assert "comparing was given up" in given_up.err


def require_blocked(flow: Flow, batch_id: str, code: int, problems: list[str], err: str) -> None:
    assert code == 1
    assert any("postgres/payments: at least 1 control record differs" in problem for problem in problems)
    assert "❌ Not as before" in err
    stages = flow.sql("select distinct stage, state from erasure.steps where batch_id = %s", batch_id)
    assert {row["stage"] for row in stages} == {"revoke", "mask", "controls"}
    assert flow.sql("select state from erasure.batches where batch_id = %s", batch_id) == [
        {"state": "failed"}
    ]
