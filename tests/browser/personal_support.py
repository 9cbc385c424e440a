"""Looking for people where none may be: in what a browser was given, and in files.

Holds: `people_in`, `Given`, `contents_of`.
Add here: another form in which a value may hide, or another place to look into.
Keep out: which pages and files are looked at.
"""

from __future__ import annotations

import html
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, Response, WebSocket

from tests.browser.chromium_support import MOST_MILLISECONDS
from tests.flow_fixtures import Person

PAUSE_MILLISECONDS = 200


def people_in(text: str, people: Iterable[Person]) -> list[str]:
    """The ids of those by whose email, name, phone or bank account the text could be told to be about them."""
    folded = text.casefold()
    return [
        person.contributor_id
        for person in people
        if any(form.casefold() in folded for value in person.values for form in _forms(value))
    ]


def _forms(value: str) -> set[str]:
    """The value as it is, within JSON, and within HTML."""
    return {value, json.dumps(value)[1:-1], html.escape(value)}


class Given:
    """All that the server gives a page: a page shows a part of it at a time, and keeps the rest within reach."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._responses: list[Response] = []
        self._texts: list[str] = []
        page.on("response", self._responded)
        page.on("websocket", self._opened)

    def at(self, url: str, *, certain: str) -> str:
        """All that is given, and shown, at this address: at last something that it is given for certain."""
        # What the page before asked for cannot be had any more.
        self._page.goto("about:blank")
        self._responses.clear()
        self._texts.clear()
        self._page.goto(url)
        return self.by_now(certain=certain)

    def by_now(self, *, certain: str) -> str:
        """All that has been given at this address, and what is shown now."""
        for _ in range(MOST_MILLISECONDS // PAUSE_MILLISECONDS):
            self._page.wait_for_load_state("networkidle")
            self._texts += [response.text() for response in self._responses]
            self._responses.clear()
            given = "\n".join([*self._texts, self._page.locator("body").inner_text()])
            if certain in given:
                return given
            self._page.wait_for_timeout(PAUSE_MILLISECONDS)
        raise AssertionError(f"{self._page.url} was not given {certain}")

    def _responded(self, response: Response) -> None:
        if "/graphql" in response.url:
            self._responses.append(response)

    def _opened(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: self._texts.append(str(frame)))


def contents_of(folder: Path) -> Iterator[tuple[Path, str]]:
    """Every file of a folder with its bytes as text, and what lies compressed in databases."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            unpacked = _unpacked(path) if path.suffix == ".db" else ()
            yield path, "\n".join([path.read_bytes().decode("utf-8", errors="replace"), *unpacked])


def _unpacked(database: Path) -> Iterator[str]:
    """Dagster keeps snapshots of jobs, with their configs, as zlib streams."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        tables = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for row in connection.execute(f'select * from "{table}"'):
                for value in row:
                    if isinstance(value, bytes):
                        yield zlib.decompress(value).decode()
