"""Nobody is to be found in the UI: not in a page, not in the logs behind it, not in what Dagster keeps on disk.

Add here: another page, or another place in which the flow keeps something.
Keep out: the stores themselves, and what the product says on a terminal (`integration/`).
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.personal_support import Given, contents_of, people_in
from tests.browser.story_support import STEPS, Story
from tests.flow_fixtures import Flow

pytestmark = pytest.mark.costly

# Page, and something that it is given for certain: a page that is given nothing would prove nothing.
ASSETS = {
    "targets/deletion_targets": "already_erased",
    "mask/postgres/contributors": "full_name (constant)",
    "verify/postgres": "data_docs",
    "report/summary": "s3/contributor_files",
}


def test_the_search_finds_people_where_they_are(flow: Flow, story: Story) -> None:
    """The control of what follows: the CSV of the request, and rows as Dagster would keep or send them."""
    everybody = flow.people.values()
    wanted = [person.contributor_id for person in story.people]
    assert people_in(flow.csv(story.people).read_text(encoding="utf-8").upper(), everybody) == wanted
    for value in story.people[0].values:
        assert story.people[0].contributor_id in people_in(f"failing row contains ({value})", everybody)


def test_the_pages_of_runs_are_given_nobody(page: Page, ui: str, flow: Flow, story: Story) -> None:
    given = Given(page)
    configs = ("csv: ", "csv: ", "fingerprint: ", "fingerprint: ")
    for run_id, configured in zip(story.runs, configs, strict=True):
        at_run = given.at(f"{ui}/runs/{run_id}", certain="Started execution of step")
        assert story.batch_id in at_run
        page.get_by_role("button", name="View tags and config").click()
        expect(page.get_by_role("dialog")).to_contain_text(configured)
        assert people_in(given.by_now(certain=configured), flow.people.values()) == []


def test_the_raw_logs_of_a_run_hold_nobody(page: Page, ui: str, flow: Flow, story: Story) -> None:
    page.goto(f"{ui}/runs/{story.requested}?logType=stdout")
    given = Given(page)
    page.get_by_text("Select a step to view stdout").click()
    page.get_by_text("request", exact=True).last.click()
    # Both come at once, whichever is shown.
    assert people_in(given.by_now(certain="No log file"), flow.people.values()) == []
    page.get_by_role("button", name="stderr").click()
    assert people_in(given.by_now(certain="INFO - request_deletion"), flow.people.values()) == []


def test_the_pages_of_assets_are_given_nobody(page: Page, ui: str, flow: Flow, story: Story) -> None:
    given = Given(page)
    for asset, certain in ASSETS.items():
        at_asset = given.at(f"{ui}/assets/{asset}", certain=certain)
        assert story.batch_id in at_asset
        assert people_in(at_asset, flow.people.values()) == []


def test_the_launchpad_and_the_configuration_are_given_nobody_and_no_secret(
    page: Page, ui: str, flow: Flow
) -> None:
    location = f"{ui}/locations/dagster_defs.definitions"
    pages = {
        f"{location}/jobs/request_deletion/playground": "max_contributors",
        f"{location}/jobs/execute_deletion/playground": "undo_days",
        f"{location}/resources/platform": "CONTRIBUTOR_DELETION_CONFIG",
        f"{ui}/deployment/config": "base_dir",
    }
    given = Given(page)
    for url, certain in pages.items():
        at_page = given.at(url, certain=certain)
        assert people_in(at_page, flow.people.values()) == []
        assert [name for name, secret in secrets(flow).items() if secret in at_page] == []


def test_no_file_that_dagster_keeps_holds_anybody(flow: Flow, story: Story) -> None:
    kept = list(contents_of(flow.var / "dagster"))
    databases = {path.name: content for path, content in kept if path.suffix == ".db"}
    for run_id in story.runs:
        assert "Started execution of step" in databases[f"{run_id}.db"]
    # The snapshots of the jobs, which lie compressed in it.
    assert [step for step in STEPS if step not in databases["runs.db"]] == []
    for _, content in kept:
        assert people_in(content, flow.people.values()) == []
        assert [name for name, secret in secrets(flow).items() if secret in content] == []


def secrets(flow: Flow) -> dict[str, str]:
    """What no page and no file but the configuration may hold."""
    named = (
        *(("database", "password"), ("clickhouse", "password"), ("redis", "password")),
        *(("s3", "aws_secret_access_key"), ("erasure", "hash_key"), ("api", "job_url")),
    )
    return {f"[{section}] {key}": flow.setting(section, key) for section, key in named}
