"""Every rule by dbt's own unit tests, in both engines: examples in YAML beside the mask models.

Holds: one run of `dbt test` an engine, whose every example is a test here.
Add here: nothing for a rule; its examples stand in `dbt_project/models/kepler/masked/*/_rules__unit_tests.yml`.
Keep out: values by the thousand (`test_sql_rules.py`).
"""

from collections.abc import Mapping

import pytest
import yaml

from dagster_defs import dbt_runner
from erasure.rules import Rule
from erasure.settings import PROJECT_ROOT
from tests.contract.sql_world import BATCH, SqlWorld, person_id

MASKED = PROJECT_ROOT / "dbt_project" / "models" / "kepler" / "masked"
SALT = "5a17"


def names_of(engine: str) -> list[str]:
    content = yaml.safe_load((MASKED / engine / "_rules__unit_tests.yml").read_text(encoding="utf-8"))
    return [str(test["name"]) for test in content["unit_tests"]]


EXAMPLES = [(engine, name) for engine in dbt_runner.TARGETS for name in names_of(engine)]


@pytest.fixture(scope="module")
def results(_sql_database: SqlWorld) -> Mapping[str, tuple[str, str]]:
    """Example -> how it ended, and what dbt says of it."""
    world = _sql_database
    world.empty()
    world.person(1)
    world.freeze((person_id(1), "person1@example.com"))
    world.run(f"update erasure.targets set value = '{SALT}' where kind = 'salt'")
    found: dict[str, tuple[str, str]] = {}
    for engine in dbt_runner.TARGETS:
        select = f"resource_type:unit_test,path:models/kepler/masked/{engine}"
        for item in world.project._call("test", engine, select, {"batch_id": BATCH}):
            found[item.node.name] = (str(item.status), str(item.message)[:2_000])
    return found


@pytest.mark.parametrize(("engine", "example"), EXAMPLES)
def test_a_rule_does_what_its_example_says(
    results: Mapping[str, tuple[str, str]], engine: str, example: str
) -> None:
    status, message = results[example]
    assert status == "pass", message


@pytest.mark.parametrize("engine", dbt_runner.TARGETS)
def test_every_rule_has_an_example_in_each_engine(engine: str) -> None:
    rules = {str(rule) for rule in Rule if rule not in {Rule.KEEP, Rule.DELETE}}
    assert {
        name.removesuffix(f"_in_{engine}").removesuffix("_no_address") for name in names_of(engine)
    } == rules
