"""The rules in SQL are the rules in Python: dbt's own macros, rendered, on values that both engines are handed.

Holds: every rule of `dbt_project/macros/rules/` and the normalisation of emails, held to `erasure.rules`.
Add here: a rule, with the values on which two languages could differ.
Keep out: who a record belongs to, and what a mask changes (`test_postgres_store.py`, `test_clickhouse_store.py`).
"""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erasure.rules import ASCII_BLANKS, MASK, Rule, apply, is_mask, normalise_email
from erasure.settings import PROJECT_ROOT
from tests.contract.rule_bench import ANN, ANNS, ODD, Bench, assert_same, bench, few, macros, many, texts
from tests.contract.sql_world import SqlWorld

__all__ = ["bench", "macros"]
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
