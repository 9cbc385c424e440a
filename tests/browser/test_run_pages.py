"""The pages of runs and of what they made: which steps, how they ended, for which batch, and what is told of it.

Add here: what somebody must be able to see of a run, a partition or an asset.
Keep out: what must not be seen (`test_personal_data.py`).
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium_support import picture, settle
from tests.browser.story_support import STEPS, WRONG_FINGERPRINT, Story
from tests.flow_fixtures import Flow

pytestmark = pytest.mark.costly


def test_a_finished_run_shows_every_step_and_each_has_succeeded(
    page: Page, ui: str, flow: Flow, story: Story, tmp_path: Path
) -> None:
    # High enough for all steps at once.
    page.set_viewport_size({"width": 1600, "height": 1120})
    open_run(page, ui, story.executed)
    expect(page.get_by_text("Success", exact=True)).to_be_visible()
    expect(page.get_by_text(f"partition: {story.batch_id}")).to_be_visible()
    page.get_by_text("Hide navigation").click()
    page.locator("button:has([aria-label=expand_arrows])").first.click()
    for part in (status_of(page, "Preparing", 0), status_of(page, "Executing", 0)):
        part.locator("[class*=collapsingHeaderBar]").click()
    succeeded = status_of(page, "Succeeded", len(STEPS))
    succeeded.locator("[class*=collapsingHeaderBar]").click()
    expect(succeeded.locator("[class*=stepLabel]")).to_have_count(len(STEPS))
    picture(page, "finished-run.png", elsewhere=tmp_path, flow=flow)
    assert sorted(succeeded.locator("[class*=stepLabel]").all_inner_texts()) == sorted(STEPS)
    for step in STEPS:
        expect(succeeded.get_by_text(step, exact=True)).to_be_in_viewport(ratio=0.9)
    expect(status_of(page, "Errored", 0)).to_be_visible()
    expect(page.get_by_text("Not executed")).to_have_count(0)


def test_a_refused_run_shows_the_step_that_refused_and_our_sentence(
    page: Page, ui: str, story: Story
) -> None:
    open_run(page, ui, story.refused)
    expect(page.get_by_text("Failure", exact=True)).to_be_visible()
    expect(page.get_by_text(f"partition: {story.batch_id}")).to_be_visible()
    errored = status_of(page, "Errored", 1)
    assert errored.locator("[class*=stepLabel]").all_inner_texts() == ["plan__confirmed"]
    expect(status_of(page, "Succeeded", 0)).to_be_attached()
    expect(page.get_by_text(f"Not executed ({len(STEPS) - 1})")).to_be_attached()
    # At the end of the events, where the page opens, and without unfolding anything.
    sentence = (
        f"Failure: The plan of {story.batch_id} is {story.fingerprint}, asked for was {WRONG_FINGERPRINT};"
    )
    expect(page.get_by_text(sentence).last).to_be_in_viewport()


def test_a_request_leads_to_its_plan(page: Page, ui: str, story: Story) -> None:
    open_run(page, ui, story.requested)
    expect(
        page.get_by_text(f"Batch {story.batch_id} is planned, fingerprint {story.fingerprint}")
    ).to_be_visible()
    page.get_by_role("link", name="plan / summary").click()
    expect(metadata(page, "fingerprint")).to_contain_text(story.fingerprint)
    expect(metadata(page, "contributors")).to_contain_text(str(len(story.people)))


def test_the_batch_is_a_partition_and_its_end_tells_what_was_done(
    page: Page, ui: str, flow: Flow, story: Story
) -> None:
    page.goto(f"{ui}/assets/report/summary?partition={story.batch_id}&view=partitions")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("Failed (0)")).to_be_visible()
    expect(page.get_by_text(story.batch_id).locator("visible=true").first).to_be_visible()
    page.goto(f"{ui}/assets/report/summary")
    expect(metadata(page, "state")).to_contain_text("closed")
    expect(metadata(page, "access")).to_contain_text("proven")
    done = flow.sql(
        "select store, object, done from erasure.steps where batch_id = %s and stage = 'mask'",
        story.batch_id,
    )
    assert done
    for step in done:
        told = metadata(page, f"{step['store']}/{step['object']}").locator("td").last
        expect(told).to_have_text(str(step["done"]))


def test_all_runs_of_a_batch_are_found_by_its_tag(page: Page, ui: str, story: Story) -> None:
    page.goto(f"{ui}/runs?q[0]=tag:batch={story.batch_id}")
    for run_id in story.runs:
        expect(page.get_by_role("link", name=run_id[:8])).to_be_visible()
    # Of the executed one alone: the others have confirmed no plan.
    expect(page.get_by_text(f"fingerprint: {story.fingerprint}")).to_have_count(1)


def open_run(page: Page, ui: str, run_id: str) -> None:
    page.goto(f"{ui}/runs/{run_id}")
    settle(page)


def status_of(page: Page, status: str, number: int) -> Locator:
    """The part of the panel with the steps that ended, or are, in this way; there must be so many of them."""
    part = page.locator("div[data-state]:has(> [class*=collapsingHeaderBar])").filter(
        has_text=f"{status} ({number})"
    )
    expect(part).to_have_count(1)
    return part


def metadata(page: Page, key: str) -> Locator:
    """The row of an asset's metadata with this key."""
    return page.get_by_role("row").filter(has=page.get_by_text(key, exact=True))
