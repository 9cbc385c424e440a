"""dbt-clickhouse over the gateway, four threads at a time: run, test, unit tests, snapshot, show, and errors.

Add here: a command of dbt, or a way to materialize. Keep out: the product's own project; it has its own tests.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway

FILES = {
    "dbt_project.yml": """
name: tiny
version: '1.0'
profile: tiny
flags: {send_anonymous_usage_stats: false}
models: {tiny: {+materialized: table}}
seeds: {tiny: {+column_types: {code: String}}}
""",
    "seeds/countries.csv": "code,name\nDE,\"Germany; the 'one'\"\nFR,France\n",
    "models/first.sql": "select number as id, concat('user', toString(number)) as name from numbers(10)\n",
    "models/second.sql": "select id, upper(name) as name from {{ ref('first') }} where id > 4\n",
    "models/third.sql": "{{ config(materialized='view') }}\nselect id from {{ ref('first') }} where id < 3\n",
    "models/grown.sql": """
{{ config(materialized='incremental', unique_key='id', order_by='id') }}
select id, name, {{ var('round') }} as round from {{ ref('first') }}
{% if is_incremental() %}where id >= (select max(id) - 1 from {{ this }}){% endif %}
""",
    "models/broken.sql": """
{{ config(enabled=var('broken', false)) }}
select throwIf(id = 7) as x from {{ ref('first') }}
""",
    "models/models.yml": """
models:
  - name: second
    columns: [{name: id, data_tests: [unique, not_null]}]
  - name: third
    columns: [{name: id, data_tests: [unique]}]
unit_tests:
  - name: names_are_in_capitals
    model: second
    given: [{input: ref('first'), rows: [{id: 5, name: ann}, {id: 1, name: bob}]}]
    expect: {rows: [{id: 5, name: ANN}]}
""",
    "snapshots/history.yml": """
snapshots:
  - name: history
    relation: ref('second')
    config: {unique_key: id, strategy: check, check_cols: [name]}
""",
}


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project that is parsed once: the gateway is under test here, not dbt's parser."""

    gateway: Gateway
    schema: str
    manifest: Any
    where: list[str]

    def dbt(self, *arguments: str, succeeds: bool = True) -> Any:
        from dbt.cli.main import dbtRunner

        outcome = dbtRunner(manifest=self.manifest).invoke([*arguments, *self.where])
        assert outcome.success == succeeds, outcome.exception
        return outcome.result

    def sql(self, query: str) -> str:
        return self.gateway.sql(query.format(schema=self.schema))


@pytest.fixture(scope="module")
def project(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    from dbt.cli.main import dbtRunner

    place = tmp_path_factory.mktemp("dbt")
    schema = f"dbt_{uuid.uuid4().hex[:8]}"
    output = {
        "type": "clickhouse",
        "driver": "http",
        "host": "127.0.0.1",
        "port": gateway.port,
        "user": USER,
        "password": "{{ env_var('TINY_PASSWORD') }}",
        "schema": schema,
        "threads": 4,
    }
    profiles = {"tiny": {"target": "here", "outputs": {"here": output}}}
    for name, text in {**FILES, "profiles.yml": json.dumps(profiles)}.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    where = [
        "--project-dir",
        str(place),
        "--profiles-dir",
        str(place),
        "--target-path",
        str(place / "target"),
    ]
    where += ["--log-path", str(place / "logs"), "--quiet", "--vars", "{round: 1}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_PASSWORD", PASSWORD)
        manifest = dbtRunner().invoke(["parse", *where]).result
        made = Project(gateway=gateway, schema=schema, manifest=manifest, where=where)
        made.dbt("seed")
        made.dbt("run")
        yield made
        assert PASSWORD not in "".join(path.read_text() for path in place.rglob("*.log"))
    gateway.sql(f"DROP DATABASE {schema} SYNC")


def test_models_are_made_in_their_order_and_run_again(project: Project) -> None:
    names = "SELECT groupArray(name) FROM (SELECT name FROM {schema}.second ORDER BY id)"
    for _ in range(2):
        assert project.sql(names) == "['USER5','USER6','USER7','USER8','USER9']\n"
        project.dbt("run", "--select", "first", "second", "third")
    assert project.sql("SELECT count() FROM {schema}.third") == "3\n"
    assert (
        project.sql("SELECT name FROM {schema}.countries ORDER BY code") == "Germany; the \\'one\\'\nFrance\n"
    )
    left = "SELECT count() FROM system.tables WHERE database = '{schema}' AND name LIKE '%\\_\\_dbt%'"
    assert project.sql(left) == "0\n"


def test_tests_and_unit_tests_pass_twice_and_fail_when_they_should(project: Project) -> None:
    """Unit tests leave temporary tables, which must go with their session: the second time would fail on them."""
    for _ in range(2):
        assert len(project.dbt("test").results) == 4
    project.sql("INSERT INTO {schema}.second SELECT * FROM {schema}.second LIMIT 1")
    failed = project.dbt("test", "--select", "second", succeeds=False)
    statuses = {result.node.name: str(result.status) for result in failed.results}
    assert statuses == {
        "unique_second_id": "fail",
        "not_null_second_id": "pass",
        "names_are_in_capitals": "pass",
    }
    project.dbt("run", "--select", "second")


def test_an_incremental_model_replaces_and_adds(project: Project) -> None:
    project.sql("INSERT INTO {schema}.first VALUES (10, 'user10')")
    project.dbt("run", "--select", "grown")
    assert project.sql("SELECT count(), uniqExact(id), max(id) FROM {schema}.grown") == "11\t11\t10\n"
    project.dbt("run", "--select", "first")


def test_a_snapshot_keeps_what_changed(project: Project) -> None:
    project.dbt("snapshot")
    project.sql(
        "ALTER TABLE {schema}.second UPDATE name = 'DELETED_USER' WHERE id = 6 SETTINGS mutations_sync = 2"
    )
    project.dbt("snapshot")
    history = "SELECT name, dbt_valid_to IS NULL FROM {schema}.history WHERE id = 6 ORDER BY dbt_valid_from"
    assert project.sql(history) == "USER6\t0\nDELETED_USER\t1\n"
    assert project.sql("SELECT count() FROM {schema}.history") == "6\n"
    project.dbt("run", "--select", "second")


def test_show_reads_a_model_and_a_query(project: Project) -> None:
    shown = project.dbt("show", "--select", "second", "--limit", "2").results[0].agate_table
    assert [tuple(row) for row in shown.rows] == [(5, "USER5"), (6, "USER6")]
    inline = "select count(*) as n from {{ ref('first') }} where name != 'it''s;'"
    assert project.dbt("show", "--inline", inline).results[0].agate_table.rows[0][0] == 10


def test_an_error_of_a_model_is_told_and_the_others_are_made(project: Project) -> None:
    from dbt.cli.main import dbtRunner

    broken = ["--vars", "{round: 1, broken: true}"]
    where = project.where[: project.where.index("--vars")]
    outcome = dbtRunner().invoke(["run", "--select", "first", "broken", "second", *where, *broken])
    assert not outcome.success
    results = {result.node.name: result for result in outcome.result.results}
    assert {name: str(result.status) for name, result in results.items()} == {
        "first": "success",
        "second": "success",
        "broken": "error",
    }
    assert "395" in results["broken"].message
