"""The product on a schema that is not the sandbox's: a video rental shop, chosen by a setting, in both SQL engines.

Holds: the whole way from `fetch` to `verify` through the command, looked at in the engines themselves.
Add here: a shape of a table that shops have and the sandbox's world has not.
Keep out: rows (`rental_world.py`), and what holds of any world and is shown on the sandbox's.
"""

import csv

import pytest

from dagster_defs import worlds
from erasure.rules import MASK
from tests.integration.rental_world import (
    CUSTOMERS,
    INACTIVE,
    KEEPS_A_FILM,
    LONGER,
    PREFIX,
    STAFF_ADDRESS,
    STORE_ADDRESS,
    Shop,
    email_of,
    shop,
    values_of,
)

pytestmark = pytest.mark.costly

__all__ = ["shop"]
ERASED = [number for number in INACTIVE if number != KEEPS_A_FILM]
KEPT = [number for number in range(1, CUSTOMERS + 1) if number not in ERASED]
_CONTROLS = (
    "select * from customer where customer_id not in ({ids}) order by 1",
    "select * from address where address_id not in ({ids}) order by 1",
    "select * from payment where customer_id not in ({ids}) order by 1",
    'select * from "Customer Review" where "CustomerId" not in ({ids}) order by 1',
    'select * from "CustomerSession" where "CustomerId" not in ({ids}) order by 1',
    "select * from rental order by 1",
    "select * from staff",
)
_EVENTS = (
    "select * from rental.rentals where customer_id not in ({ids}) order by customer_id",
    "select * from rental.web_events final where lower(visitor_email) not in ({emails})"
    " and not startsWith(visitor_email, 'DELETED') order by all",
    "select * from rental.web_sessions where customer_id not in ({ids}) order by customer_id",
)
_REPORTS = (
    "select date_trunc('month', payment_date), count(*), sum(amount) from payment group by 1 order by 1",
    "select city_id, count(*) from customer join address using (address_id) group by 1 order by 1",
)


def controls(shop: Shop) -> list[list[tuple[object, ...]]]:
    ids = ", ".join(map(str, ERASED))
    emails = ", ".join(f"'{email_of(number)}'" for number in ERASED)
    return [
        *(shop.rows(query.format(ids=ids)) for query in _CONTROLS),
        *(shop.events(query.format(ids=ids, emails=emails)) for query in _EVENTS),
    ]


def reports(shop: Shop) -> list[list[tuple[object, ...]]]:
    return [
        *(shop.rows(query) for query in _REPORTS),
        shop.events(
            "select film_id, toYear(rented_at), count(), sum(amount) from rental.rentals group by all order by all"
        ),
    ]


def test_nobody_need_be_where_the_world_has_nothing(shop: Shop) -> None:
    code, result, said = shop.command("check")
    assert code == 0, said
    assert set(result["counts"]) == {"postgres", "clickhouse"}
    assert result["problems"] == []


def test_an_address_that_a_customer_shares_with_one_who_stays_refuses_the_plan(shop: Shop) -> None:
    shop.rows(f"update customer set address_id = {PREFIX} where customer_id = {LONGER} returning 1")
    asked = shop.root / "shared.csv"
    asked.write_text(f"contributor_id,email_address\n{PREFIX},{email_of(PREFIX)}\n")
    before = shop.dump()
    code, _, said = shop.command("delete", "--csv", str(asked), "--dry-run")
    assert code == 3, said
    assert "postgres/address: 1 records belong to a target and to somebody else" in said
    assert shop.dump() == before
    shop.rows(f"update customer set address_id = {LONGER} where customer_id = {LONGER} returning 1")


def test_a_shop_forgets_its_inactive_customers_and_no_others(shop: Shop) -> None:
    found = shop.root / "inactive.csv"
    code, _, said = shop.command("fetch", "--csv", str(found), "--execute")
    assert code == 0 and found.exists(), said
    with found.open(newline="") as file:
        asked = [int(row["contributor_id"]) for row in csv.DictReader(file)]
    assert sorted(asked) == ERASED
    assert "open rental" in said

    untouched, numbers, before = controls(shop), reports(shop), shop.dump()
    code, planned, said = shop.command(
        "delete", "--csv", str(found), "--exceed-caps", "a small shop", "--dry-run"
    )
    assert code == 0, said
    assert shop.dump() == before
    assert planned["counts"] == {
        "postgres": {"customer": 9, "address": 9, "payment": 9, "reviews": 9, "sessions": 9},
        "clickhouse": {"rentals": 9, "web_events": 18, "web_sessions": 9},
    }

    code, done, said = shop.command(
        *(
            "delete",
            "--csv",
            str(found),
            "--exceed-caps",
            "a small shop",
            "--execute",
            "--plan",
            planned["fingerprint"],
        )
    )
    assert code == 0, said
    assert done["counts"] == planned["counts"]
    after = shop.dump()
    for number in ERASED:
        assert not [value for value in values_of(number) if f"{value}'" in after or f"{value} " in after]
        assert email_of(number).lower() not in after.lower()
    for number in KEPT:
        assert all(value in after for value in values_of(number))
    assert controls(shop) == untouched
    assert reports(shop) == numbers

    code, _, said = shop.command("verify", done["batch_id"])
    assert code == 0, said
    for value in (value for number in ERASED for value in values_of(number)[:4]):
        assert value not in said


def test_masked_columns_have_their_form_and_type(shop: Shop) -> None:
    ((email, domain, phones, ip, preferences, active),) = shop.rows(
        "select email, email_domain, phones, host(last_ip), preferences, activebool from customer"
        f" where customer_id = {PREFIX}"
    )
    assert (email, domain, phones, ip, active) == (f"{MASK}-{PREFIX}", "", [MASK], "192.0.2.0", False)
    assert preferences == {
        "contact": {"email": MASK, "phones": [None]},
        "seen_from": ["192.0.2.0", None],
        "newsletter": False,
    }
    assert shop.rows(f"select email from customer where customer_id = {LONGER}") == [(email_of(LONGER),)]
    ((text,),) = shop.rows(f'select "Text" from "Customer Review" where "CustomerId" = {PREFIX}')
    assert text == f"{MASK} liked it. Write to {MASK}!"
    ((payer,),) = shop.rows(f"select payer from payment where customer_id = {PREFIX}")
    assert payer.startswith(f"{MASK}-") and len(payer) == len(MASK) + 33
    assert shop.rows(
        f"select count(*) from address where address_id in ({STAFF_ADDRESS}, {STORE_ADDRESS})"
    ) == [(2,)]
    assert shop.rows(f"select address from address where address_id = {STORE_ADDRESS}") == [
        ("Shop Street 1",)
    ]


def test_records_of_one_key_are_as_many_as_before_where_the_key_is_masked(shop: Shop) -> None:
    shop.analytics.command("system start merges rental.web_events")
    shop.analytics.command("optimize table rental.web_events final")
    # Two forms of each email, of which one has an event in two versions: one row of each is left.
    assert shop.events("select count() from rental.web_events") == [(2 * CUSTOMERS,)]
    masked = "select comment from rental.web_events where startsWith(visitor_email, 'DELETED_USER-') order by comment"
    assert shop.events(masked) == [("later",)] * len(ERASED) + [(f"thanks, {MASK}, again",)] * len(ERASED)


@pytest.mark.parametrize("world", ["kepler", "rental"])
def test_mask_models_are_what_the_inventory_of_each_world_writes(world: str) -> None:
    assert worlds.inventory_with_models(world).world == world
