"""The lock: every package pinned with its hashes, extras kept for pip, and no address of an index.

Add here: another promise of `requirements.txt`.
Keep out: resolving, which needs a network (`make lock`).
"""

import re
import tomllib

from erasure.settings import PROJECT_ROOT

LOCK = (PROJECT_ROOT / "requirements.txt").read_text()
PACKAGES = re.findall(
    r"^([a-z0-9][a-z0-9._-]*)(\[[^\]]+\])?==(\S+) \\\n((?:    --hash=\S+(?: \\)?\n)+)", LOCK, re.M
)


def names(requirements: list[str]) -> set[str]:
    """The names of requirements, as a lock writes them."""
    return {re.split(r"[\[<>=~!]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_every_package_is_pinned_with_hashes() -> None:
    assert len(PACKAGES) == len(re.findall(r"^[a-z0-9]", LOCK, re.M)) > 100
    assert all("--hash=sha256:" in hashes for *_, hashes in PACKAGES)


def test_everything_that_the_project_asks_for_is_locked() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    wanted = names(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted |= names(extra)
    assert wanted <= {name for name, *_ in PACKAGES}


def test_extras_are_kept_so_that_pip_can_install_the_lock() -> None:
    """pip refuses a package that is asked for with an extra and pinned without it."""
    assert {name for name, extra, *_ in PACKAGES if extra} >= {"moto", "psycopg", "gql"}


def test_no_address_of_an_index_is_in_the_lock() -> None:
    assert not re.search(r"https?://|^--(extra-)?index-url|^--find-links", LOCK, re.M)
