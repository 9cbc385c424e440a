"""The demonstration, run as `make demo` runs it: what it says at its end is true, and it leaves nothing running."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from erasure.settings import VAR_VARIABLE
from sandbox.demo import tour
from sandbox.demo.commands import environment
from sandbox.paths import REPOSITORY_ROOT
from sandbox.supervisor import Sandbox
from tests.sandbox_fixtures import eventually, states

WORKERS = 30
UNITS_EACH = 12
MOST_SECONDS = 540


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Everybody judges units of their own, so whoever is erased is the latest worker of each of theirs."""
    path = tmp_path / "labels.tsv"
    lines = (
        f"worker-{worker}\thttps://tasks.example.org/{worker}/{unit}\t{'yes' if unit % 3 else 'no'}\n"
        for worker in range(WORKERS)
        for unit in range(UNITS_EACH)
    )
    path.write_text("".join(lines), encoding="utf-8")
    return path


def start(tmp_path: Path, *options: str | Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.demo", *map(str, options)],
        cwd=REPOSITORY_ROOT,
        env={**os.environ, "CONTRIBUTOR_DELETION_VAR": str(tmp_path / "var"), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(demo: subprocess.Popen[str]) -> str:
    try:
        return demo.communicate(timeout=MOST_SECONDS)[0]
    finally:
        demo.kill()


def read_until(demo: subprocess.Popen[str], text: str) -> None:
    assert demo.stdout is not None
    assert any(text in line for line in demo.stdout), f"ended without saying {text!r}"


def number(output: str, pattern: str) -> int:
    """The last one: what the demonstration says at its end, after the command has said the same."""
    found = re.findall(pattern, output)
    assert found, f"{pattern!r} is not in:\n{output}"
    return int(found[-1])


def planned(output: str, store: str) -> dict[str, int]:
    """Object -> records, as the plan lists them."""
    line = re.findall(rf"^   {store}: (.*)$", output, flags=re.MULTILINE)[-1]
    return {name: int(count) for name, count in (item.rsplit(" ", 1) for item in line.split(", "))}


def processes_of(root: Path) -> list[str]:
    """Command lines that name the directory, or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            command = " ".join(process.cmdline())
            if str(root) in command or process.cwd().startswith(str(root)):
                found.append(command)
        except psutil.Error:
            continue
    return found


def test_the_demonstration_tells_true_counts_and_leaves_nothing_running(
    tmp_path: Path, sandbox_root: Path, labels: Path
) -> None:
    # Variables of somebody who works on a real platform: none of them may lead the demonstration there.
    elsewhere = {"ELASTICSEARCH_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE"}
    demo = start(tmp_path, "--labels", labels, "--root", sandbox_root, **elsewhere)
    output = finish(demo)
    assert demo.returncode == 0, output

    erased = number(output, r"✅ Exported (\d+) contributors")
    assert 0 < erased <= WORKERS // 5
    stores = ("postgres", "elasticsearch", "clickhouse", "redis")
    in_postgres, in_search, in_clickhouse, in_redis = (planned(output, store) for store in stores)
    assert in_postgres["contributors"] == erased
    assert number(output, r"✅ PostgreSQL records deleted: (\d+)") == sum(in_postgres.values())
    assert number(output, r"✅ ClickHouse records masked: (\d+)") == sum(in_clickhouse.values())
    assert number(output, r"✅ Redis sessions cleared: (\d+)") == in_redis["sessions"] > 0
    in_s3 = planned(output, "s3")
    assert number(output, r"✅ S3 files deleted: (\d+)") == in_s3.pop("contributor_files") > 0
    assert number(output, r"✅ S3 files with rows masked: (\d+)") == sum(in_s3.values()) > 0

    documents = number(output, r"✅ Found (\d+) documents with DELETED_USER in Elasticsearch")
    assert documents == number(output, r"✅ Elasticsearch documents masked: (\d+)") == in_search["units"]
    records = number(output, r"✅ Found (\d+) records with DELETED_USER in ClickHouse")
    assert records == in_clickhouse["unit_metrics"]
    assert documents == records == erased * UNITS_EACH
    assert output.count("✅ Contributors successfully kicked out (fetch API failed as expected)") == 2

    index = tmp_path / "var" / "reports" / "index.html"
    assert f"Report: {index}" in output
    assert re.search(r"b\d{8}T\d{6}Z-\w+", output).group() in index.read_text(encoding="utf-8")  # type: ignore[union-attr]
    parts = ("start engines", "load", "check", "fetch", "dry run", "execute", "verify", "report", "stop")
    assert re.search(r"^Seconds: " + r", ".join(rf"{part} \d+\.\d" for part in parts), output, re.MULTILINE)
    assert processes_of(sandbox_root) == []


@pytest.mark.parametrize(
    ("number_of_signal", "when"),
    [(signal.SIGINT, "start engines"), (signal.SIGTERM, "$ contributor-deletion")],
)
def test_an_interrupted_demonstration_leaves_nothing_running(
    tmp_path: Path, sandbox_root: Path, labels: Path, number_of_signal: signal.Signals, when: str
) -> None:
    demo = start(tmp_path, "--labels", labels, "--root", sandbox_root)
    read_until(demo, when)
    if when != "start engines":
        assert processes_of(sandbox_root)  # so that their absence afterwards says something
    demo.send_signal(number_of_signal)
    output = finish(demo)
    assert demo.returncode == 128 + number_of_signal, output
    assert "Interrupted" in output
    assert "Done" not in output
    eventually(lambda: processes_of(sandbox_root) == [])


def test_a_malformed_labels_file_is_refused_before_anything_starts(tmp_path: Path, labels: Path) -> None:
    labels.write_text(labels.read_text(encoding="utf-8") + "worker-1\tno label\n", encoding="utf-8")
    root = tmp_path / "root"
    demo = start(tmp_path, "--labels", labels, "--root", root)
    output = finish(demo)
    assert demo.returncode == 2
    assert f"{labels}, line {WORKERS * UNITS_EACH + 1}: 2 fields" in output
    assert "start engines" not in output
    assert not root.exists()


def test_engines_that_run_already_are_neither_reloaded_nor_stopped(tmp_path: Path, sandbox: Sandbox) -> None:
    before = sandbox.config.job_id
    demo = start(tmp_path, "--root", sandbox.paths.root)
    output = finish(demo)
    assert demo.returncode == 2
    assert f"python -m sandbox down --root {sandbox.paths.root}" in output
    assert set(states(sandbox).values()) == {"running"}
    assert sandbox.config.job_id == before


def test_engines_of_make_up_are_in_the_way_where_they_share_the_reports(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The session's sandbox stands for the one that `make up` keeps.
    monkeypatch.setattr(tour, "Sandbox", lambda root=None: sandbox if root is None else Sandbox(root))
    monkeypatch.setenv(VAR_VARIABLE, str(tmp_path / "var"))
    tour.refuse_if_busy(tmp_path / "root")
    monkeypatch.delenv(VAR_VARIABLE)
    with pytest.raises(tour.Busy, match="make down"):
        tour.refuse_if_busy(tmp_path / "root")


def test_variables_that_name_another_platform_do_not_reach_the_product() -> None:
    given = {
        "S3_BUCKET_NAME": "theirs",
        "AWS_PROFILE": "theirs",
        "DAGSTER_HOME": "/theirs",
        "LANG": "C.UTF-8",
    }
    passed_on = environment(given)
    assert not {"S3_BUCKET_NAME", "AWS_PROFILE", "DAGSTER_HOME"} & set(passed_on)
    assert passed_on["LANG"] == "C.UTF-8"
