"""Masks a table by exchange in a process of its own, which stops at a call and waits to be killed.

Run with the port and password of an engine in the environment; the argument says at which question for the lease.
Add here: nothing; what is asserted stands in `test_clickhouse_shadow_killed.py`.
"""

from __future__ import annotations

import os
import sys
import threading

from pydantic import SecretStr

from erasure.store_settings import ClickHouseSettings
from erasure.stores.clickhouse.catalog import read_tables
from erasure.stores.clickhouse.connection import connected
from erasure.stores.clickhouse.shadow import Shadow
from tests.contract.clickhouse_shapes import item, masks

ASKED, STOPPED = "asked", "stopped"


def main(stop_at: int) -> None:
    calls = 0

    def still_ours() -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            print(STOPPED, flush=True)
            threading.Event().wait()
        print(ASKED, flush=True)
        sys.stdin.readline()

    settings = ClickHouseSettings(
        port=int(os.environ["STORE_PORT"]),
        host=os.environ["STORE_HOST"],
        username=os.environ["STORE_USER"],
        password=SecretStr(os.environ["STORE_PASSWORD"]),
    )
    with connected(settings) as server:
        table = read_tables(server, [item("t", email="constant")])[0]
        Shadow(server=server, table=table, expressions=masks(), still_ours=still_ours).run()
    print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
