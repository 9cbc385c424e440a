"""dbt's macros of the rules, rendered, and both engines to try them on, for the tests of single values.

Holds: the fixtures `macros` and `bench`, texts that languages could disagree on, and `assert_same`.
Add here: what more than one module of these tests needs.
Keep out: what a rule must do (`test_sql_rules.py`, `test_sql_rule_types.py`).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from dagster_defs import dbt_runner
from erasure.rules import Person, Rule, apply
from erasure.stores.clickhouse.subjects import described
from erasure.targets import TargetSet
from tests.contract.sql_world import BATCH, SqlWorld, person_id, render_inline

ANN = person_id(1)
TABLE = "kepler.rule_values"
few = settings(
    max_examples=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)

# Letters and blanks that one language trims, lowers or counts as a word's and another does not.
ODD = (
    "aAzZiIsSkK19_@.-+' \t\n\r\x0b\x0c\x1c\x1f\x85\u00a0\u2003\u3000éÉßſıİKÅåΣςσÄäǅﬁ٣०🙂\u0301%_\\$^*(){}[]|?"
)
texts = st.one_of(
    st.text(ODD, max_size=12), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@pytest.fixture(scope="module")
def macros(_sql_database: SqlWorld) -> dict[tuple[str, str], str]:
    """(engine, what) -> the SQL expression over a column `value`, as dbt renders it."""
    rendered: dict[tuple[str, str], str] = {}
    wanted: dict[str, str] = {
        "normalised": "{{ normalised_email('given.value') }}",
        "is_mask": "{{ email_is_mask('given.value') }}",
        "mask": "{{ mask_value() }}",
        **{
            rule: f"{{{{ rule('{rule}', 'given.value', 'given.owner', 'text') }}}}"
            for rule in Rule
            if rule not in {Rule.KEEP, Rule.DELETE, Rule.SCRUB_TEXT}
        },
        "json": "{{ masked_value({'parts': [{'path': ['a', 'b'], 'rule': 'constant'}, {'path': ['ip'], 'rule': "
        "'truncate_ip'}, {'path': ['gone'], 'rule': 'clear'}], 'type': 'jsonb'}, 'given.value', 'given.owner') }}",
    }
    # (engine, type): a rule over a column that is no text, and over an array.
    for engine, rule, kind in TYPED:
        column = (
            f"{{'elements': {kind in ARRAYS}, 'parts': [{{'path': [], 'rule': '{rule}'}}], 'type': '{kind}'}}"
        )
        wanted[f"{engine} {rule} {kind}"] = f"{{{{ masked_value({column}, 'given.value', 'given.owner') }}}}"
    for engine in dbt_runner.TARGETS:
        other = {"postgres": "clickhouse ", "clickhouse": "postgres "}[engine]
        mine = {
            what: text
            for what, text in wanted.items()
            if not what.startswith(other) and (engine, what) != ("clickhouse", "json")
        }
        parts = render_inline(_sql_database, engine, "\n~~~\n".join(mine.values())).split("~~~")
        rendered |= {(engine, what): part.strip() for what, part in zip(mine, parts, strict=True)}
    return rendered


ARRAYS = {"_text", "_varchar", "_inet", "Array(String)", "Array(Nullable(String))"}
TYPED = [
    ("postgres", "truncate_ip", "inet"),
    ("postgres", "truncate_ip", "cidr"),
    ("postgres", "coarsen_date", "date"),
    ("postgres", "coarsen_date", "timestamp without time zone"),
    ("postgres", "coarsen_date", "timestamp with time zone"),
    ("postgres", "constant", "_text"),
    ("postgres", "hash", "_varchar"),
    ("postgres", "truncate_ip", "_inet"),
    ("clickhouse", "truncate_ip", "IPv4"),
    ("clickhouse", "truncate_ip", "IPv6"),
    ("clickhouse", "coarsen_date", "Date"),
    ("clickhouse", "coarsen_date", "Nullable(Date32)"),
    ("clickhouse", "coarsen_date", "DateTime"),
    ("clickhouse", "coarsen_date", "DateTime64(3)"),
    ("clickhouse", "constant", "Array(String)"),
    ("clickhouse", "hash", "Array(Nullable(String))"),
    ("clickhouse", "constant", "LowCardinality(Nullable(String))"),
    ("clickhouse", "hash", "LowCardinality(String)"),
]
SALT = "5a17" * 16


class Bench:
    """Both engines at once: an expression over many values, in one query each."""

    def __init__(self, world: SqlWorld, macros: dict[tuple[str, str], str]) -> None:
        self._world = world
        self._macros = macros

    def postgres(self, what: str, values: Sequence[str | None], kind: str = "text") -> list[Any]:
        return self.postgres_expression(self._macros["postgres", what], values, kind)

    def postgres_expression(
        self, expression: str, values: Sequence[str | None], kind: str = "text"
    ) -> list[Any]:
        # Only what follows the values is a parameter: the expression may hold a percent sign.
        escaped = expression.replace("%", "%%")
        rows = self._world.rows(
            f"select ({escaped})::text from (select value::{kind} as value, n, '{ANN}'::text as owner"
            " from unnest(%s::text[]) with ordinality as given (value, n)) as given order by n",
            list(values),
        )
        return [row[0] for row in rows]

    def clickhouse(
        self, what: str, values: Sequence[str | None], kind: str = "Nullable(String)"
    ) -> list[Any]:
        return self.clickhouse_expression(self._macros["clickhouse", what], values, kind)

    def clickhouse_expression(
        self, expression: str, values: Sequence[str | None], kind: str = "Nullable(String)"
    ) -> list[Any]:
        client = self._world.analytics
        client.command(f"create or replace table {TABLE} (n UInt32, value {kind}) engine = Memory")
        client.insert(TABLE, list(enumerate(values)), column_names=["n", "value"])
        found = client.query(
            f"select {expression} from (select *, 'id:{ANN}' as owner from {TABLE}) as given order by n"
        ).result_rows
        return [row[0] for row in found]


@pytest.fixture(scope="module")
def bench(_sql_database: SqlWorld, macros: dict[tuple[str, str], str]) -> Iterator[Bench]:
    client = _sql_database.analytics
    client.command("create database if not exists kepler")
    client.command("create database if not exists erasure")
    targets = TargetSet(batch_id=BATCH, contributor_ids=frozenset({ANN}), salts={ANN: SALT})
    _sql_database.run(
        f"insert into erasure.batches (batch_id, state, world) values ('{BATCH}', 'executing', 'kepler')",
        "insert into erasure.targets (batch_id, contributor_id, person_id, kind, value)"
        f" values ('{BATCH}', '{ANN}', '{ANN}', 'salt', '{SALT}')",
    )
    with described(client, targets):
        yield Bench(_sql_database, macros)
    client.command(f"drop table if exists {TABLE} sync")


def many(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str | None]]:
    return st.lists(st.one_of(values, values, values, st.none()), min_size=20, max_size=150)


ANNS = Person(contributor_id=ANN, salt=SALT)


def assert_same(bench: Bench, rule: Rule, values: list[str | None]) -> None:
    expected = [apply(rule, value, ANNS) for value in values]
    assert [apply(rule, value, ANNS) for value in expected] == expected
    assert dict(zip(values, bench.postgres(rule, values), strict=True)) == dict(
        zip(values, expected, strict=True)
    )
    assert bench.postgres(rule, expected) == expected
    assert dict(zip(values, bench.clickhouse(rule, values), strict=True)) == dict(
        zip(values, expected, strict=True)
    )
    assert bench.clickhouse(rule, expected) == expected
