"""What can be in the way of a start: disk, ports, packages, locks, accounts. Each is handled or named."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from sandbox import starting, state
from sandbox.engines.registry import ROLES
from sandbox.paths import REPOSITORY_ROOT, cache_directory
from sandbox.starting import EngineFailed, SandboxError
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import pids, read_ini, redis_client, states

UP = f"{shlex.quote(sys.executable)} -m sandbox up --root"


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    """Somebody else on this port."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextlib.contextmanager
def small(root: Path, *engines: str) -> Iterator[Sandbox]:
    """A sandbox of few engines, stopped whatever happens."""
    some = Sandbox(root, engines=engines)
    try:
        yield some
    finally:
        some.down()


def on_a_disk_of(megabytes: int, root: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that sees a disk of this size at `root`, in a mount namespace that ends with it."""
    namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    script = f"mount -t tmpfs -o size={megabytes}m tmpfs {root} && {command}"
    return run([*namespace, "sh", "-c", script])


def run(command: Sequence[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=REPOSITORY_ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_disk_that_is_nearly_full_is_named_before_anything_starts(sandbox_root: Path) -> None:
    refused = on_a_disk_of(64, sandbox_root, f"{UP} {sandbox_root}; ls {sandbox_root}")
    assert f"the disk of {sandbox_root} has 6" in refused.stderr
    assert f"{starting.LEAST_FREE_MEGABYTES} MB are needed: free some, or name a directory" in refused.stderr
    assert refused.stdout == ""


def test_a_disk_that_fills_up_on_the_way_is_named_with_the_engine(sandbox_root: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sandbox import starting; from sandbox.supervisor import Sandbox\n"
        "starting.LEAST_FREE_MEGABYTES = 0\n"
        "Sandbox(Path(sys.argv[1]), engines=['postgres']).up()"
    )
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(script)} {sandbox_root}"
    failed = on_a_disk_of(8, sandbox_root, command)
    assert failed.returncode == 1
    assert "postgres did not start" in failed.stderr
    assert "No space left on device" in failed.stderr or "no space is left" in failed.stderr


def test_ports_that_somebody_took_meanwhile_are_left_to_them_and_the_data_move_on(sandbox_root: Path) -> None:
    with small(sandbox_root, "postgres", "redis", "job_api") as some:
        some.up()
        former = dict(some.config.__dict__)
        redis_client(some.config).set("kept", "here")
        some.down()
        with listening(former["redis_port"]), listening(former["api_port"]):
            some.up()
            now = some.config
            assert now.redis_port != former["redis_port"] and now.api_port != former["api_port"]
            assert now.postgres_port == former["postgres_port"]
            assert redis_client(now).get("kept") == b"here"
            assert read_ini(some.paths.config)["redis"]["port"] == str(now.redis_port)


def test_a_port_that_is_lost_at_the_last_moment_is_exchanged_and_said(
    sandbox_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = state.choose_ports
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lost = taken.getsockname()[1]
        answers = iter([{"redis": lost}])
        monkeypatch.setattr(
            state, "choose_ports", lambda *args, **kwargs: choose(*args, **kwargs) | next(answers, {})
        )
        with small(sandbox_root, "redis") as some:
            said: list[str] = []
            some.up(say=said.append)
            problem = f"redis cannot listen on port {lost}: somebody else took it meanwhile"
            assert said == [f"{problem}; choosing another"]
            assert some.config.redis_port != lost
            assert redis_client(some.config).ping()


@pytest.mark.parametrize("role", ["postgres", "redis", "clickhouse", "search", "job_api"])
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(
    sandbox_root: Path, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    package = ROLES[role][0].packages[0]
    # What the import system itself uses to say that there is no such module.
    monkeypatch.setitem(sys.modules, package, None)
    with small(sandbox_root, role) as some:
        with pytest.raises(EngineFailed) as refused:
            some.up()
        assert str(refused.value) == (
            f"{role} did not start: the Python package {package} is missing; "
            "install the locked packages with `make setup`"
        )
        assert states(some) == {role: "stopped"}
        monkeypatch.delitem(sys.modules, package)


def test_locks_that_a_killed_server_left_hold_up_nobody(sandbox_root: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with small(sandbox_root, "postgres") as some:
            some.up()
            psutil.Process(pids(some)["postgres"]).kill()
            some.down()
            some.paths.lock.write_text("999999\n", encoding="utf-8")
            note = sandbox_root / "postgres" / "data" / "postmaster.pid"
            # The dead server's number now belongs to somebody else.
            note.write_text(f"{bystander.pid}\n{note.parent}\n", encoding="utf-8")
            some.up()
            assert states(some) == {"postgres": "running"}
            assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.communicate()


def test_a_half_made_database_directory_is_made_again(sandbox_root: Path) -> None:
    with small(sandbox_root, "postgres") as some:
        half = sandbox_root / "postgres" / "data.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n", encoding="utf-8")
        some.up()
        assert states(some) == {"postgres": "running"}
        assert not half.exists()


def test_a_state_that_cannot_be_read_is_named_and_left_as_it_is(sandbox_root: Path) -> None:
    some = Sandbox(sandbox_root, engines=["redis"])
    some.paths.state.write_text("{half", encoding="utf-8")
    for attempt in (some.up, some.down, some.status):
        with pytest.raises(SandboxError, match=f"{some.paths.state} cannot be read"):
            attempt()
    assert some.paths.state.read_text(encoding="utf-8") == "{half"


def test_a_root_that_cannot_be_written_to_is_named(sandbox_root: Path) -> None:
    file = sandbox_root / "file"
    file.write_text("", encoding="utf-8")
    with pytest.raises(SandboxError, match=r"cannot be written to .*: name another directory by --root"):
        Sandbox(file / "root", engines=["redis"]).up()


@pytest.mark.costly
def test_an_account_that_is_not_root_runs_every_engine(sandbox_root: Path) -> None:
    as_somebody: list[str] = []
    if os.geteuid() == 0:
        # It may read and pass through what is root's, such as this interpreter, and nothing else of root's.
        capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        as_somebody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *capability]
        shutil.chown(sandbox_root, "nobody", "nogroup")
    command = [*as_somebody, sys.executable, "-m", "sandbox"]
    environment = {"HOME": str(sandbox_root), "XDG_CACHE_HOME": str(cache_directory().parent)}
    root = sandbox_root / "theirs"
    try:
        up = run([*command, "up", "--root", root], **environment)
        assert up.returncode == 0, up.stderr
        theirs = Sandbox(root)
        assert set(states(theirs).values()) == {"running"}
        users = {psutil.Process(pid).uids().effective for pid in pids(theirs).values()}
        assert users == {(root / "state.json").stat().st_uid} - {0}
    finally:
        down = run([*command, "down", "--root", root], **environment)
    assert down.returncode == 0, down.stderr
    assert set(states(Sandbox(root)).values()) == {"stopped"}


def test_a_directory_of_another_account_is_named(sandbox_root: Path) -> None:
    if os.geteuid() != 0:
        os.mkdir(sandbox_root / "redis", mode=0o500)
        with pytest.raises(EngineFailed, match="belongs to another account"):
            Sandbox(sandbox_root, engines=["redis"]).up()
        return
    shutil.chown(sandbox_root, "nobody", "nogroup")
    (sandbox_root / "redis").mkdir(mode=0o755)
    script = "import sys; from pathlib import Path; from sandbox.supervisor import Sandbox\n"
    script += "Sandbox(Path(sys.argv[1]), engines=['redis']).up()"
    capability = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *capability]
    refused = run([*nobody, sys.executable, "-c", script, sandbox_root], HOME=str(sandbox_root))
    assert refused.returncode == 1
    assert "belongs to another account; remove it as that account, or name another --root" in refused.stderr


def test_an_interrupt_at_any_moment_leaves_only_what_down_stops(sandbox_root: Path) -> None:
    # A run in the background of a shell has interrupts ignored, and so would what it starts.
    heeding = ["env", "--default-signal=INT"]
    up = subprocess.Popen(
        [*heeding, sys.executable, "-m", "sandbox", "up", "--root", str(sandbox_root)],
        cwd=REPOSITORY_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert up.stdout is not None
    first = up.stdout.readline()
    up.send_signal(signal.SIGINT)
    _, said = up.communicate(timeout=60)
    assert first.split()[0] in ROLES
    assert up.returncode == 1
    assert "`python -m sandbox down` stops what was started" in said
    whole = Sandbox(sandbox_root)
    assert whole.down()
    assert set(states(whole).values()) == {"stopped"}
