"""Tables and columns that only the inventory or only the catalog knows are named, with the file to mend.

Holds: what `survey` says of tables and columns, for PostgreSQL and ClickHouse.
Add here: another kind of relation that may hold rows.
Keep out: what a rule cannot write (`test_postgres_survey_*.py`), fields of documents and kinds of keys (the other
stores' own tests).
"""

from erasure.stores.base import Survey
from tests.contract.sql_world import SqlWorld, make_analytics

FOLDER = "dbt_project/models/kepler/inventory"


def test_tables_and_columns_that_the_inventory_does_not_know_are_named_and_views_are_not(
    sql_world: SqlWorld,
) -> None:
    file = f"{FOLDER}/postgres.yml"
    assert sql_world.postgres().survey() == Survey()

    with (
        sql_world.altered("create table notes (note text)", "drop table notes"),
        sql_world.altered("create view everybody as select * from payments", "drop view everybody"),
        sql_world.altered(
            "create materialized view copies as select * from payments", "drop materialized view copies"
        ),
        sql_world.altered(
            "alter table contributors add nickname text", "alter table contributors drop column nickname"
        ),
    ):
        assert sql_world.postgres().survey().problems == (
            f"postgres: table public.copies is not in the inventory; register or waive it in {file}",
            f"postgres: table public.notes is not in the inventory; register or waive it in {file}",
            f"postgres: column public.contributors.nickname is not in the inventory; give it a rule in {file}",
        )


def test_what_the_inventory_names_and_the_database_lacks_is_named_too(sql_world: SqlWorld) -> None:
    file = f"{FOLDER}/postgres.yml"
    with (
        sql_world.altered(
            "alter table payments rename iban to bank", "alter table payments rename bank to iban"
        ),
        sql_world.altered(
            "alter table login_events set schema erasure",
            "alter table erasure.login_events set schema public",
        ),
    ):
        assert sql_world.postgres().survey().problems == (
            f"postgres: table public.login_events of the inventory does not exist; correct {file}",
            f"postgres: column public.payments.bank is not in the inventory; give it a rule in {file}",
            f"postgres: column public.payments.iban of the inventory does not exist; correct {file}",
        )


def test_a_waived_table_may_have_any_column(sql_world: SqlWorld) -> None:
    with sql_world.altered("alter table units add extra text", "alter table units drop column extra"):
        assert sql_world.postgres().survey() == Survey()


def test_tables_and_columns_that_only_clickhouse_or_the_inventory_knows_are_named(
    sql_world: SqlWorld,
) -> None:
    file = f"{FOLDER}/clickhouse.yml"
    make_analytics(sql_world.analytics)
    assert sql_world.clickhouse().survey() == Survey()
    for statement in (
        "create table kepler.notes (note String) engine = Memory",
        "create view kepler.everybody as select * from kepler.app_events",
        "alter table kepler.unit_metrics add column nickname String",
        "alter table kepler.unit_metrics rename column label to answer",
        "rename table kepler.app_events to kepler.events",
    ):
        sql_world.analytics.command(statement)
    try:
        assert sql_world.clickhouse().survey().problems == (
            f"clickhouse: table kepler.events is not in the inventory; register or waive it in {file}",
            f"clickhouse: table kepler.notes is not in the inventory; register or waive it in {file}",
            f"clickhouse: table kepler.app_events of the inventory does not exist; correct {file}",
            f"clickhouse: column kepler.unit_metrics.answer is not in the inventory; give it a rule in {file}",
            f"clickhouse: column kepler.unit_metrics.nickname is not in the inventory; give it a rule in {file}",
            f"clickhouse: column kepler.unit_metrics.label of the inventory does not exist; correct {file}",
        )
    finally:
        sql_world.analytics.command("drop view kepler.everybody sync")
        for table in ("notes", "events"):
            sql_world.analytics.command(f"drop table kepler.{table} sync")
