"""The pages that people look at, in a real browser: Dagster's asset graph, the index of reports, Data Docs.

With UPDATE_PICTURES=1 in the environment the pictures in docs/images are taken anew; they are else written to the
test's own directory. Debian's Chromium is looked for: without it these tests are left out, or fail where CI is set.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect, sync_playwright

from erasure.inventory import ALL_STORES
from erasure.settings import PROJECT_ROOT
from tests.flow_fixtures import Flow
from tests.sandbox_fixtures import eventually

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PICTURES = PROJECT_ROOT / "docs" / "images"
# As high as the graph needs to be fitted in at a size at which names can be read.
VIEWPORT: ViewportSize = {"width": 2400, "height": 1560}
# Dagster lays the graph out after its last answer; nothing on the page tells when it has settled.
SETTLE_MILLISECONDS = 2_500
MOST_MILLISECONDS = 60_000
STAGES = ("targets", "plan", "revoke", "mask", "verify", "purge", "report")


@pytest.fixture(scope="module")
def chromium() -> Path:
    """The browser's program; asked for first, since without it nothing else need be set up."""
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not there (apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return CHROMIUM


@pytest.fixture(scope="module")
def batch_id(chromium: Path, flow: Flow) -> str:
    """A batch of two people, planned and executed, so that there is something to see."""
    answer = flow.command("delete", "--csv", flow.csv(flow.plain()[:2]), "--execute")
    assert answer.code == 0, answer.said
    return str(answer.result["batch_id"])


@pytest.fixture(scope="module")
def ui(flow: Flow, batch_id: str) -> Iterator[str]:
    """The address of Dagster's UI over the batch's instance."""
    port = _free_port()
    log = flow.root / "webserver.log"
    # A copy of the instance's home: the UI remembers there that somebody was greeted.
    home = flow.root / "home"
    home.mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", home)
    environment = {**os.environ, **flow.environment, "CONTRIBUTOR_DELETION_CONFIG": str(flow.config)}
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                str(Path(sys.executable).parent / "dagster-webserver"),
                *("-m", "dagster_defs.definitions", "--host", "127.0.0.1", "--port", str(port)),
            ],
            cwd=PROJECT_ROOT,
            env={**environment, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "yes"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: server.poll() is not None or _answers(url), within=120)
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        finally:
            # Its code server is in the same session, and must not outlive it in any case.
            _kill_group(server.pid)


@pytest.fixture(scope="module")
def browser(chromium: Path, ui: str) -> Iterator[Browser]:
    # After the batch: while Playwright holds this thread's event loop, no Dagster job can run in it.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a fixed size, without motion, that reaches nothing but this machine."""
    context = browser.new_context(viewport=VIEWPORT, reduced_motion="reduce", color_scheme="light")
    context.route("**/*", _only_this_machine)
    page = context.new_page()
    page.set_default_timeout(MOST_MILLISECONDS)
    yield page
    context.close()


def test_the_asset_graph_shows_every_stage_and_every_store(page: Page, ui: str, tmp_path: Path) -> None:
    page.goto(f"{ui}/asset-groups")
    page.wait_for_load_state("networkidle")
    _put_away_what_covers_the_graph(page)
    page.keyboard.press("Alt+KeyE")
    expect(page.get_by_text("deletion_targets", exact=True)).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    _picture(page, "asset-graph.png", tmp_path)
    for stage in STAGES:
        expect(page.get_by_text(stage, exact=True).first).to_be_visible()
    for store in ALL_STORES:
        # Once in each of plan, mask, verify and purge.
        expect(page.get_by_text(store, exact=True)).to_have_count(4)
    for step in ("access", "confirmed", "judgments", "unit_metrics"):
        expect(page.get_by_text(step, exact=True)).to_be_visible()


def test_the_index_of_reports_leads_to_the_verdicts_on_a_batch(page: Page, flow: Flow, batch_id: str) -> None:
    page.goto((flow.var / "reports" / "index.html").as_uri())
    row = page.get_by_role("row").filter(has_text=batch_id)
    expect(row).to_contain_text("closed")
    expect(row).to_contain_text(re.compile(r"✅ PostgreSQL records deleted: [1-9]"))
    row.get_by_role("link", name="Data Docs").click()
    expect(page).to_have_title(re.compile("Data Docs"))
    for person in flow.plain()[:2]:
        assert person.email not in page.content()


def test_the_data_docs_say_of_every_store_that_nothing_is_left(page: Page, flow: Flow, batch_id: str) -> None:
    # Their own index lists them by scripts from the network, so they are opened one by one.
    validations = flow.var / "reports" / batch_id / "data_docs" / "validations"
    for store in ALL_STORES:
        (verdict,) = validations.glob(f"{store}/**/*.html")
        page.goto(verdict.as_uri())
        expect(page.locator("body")).to_contain_text(batch_id)
        expect(page.get_by_text("Status: Succeeded")).to_be_visible()


def _put_away_what_covers_the_graph(page: Page) -> None:
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    # A new instance greets its first visitor.
    greeting = page.get_by_role("button", name="Skip")
    if greeting.is_visible():
        greeting.click()
    page.get_by_text("Hide navigation").click()
    page.locator("button:has([aria-label=panel_show_right])").click()


def _only_this_machine(route: Route) -> None:
    url = route.request.url
    if url.startswith(("http://127.0.0.1:", "file://", "data:", "blob:")):
        route.continue_()
    else:
        route.abort()


def _picture(page: Page, name: str, elsewhere: Path) -> None:
    wanted = os.environ.get("UPDATE_PICTURES") == "1"
    path = (PICTURES if wanted else elsewhere) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path)
    assert path.stat().st_size > 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", trust_env=False, timeout=5).is_success
    except httpx.HTTPError:
        return False


def _kill_group(process_id: int) -> None:
    try:
        os.killpg(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return
