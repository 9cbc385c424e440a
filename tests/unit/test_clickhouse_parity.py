"""Which masked rows can be held against what they were: those that are still known for a subject's."""

from dataclasses import replace

import pytest

from erasure.inventory import Field, InventoryObject, Subject, Via
from erasure.rules import Rule
from erasure.stores.clickhouse.parity import stays_in_sight

ORDERS = InventoryObject(
    store="clickhouse",
    name="orders",
    source="w_clickhouse",
    schema="w",
    location="orders",
    subject=Subject(email="email"),
    primary_key=("id",),
    fields=(Field(name="email", rule=Rule.CONSTANT),),
)
LINES = replace(
    ORDERS,
    name="lines",
    subject=Subject(via=Via(table="orders", column="order_id", parent_column="id")),
    fields=(Field(name="note", rule=Rule.CLEAR),),
)


@pytest.mark.parametrize(
    ("item", "stays"),
    [
        (ORDERS, True),
        (replace(ORDERS, fields=(Field(name="email", rule=Rule.HASH),)), True),
        (replace(ORDERS, fields=(Field(name="email", rule=Rule.CLEAR),)), False),
        (
            replace(
                ORDERS,
                subject=Subject(contributor_id="who", email="email"),
                fields=(Field(name="email", rule=Rule.CLEAR),),
            ),
            True,
        ),
        (
            replace(
                ORDERS, subject=Subject(contributor_id="who"), fields=(Field(name="who", rule=Rule.HASH),)
            ),
            False,
        ),
        (replace(ORDERS, rule=Rule.DELETE, fields=()), False),
    ],
)
def test_a_row_and_what_hangs_on_it_stay_in_sight_or_go(item: InventoryObject, stays: bool) -> None:
    assert stays_in_sight(item, [item, LINES]) is stays
    assert stays_in_sight(LINES, [item, LINES]) is stays
