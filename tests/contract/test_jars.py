"""The search engine runs on the archives that the lock names, and on no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.jars import LOCK, Jar, JarRefused, JarSet, read_lock


def test_a_damaged_jar_in_the_cache_is_replaced_by_the_one_that_the_lock_names(tmp_path: Path) -> None:
    jar, other = smallest_jars()
    paths = jar_set(jar, other).ensure(tmp_path)
    whole, untouched = (path.read_bytes() for path in paths)
    kept = paths[1].stat().st_mtime_ns
    paths[0].write_bytes(whole[:100])
    jar_set(jar, other).ensure(tmp_path)
    assert [path.read_bytes() for path in paths] == [whole, untouched]
    assert paths[1].stat().st_mtime_ns == kept


def test_a_downloaded_jar_with_another_digest_is_refused_by_name_and_not_kept(tmp_path: Path) -> None:
    jar = replace(smallest_jars()[0], sha256="0" * 64)
    with pytest.raises(JarRefused, match=f"{jar.coordinate} .*search.lock.toml says {'0' * 64}"):
        jar_set(jar).ensure(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["opensearch", "elasticsearch"])
def test_the_lock_names_no_place_to_download_from_and_a_digest_for_every_jar(name: str) -> None:
    assert "://" not in LOCK.read_text(encoding="utf-8")
    jars = read_lock(name)
    assert len({jar.file_name for jar in jars.jars}) == len(jars.jars) > 50
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in jars.jars)


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
