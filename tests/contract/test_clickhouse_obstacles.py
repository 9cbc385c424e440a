"""What ClickHouse's own catalog says against masking a table, told before anything is changed.

Holds: keys of engines that merge rows, types, computed columns, views, dictionaries, engines that update nothing; and
of each the same table without the obstacle.
Add here: another shape that a mask would fail on or spoil.
Keep out: what the inventory does not know (`test_sql_unregistered.py`).
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from erasure.inventory import Subject
from erasure.stores.clickhouse.dictionaries import reload
from erasure.stores.clickhouse.obstacles import notices, obstacles
from tests.contract.clickhouse_shapes import ANN, CONTROL, DATABASE, FILE, Shapes, item

MERGING = {
    "ReplacingMergeTree": "ReplacingMergeTree",
    "SummingMergeTree": "SummingMergeTree",
    "AggregatingMergeTree": "AggregatingMergeTree",
    "CollapsingMergeTree": "CollapsingMergeTree(sign)",
    "VersionedCollapsingMergeTree": "VersionedCollapsingMergeTree(sign, version)",
}


def made(shapes: Shapes, columns: str, engine: str = "MergeTree order by id", name: str = "t") -> None:
    shapes.run(f"create table {DATABASE}.{name} ({columns}) engine = {engine}")


RULES = ("constant", "clear", "unique", "truncate_ip", "coarsen_date", "scrub_text")


@pytest.mark.parametrize("name", MERGING)
def test_a_rule_that_would_make_one_record_of_many_is_refused_on_a_merging_engines_key(
    shapes: Shapes, name: str
) -> None:
    columns = "id UInt64, email Nullable(String), sign Int8, version UInt8"
    if name == "AggregatingMergeTree":
        columns = "id UInt64, email Nullable(String)"
    made(shapes, columns, f"{MERGING[name]} order by (email, id) settings allow_nullable_key = 1")
    for rule in RULES:
        assert shapes.obstacles(item("t", email=rule)) == [
            f"clickhouse: column {DATABASE}.t.email is a key of the engine {name}, which would make one record of all "
            f"that the rule {rule} gives one value; choose the rule hash in {FILE}"
        ]
    assert shapes.obstacles(item("t", email="hash")) == []


def test_any_rule_may_be_on_a_key_of_a_plain_table_and_beside_the_key_of_a_merging_one(
    shapes: Shapes,
) -> None:
    made(shapes, "id UInt64, email String", "MergeTree order by email")
    made(shapes, "id UInt64, email String", "ReplacingMergeTree order by id", "beside")
    assert shapes.obstacles(item("t", email="constant"), item("beside", email="constant")) == []
    assert [key.name for key in shapes.table("t").masked_keys] == ["email"]
    assert shapes.table("beside").masked_keys == ()


def test_a_key_computed_from_a_ruled_column_counts_as_ruled(shapes: Shapes) -> None:
    columns = "id UInt64, email String, digest UInt64 materialized cityHash64(email)"
    made(shapes, columns, "ReplacingMergeTree order by (digest, id)")
    (sentence,) = shapes.obstacles(item("t", email="constant"))
    assert "shapes.t.digest is a key of the engine ReplacingMergeTree" in sentence
    assert shapes.obstacles(item("t", email="hash")) == []


@pytest.mark.parametrize(
    ("engine", "column", "rule", "what"),
    [
        ("ReplacingMergeTree(v) order by id", "v UInt64", "clear", "the version or sign"),
        ("CollapsingMergeTree(v) order by id", "v Int8", "clear", "the version or sign"),
        ("SummingMergeTree order by id", "v UInt64", "clear", "is summed by the engine SummingMergeTree"),
        (
            "SummingMergeTree((v)) order by id",
            "v Nullable(Float64)",
            "clear",
            "is summed by the engine SummingMergeTree",
        ),
        (
            "AggregatingMergeTree order by (id, email)",
            "v AggregateFunction(uniq, String)",
            "constant",
            "is an aggregate",
        ),
        (
            "AggregatingMergeTree order by (id, email)",
            "v SimpleAggregateFunction(max, String)",
            "hash",
            "is an aggregate",
        ),
        ("MergeTree order by id", "v Enum('a' = 1)", "constant", "is an Enum8 and has no member for a mask"),
        (
            "MergeTree order by id",
            "v LowCardinality(FixedString(11))",
            "constant",
            "holds 11 bytes and the rule",
        ),
        (
            "MergeTree order by id",
            "v FixedString(48)",
            "unique",
            "holds 48 bytes and the rule unique writes up to 49",
        ),
        ("MergeTree order by id", "v FixedString(45)", "hash", "pads a hash so that it is not known again"),
        ("MergeTree order by id", "v String", "clear", "is String, not Nullable, and cannot be cleared"),
        ("MergeTree order by id", "v LowCardinality(String)", "clear", "not Nullable, and cannot be cleared"),
        ("MergeTree order by id", "v String materialized upper(email)", "constant", "is MATERIALIZED"),
        ("MergeTree order by id", "v String alias upper(email)", "constant", "is ALIAS"),
        ("MergeTree order by id", "v String ephemeral", "constant", "is EPHEMERAL"),
        ("Log", "v String", "constant", "has the engine Log, which updates no rows"),
    ],
)
def test_what_the_engine_would_refuse_or_spoil_is_said_with_its_column(
    shapes: Shapes, engine: str, column: str, rule: str, what: str
) -> None:
    made(shapes, f"id UInt64, email String, {column}", engine)
    found = [sentence for sentence in shapes.obstacles(item("t", v=rule)) if what in sentence]
    assert len(found) == 1, shapes.obstacles(item("t", v=rule))
    assert found[0].startswith(
        f"clickhouse: column {DATABASE}.t.v " if engine != "Log" else "clickhouse: table"
    )
    assert found[0].endswith(f" in {FILE}")


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        ("v FixedString(12)", "constant"),
        ("v FixedString(49)", "unique"),
        ("v Nullable(UInt64)", "clear"),
        ("v LowCardinality(Nullable(String))", "clear"),
        ("v String default upper(email)", "constant"),
        ("v String materialized upper(email)", "keep"),
    ],
)
def test_what_the_engine_can_do_is_not_refused(shapes: Shapes, column: str, rule: str) -> None:
    made(shapes, f"id UInt64, email String, {column}")
    assert shapes.obstacles(item("t", email="constant", v=rule)) == []


def test_a_kept_column_that_a_ruled_one_has_filled_is_told_with_the_plan(shapes: Shapes) -> None:
    made(shapes, "id UInt64, email String, filled String default upper(email), other UInt8 default 1")
    assert notices(shapes.server, [item("t", email="constant", filled="keep")]) == [
        f"clickhouse: column {DATABASE}.t.filled is kept, and was filled from a ruled column when its row was written; "
        f"give it a rule in {FILE} where that is personal"
    ]
    assert notices(shapes.server, [item("t", email="constant", filled="constant")]) == []


@pytest.mark.parametrize(
    ("engine", "told"),
    [
        ("ReplacingMergeTree", 1),
        ("ReplacingMergeTree(version)", 0),
        ("CollapsingMergeTree(sign)", 1),
        ("MergeTree", 0),
    ],
)
def test_an_exchange_under_an_engine_that_goes_by_the_order_of_writing_is_told_with_the_plan(
    shapes: Shapes, engine: str, told: int
) -> None:
    made(shapes, "id UInt64, email String, sign Int8, version UInt8", f"{engine} order by (email, id)")
    found = notices(shapes.server, [item("t", email="hash")])
    assert [sentence for sentence in found if "goes by the order of writing" in sentence] == found
    assert len(found) == told


def test_an_inner_table_keyed_by_a_ruled_column_is_refused_and_another_is_not(shapes: Shapes) -> None:
    made(shapes, "id UInt64, email String")
    for name, key in (("keyed", "email"), ("plain", "id")):
        shapes.run(
            f"create materialized view {DATABASE}.{name} engine = MergeTree order by {key}"
            f" as select id, email from {DATABASE}.t"
        )
    (sentence,) = shapes.obstacles(item("keyed", email="constant"), item("plain", email="constant"))
    assert sentence.startswith(
        f"clickhouse: materialized view {DATABASE}.keyed keeps its rows in an inner table"
    )
    assert "create the view with TO a table" in sentence


def test_a_view_that_copies_into_a_database_that_nobody_registered_is_named(shapes: Shapes) -> None:
    made(shapes, "id UInt64, email String")
    shapes.run(
        "create table shapes_targets.copies (id UInt64, email String) engine = MergeTree order by id",
        f"create materialized view {DATABASE}.v to shapes_targets.copies as select id, email from {DATABASE}.t",
    )
    ruled = item("t", email="constant")
    assert shapes.obstacles(ruled) == [
        f"clickhouse: materialized view {DATABASE}.v copies a ruled table into shapes_targets.copies, which the "
        f"inventory does not name; register or waive it in {FILE}"
    ]
    copies = replace(item("copies", email="constant"), schema="shapes_targets")
    assert shapes.obstacles(ruled, copies) == []
    assert shapes.obstacles(ruled, replace(copies, waived="made up")) == []


def test_a_dictionary_of_a_source_that_nobody_registered_is_named_unless_waived(shapes: Shapes) -> None:
    made(shapes, "id UInt64, email String")
    made(shapes, "id UInt64, email String", name="other")
    for name, source in (
        ("known", f"clickhouse(db '{DATABASE}' table 't')"),
        ("asked", f"clickhouse(query 'select id, email from {DATABASE}.t')"),
        ("unknown", f"clickhouse(db '{DATABASE}' table 'other')"),
        ("elsewhere", "http(url 'http://localhost:1/' format 'TSV')"),
    ):
        shapes.run(
            f"create dictionary {DATABASE}.{name} (id UInt64, email String) primary key id source({source})"
            " layout(hashed()) lifetime(0)"
        )
    ruled = item("t", email="constant")
    assert [sentence.partition(" is loaded")[0] for sentence in shapes.obstacles(ruled)] == [
        f"clickhouse: dictionary {DATABASE}.elsewhere",
        f"clickhouse: dictionary {DATABASE}.unknown",
    ]
    waived = replace(item("elsewhere"), waived="countries of the world", subject=Subject())
    assert shapes.obstacles(ruled, item("other", email="constant"), waived) == []


def test_a_dictionary_of_a_masked_table_is_loaded_again_and_an_unused_one_is_not(shapes: Shapes) -> None:
    made(shapes, "id UInt64, email String")
    shapes.run(f"insert into {DATABASE}.t values (1, '{ANN}'), (2, '{CONTROL}')")
    for name in ("used", "unused"):
        shapes.run(
            f"create dictionary {DATABASE}.{name} (id UInt64, email String) primary key id"
            f" source(clickhouse(db '{DATABASE}' table 't')) layout(hashed()) lifetime(0)"
        )
    ask = f"select dictGet('{DATABASE}.used', 'email', toUInt64(1))"
    assert shapes.value(ask) == ANN
    shapes.run(f"alter table {DATABASE}.t update email = 'masked' where id = 1 settings mutations_sync = 2")
    assert shapes.value(ask) == ANN

    reload(shapes.server, (item("t", email="constant"),))

    assert shapes.value(ask) == "masked"
    assert shapes.value(f"select dictGet('{DATABASE}.used', 'email', toUInt64(2))") == CONTROL
    assert shapes.value("select status from system.dictionaries where name = 'unused'") == "NOT_LOADED"


def test_what_a_cluster_cannot_do_is_refused_and_the_rest_is_not(shapes: Shapes) -> None:
    """The name alone counts here: nothing is asked of the other nodes."""
    made(shapes, "id UInt64, email String", "MergeTree order by (email, id)")
    made(shapes, "id UInt64, email String", name="plain")
    clustered = replace(shapes.server, cluster="main")
    (keyed,) = obstacles(clustered, [item("t", email="constant"), item("plain", email="constant")])
    assert "table shapes.t is keyed by email and replicated or distributed" in keyed
    (hashed,) = obstacles(clustered, [item("plain", email="hash")])
    assert "table shapes.plain has a rule that must know the subject (hash, scrub_text, unique)" in hashed
    assert shapes.obstacles(item("plain", email="hash")) == []
