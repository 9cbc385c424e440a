"""The README's pictures: every one is there, is shown, and says in words what it shows.

Add here: what holds for every picture of the documentation.
Keep out: taking them (`browser/`).
"""

from __future__ import annotations

import re

from erasure.settings import PROJECT_ROOT

PICTURES = PROJECT_ROOT / "docs" / "images"
MOST_BYTES = 400_000
A_PNG = b"\x89PNG\r\n\x1a\n"


def shown() -> dict[str, str]:
    """Path -> the words that stand for the picture, for everything that the README shows."""
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    return {path: words for words, path in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", readme)}


def test_the_readme_shows_every_picture_and_no_other() -> None:
    there = {str(path.relative_to(PROJECT_ROOT)) for path in PICTURES.iterdir()}
    assert shown().keys() == there
    assert {"docs/images/asset-graph.png", "docs/images/finished-run.png"} <= there


def test_every_picture_is_a_modest_png_with_words_for_it() -> None:
    for path, words in shown().items():
        content = (PROJECT_ROOT / path).read_bytes()
        assert content.startswith(A_PNG)
        assert len(content) < MOST_BYTES
        assert len(words.split()) >= 5
