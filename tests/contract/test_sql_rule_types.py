"""The rules in SQL on columns that are no plain text: types of the engines, arrays, and values within JSON.

Holds: each rule on each type it can write, and that it changes nothing the second time.
Add here: a type of a column.
Keep out: texts (`test_sql_rules.py`), and which types planning refuses (`test_postgres_survey_columns.py`).
"""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erasure.rules import MASK, Person, Rule, apply
from tests.contract.rule_bench import (
    ANN,
    ANNS,
    TABLE,
    Bench,
    bench,
    few,
    macros,
)
from tests.contract.sql_world import SqlWorld

__all__ = ["bench", "macros"]


@pytest.mark.parametrize(
    ("what", "kind", "values", "expected"),
    [
        (
            "truncate_ip inet",
            "inet",
            ["192.0.2.9/24", "2001:db8:1:2::3", None],
            ["192.0.2.0/32", "2001:db8:1::/128", None],
        ),
        (
            "truncate_ip cidr",
            "cidr",
            ["192.0.2.9/32", "2001:db8:1:2::/64"],
            ["192.0.2.0/24", "2001:db8:1::/48"],
        ),
        (
            "coarsen_date timestamp without time zone",
            "timestamp",
            ["2024-05-06 07:08:09", "infinity"],
            ["2024-01-01 00:00:00", "infinity"],
        ),
        (
            "coarsen_date timestamp with time zone",
            "timestamptz",
            ["2024-01-01 00:30:00+02", None],
            ["2023-01-01 00:00:00+00", None],
        ),
        ("constant _text", "text[]", ["{a,NULL,b}", "{}", None], [f"{{{MASK},NULL,{MASK}}}", "{}", None]),
        ("truncate_ip _inet", "inet[]", ["{192.0.2.9,::1}"], ["{192.0.2.0,::}"]),
    ],
)
def test_postgres_masks_columns_that_are_no_text_in_their_own_type(
    _sql_database: SqlWorld,
    bench: Bench,
    what: str,
    kind: str,
    values: list[str | None],
    expected: list[str | None],
) -> None:
    _sql_database.run("set timezone to 'UTC'")
    assert bench.postgres(f"postgres {what}", values, kind) == expected
    assert bench.postgres(f"postgres {what}", expected, kind) == expected
    _sql_database.run("set timezone to default")


def test_postgres_hashes_each_element_of_an_array_as_python_does(bench: Bench) -> None:
    expected = f"{{{','.join(str(apply(Rule.HASH, value, ANNS)) for value in ('a', 'b', 'a'))}}}"
    assert bench.postgres("postgres hash _varchar", ["{a,b,a}", "{NULL}"], "varchar(50)[]") == [
        expected,
        "{NULL}",
    ]
    assert bench.postgres("postgres hash _varchar", [expected], "varchar(50)[]") == [expected]


@pytest.mark.parametrize(
    ("what", "values", "expected"),
    [
        ("truncate_ip IPv4", ["192.0.2.9"], ["192.0.2.0"]),
        ("truncate_ip IPv6", ["2001:db8:1:2::3", "::1"], ["2001:db8:1::", "::"]),
        ("coarsen_date Date", ["2024-05-06", "1970-03-01"], ["2024-01-01", "1970-01-01"]),
        ("coarsen_date Nullable(Date32)", ["1901-05-06", None], ["1901-01-01", None]),
        ("coarsen_date DateTime", ["2024-05-06 07:08:09"], ["2024-01-01 00:00:00"]),
        ("coarsen_date DateTime64(3)", ["1931-05-06 07:08:09.123"], ["1931-01-01 00:00:00.000"]),
        ("constant Array(String)", ["['a','b']", "[]"], [f"['{MASK}','{MASK}']", "[]"]),
        ("constant LowCardinality(Nullable(String))", ["a", None], [MASK, None]),
    ],
)
def test_clickhouse_masks_columns_that_are_no_text_in_their_own_type(
    _sql_database: SqlWorld,
    what: str,
    values: list[str | None],
    expected: list[str | None],
    macros: dict[tuple[str, str], str],
) -> None:
    client, kind = _sql_database.analytics, what.partition(" ")[2]
    for given_values in (values, expected):
        client.command(
            f"create or replace table {TABLE} (n UInt32, value {kind}) engine = MergeTree order by n"
        )
        for number, value in enumerate(given_values):
            literal = "null" if value is None else value if value.startswith("[") else f"'{value}'"
            client.command(f"insert into {TABLE} values ({number}, {literal})")
        expression = macros["clickhouse", f"clickhouse {what}"].replace("given.", "")
        client.command(
            f"alter table {TABLE} update value = {expression} where true settings mutations_sync = 2"
        )
        found = client.query(f"select toString(value) from {TABLE} order by n").result_rows
        assert [row[0] for row in found] == expected


