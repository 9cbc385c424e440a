"""Masking by exchange on the real engine: key columns, copies of every kind, failures.

Holds: what `erasure/stores/clickhouse/shadow.py` promises of rows, projections and leftovers.
Add here: another shape of a table whose keys are masked.
Keep out: writers at the same time (`*_shadow_writers.py`), being killed (`*_shadow_killed.py`), and which tables are
refused (`*_obstacles.py`).
"""

from __future__ import annotations

from itertools import count

import pytest

from erasure.errors import Incomplete, LeaseLost, StoreRefused
from erasure.rules import MASK
from tests.contract.clickhouse_shapes import ANN, CONTROL, DATABASE, FILL, Shapes, controls, made, masks

KEYED = {
    "sorting key": "order by (email, id)",
    "expression": "order by (lower(email), id)",
    "partition": "partition by cityHash64(email) % 3 order by id",
    "primary key": "primary key email order by (email, id)",
    "sample": "order by cityHash64(email) sample by cityHash64(email)",
    "key computed from it": "order by (digest, id)",
}


@pytest.mark.parametrize("clause", KEYED.values(), ids=KEYED.keys())
def test_a_ruled_key_is_masked_and_every_other_value_is_as_it_was(shapes: Shapes, clause: str) -> None:
    made(shapes, clause)
    before, uuid = controls(shapes), shapes.uuid()
    kept = f"select sum(cityHash64(id, n, at, made_at)), count() from {DATABASE}.t"
    untouched = shapes.rows(kept)
    assert shapes.table().masked_keys

    assert shapes.shadow().run() == 10

    assert shapes.uuid() != uuid
    assert controls(shapes) == before
    assert shapes.rows(kept) == untouched
    theirs = shapes.rows(f"select distinct email, computed, alias from {DATABASE}.t where id % 10 = 0")
    assert theirs == [(MASK, MASK, MASK.lower())]
    assert shapes.leftovers() == []
    assert shapes.merges_are_on()


def test_exchanging_again_changes_no_row(shapes: Shapes) -> None:
    made(shapes)
    shapes.shadow().run()
    before = controls(shapes)
    assert shapes.shadow().run() == 0
    assert controls(shapes) == before
    assert shapes.leftovers() == []


def test_projections_and_skip_indices_answer_from_masked_rows(shapes: Shapes) -> None:
    shapes.run(
        f"create table {DATABASE}.t (id UInt64, email String, index by_email lower(email) type bloom_filter,"
        " projection by_id (select id, email order by id)) engine = MergeTree order by email",
        f"insert into {DATABASE}.t select number, if(number % 10 = 0, '{ANN}', '{CONTROL}') from numbers(100)",
    )
    shapes.shadow().run()
    projected = (
        f"select email from {DATABASE}.t where id = 10 settings force_optimize_projection = 1,"
        " optimize_use_projections = 1, preferred_optimize_projection_name = 'by_id'"
    )
    assert shapes.value(projected) == MASK
    forced = f"select count() from {DATABASE}.t where lower(email) = '{{}}'"
    forced += " settings force_data_skipping_indices = 'by_email', optimize_use_projections = 0"
    assert [shapes.value(forced.format(email.lower())) for email in (ANN, MASK)] == [0, 10]


@pytest.mark.parametrize(
    ("engine", "clause"),
    [
        ("ReplacingMergeTree", "order by (email, id)"),
        ("ReplacingMergeTree(n)", "order by (email, id)"),
        ("SummingMergeTree(n)", "order by (email, id)"),
    ],
)
def test_rows_that_the_engine_would_merge_are_copied_one_by_one_and_in_their_order(
    shapes: Shapes, engine: str, clause: str
) -> None:
    made(shapes, clause, engine)
    shapes.run(
        f"system stop merges {DATABASE}.t", FILL.format(first=0, rows=30).replace("number * 2", "number * 5")
    )
    hashed = "concat(substring(hex(SHA256(email)), 1, 12), '')"
    totals = f"select count(), sum(n) from {DATABASE}.t"
    final = f"select id, n from {DATABASE}.t final order by id"
    before, merged = shapes.rows(totals), shapes.rows(final)

    shapes.shadow(expressions=masks(email=hashed)).run()

    assert shapes.rows(totals) == before
    assert shapes.rows(final) == merged
    assert shapes.value(f"select count() from {DATABASE}.t where email = '{ANN}'") == 0


