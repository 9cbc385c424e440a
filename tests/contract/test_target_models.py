"""The models of the target set, by dbt's own tests: examples in YAML beside them, and what holds of any world.

Holds: one run of `dbt test` over PostgreSQL, whose every test is a test here.
Add here: nothing for a model; its examples stand in `dbt_project/models/**/_*__unit_tests.yml`.
Keep out: the set as it is frozen (`test_target_set.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from dagster_defs import dbt_runner
from erasure.settings import PROJECT_ROOT
from tests.contract.sql_world import BATCH, SqlWorld, person_id

MODELS = PROJECT_ROOT / "dbt_project" / "models"
# What is wrong is said in full: there are examples in it and nobody's values.
_SHOWN = 4_000


def named(file: Path) -> list[str]:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [str(test["name"]) for test in content["unit_tests"]]


FOLDERS = ("targets", "kepler/staging")
EXAMPLES = sorted(
    name for folder in FOLDERS for file in (MODELS / folder).glob("*__unit_tests.yml") for name in named(file)
)


@dataclass(frozen=True, kw_only=True)
class Result:
    status: str
    message: str


@pytest.fixture(scope="module")
def results(_sql_database: SqlWorld) -> Mapping[str, Result]:
    """One call of dbt, as `dbt test` is; the world that its data tests see has a request in it."""
    world = _sql_database
    world.empty()
    world.person(1, phone="555 0100")
    world.person(2, merged_into=person_id(1))
    world.person(3)
    world.add("contributor_aliases", contributor_id=person_id(1), email="one@example.org")
    world.add("judgments", judgment_id=900, contributor_id=None, contributor_email="person3@example.com")
    world.add("disputes", judgment_id=900, status="open")
    world.freeze(*((person_id(number), f"person{number}@example.com") for number in (1, 3)))
    found = world.project._call(
        "test", "postgres", "path:models/targets path:models/kepler/staging", {"batch_id": BATCH}
    )
    return {item.node.name: Result(status=str(item.status), message=str(item.message)) for item in found}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_model_does_what_its_example_says(results: Mapping[str, Result], example: str) -> None:
    assert results[example].status == "pass", results[example].message[:_SHOWN]


def test_every_model_of_the_target_set_has_an_example_and_no_test_was_left_out(
    results: Mapping[str, Result],
) -> None:
    manifest = dbt_runner.manifest_json("postgres", "kepler")
    declared = {
        test["name"]: test["model"]
        for test in manifest["unit_tests"].values()
        if "/masked/" not in test["original_file_path"]
    }
    assert sorted(declared) == EXAMPLES
    models = {path.stem for folder in FOLDERS for path in (MODELS / folder).glob("*.sql")}
    assert set(declared.values()) == models
    assert set(EXAMPLES) <= results.keys()


def test_what_holds_of_any_world_holds_of_this_one(results: Mapping[str, Result]) -> None:
    of_data = {name: result for name, result in results.items() if name not in EXAMPLES}
    assert len(of_data) > 20
    assert {name: result.status for name, result in of_data.items() if result.status != "pass"} == {}