def test_clickhouse_hashes_as_python_does(bench: Bench) -> None:
    hashed = [apply(Rule.HASH, value, ANNS) for value in ("a", "b")]
    assert (
        bench.clickhouse("clickhouse hash LowCardinality(String)", ["a", "b"], "LowCardinality(String)")
        == hashed
    )
    assert (
        bench.clickhouse("clickhouse hash LowCardinality(String)", hashed, "LowCardinality(String)") == hashed
    )
    (found,) = bench.clickhouse(
        "clickhouse hash Array(Nullable(String))", [["a", None, "b"]], "Array(Nullable(String))"
    )
    assert found == [hashed[0], None, hashed[1]]


def test_a_value_whose_salt_is_gone_becomes_the_mask(
    bench: Bench, macros: dict[tuple[str, str], str]
) -> None:
    nobody = macros["postgres", Rule.HASH].replace("given.owner", "'somebody else'")
    assert bench.postgres_expression(nobody, ["a", None]) == [MASK, None]
    nobody = macros["clickhouse", Rule.HASH].replace("given.owner", "'id:somebody else'")
    assert bench.clickhouse_expression(nobody, ["a", None]) == [MASK, None]
    assert apply(Rule.HASH, "a", Person(contributor_id=ANN)) == MASK


json_values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.sampled_from(["a@example.com", "1.2.3.4", MASK, ""])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["a", "b", "ip", "gone", "kept"]), inner, max_size=4),
    ),
    max_leaves=12,
)


def _masked_json(value: Any) -> Any:
    """What the paths a.b (constant), ip (truncate_ip) and gone (clear) become, as the inventory means it."""

    def masked(at: Any, rule: Rule) -> Any:
        if isinstance(at, list):
            return [masked_text(each, rule) for each in at]
        return masked_text(at, rule)

    def masked_text(at: Any, rule: Rule) -> Any:
        # What is no text is taken by the text it has in JSON.
        text = None if at is None else at if isinstance(at, str) else json.dumps(at)
        return apply(rule, text, ANNS)

    if not isinstance(value, dict):
        return value
    found = dict(value)
    if isinstance(found.get("a"), dict) and "b" in found["a"]:
        found["a"] = found["a"] | {"b": masked(found["a"]["b"], Rule.CONSTANT)}
    for key, rule in (("ip", Rule.TRUNCATE_IP), ("gone", Rule.CLEAR)):
        if key in found:
            found[key] = masked(found[key], rule)
    return found


@few
@given(
    values=st.lists(json_values.filter(lambda value: not isinstance(value, list)), min_size=10, max_size=60)
)
@example(
    values=[
        {"a": {"b": ["x", None, {"c": 1}]}, "ip": [], "gone": {"b": 1}, "kept": "a@example.com"},
        {"a": "b"},
        None,
    ]
)
def test_only_the_values_at_the_declared_paths_of_json_change(bench: Bench, values: list[Any]) -> None:
    given_texts: list[str | None] = [json.dumps(value) for value in values]
    found = bench.postgres("json", given_texts, "jsonb")
    assert [json.loads(each) for each in found] == [_masked_json(value) for value in values]
    again = bench.postgres("json", found, "jsonb")
    assert again == found