def test_deleted_rows_do_not_come_back(shapes: Shapes) -> None:
    made(shapes)
    shapes.run(f"delete from {DATABASE}.t where id = 5")
    shapes.shadow().run()
    assert shapes.rows(f"select count(), countIf(id = 5) from {DATABASE}.t") == [(99, 0)]


@pytest.mark.full
def test_more_partitions_than_an_insert_may_make_are_copied(shapes: Shapes) -> None:
    made(shapes, "partition by n order by (email, id)")
    shapes.run(FILL.format(first=100, rows=5))
    assert shapes.shadow().run() == 11
    assert shapes.rows(f"select count(), uniqExact(_partition_id) from {DATABASE}.t") == [(105, 105)]


def test_what_fails_before_the_exchange_leaves_the_table_as_it_was_and_merging(shapes: Shapes) -> None:
    made(shapes)
    before, uuid = controls(shapes), shapes.uuid()
    failing = masks(n="throwIf(id = 50, 'made-up failure')")
    with pytest.raises(Exception, match="395"):
        shapes.shadow(expressions=failing, email="constant", n="constant").run()
    assert (shapes.uuid(), controls(shapes)) == (uuid, before)
    assert shapes.value(f"select count() from {DATABASE}.t where email = '{ANN}'") == 10
    assert shapes.leftovers() == []
    assert shapes.merges_are_on()


def test_whoever_has_lost_the_lease_does_not_exchange(shapes: Shapes) -> None:
    made(shapes)
    uuid, calls = shapes.uuid(), count()

    def lose() -> None:
        if next(calls) == 1:
            raise LeaseLost("another run has taken over")

    with pytest.raises(LeaseLost):
        shapes.shadow(still_ours=lose).run()
    assert shapes.uuid() == uuid
    assert shapes.leftovers() == []
    assert shapes.merges_are_on()


def test_a_copy_that_is_not_what_was_to_be_copied_is_never_exchanged(shapes: Shapes) -> None:
    made(shapes)
    uuid, calls = shapes.uuid(), count()

    def spoil() -> None:
        if next(calls) == 1:
            shapes.run(
                f"alter table {shapes.shadow().copy} update n = 1 where id = 11 settings mutations_sync = 2"
            )

    # The second call comes with what is written meanwhile: by then the first copy is there to be spoilt.
    def spoil_and_write() -> None:
        shapes.run(FILL.format(first=500 + next(writes), rows=1))
        spoil()

    writes = count()
    with pytest.raises(Incomplete, match="clickhouse/t: its masked copy has"):
        shapes.shadow(still_ours=spoil_and_write).run()
    assert shapes.uuid() == uuid
    assert shapes.value(f"select n from {DATABASE}.t where id = 11") == 22
    assert shapes.leftovers() == []


def test_a_partition_dropped_while_it_is_copied_stays_dropped(shapes: Shapes) -> None:
    made(shapes, "partition by id < 60 order by (email, id)")
    calls = count()

    def drop() -> None:
        if next(calls) == 0:
            shapes.run(f"alter table {DATABASE}.t drop partition id '1'")

    with pytest.raises(Incomplete, match="clickhouse/t: 1 of its parts"):
        shapes.shadow(still_ours=drop).run()
    assert shapes.value(f"select count() from {DATABASE}.t") == 40
    assert shapes.leftovers() == []
    assert shapes.shadow().run() == 4
    assert shapes.value(f"select count() from {DATABASE}.t") == 40


def test_somebodys_waiting_mutation_is_not_lost(shapes: Shapes) -> None:
    made(shapes)
    calls = count()

    def delete() -> None:
        if next(calls) == 0:
            shapes.run(f"alter table {DATABASE}.t delete where id = 7 settings mutations_sync = 0")

    with pytest.raises(StoreRefused, match="1 mutations of somebody else wait"):
        shapes.shadow(still_ours=delete).run()
    assert shapes.leftovers() == []
    query = f"select count() from system.mutations where database = '{DATABASE}' and not is_done"
    while shapes.value(query):
        pass
    assert shapes.shadow().run() == 10
    assert shapes.rows(f"select count(), countIf(id = 7) from {DATABASE}.t") == [(99, 0)]
