"""The pages that a batch leaves in files: the index of reports, and Data Docs.

Add here: another page under `var/reports`.
Keep out: what Great Expectations judges (`contract/test_expectations.py`).
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from erasure.inventory import ALL_STORES
from tests.browser.personal_support import people_in
from tests.browser.story_support import Story
from tests.flow_fixtures import Flow

pytestmark = pytest.mark.costly


def test_the_index_of_reports_leads_to_the_verdicts_on_a_batch(page: Page, flow: Flow, story: Story) -> None:
    page.goto((flow.var / "reports" / "index.html").as_uri())
    row = page.get_by_role("row").filter(has_text=story.batch_id)
    expect(row).to_contain_text("closed")
    assert people_in(page.content(), flow.people.values()) == []
    expect(row).to_contain_text(re.compile(r"✅ PostgreSQL records deleted: [1-9]"))
    row.get_by_role("link", name="Data Docs").click()
    expect(page).to_have_title(re.compile("Data Docs"))
    assert people_in(page.content(), flow.people.values()) == []


def test_the_data_docs_say_of_every_store_that_nothing_is_left(page: Page, flow: Flow, story: Story) -> None:
    # Their own index lists them by scripts from the network, so they are opened one by one.
    validations = flow.var / "reports" / story.batch_id / "data_docs" / "validations"
    for store in ALL_STORES:
        (verdict,) = validations.glob(f"{store}/**/*.html")
        page.goto(verdict.as_uri())
        expect(page.locator("body")).to_contain_text(story.batch_id)
        expect(page.get_by_text("Status: Succeeded")).to_be_visible()
        assert people_in(page.content(), flow.people.values()) == []
