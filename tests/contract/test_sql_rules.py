"""The rules in SQL are the rules in Python: dbt's own macros, rendered, on values that both engines are handed.

Holds: every rule of `dbt_project/macros/rules/` and the normalisation of emails, held to `erasure.rules`.
Add here: a rule, with the values on which two languages could differ.
Keep out: who a record belongs to, and what a mask changes (`test_postgres_store.py`, `test_clickhouse_store.py`).
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dagster_defs import dbt_runner
from erasure.rules import ASCII_BLANKS, MASK, Person, Rule, apply, is_mask, normalise_email
from erasure.settings import PROJECT_ROOT
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
    postgres = (PROJECT_ROOT / "erasure" / "stores" / "postgres" / "conflicts.py").read_text()
    clickhouse = (PROJECT_ROOT / "erasure" / "stores" / "clickhouse" / "store.py").read_text()
    # The literals as Python reads them: a backslash is written twice there.
    (copy,) = re.findall(r'(lower\(btrim\(record\.\{email\}.*? collate \\"C\\"\))', postgres)
    in_postgres = copy.replace("record.{email}", "given.value").replace("\\\\", "\\").replace('\\"', '"')
    (copy,) = re.findall(r"(lower\(trim\(both .*? from toString\(\{email\}\)\)\))", clickhouse)
    in_clickhouse = copy.replace("{email}", "given.value").replace("\\\\", "\\")

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


@pytest.mark.parametrize("rule", [Rule.CONSTANT, Rule.UNIQUE, Rule.CLEAR, Rule.HASH, Rule.TRUNCATE_IP])
@few
@given(values=many(texts))
@example(values=[None, "", MASK, f"{MASK}-{ANN}", f"{MASK}-{'0a' * 16}", f"{MASK}-{'0a' * 16}\n"])
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
    what = "postgres coarsen_date date"
    for zone in ("UTC", "Pacific/Kiritimati", "America/Caracas"):
        _sql_database.run(f"set timezone to '{zone}'")
        assert bench.postgres(what, values, "date") == expected
        assert bench.postgres(what, expected, "date") == expected
    _sql_database.run("set timezone to default")


DATES = ["0000-01-01", "0001-12-31", "1900-02-29", "2000-02-29", "2023-02-29", "2024-02-29", "2024-02-30"]
DATES += [
    "2024-04-31",
    "2024-13-01",
    "2024-00-10",
    "2024-06-00",
    "20240101",
    "2024-W01-1",
    "2024-1-1",
    "9999-12-31",
]
dates_as_text = st.one_of(
    st.dates().map(str),
    st.builds("{:04d}-{:02d}-{:02d}".format, st.integers(0, 9999), st.integers(0, 14), st.integers(0, 33)),
    st.sampled_from([*DATES, MASK]),
    texts,
)


@few
@given(values=many(dates_as_text))
@example(values=[*DATES, *(f"{date} " for date in DATES), *(f"{date}\n" for date in DATES)])
def test_dates_kept_as_text_are_coarsened_alike(bench: Bench, values: list[str | None]) -> None:
    assert_same(bench, Rule.COARSEN_DATE, values)


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
