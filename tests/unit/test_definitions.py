"""The code location as people meet it in the UI: which process a run uses, and what is said about each thing.

Add here: what every asset, job or field of a config must tell.
Keep out: running anything (`integration/`), and pages (`browser/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dagster_defs.assets.common import safe_errors
from dagster_defs.definitions import defs
from dagster_defs.jobs import EXECUTE, PLAN
from dagster_defs.worlds import inventory_of
from erasure.errors import ErasureError, Refused
from erasure.inventory import SQL_STORES

ASSET_JOBS = (PLAN, EXECUTE)
A_CONFIG = {PLAN: {"targets__deletion_targets": {"config": {"csv": "x.csv"}}}, EXECUTE: {}}
IN_FORKS = {"max_concurrent": 2, "start_method": {"forkserver": {}}}


def executor_of(job_name: str, config: dict[str, Any]) -> dict[str, Any]:
    """The executor, as Dagster understands this run config."""
    (chosen,) = dg.validate_run_config(defs.resolve_job_def(job_name), config)["execution"].values()
    return dict(chosen)


def asset_specs() -> list[dg.AssetSpec]:
    return list(defs.resolve_all_asset_specs())


@pytest.mark.parametrize("job_name", ASSET_JOBS)
def test_a_run_stays_in_one_process_whatever_else_its_config_says(job_name: str) -> None:
    for config in ({}, {"ops": A_CONFIG[job_name]}):
        assert executor_of(job_name, config).keys() == {"in_process"}


@pytest.mark.parametrize("job_name", ASSET_JOBS)
def test_a_run_that_asks_for_more_processes_gets_them(job_name: str) -> None:
    chosen = executor_of(job_name, {"execution": {"config": {"multiprocess": IN_FORKS}}})
    assert chosen.keys() == {"multiprocess"}
    assert {name: chosen["multiprocess"][name] for name in IN_FORKS} == IN_FORKS


def test_a_masked_table_says_which_fields_change_and_nothing_of_a_relation() -> None:
    inventory = inventory_of("kepler")
    specs = {tuple(spec.key.path): spec for spec in asset_specs()}
    for store in SQL_STORES:
        for item in inventory.of(store):
            spec = specs["mask", store, item.name]
            told = spec.description or ""
            assert "Raw SQL" not in told
            for field in item.fields:
                assert (f"{field.name} ({field.rule})" in told) is (field in item.ruled_fields)
            assert spec.metadata.keys() == {"model"}
            assert {"dbt", store} <= spec.kinds


def test_everything_in_the_ui_is_described() -> None:
    silent = [spec.key.to_user_string() for spec in asset_specs() if not spec.description]
    jobs = [defs.resolve_job_def(name) for name in ("request_deletion", *ASSET_JOBS, "expire")]
    silent += [job.name for job in jobs if not job.description]
    silent += [f"{job.name}: {name}" for job in jobs for name in undescribed_fields(job)]
    assert silent == []


def undescribed_fields(job: dg.JobDefinition) -> Iterator[str]:
    """The fields of our own configs that the launchpad would show without a word."""
    for node in job.nodes:
        schema = node.definition.config_schema
        fields = getattr(schema.config_type, "fields", {}) if schema else {}
        for name, field in fields.items():
            if not field.description:
                yield f"{node.name}.{name}"


def test_our_own_error_is_a_failure_with_its_sentence_and_stays_the_cause() -> None:
    error = Refused("The plan has drifted.", ["redis is not the one"])
    with pytest.raises(dg.Failure) as failed, safe_errors():
        raise error
    assert failed.value.description == "The plan has drifted.\nredis is not the one"
    assert failed.value.__cause__ is error


def test_an_error_of_a_driver_is_named_without_its_text() -> None:
    with pytest.raises(dg.Failure) as failed, safe_errors(), safe_errors():
        raise ValueError("Key (email)=(ada@example.com) already exists")
    told = failed.value.description or ""
    assert "Unexpected ValueError at test_definitions.py:" in told
    assert "ada@example.com" not in told
    assert isinstance(failed.value.__cause__, ErasureError)
    assert str(failed.value.__cause__) == told
    assert failed.value.__suppress_context__
