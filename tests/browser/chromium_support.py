"""A real browser: Debian's Chromium, a page of a fixed size in it, and pictures of what it shows.

Holds: the fixtures `chromium`, `browser` and `page`; `settle` and `picture`.
With UPDATE_PICTURES=1 in the environment the pictures in docs/images are taken anew; they are else written to the
test's own directory. Without Chromium the browser tests are left out, or fail where CI is set.
Add here: what every page needs.
Keep out: what a page must show.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from erasure.settings import PROJECT_ROOT
from tests.flow_fixtures import Flow

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Nothing but this machine is reached. (Playwright's routes do the same, and pass each request through Python.)
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--no-proxy-server",
)
PICTURES = PROJECT_ROOT / "docs" / "images"
# As wide as a run's page needs for its times and names.
VIEWPORT: ViewportSize = {"width": 1600, "height": 960}
# Dagster lays pages out after its last answer; nothing on them tells when they have settled.
SETTLE_MILLISECONDS = 2_500
MOST_MILLISECONDS = 60_000


@pytest.fixture(scope="package")
def chromium() -> Path:
    """The browser's program; asked for first, since without it nothing else need be set up."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return CHROMIUM


@pytest.fixture(scope="package")
def browser(chromium: Path, ui: str) -> Iterator[Browser]:
    # After the runs: while Playwright holds this thread's event loop, no Dagster job can run in it.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fixed size, without motion, in a browser that remembers nothing of the page before."""
    context = browser.new_context(
        viewport=VIEWPORT, reduced_motion="reduce", color_scheme="light", locale="en-US", timezone_id="UTC"
    )
    page = context.new_page()
    page.set_default_timeout(MOST_MILLISECONDS)
    yield page
    context.close()


def settle(page: Page) -> None:
    """Waits until a page shows what it is going to show, with nothing over it."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)


def picture(page: Page, name: str, *, elsewhere: Path, flow: Flow) -> None:
    """Takes a page's picture, which shows nothing of the machine that it was taken on and of nobody in the world."""
    # What was clicked last would be framed.
    page.evaluate("document.activeElement.blur()")
    settle(page)
    shown = page.locator("body").inner_text()
    machine = (str(PROJECT_ROOT), str(flow.root), str(Path.home()), "127.0.0.1", socket.gethostname())
    assert [text for text in machine if re.search(rf"(?<![\w-]){re.escape(text)}(?![\w-])", shown)] == []
    assert [value for person in flow.people.values() for value in person.values if value in shown] == []
    wanted = os.environ.get("UPDATE_PICTURES") == "1"
    path = (PICTURES if wanted else elsewhere) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000
