"""The asset graph: every stage, every store, every masked table, under its name.

Add here: what the graph of all assets must show.
Keep out: pages of single assets and of runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from erasure.inventory import ALL_STORES
from tests.browser.chromium_support import picture, settle
from tests.flow_fixtures import Flow

pytestmark = pytest.mark.costly

STAGES = ("targets", "plan", "revoke", "mask", "verify", "purge", "report")


def test_the_asset_graph_shows_every_stage_and_every_store(
    page: Page, ui: str, flow: Flow, tmp_path: Path
) -> None:
    # As high as the graph needs to be fitted in at a size at which names can be read.
    page.set_viewport_size({"width": 2400, "height": 1560})
    page.goto(f"{ui}/asset-groups")
    settle(page)
    page.get_by_text("Hide navigation").click()
    page.locator("button:has([aria-label=panel_show_right])").click()
    page.keyboard.press("Alt+KeyE")
    expect(page.get_by_text("deletion_targets", exact=True)).to_be_visible()
    picture(page, "asset-graph.png", elsewhere=tmp_path, flow=flow)
    for stage in STAGES:
        expect(page.get_by_text(stage, exact=True).first).to_be_visible()
    for store in ALL_STORES:
        # Once in each of plan, mask, verify and purge.
        expect(page.get_by_text(store, exact=True)).to_have_count(4)
    for step in ("access", "confirmed", "judgments", "unit_metrics"):
        expect(page.get_by_text(step, exact=True)).to_be_visible()
