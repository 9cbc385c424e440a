"""Large loads: as much memory for any number of judgments, nearly so for any number of people, and one story told."""

import re
import subprocess
import sys
import tracemalloc
from datetime import datetime
from hashlib import md5

import psycopg
import pytest

from sandbox.loading import world_stores as stores_of
from sandbox.paths import REPOSITORY_ROOT
from sandbox.supervisor import Sandbox
from sandbox.world import crews
from sandbox.world.generate import generated_world, today
from sandbox.world.load import write_world
from sandbox.world.stores import WorldStores
from sandbox.world.writers import clickhouse, search
from tests.contract.world_support import clickhouse as clickhouse_client
from tests.contract.world_support import documents, postgres, silent

MEGABYTE = 1 << 20
# Of the process' own memory: what getrusage tells begins with that of the process which started it.
_MEASURED = (
    "from pathlib import Path\n"
    "from sandbox.cli import application\n"
    "try:\n"
    "    application(standalone_mode=False)\n"
    "finally:\n"
    "    status = Path('/proc/self/status').read_text()\n"
    "    print('peak KiB', status.partition('VmHWM:')[2].split()[0])\n"
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


def judgments_alike(stores: WorldStores) -> None:
    """A checksum of unit, label and time of all judgments is the same in three stores; of people and emails in two."""
    (in_postgres,) = postgres(
        stores,
        "select count(*), sum(('x' || left(md5(concat_ws('|', unit_id, label, extract(epoch from created_at)::bigint)),"
        " 8))::bit(32)::bigint)::bigint from judgments",
    )
    what, who = (
        f"reinterpretAsUInt32(reverse(substring(MD5(concatWithSeparator('|', {columns})), 1, 4)))"
        for columns in (
            "toString(unit_id), label, toString(toUnixTimestamp(created_at))",
            "toString(unit_id), toString(contributor_id), email",
        )
    )
    query = f"SELECT count(), sum({what}), sum({who}) FROM unit_metrics"
    (in_clickhouse,) = clickhouse_client(stores).query(query).result_rows
    elements = whats = whos = 0
    for hit in documents(stores):
        for each in hit["_source"]["judgments"]:
            at = int(datetime.fromisoformat(each["at"]).timestamp())
            elements += 1
            whats += checksum(hit["_id"], each["label"], str(at))
            whos += checksum(hit["_id"], each["workerId"], each["workerEmail"])
    assert (elements, whats) == in_postgres
    assert (elements, whats, whos) == tuple(in_clickhouse)


def checksum(*values: str) -> int:
    return int.from_bytes(md5("|".join(values).encode(), usedforsecurity=False).digest()[:4], "big")


def test_the_checksums_of_three_stores_are_alike_and_notice_one_judgment(world_stores: WorldStores) -> None:
    world = generated_world(contributors=20, judgments=500, seed=6, as_of=today())
    write_world(world_stores, world=world, progress=silent)
    judgments_alike(world_stores)
    with psycopg.connect(world_stores.postgres_dsn) as connection:
        connection.execute("update judgments set label = 'Yes ' where judgment_id = 500")
    with pytest.raises(AssertionError):
        judgments_alike(world_stores)


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
    judgments_alike(stores_of(sandbox.config))
