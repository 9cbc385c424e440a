"""Fixtures of the browser tests, whose modules all look at one world and one batch: they live as long as the package.

Add here: a fixture of a support module.
Keep out: fixtures themselves; they stand beside what they make, in `*_support.py`.
"""

from tests.browser.chromium_support import browser, chromium, page
from tests.browser.story_support import flow, story
from tests.browser.webserver_support import ui

__all__ = ["browser", "chromium", "flow", "page", "story", "ui"]
