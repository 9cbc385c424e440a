"""The search engine runs on the archives that the lock names, and on no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.jars import Jar, JarRefused, JarSet, read_lock


def test_a_jar_with_another_digest_is_refused_by_name(tmp_path: Path) -> None:
    jar = smallest_jars()[0]
    (tmp_path / jar.file_name).write_bytes(b"something else")
    with pytest.raises(JarRefused, match=jar.coordinate):
        jar_set(jar).ensure(tmp_path)


def test_a_downloaded_jar_with_another_digest_is_refused_and_not_kept(tmp_path: Path) -> None:
    jar = replace(smallest_jars()[0], sha256="0" * 64)
    with pytest.raises(JarRefused, match=jar.coordinate):
        jar_set(jar).ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_half_filled_cache_is_completed_and_what_is_there_is_kept(tmp_path: Path) -> None:
    first, second = smallest_jars()
    (kept,) = jar_set(first).ensure(tmp_path)
    before = kept.stat().st_mtime_ns
    # What a download that was killed leaves behind.
    (tmp_path / ".download-interrupted").mkdir()
    (tmp_path / ".download-interrupted" / second.file_name).write_bytes(b"half")
    paths = jar_set(first, second).ensure(tmp_path)
    assert [path.name for path in paths] == [first.file_name, second.file_name]
    assert all(path.exists() for path in paths)
    assert kept.stat().st_mtime_ns == before


def smallest_jars() -> list[Jar]:
    wanted = ("org.reactivestreams:reactive-streams:", "args4j:args4j:")
    return [jar for jar in read_lock("opensearch").jars if jar.coordinate.startswith(wanted)]


def jar_set(*jars: Jar) -> JarSet:
    return replace(read_lock("opensearch"), jars=jars)
