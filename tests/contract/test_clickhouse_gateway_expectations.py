"""Great Expectations over the gateway, by the dialect that it knows: `clickhouse+http://`.

Add here: an expectation that asks the engine something new. Keep out: the product's own suites, which are tested with
the product.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway

TABLE = "expected_people"
ROWS = [
    (1, "ann@example.com", "DE", 1.5, "2026-01-01 00:00:00"),
    (2, "bob@example.org", "FR", None, "2026-01-02 00:00:00"),
    (3, "it's;@example.net", "DE", -7.0, "2026-01-03 00:00:00"),
]


@pytest.fixture(scope="module")
def validate(gateway: Gateway) -> Iterator[Any]:
    """Runs expectations on the table as one suite; the results in their order."""
    # Read when the library is first imported.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    gateway.sql(
        f"CREATE TABLE {TABLE} (id Int32, email String, country LowCardinality(String), score Nullable(Float64), "
        "at DateTime) ENGINE = MergeTree ORDER BY id"
    )
    values = ", ".join(
        str(row).replace("None", "NULL").replace('"', "'").replace("it's", "it''s") for row in ROWS
    )
    gateway.sql(f"INSERT INTO {TABLE} VALUES {values}")
    context = gx.get_context(mode="ephemeral")
    address = f"clickhouse+http://{USER}:{PASSWORD}@127.0.0.1:{gateway.port}/default"
    source = context.data_sources.add_sql("gateway", connection_string=address)
    table = source.add_table_asset("people", table_name=TABLE).add_batch_definition_whole_table("all")

    def run(*expectations: Any) -> list[Any]:
        suite = gx.ExpectationSuite(name="suite", expectations=list(expectations))
        outcome = table.get_batch().validate(suite)
        assert PASSWORD not in str(outcome.to_json_dict())
        return list(outcome.results)

    yield run
    gateway.sql(f"DROP TABLE {TABLE} SYNC")


def expectations(holds: bool) -> list[Any]:
    """Of each kind one that holds, or one that does not."""
    import great_expectations.expectations as gxe

    def choose(yes: Any, no: Any) -> Any:
        return yes if holds else no

    query = f"SELECT * FROM {{batch}} WHERE id > {choose(9, 2)}"
    return [
        gxe.ExpectTableRowCountToEqual(value=choose(3, 4)),
        gxe.ExpectTableColumnsToMatchSet(
            column_set=["id", "email", "country", "score", "at", *choose([], ["phone"])]
        ),
        gxe.ExpectColumnValuesToNotBeNull(column=choose("id", "score")),
        gxe.ExpectColumnValuesToBeUnique(column=choose("email", "country")),
        gxe.ExpectColumnValuesToBeInSet(column="country", value_set=["DE", choose("FR", "IT")]),
        gxe.ExpectColumnValuesToNotBeInSet(
            column="email", value_set=[choose("x@example.com", "it's;@example.net")]
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="email", regex=choose(r"^.+@example\.(com|org|net)$", "^ann")
        ),
        gxe.ExpectColumnValuesToNotMatchRegex(column="email", regex=choose("DELETED", "'")),
        gxe.ExpectColumnValuesToBeBetween(column="score", min_value=choose(-7, 0), max_value=2),
        gxe.ExpectColumnMaxToBeBetween(column="id", min_value=choose(3, 4)),
        gxe.ExpectColumnDistinctValuesToBeInSet(
            column="country", value_set=["DE", "FR"] if holds else ["DE"]
        ),
        gxe.ExpectColumnValuesToBeOfType(column="id", type_=choose("Int32", "String")),
        gxe.ExpectColumnValueLengthsToBeBetween(column="email", max_value=choose(20, 5)),
        gxe.UnexpectedRowsExpectation(unexpected_rows_query=query),
    ]


@pytest.mark.parametrize("holds", [True, False])
def test_expectations_hold_and_fail_as_the_rows_are(validate: Any, holds: bool) -> None:
    results = validate(*expectations(holds))
    assert len(results) == 14
    raised = [result.exception_info for result in results if result.exception_info.get("raised_exception")]
    assert raised == []
    assert {result.expectation_config.type: result.success for result in results} == {
        result.expectation_config.type: holds for result in results
    }


def test_unexpected_values_are_counted(validate: Any) -> None:
    import great_expectations.expectations as gxe

    (result,) = validate(gxe.ExpectColumnValuesToMatchRegex(column="email", regex="^[a-z]+@"))
    assert (result.result["unexpected_count"], result.result["element_count"]) == (1, 3)
    assert result.result["partial_unexpected_list"] == ["it's;@example.net"]


def test_a_missing_column_is_an_error_of_that_expectation_alone(validate: Any) -> None:
    import great_expectations.expectations as gxe

    missing, present = validate(
        gxe.ExpectColumnValuesToNotBeNull(column="phone"), gxe.ExpectColumnValuesToNotBeNull(column="email")
    )
    assert (missing.success, present.success) == (False, True)
    assert "phone" in str(missing.exception_info)
