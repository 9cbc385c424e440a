"""The rules in SQL are the rules in Python: dbt's own macros, rendered, on values that both engines are handed.

Holds: every rule of `dbt_project/macros/rules/` and the normalisation of emails, held to `erasure.rules`.
Add here: a rule, with the values on which two languages could differ.
Keep out: who a record belongs to, and what a mask changes (`test_postgres_store.py`, `test_clickhouse_store.py`).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dagster_defs import dbt_runner
from erasure.rules import ASCII_BLANKS, MASK, Person, Rule, apply, is_mask, normalise_email
from erasure.settings import PROJECT_ROOT
from tests.contract.sql_world import SqlWorld, person_id, render_inline

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
octets = st.one_of(
    st.integers(0, 300).map(str), st.sampled_from(["00", "01", "007", "", "-1", "0x1", "1e1", "٣"])
)
ipv4 = st.lists(octets, min_size=3, max_size=5).map(".".join)
groups = st.one_of(
    st.integers(0, 0x1FFFF).map("{:x}".format), st.sampled_from(["", "", "0", "00", "0000", "00001", "G"])
)
ipv6 = st.one_of(
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: address.exploded.upper()),
    st.lists(groups, min_size=2, max_size=9).map(":".join),
    st.builds(
        "{}{}".format, st.sampled_from(["::", "::ffff:", "::FFFF:0:", "64:ff9b::", "1:2:3:4:5:6:"]), ipv4
    ),
)
addresses = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", "", "", *ASCII_BLANKS, "\u00a0", "["]),
    st.one_of(st.ip_addresses(v=4).map(str), ipv4, ipv6, texts),
    st.sampled_from(["", "", "", *ASCII_BLANKS, "\u2003", "/24", "/", "%eth0", "%", ":80", "]", ".", "0"]),
)


@pytest.fixture(scope="module")
def macros(_sql_database: SqlWorld) -> dict[tuple[str, str], str]:
    """(engine, what) -> the SQL expression over a column `value`, as dbt renders it."""
    rendered: dict[tuple[str, str], str] = {}
    wanted: dict[str, str] = {
        "normalised": "{{ normalised_email('value') }}",
        "is_mask": "{{ email_is_mask('value') }}",
        "mask": "{{ mask_value() }}",
        **{
            rule: f"{{{{ rule({{'rule': '{rule}', 'name': 'v'}}, 'value', 'owner') }}}}"
            for rule in Rule
            if rule not in {Rule.KEEP, Rule.DELETE}
        },
    }
    for engine in dbt_runner.TARGETS:
        # Rules that ClickHouse cannot do are not asked for there.
        mine = {what: text for what, text in wanted.items() if engine == "postgres" or what in ON_CLICKHOUSE}
        parts = render_inline(_sql_database, engine, "\n~~~\n".join(mine.values())).split("~~~")
        rendered |= {(engine, what): part.strip() for what, part in zip(mine, parts, strict=True)}
    return rendered


ON_CLICKHOUSE = {"normalised", "is_mask", "mask", Rule.CONSTANT, Rule.CLEAR, Rule.TRUNCATE_IP}


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
            f"select ({escaped})::text from (select value::{kind} as value, n, '{ANN}'::uuid as owner"
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
        found = client.query(f"select {expression} from {TABLE} order by n").result_rows
        return [row[0] for row in found]


@pytest.fixture(scope="module")
def bench(_sql_database: SqlWorld, macros: dict[tuple[str, str], str]) -> Iterator[Bench]:
    _sql_database.analytics.command("create database if not exists kepler")
    yield Bench(_sql_database, macros)
    _sql_database.analytics.command(f"drop table if exists {TABLE} sync")


def many(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str | None]]:
    return st.lists(st.one_of(values, values, values, st.none()), min_size=20, max_size=150)


ANNS = Person(contributor_id=ANN)


@few
@given(values=many(texts))
@example(
    values=[*ASCII_BLANKS, ASCII_BLANKS, "\x1c a \x1f", "\u00a0A\u00a0", "\x85B", "İSTANBUL", "ΣΊΣΥΦΟΣ", "K"]
)
def test_emails_are_normalised_alike_in_three_languages(bench: Bench, values: list[str | None]) -> None:
    expected = [None if value is None else normalise_email(value) for value in values]
    assert bench.postgres("normalised", values) == expected
    assert bench.clickhouse("normalised", values) == expected
    assert bench.postgres("normalised", expected) == expected


def test_the_copies_of_the_normalisation_in_the_stores_are_the_macros(
    bench: Bench, macros: dict[tuple[str, str], str]
) -> None:
    values: list[str | None] = [f"{a}{b}X{c}" for a in ODD for b in ASCII_BLANKS for c in ODD]
    expected = [normalise_email(value or "") for value in values]
    postgres = (PROJECT_ROOT / "erasure" / "stores" / "postgres.py").read_text()
    clickhouse = (PROJECT_ROOT / "erasure" / "stores" / "clickhouse.py").read_text()
    # The literals as Python reads them: a backslash is written twice there.
    (copy,) = re.findall(r'(lower\(btrim\(record\.\{email\}.*? collate \\"C\\"\))', postgres)
    in_postgres = copy.replace("record.{email}", "value").replace("\\\\", "\\").replace('\\"', '"')
    (copy,) = re.findall(r"(lower\(trim\(both .*? from \{item\.subject\.email\}\)\))", clickhouse)
    in_clickhouse = copy.replace("{item.subject.email}", "value").replace("\\\\", "\\")

    assert bench.postgres_expression(in_postgres, values) == expected
    assert bench.clickhouse_expression(in_clickhouse, values) == expected


def test_the_mask_is_the_same_word_everywhere(bench: Bench, macros: dict[tuple[str, str], str]) -> None:
    folder = PROJECT_ROOT / "dbt_project" / "macros"
    assert macros["postgres", "mask"] == macros["clickhouse", "mask"] == f"'{MASK}'"
    assert f"'{MASK}'" in (folder / "rules" / "mask_value.sql").read_text()
    assert MASK.replace("_", r"\_") + "-%" in (folder / "subjects" / "email_is_mask.sql").read_text()


@few
@given(
    values=many(
        st.builds(
            "{}{}{}".format,
            st.sampled_from(["", " ", "x"]),
            st.sampled_from(
                [
                    MASK,
                    f"{MASK}-",
                    f"{MASK}-{ANN}",
                    f"{MASK}x",
                    "DELETEDxUSER-1",
                    MASK.lower(),
                    "DELETED_USER_1",
                ]
            ),
            texts,
        )
    )
)
@example(
    values=[MASK, f"{MASK}-", f"{MASK}-1", "DELETEDxUSER-1", f" {MASK}", MASK.lower(), f"{MASK}\n", "", None]
)
def test_an_email_is_a_mask_for_the_same_values(bench: Bench, values: list[str | None]) -> None:
    expected = [None if value is None else is_mask(value) for value in values]
    texts_of = {None: None, True: "true", False: "false"}
    assert bench.postgres("is_mask", values) == [texts_of[each] for each in expected]
    found = bench.clickhouse("is_mask", values)
    assert [None if each is None else bool(each) for each in found] == expected


@pytest.mark.parametrize("rule", [Rule.CONSTANT, Rule.UNIQUE, Rule.CLEAR, Rule.TRUNCATE_IP])
@few
@given(values=many(texts))
@example(values=[None, "", MASK, f"{MASK}-{ANN}"])
def test_a_rule_does_the_same_everywhere_and_nothing_the_second_time(
    bench: Bench, rule: Rule, values: list[str | None]
) -> None:
    assert_same(bench, rule, values)


@few
@given(values=many(addresses))
@example(
    values=["192.168.01.1", "010.1.1.1", "1.2.3.4/24", "1.2.3.4/", "10.1", "1.2.3.4.", "fe80::1%eth0", "::/0"]
)
@example(
    values=["::ffff:192.0.2.9", "::FFFF:192.0.2.9", "::ffff:192.0.02.9", "::192.0.2.9", "1:2:3:4:5:6:1.2.3.4"]
)
@example(
    values=["::", "::1", "0:0:1:2:3:4:5:6", "1::", "2001:DB8:0:0:0:0:0:1", "1:2:3:4:5:6:7::", "1::2::3", ":1"]
)
@example(
    values=[
        " 1.2.3.4 ",
        "\t::1\n",
        "\x0b1.2.3.4\x0c",
        "\u00a01.2.3.4",
        "1.2.3.4 5",
        "1. 2.3.4",
        "::.0",
        "0:::80",
        "",
        " ",
        None,
    ]
)
def test_addresses_are_truncated_alike(bench: Bench, values: list[str | None]) -> None:
    assert_same(bench, Rule.TRUNCATE_IP, values)


def assert_same(bench: Bench, rule: Rule, values: list[str | None]) -> None:
    expected = [apply(rule, value, ANNS) for value in values]
    assert [apply(rule, value, ANNS) for value in expected] == expected
    assert dict(zip(values, bench.postgres(rule, values), strict=True)) == dict(
        zip(values, expected, strict=True)
    )
    assert bench.postgres(rule, expected) == expected
    if rule in ON_CLICKHOUSE:
        assert dict(zip(values, bench.clickhouse(rule, values), strict=True)) == dict(
            zip(values, expected, strict=True)
        )
        assert bench.clickhouse(rule, expected) == expected


def test_clickhouse_alone_can_hold_a_zero_byte(bench: Bench) -> None:
    values: list[str | None] = ["1.2.3.4\0", "1.2.3.4\0.5", "::1\0", "\0", "\0A@Example.com\0"]
    assert bench.clickhouse("truncate_ip", values) == [
        apply(Rule.TRUNCATE_IP, value, ANNS) for value in values
    ]
    assert bench.clickhouse("normalised", values) == [normalise_email(value or "") for value in values]


def test_a_column_that_cannot_be_null_is_masked_too(bench: Bench) -> None:
    assert bench.clickhouse("constant", ["", "a", MASK], "String") == [MASK, MASK, MASK]
    assert bench.clickhouse("truncate_ip", ["1.2.3.4", "x", ""], "String") == ["1.2.3.0", MASK, MASK]
    assert bench.clickhouse("constant", ["a", "b"], "LowCardinality(String)") == [MASK, MASK]


@few
@given(values=st.lists(st.one_of(st.dates().map(str), st.none()), min_size=5, max_size=150))
@example(values=["0001-01-01", "0001-12-31", "9999-12-31", "2000-02-29", "1995-01-01", None])
def test_dates_become_the_first_day_of_their_year_in_any_time_zone(
    _sql_database: SqlWorld, bench: Bench, values: list[str | None]
) -> None:
    expected = [apply(Rule.COARSEN_DATE, value, ANNS) for value in values]
    for zone in ("UTC", "Pacific/Kiritimati", "America/Caracas"):
        _sql_database.run(f"set timezone to '{zone}'")
        assert bench.postgres(Rule.COARSEN_DATE, values, "date") == expected
        assert bench.postgres(Rule.COARSEN_DATE, expected, "date") == expected
    _sql_database.run("set timezone to default")
