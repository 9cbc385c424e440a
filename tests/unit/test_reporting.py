"""The reporting models, held against the inventory without any engine: none may read a column that a rule changes.

Add here: a way in which a model could come by such a column.
Keep out: that reports stay the same by masking (`contract/test_controls.py`).
"""

from dataclasses import replace

import pytest

from dagster_defs.dbt_runner import TARGETS, manifest_json
from dagster_defs.reporting import problems_of_report, problems_of_reports
from dagster_defs.worlds import inventory_of
from erasure.inventory import SQL_STORES
from erasure.rules import Rule

PEOPLE = "{{ source('kepler_postgres', 'contributors') }}"
METRICS = "{{ source('kepler_clickhouse', 'unit_metrics') }}"
WORK = "{{ source('kepler_postgres', 'judgments') }}"
OF_TABLE = "kepler_postgres.contributors"
LISTED = "must list the columns of"
BY_ITSELF = "by a select of its own"
NO_TABLE = "neither source(), ref(), nor a CTE"


def problems(raw_code: str, dialect: str = "postgres") -> list[str]:
    objects = {(item.source, item.name): item for item in inventory_of("kepler").objects}
    return list(problems_of_report(raw_code, dialect, frozenset({"report__known"}), objects))


def test_the_reports_of_the_world_read_nothing_that_changes() -> None:
    manifests = {target: manifest_json(target, "kepler") for target in TARGETS}
    assert problems_of_reports(manifests, inventory_of("kepler")) == []
    named = {
        node["name"].split("__")[1]
        for manifest in manifests.values()
        for node in manifest["nodes"].values()
        if node["name"].startswith("report__")
    }
    assert named == set(SQL_STORES)


@pytest.mark.parametrize(
    "model",
    [
        f"with people as (select contributor_id, country from {PEOPLE}) select * from people",
        f"select country as land from {PEOPLE} where status <> 'erased'",
        f"{{# email #}} select country from {PEOPLE} -- never email",
        "select count(*) as email from {{ ref('report__known') }}",
        "with jobs as (select job_id, title from {{ source('kepler_postgres', 'jobs') }}) select * from jobs",
        f"with a as (select country from {PEOPLE}), b as (select a.* from a) select b.*, row_to_json(b) from b",
    ],
)
def test_a_model_over_columns_that_stay_is_right(model: str) -> None:
    assert problems(model) == []


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (f"select email from {PEOPLE}", f"reads the column email of {OF_TABLE}, which a rule changes"),
        (f'select country, "Email" as e from {PEOPLE}', "reads the column Email"),
        (f"with p as (select country from {PEOPLE} where phone is null) select * from p", "the column phone"),
        (f"select * from {PEOPLE}", LISTED),
        (f"with p as (select * from {PEOPLE}) select country from p", LISTED),
        (f"select p.* from {PEOPLE} as p", LISTED),
        (f"select row_to_json(p) as all_of_it from {PEOPLE} as p", LISTED),
        (f"select p from {PEOPLE} as p", f"names p, which is no column of {OF_TABLE}"),
        (f"select contry from {PEOPLE}", "names contry, which is no column"),
        (f"select country from {PEOPLE} natural join {WORK}", BY_ITSELF),
        (f"select country from {PEOPLE} group by country", BY_ITSELF),
        (f"select country from {PEOPLE}, lateral (select email) as e", BY_ITSELF),
        (
            f"select contributor_id from {WORK} where exists (select 1 from {PEOPLE} where phone = '1')",
            "phone",
        ),
        ("select email from contributors", NO_TABLE),
        ("with contributors as (select email from contributors) select * from contributors", NO_TABLE),
        ("with a as (with contributors as (select 1) select 2 from contributors) select 1", NO_TABLE),
        ("select email from public.contributors", NO_TABLE),
        ("select 1 from {{ ref('stg_contributors') }}", "refers to stg_contributors"),
        ("select {{ dbt_utils.star(ref('report__known')) }} from x", "has Jinja other than"),
        (f"{{% set e = 'email' %}}select country from {PEOPLE}", "has Jinja other than"),
        (f"select country from {PEOPLE} union all select email from {PEOPLE}", "is not one select"),
        (f"select country from {PEOPLE}; select 1", "is not one select"),
        ("no sql", "is not one select"),
    ],
)
def test_a_model_that_could_read_a_ruled_column_is_refused(model: str, told: str) -> None:
    found = problems(model)
    assert any(told in problem for problem in found), found


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (f"select columns('em') from {METRICS}", LISTED),
        (f"select * except (email) from {METRICS}", LISTED),
        (f"select label from {METRICS} final prewhere email <> ''", BY_ITSELF),
        ("select * from merge('kepler', '.*')", NO_TABLE),
    ],
)
def test_the_ways_of_clickhouse_are_refused_as_well(model: str, told: str) -> None:
    found = problems(model, "clickhouse")
    assert any(told in problem for problem in found), found


def test_a_table_whose_records_are_deleted_is_no_table_to_report_on() -> None:
    (item,) = (item for item in inventory_of("kepler").of("postgres") if item.name == "login_events")
    deleted = {(item.source, item.name): replace(item, rule=Rule.DELETE, fields=())}
    model = "select created_at from {{ source('kepler_postgres', 'login_events') }}"
    (problem,) = problems_of_report(model, "postgres", frozenset(), deleted)
    assert "reads kepler_postgres.login_events, whose records are deleted" in problem


def test_a_planted_report_is_named_with_its_column_and_file() -> None:
    planted = {
        "resource_type": "model",
        "name": "report__postgres__emails",
        "fqn": ["contributor_deletion", "reporting", "postgres", "report__postgres__emails"],
        "original_file_path": "models/kepler/reporting/postgres/report__postgres__emails.sql",
        "raw_code": f"with people as (select email from {PEOPLE}) select email, count(*) from people group by 1",
    }
    elsewhere = {**planted, "fqn": ["contributor_deletion", "staging", "x"]}
    assert problems_of_reports(
        {"postgres": {"nodes": {"a": planted, "b": elsewhere}}}, inventory_of("kepler")
    ) == [
        "models/kepler/reporting/postgres/report__postgres__emails.sql: the model report__postgres__emails reads the "
        "column email of kepler_postgres.contributors, which a rule changes; take it out"
    ]
