"""Which server plays search and which one S3: chosen, kept, changed, and found or built by itself."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from opensearchpy import OpenSearch

from sandbox.engines import versitygw
from sandbox.engines.registry import ROLES, choose, wishes
from sandbox.starting import SandboxError
from sandbox.supervisor import Sandbox
from tests.contract.test_sandbox import s3_client
from tests.sandbox_fixtures import pids, sandbox_command, states


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine on which nothing was built and nothing can be."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield


def test_the_environment_asks_for_kinds_and_an_empty_variable_for_none() -> None:
    assert wishes({"SEARCH": "elasticsearch", "S3": ""}) == {"search": "elasticsearch", "s3": None}


def test_a_kind_that_nobody_has_is_refused_by_the_command_with_those_that_there_are(
    sandbox_root: Path,
) -> None:
    refused = sandbox_command("up", "--root", str(sandbox_root), "--search", "solr")
    assert refused.returncode == 1
    assert "search cannot be 'solr'; choose one of auto, opensearch, elasticsearch" in refused.stderr
    assert states(Sandbox(sandbox_root)) == dict.fromkeys(ROLES, "stopped")


def test_without_a_wish_the_former_kind_stays_and_auto_chooses_afresh(sandbox_root: Path) -> None:
    assert choose("search", None, former="elasticsearch", root=sandbox_root) == ("elasticsearch", "")
    assert choose("search", "auto", former="elasticsearch", root=sandbox_root)[0] == "opensearch"
    assert choose("search", None, former=None, root=sandbox_root) == ("opensearch", "search: opensearch")


def test_where_nothing_can_be_built_auto_takes_moto_and_says_why(no_go: None, tmp_path: Path) -> None:
    kind, said = choose("s3", "auto", former=None, root=tmp_path)
    assert kind == "moto"
    assert said.startswith(
        "versitygw cannot be had here (no versitygw is on the PATH, and no Go to build it)"
    )
    assert said.endswith("s3: moto")


def test_where_nothing_can_be_built_a_wish_for_versitygw_fails_by_name(
    no_go: None, sandbox_root: Path
) -> None:
    wanting = Sandbox(sandbox_root, engines=["s3"], kinds={"s3": "versitygw"})
    with pytest.raises(SandboxError, match="s3 did not start: no versitygw is on the PATH"):
        wanting.up()
    assert states(wanting) == {"s3": "stopped"}


def test_a_module_that_is_not_the_one_of_the_lock_is_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned = tmp_path / "versitygw"
    shutil.copytree(versitygw.MODULE_DIRECTORY, pinned)
    lock = pinned / "go.sum"
    lines = lock.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{versitygw.MODULE} v"))
    lines[at] = lines[at].rpartition("h1:")[0] + "h1:" + "A" * 43 + "="
    lock.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(versitygw, "MODULE_DIRECTORY", pinned)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # One that is installed would be taken instead.
    go = shutil.which("go")
    assert go is not None
    monkeypatch.setenv("PATH", str(Path(go).parent))
    with pytest.raises(versitygw.NotBuilt, match="SECURITY ERROR"):
        versitygw.program()
    assert not list((tmp_path / "cache").rglob(versitygw.PROGRAM + "[!.]*"))


def test_versitygw_refuses_a_wrong_secret_and_a_wrong_key(sandbox_root: Path) -> None:
    real = Sandbox(sandbox_root, engines=["s3"], kinds={"s3": "versitygw"})
    try:
        real.up()
        config = real.config
        assert s3_client(config).list_buckets()["Buckets"][0]["Name"] == config.s3_bucket
        for wrong, said in (
            (replace(config, s3_secret_key="wrong"), "SignatureDoesNotMatch"),
            (replace(config, s3_access_key="nobody"), "No user exists"),
        ):
            with pytest.raises(ClientError, match=said):
                s3_client(wrong).list_buckets()
    finally:
        real.down()


@pytest.mark.costly
def test_another_kind_replaces_the_running_one_and_each_keeps_its_own_data(sandbox_root: Path) -> None:
    first = Sandbox(sandbox_root, engines=["search"], kinds={"search": "opensearch"})
    second = Sandbox(sandbox_root, engines=["search"], kinds={"search": "elasticsearch"})
    try:
        first.up()
        OpenSearch(first.config.search_url).index(index="kept", body={"word": "here"}, refresh=True)
        first.remember_job("27f196f6-0000-4000-8000-000000000000")
        former = pids(first)
        said: list[str] = []
        second.up(say=said.append)
        assert said == ["search: stopping opensearch, since elasticsearch was chosen"]
        assert pids(second) != former
        client = OpenSearch(second.config.search_url)
        assert client.info()["version"]["number"] == "7.10.2"
        assert not client.indices.exists(index="kept")
        assert second.exchanged() == ["search"]
        # Without a wish it stays what it is.
        (again,) = Sandbox(sandbox_root, engines=["search"]).up()
        assert (again.version, again.started) == ("elasticsearch 7.10.2", False)
        first.up()
        assert OpenSearch(first.config.search_url).count(index="kept")["count"] == 1
        assert first.exchanged() == []
    finally:
        first.down()
