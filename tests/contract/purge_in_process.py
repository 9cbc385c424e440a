"""Purges a table of kepler's in a process of its own, which a test kills while the table's setting is changed.

Run with the address of an engine in the environment and the table's name as argument.
Add here: nothing; what is asserted stands in `test_clickhouse_purge.py`.
"""

from __future__ import annotations

import os
import sys

from pydantic import SecretStr

from dagster_defs.worlds import inventory_of
from erasure.store_settings import ClickHouseSettings
from erasure.stores.clickhouse.catalog import read_tables
from erasure.stores.clickhouse.connection import connected
from erasure.stores.clickhouse.purge import purge_parts


def main(name: str) -> None:
    settings = ClickHouseSettings(
        host=os.environ["STORE_HOST"],
        port=int(os.environ["STORE_PORT"]),
        username=os.environ["STORE_USER"],
        password=SecretStr(os.environ["STORE_PASSWORD"]),
    )
    items = [item for item in inventory_of("kepler").of("clickhouse") if item.name == name]
    with connected(settings) as server:
        (table,) = read_tables(server, items)
        purge_parts(server, table)


if __name__ == "__main__":
    main(sys.argv[1])
