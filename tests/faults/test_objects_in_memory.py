"""moto keeps objects in memory: after its end the next `up` brings those of the world back, says so, and no more."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from sandbox.config import SandboxConfig
from sandbox.state import State
from sandbox.supervisor import Sandbox
from tests.contract.test_sandbox import s3_client
from tests.sandbox_fixtures import eventually, make_root, pids, redis_client, sandbox_command, states

CONTRIBUTORS = 30


@pytest.fixture(scope="module")
def loaded() -> Iterator[Sandbox]:
    """A sandbox with a world in it, S3 played by moto."""
    running = Sandbox(make_root())
    root = str(running.paths.root)
    try:
        up = sandbox_command("up", "--root", root, "--s3", "moto", "--contributors", str(CONTRIBUTORS))
        assert up.returncode == 0, up.stderr
        yield running
    finally:
        running.down()
        shutil.rmtree(running.paths.root, ignore_errors=True)


def objects(config: SandboxConfig) -> dict[str, bytes]:
    """Key -> content."""
    client = s3_client(config)
    bucket = config.s3_bucket
    listed = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {each["Key"]: client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed}


def kill_s3(sandbox: Sandbox) -> None:
    psutil.Process(pids(sandbox)["s3"]).kill()
    eventually(lambda: states(sandbox)["s3"] == "dead")


def test_objects_come_back_without_those_of_erased_people_and_nothing_else_is_touched(
    loaded: Sandbox,
) -> None:
    before = objects(loaded.config)
    erased = next(key.split("/")[1] for key in before if key.endswith("profile.json"))
    theirs = {key for key in before if key.split("/")[1] == erased}
    with psycopg.connect(loaded.config.postgres_dsn) as connection:
        connection.execute("update contributors set status = 'erased' where contributor_id = %s", (erased,))
    redis_client(loaded.config).set("written:since", "here")
    others = {name: pid for name, pid in pids(loaded).items() if name != "s3"}
    kill_s3(loaded)
    up = sandbox_command("up", "--root", str(loaded.paths.root))
    assert up.returncode == 0, up.stderr
    after = objects(loaded.config)
    files, exports = (
        {key: content for key, content in after.items() if key.startswith(prefix)}
        for prefix in ("contributors/", "exports/")
    )
    of_others = {key: content for key, content in before.items() if key.startswith("contributors/")}
    assert theirs and files == {key: content for key, content in of_others.items() if key not in theirs}
    # Their rows are no longer in the exports either.
    assert before.keys() - theirs == after.keys() and exports
    feeds = [key for key in exports if key.endswith("feed-1.jsonl")]
    assert any(erased.encode() in before[key] for key in feeds)
    assert not any(erased.encode() in after[key] for key in feeds)
    assert (
        f"s3 keeps its objects in memory and had lost them: the {len(after)} of the world are back"
        in up.stderr
    )
    assert {name: pid for name, pid in pids(loaded).items() if name != "s3"} == others
    assert redis_client(loaded.config).get("written:since") == b"here"
    with psycopg.connect(loaded.config.postgres_dsn) as connection:
        kept = connection.execute("select count(*) from contributors where status = 'erased'").fetchone()
    assert kept == (1,)


@pytest.mark.costly
def test_a_world_whose_labels_are_gone_is_named_and_nothing_else_is_loaded(
    loaded: Sandbox, tmp_path: Path
) -> None:
    state = State.read(loaded.paths.state)
    assert state.world is not None
    state.world.labels = tmp_path / "labels.tsv"
    state.write(loaded.paths.state)
    kill_s3(loaded)
    up = sandbox_command("up", "--root", str(loaded.paths.root))
    assert up.returncode == 1
    assert (
        f"its world cannot be made again ({tmp_path / 'labels.tsv'} is gone): load another one" in up.stderr
    )
    assert objects(loaded.config) == {}
    with psycopg.connect(loaded.config.postgres_dsn) as connection:
        assert connection.execute("select count(*) from contributors").fetchone() == (CONTRIBUTORS,)
