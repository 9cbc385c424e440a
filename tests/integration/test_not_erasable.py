"""What nobody can erase, here a closed index: told with the plan, refused until it is accepted, and never called done.

The tests share a world and are one story, told by its fixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import httpx
import pytest

from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome import require_erased, require_unchanged, theirs, world
from tests.integration.raw_look import Snapshot, look

CLOSED = "project-00000000-0000-4000-8000-00000000c105"
SENTENCE = "elasticsearch/units: 1 cannot be erased (a closed index)"


@dataclass(frozen=True, kw_only=True)
class Story:
    """One deletion, planned, refused, accepted and verified; the index is open again at its end."""

    person: Person
    before: Snapshot
    refused_at: Snapshot
    after: Snapshot
    plan: Answer
    refused: Answer
    accepted: Answer
    verified: Answer
    opened: Answer


@pytest.fixture(scope="module")
def story(flow: Flow) -> Story:
    person = flow.plain()[0]
    csv = flow.csv([person])
    url = flow.setting("elasticsearch", "url")
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as search:
        unit = {"latest": {"workerId": person.contributor_id, "workerEmail": person.email}}
        search.put(f"/{CLOSED}/_doc/1", json=unit, params={"refresh": "true"}).raise_for_status()
        before = look(flow.config)
        search.post(f"/{CLOSED}/_close").raise_for_status()
        plan = flow.command("delete", "--csv", csv, "--dry-run")
        chosen = ("delete", "--csv", csv, "--execute", "--plan", plan.result["fingerprint"])
        refused = flow.command(*chosen)
        refused_at = look_at_all(flow, search)
        accepted = flow.command(*chosen, "--accept-not-erasable")
        batch = str(accepted.result["batch_id"])
        verified = flow.command("verify", batch)
        open_again(search)
        after = look(flow.config)
        opened = flow.command("verify", batch)
    return Story(
        person=person,
        before=before,
        refused_at=refused_at,
        after=after,
        plan=plan,
        refused=refused,
        accepted=accepted,
        verified=verified,
        opened=opened,
    )


def open_again(search: httpx.Client) -> None:
    search.post(f"/{CLOSED}/_open").raise_for_status()
    search.get(f"/_cluster/health/{CLOSED}", params={"wait_for_status": "yellow"}).raise_for_status()


def look_at_all(flow: Flow, search: httpx.Client) -> Snapshot:
    """What stands in all stores; the closed index is open meanwhile."""
    open_again(search)
    found = look(flow.config)
    search.post(f"/{CLOSED}/_close").raise_for_status()
    return found


def in_closed(snapshot: Snapshot) -> dict[str, str]:
    return {place.key: text for place, text in snapshot.of("elasticsearch", CLOSED).items()}


def test_the_plan_tells_of_it_and_executing_it_is_refused_until_it_is_accepted(story: Story) -> None:
    assert story.plan.code == 0, story.plan.said
    assert story.plan.result["not_erasable"] == [SENTENCE]
    assert story.refused.code == 3, story.refused.said
    assert SENTENCE in story.refused.result["problems"]
    assert "--accept-not-erasable" in story.refused.said
    require_unchanged(story.before, story.refused_at)


def test_once_accepted_the_rest_is_erased_and_the_batch_ends_with_exceptions(story: Story) -> None:
    assert story.accepted.code == 1, story.accepted.said
    assert story.accepted.result["state"] == "closed_with_exceptions"
    assert story.accepted.result["problems"] == ["elasticsearch/units: 1 not erased (a closed index)"]
    # The ledger keeps the needles until the undo window ends.
    before, after = world(story.before.without(CLOSED)), world(story.after.without(CLOSED))
    assert theirs(before, [story.person])
    require_erased(before, after, [story.person])


def test_what_could_not_be_erased_is_there_as_it_was_and_verification_says_so(story: Story) -> None:
    assert in_closed(story.after) == in_closed(story.before)
    assert story.person.email in str(in_closed(story.after))
    assert story.verified.code == 1, story.verified.said
    assert story.verified.result["counts"]["elasticsearch"]["survivors"] == 0
    assert story.verified.result["counts"]["elasticsearch"]["not_erasable"] == 1


def test_once_the_index_is_open_again_its_survivor_is_found(story: Story) -> None:
    assert story.opened.code == 1, story.opened.said
    assert story.opened.result["counts"]["elasticsearch"]["survivors"] == 1
    assert story.opened.result["counts"]["elasticsearch"]["not_erasable"] == 0
