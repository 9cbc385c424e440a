"""What a cluster adds to ClickHouse's statements, as texts: no engine here has more than one node."""

from hypothesis import given
from hypothesis import strategies as st

from erasure.stores.clickhouse.cluster import (
    engine_arguments,
    local_table,
    on_cluster,
    quoted,
    system_table,
    targets_arrived,
    targets_ddl,
)

COLUMNS = "(batch_id String, contributor_id String, kind LowCardinality(String), value String)"
REST = "order by (kind, value) partition by batch_id settings old_parts_lifetime = 1"


def test_a_server_on_its_own_is_asked_as_ever() -> None:
    assert on_cluster("") == ""
    assert system_table("parts", "") == "system.parts"
    assert targets_arrived("") is None
    assert (
        targets_ddl("") == f"create table if not exists erasure.targets {COLUMNS} engine = MergeTree {REST}"
    )


def test_a_cluster_is_named_in_every_statement() -> None:
    assert on_cluster("main") == " on cluster `main`"
    assert system_table("mutations", "main") == "clusterAllReplicas('main', system.mutations)"
    assert targets_arrived("main") == "system sync replica on cluster `main` erasure.targets"
    assert targets_ddl("main") == (
        f"create table if not exists erasure.targets on cluster `main` {COLUMNS}"
        f" engine = ReplicatedMergeTree('/clickhouse/erasure/targets', '{{shard}}-{{replica}}') {REST}"
    )


def test_the_local_table_behind_a_distributed_one_is_read_from_its_engine() -> None:
    assert local_table("Distributed('main', 'kepler', 'events_local', rand())") == ("kepler", "events_local")
    assert local_table("Distributed(main, kepler, events_local)") == ("kepler", "events_local")
    assert local_table(r"Distributed('main', 'a,b', 'it\'s')") == ("a,b", "it's")
    assert local_table("MergeTree ORDER BY id SETTINGS index_granularity = 8192") is None
    assert local_table("Buffer('k4', 't', 1, 10, 100, 1, 100, 1, 100)") is None


def test_arguments_of_an_engine_are_split_where_it_splits_them() -> None:
    engine = (
        "ReplicatedSummingMergeTree('/p/{uuid}/{shard}', '{replica}', (a, b)) PARTITION BY f(c, d) ORDER BY e"
    )
    assert engine_arguments(engine) == (
        "ReplicatedSummingMergeTree",
        ["'/p/{uuid}/{shard}'", "'{replica}'", "(a, b)"],
    )
    assert engine_arguments("MergeTree ORDER BY (a, b)") == ("MergeTree", [])
    assert engine_arguments("") == ("", [])


@given(st.lists(st.text(alphabet="ab,()'\\ ", min_size=1), min_size=3, max_size=5))
def test_whatever_a_quoted_argument_holds_it_stays_one(names: list[str]) -> None:
    arguments = ["'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'" for name in names]
    full = f"Distributed({', '.join(arguments)}) SETTINGS x = 1"
    assert engine_arguments(full) == ("Distributed", arguments)
    assert local_table(full) == (names[1], names[2])


def test_a_name_with_backticks_stays_one_name() -> None:
    assert quoted("a`b\\c") == "`a\\`b\\\\c`"
