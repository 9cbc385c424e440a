"""How much memory a load takes: the same for any number of judgments, and nearly so for any number of people."""

import re
import subprocess
import sys
import tracemalloc

import pytest

from sandbox.paths import REPOSITORY_ROOT
from sandbox.supervisor import Sandbox
from sandbox.world import crews
from sandbox.world.generate import generated_world, today
from sandbox.world.load import write_world
from sandbox.world.stores import WorldStores
from sandbox.world.writers import clickhouse, search
from tests.contract.world_support import silent

MEGABYTE = 1 << 20
_MEASURED = (
    "import resource\n"
    "from sandbox.cli import application\n"
    "try:\n"
    "    application(standalone_mode=False)\n"
    "finally:\n"
    "    print('peak KiB', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
)


def traced_peak(stores: WorldStores, *, judgments: int) -> int:
    """The most that Python's objects took at a time, in bytes."""
    world = generated_world(contributors=10, judgments=judgments, seed=1, as_of=today())
    tracemalloc.start()
    try:
        write_world(stores, world=world, progress=silent)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_judgments_are_not_kept(world_stores: WorldStores, monkeypatch: pytest.MonkeyPatch) -> None:
    # So small that the blocks of a small world are full too.
    monkeypatch.setattr(crews, "JUDGMENTS_A_BLOCK", 1_000)
    monkeypatch.setattr(clickhouse, "_CHARACTERS_AT_ONCE", MEGABYTE // 4)
    monkeypatch.setattr(search, "_DOCUMENTS_AT_ONCE", 50)
    traced_peak(world_stores, judgments=500)  # what is imported and kept by clients once
    small = traced_peak(world_stores, judgments=5_000)
    large = traced_peak(world_stores, judgments=40_000)
    # Kept as the lines of one store alone, the 35,000 more would take 7 MB.
    assert large < small + 4 * MEGABYTE


def resident_peak(sandbox: Sandbox, *, contributors: int, judgments: int) -> int:
    """The most memory of a loader as users have it, a process of its own, in MB; it loads the sandbox' own places."""
    sizes = ("--contributors", str(contributors), "--judgments", str(judgments))
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "load", "--root", str(sandbox.paths.root), *sizes],
        cwd=REPOSITORY_ROOT,
        capture_output=True,
        text=True,
        timeout=3_000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(
        rf"^postgres .*\bcontributors {contributors},.*\bjudgments {judgments},", done.stdout, re.M
    )
    assert re.search(rf"^clickhouse .*\bunit_metrics {judgments},", done.stdout, re.M)
    found = re.search(r"^peak KiB (\d+)$", done.stdout, re.M)
    assert found is not None
    return int(found[1]) // 1024


@pytest.mark.full
@pytest.mark.timeout(3_600)
def test_a_large_load_takes_hardly_more_memory_than_a_small_one(sandbox: Sandbox) -> None:
    few = resident_peak(sandbox, contributors=2_000, judgments=60_000)
    more_people = resident_peak(sandbox, contributors=20_000, judgments=60_000)
    more_of_both = resident_peak(sandbox, contributors=20_000, judgments=600_000)
    # A crew of 5,000 people at a time, whatever their number. Kept as lines, these people would take 100 MB.
    assert more_people < few + 60
    # The blocks are as long with 60,000 judgments. Kept as lines, 540,000 more would take 300 MB.
    assert more_of_both < more_people + 120
    assert more_of_both < 450
