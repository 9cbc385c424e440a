"""The older scripts' arguments become those of the command, whatever their order, and hold no secret any more.

Add here: a flag that the older scripts spell or place in another way.
Keep out: what the lines of a runbook come to (`tests/integration/test_older_commands.py`).
"""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_defs.cli.older import arguments
from erasure.settings import PROJECT_ROOT

URL = "https://client.example.com/quality/jobs/27f196f6?secret=s3cret=of-the-job"
# As they are written -> as they are parsed; a value may look like anything but a flag.
VALUES = st.text(min_size=1, max_size=20).filter(lambda text: not text.startswith("-"))
GLOBAL = st.one_of(
    VALUES.map(lambda value: ["--config", value]),
    VALUES.map(lambda value: [f"--config={value}"]),
    st.just(["--integration"]),
    st.just(["--debug"]),
)
OWN = st.one_of(
    VALUES.map(lambda value: ["--csv", value]),
    VALUES.map(lambda value: [f"--csv={value}"]),
    st.just(["--execute"]),
    st.just(["--fetch-only"]),
    st.just(["--sample-size", "3"]),
)
JOB = st.sampled_from((["--job-url", URL], [f"--job-url={URL}"]))


@given(own=st.lists(OWN, max_size=4), everywhere=st.lists(GLOBAL, max_size=3), job=JOB, data=st.data())
def test_flags_in_any_order_come_out_where_the_command_has_them_and_the_job_url_in_no_argument(
    own: list[list[str]], everywhere: list[list[str]], job: list[str], data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations([*((0, flag) for flag in own), *((1, flag) for flag in everywhere)]))
    place = data.draw(st.integers(0, len(mixed)))
    given_flags = [flag for _, flag in mixed]
    given_flags.insert(place, job)

    found, variables = arguments("delete", [word for flag in given_flags for word in flag])

    at = len([word for kind, flag in mixed if kind for word in _apart(flag)])
    assert found[:at] == [word for kind, flag in mixed if kind for word in _apart(flag)]
    assert found[at] == "delete"
    assert found[at + 1 :] == [word for kind, flag in mixed if not kind for word in flag]
    assert variables == {"CONTRIBUTOR_DELETION_JOB_URL": URL}


def _apart(flag: list[str]) -> list[str]:
    name, equals, value = flag[0].partition("=")
    return [name, value] if equals else flag


@pytest.mark.parametrize("given_flags", [["--job-url", ""], ["--job-url="], ["--job-url"]])
def test_an_empty_job_url_is_handed_on_to_be_refused(given_flags: list[str]) -> None:
    assert arguments("workflow", given_flags) == (["workflow", "--job-url", ""], {})


def test_whatever_python3_is_it_understands_the_scripts_and_needs_no_package() -> None:
    scripts = [
        *(PROJECT_ROOT / "scripts").glob("*.py"),
        PROJECT_ROOT / "comprehensive_testing_workflow.py",
        PROJECT_ROOT / "dagster_defs" / "cli" / "older.py",
    ]
    assert len(scripts) == 5
    for script in scripts:
        tree = ast.parse(script.read_text(encoding="utf-8"), feature_version=(3, 7))
        modules = {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert modules <= {"__future__", "os", "sys", "pathlib", "dagster_defs.cli.older"}, script.name
