"""Masking by exchange, killed for real at each step, and resumed.

Holds: what is true after whoever resumes has ended, wherever the former one was stopped.
Add here: another moment at which it may be killed.
Keep out: failures that it notices itself (`test_clickhouse_shadow.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import count

import pytest

from erasure.rules import MASK
from erasure.settings import PROJECT_ROOT
from tests.contract.clickhouse_shapes import ANN, CONTROL, DATABASE, Shapes
from tests.contract.shadow_in_process import ASKED, STOPPED

# The lease is asked for before each of the two copies, before the exchange, behind it, and, as rows have come,
# before these are copied and before they are moved.
CHEAP, COSTLY = (3, 5), (1, 2, 4, 6)


def insert(shapes: Shapes, first: int, rows: int = 10) -> None:
    shapes.run(
        f"insert into {DATABASE}.t select {first} + number, if(number % 5 = 0, '{ANN}', '{CONTROL}')"
        f" from numbers({rows})"
    )


def killed_at(shapes: Shapes, step: int, numbers: count[int]) -> bool:
    """Whether the process got so far; rows are written each time it asks for the lease before."""
    settings = shapes.settings
    environment = dict(os.environ) | {
        "STORE_HOST": settings.host,
        "STORE_PORT": str(settings.port),
        "STORE_USER": settings.username,
        "STORE_PASSWORD": settings.password.get_secret_value(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.shadow_in_process", str(step)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with process:
        for line in process.stdout:
            if line.strip() == STOPPED:
                process.send_signal(signal.SIGKILL)
                return True
            if line.strip() == ASKED:
                insert(shapes, 1000 + 10 * next(numbers))
                process.stdin.write("on\n")
                process.stdin.flush()
    return False


@pytest.mark.parametrize("step", [*CHEAP, *(pytest.param(step, marks=pytest.mark.full) for step in COSTLY)])
def test_whoever_resumes_after_a_kill_loses_and_doubles_nothing(shapes: Shapes, step: int) -> None:
    shapes.run(
        f"create table {DATABASE}.t (id UInt64, email String) engine = MergeTree order by (email, id)",
        f"create table {DATABASE}.copied (id UInt64) engine = MergeTree order by id",
        f"create materialized view {DATABASE}.v to {DATABASE}.copied as select id from {DATABASE}.t",
    )
    insert(shapes, 0, 100)
    numbers = count()
    assert killed_at(shapes, step, numbers)
    insert(shapes, 9000)
    written = 100 + 10 * next(numbers) + 10

    # What has come since is masked by the resumed one, or by the next where it lies behind the exchange.
    shapes.shadow().run()
    shapes.shadow().run()

    rows = f"select count(), uniqExact(id), countIf(email = '{MASK}'), countIf(email = '{ANN}') from {DATABASE}.t"
    assert shapes.rows(rows) == [(written, written, written // 5, 0)]
    assert shapes.rows(f"select count(), uniqExact(id) from {DATABASE}.copied") == [(written, written)]
    assert shapes.leftovers() == []
    assert shapes.merges_are_on()
