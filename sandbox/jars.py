"""Java archives, named by a lock and checked against it.

Holds: reading `search.lock.toml`, downloading what is missing through jgo, checking every archive.
Add here: another way to fill the cache.
Keep out: what the archives do (`engines/search.py`). The lock holds coordinates and digests, no addresses.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.paths import PACKAGE_DIRECTORY, cache_directory

LOCK = PACKAGE_DIRECTORY / "search.lock.toml"
DOWNLOADS_AT_ONCE = 8


class JarRefused(Exception):
    """An archive is not the one that the lock names."""


@dataclass(frozen=True, kw_only=True)
class Jar:
    """One archive: `group:artifact:version`, with `:classifier` where it has one."""

    coordinate: str
    sha256: str

    @property
    def parts(self) -> tuple[str, str, str, str]:
        group, artifact, version, *classifier = self.coordinate.split(":")
        return group, artifact, version, classifier[0] if classifier else ""

    @property
    def file_name(self) -> str:
        # With the group in front: two groups publish archives of the same name and version.
        group, artifact, version, classifier = self.parts
        return "-".join(part for part in (group, artifact, version, classifier) if part) + ".jar"


@dataclass(frozen=True, kw_only=True)
class JarSet:
    """What one search engine needs to run."""

    name: str
    main: str
    modules: tuple[str, ...]
    jars: tuple[Jar, ...]

    @property
    def digest(self) -> str:
        """One digest for all archives."""
        return hashlib.sha256("".join(jar.sha256 for jar in self.jars).encode()).hexdigest()

    def newest(self) -> float:
        """When the last of the archives was put into the cache; infinity while one is missing."""
        paths = [_store() / jar.file_name for jar in self.jars]
        return max(path.stat().st_mtime if path.exists() else math.inf for path in paths)

    def ensure(self, directory: Path | None = None) -> list[Path]:
        """Paths of all archives, each checked.

        What is missing or damaged is downloaded first; raises JarRefused where that is not what the lock names.
        """
        store = directory if directory is not None else _store()
        store.mkdir(parents=True, exist_ok=True)
        wanted = [jar for jar in self.jars if _digest(store / jar.file_name) != jar.sha256]
        if wanted:
            _download(wanted, store)
        return [store / jar.file_name for jar in self.jars]


def _store() -> Path:
    return cache_directory() / "jars"


@cache
def read_lock(name: str, lock: Path = LOCK) -> JarSet:
    """The set called `name` in the lock."""
    entry = tomllib.loads(lock.read_text(encoding="utf-8"))[name]
    return JarSet(
        name=name,
        main=entry["main"],
        modules=tuple(entry["modules"]),
        jars=tuple(Jar(coordinate=c, sha256=digest) for c, digest in sorted(entry["jars"].items())),
    )


def _download(jars: list[Jar], store: Path) -> None:
    # Into a directory beside the archives, then renamed one by one when checked: whatever is
    # interrupted, by us or by another process doing the same, leaves whole archives or none.
    with (
        tempfile.TemporaryDirectory(dir=store, prefix=".download-") as scratch,
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        for future in [pool.submit(_download_one, jar, Path(scratch), store) for jar in jars]:
            future.result()


def _download_one(jar: Jar, scratch: Path, store: Path) -> None:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    group, artifact, version, classifier = jar.parts
    # A context each: they are not made for threads. The user's own jgo settings may name a mirror.
    repositories = GlobalSettings.load().repositories or None
    context = MavenContext(repo_cache=scratch, remote_repos=repositories, timeout=60)
    fetched = context.project(group, artifact).at_version(version).artifact(classifier).resolve()
    found = _digest(fetched)
    if found != jar.sha256:
        raise JarRefused(
            f"{jar.coordinate} was downloaded with sha256 {found}, but {LOCK} says {jar.sha256}: "
            "it is not used; ask whoever runs the repository that it came from"
        )
    os.replace(fetched, store / jar.file_name)


def _digest(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
