"""Masking by exchange while others write: no row is lost or doubled, and views run once a row.

Holds: writers that come at each step, at full speed, and that begin before the exchange and end behind it.
Add here: another way of writing at the same time.
Keep out: what becomes of the rows that were there (`test_clickhouse_shadow.py`).
"""

from __future__ import annotations

import threading
from itertools import count

from erasure.rules import MASK
from erasure.stores.clickhouse.connection import connected
from tests.contract.clickhouse_shapes import ANN, CONTROL, DATABASE, FILL, Shapes, controls, made


def test_views_of_the_table_run_once_a_row_whenever_it_was_written(shapes: Shapes) -> None:
    made(shapes)
    shapes.run(
        f"create table {DATABASE}.copied (id UInt64) engine = MergeTree order by id",
        f"create materialized view {DATABASE}.v to {DATABASE}.copied as select id from {DATABASE}.t",
    )
    calls = count()

    def write() -> None:
        shapes.run(FILL.format(first=1000 + 10 * next(calls), rows=10))

    shapes.shadow(still_ours=write).run()
    written = 10 * next(calls)
    shapes.run(FILL.format(first=9000, rows=10))

    assert written >= 40
    copies = f"select count(), uniqExact(id) from {DATABASE}.copied"
    assert shapes.rows(copies) == [(written + 10, written + 10)]
    # What came after the exchange is for the recount, and for whoever masks again.
    shapes.shadow().run()
    rows = f"select count(), uniqExact(id), countIf(email = '{ANN}') from {DATABASE}.t"
    assert shapes.rows(rows) == [(100 + written + 10, 100 + written + 10, 0)]
    assert shapes.leftovers() == []


def test_a_writer_at_full_speed_loses_and_doubles_nothing(shapes: Shapes) -> None:
    made(shapes)
    shapes.run(
        f"create table {DATABASE}.copied (id UInt64, email String) engine = MergeTree order by id",
        f"create materialized view {DATABASE}.v to {DATABASE}.copied as select id, email from {DATABASE}.t",
    )
    before = controls(shapes)
    stop, numbers, failures = threading.Event(), count(1000), list[BaseException]()

    def write() -> None:
        try:
            with connected(shapes.settings) as own:
                while not stop.is_set():
                    own.run(
                        f"insert into {DATABASE}.t (id, email, n) values ({next(numbers)}, '{CONTROL}', 1)"
                    )
        except BaseException as error:
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert shapes.shadow().run() == 10
    finally:
        stop.set()
        writer.join()

    written = next(numbers) - 1000
    assert failures == [] and written > 0
    found = shapes.rows(f"select count(), uniqExact(id), countIf(id >= 1000) from {DATABASE}.t")
    assert found == [(100 + written, 100 + written, written)]
    assert shapes.rows(f"select count(), uniqExact(id) from {DATABASE}.copied") == [(written, written)]
    assert [row for row in controls(shapes) if int(str(row[0])) < 1000] == before
    assert shapes.leftovers() == []


def test_an_insert_that_began_before_the_exchange_and_ends_after_it_is_waited_for(shapes: Shapes) -> None:
    made(shapes)
    slow = (
        f"insert into {DATABASE}.t (id, email, n) select 1000 + number, '{ANN}', 1 from numbers(4)"
        " where sleepEachRow(0.5) = 0 settings max_block_size = 1, min_insert_block_size_rows = 1,"
        " min_insert_block_size_bytes = 1, max_threads = 1"
    )

    def write() -> None:
        with connected(shapes.settings) as own:
            own.run(slow)

    writer = threading.Thread(target=write)
    calls = count()

    def begin_before_the_exchange() -> None:
        running = "select count() from system.processes where query_kind = 'Insert' and elapsed > 0.2"
        if next(calls) == 0:
            writer.start()
            while not shapes.value(running):
                pass

    shapes.shadow(still_ours=begin_before_the_exchange).run()
    writer.join()

    query = f"select count(), uniqExact(id), countIf(email = '{MASK}') from {DATABASE}.t where id >= 1000"
    assert shapes.rows(query) == [(4, 4, 4)]
    assert shapes.leftovers() == []
