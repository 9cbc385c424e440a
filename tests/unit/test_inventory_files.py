"""The inventory's YAML read strictly: what dbt would take without a word is named with file and line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_defs.inventory_files import problems_of_files
from erasure.settings import PROJECT_ROOT

GOOD = """
# a remark
sources:
  - name: toy_postgres
    schema: public
    config: {meta: {store: postgres}}
    tables:
      - name: people
        config:
          meta:
            primary_key: [id]
        columns:
          - {name: email, config: {meta: {rule: unique}}}
          - {name: phone, config: {meta: {rule: clear}}}
"""
FILE = "models/toy/inventory/postgres.yml"
any_project = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def problems(project: Path, text: str | bytes, name: str = FILE) -> list[str]:
    """What is wrong with a project of this file."""
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return problems_of_files(project, "toy")


def test_the_inventory_of_kepler_is_right() -> None:
    assert problems_of_files(PROJECT_ROOT / "dbt_project", "kepler") == []


def test_a_world_without_a_folder_has_no_file_that_is_wrong(tmp_path: Path) -> None:
    assert problems_of_files(tmp_path, "toy") == []


@pytest.mark.parametrize("text", [GOOD, f"\ufeff{GOOD}", GOOD.replace("\n", "\r\n"), f"version: 2\n{GOOD}"])
def test_marks_and_line_ends_do_not_matter(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text) == []


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("sources:", "sources: [", "line 4 is no YAML (expected the node content"),
        ("    schema: public", "\tschema: public", "line 5 is no YAML (found character '\\t'"),
        ("public", '"public', "is no YAML ("),
        ("# a remark", "- a", "is no YAML ("),
        ("# a remark", "&a [*a]: x", "FILE"),
        ("sources:", "source:", "unknown key source; did you mean sources?"),
        ("    tables:", "    tabels:", "toy_postgres: unknown key tabels; did you mean tables?"),
        (
            "        columns:",
            "        colums:",
            "toy_postgres.people: unknown key colums; did you mean columns?",
        ),
        (
            "{rule: unique}}}",
            "{rule: unique}}, enabled: false}",
            "people.email: unknown key enabled; known are name",
        ),
        (
            "config:\n",
            "config:\n          enabled: false\n",
            "people: config: unknown key enabled; known are meta",
        ),
        ("          meta:\n", "          mete:\n", "people: config: unknown key mete; did you mean meta?"),
        (
            "            primary_key: [id]",
            "            primary_key: [id]\n            primary_key: [email]",
            "line 12: the key primary_key stands there a second time",
        ),
        (
            "name: phone",
            "name: email",
            "toy_postgres.people.email: is declared a second time; which rule is meant?",
        ),
        ("name: phone", "name: 5", "a column has no name, or one that is no text"),
        ("name: phone", "nme: phone", "a column: unknown key nme; did you mean name?"),
        (
            "          - {name: phone, config: {meta: {rule: clear}}}",
            "          - [name, phone]",
            "a column: expected keys and values, found a list",
        ),
        (
            "config: {meta: {store: postgres}}",
            "config: {meta: [store]}",
            "toy_postgres: meta: expected keys and values",
        ),
        (
            "config: {meta: {store: postgres}}",
            "config: postgres",
            "toy_postgres: config: expected keys and values",
        ),
        ("config: {meta: {store: postgres}}", "1: x", "1: expected a text as key"),
        (
            GOOD[GOOD.index("    tables:") :],
            "    tables:\n",
            "toy_postgres: tables: expected a list, found nothing",
        ),
        (GOOD, "", "expected keys and values, found nothing"),
        ("# a remark", "# {{ doc('x') }}", "line 2 holds Jinja; an inventory is read as it stands"),
        (GOOD, "hello", "expected keys and values, found a str"),
        (GOOD, "sources: {a: b}", "sources: expected a list, found a dict"),
        (
            "      - name: people",
            "      - {name: people}\n      - name: people",
            "toy_postgres.people: is declared a second time; models/toy/inventory/postgres.yml has it already",
        ),
    ],
)
def test_what_dbt_would_take_without_a_word_is_named(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert found
    assert all(problem.startswith(f"{FILE}: ") for problem in found)
    assert any(sentence.replace("FILE", FILE) in problem for problem in found), found


def test_a_table_in_two_files_is_named_with_both(tmp_path: Path) -> None:
    problems(tmp_path, GOOD)
    other = "models/toy/inventory/more.yaml"
    assert problems(tmp_path, GOOD, other) == [
        f"{FILE}: toy_postgres.people: is declared a second time; {other} has it already"
    ]


def test_sources_elsewhere_in_the_world_are_read_as_strictly_and_models_are_left_alone(
    tmp_path: Path,
) -> None:
    assert problems(tmp_path, "models: [{name: x, colums: []}]", "models/toy/staging/a.yml") == []
    found = problems(tmp_path, GOOD.replace("columns:", "colums:"), "models/toy/staging/b.yml")
    assert any("unknown key colums" in problem for problem in found)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (GOOD.replace("a remark", "Köln").encode("latin-1"), "is not UTF-8; save it in UTF-8"),
        (GOOD.replace("a remark", "\0").encode(), "cannot be read (ReaderError)"),
        (b"[" * 1_200, "cannot be read (RecursionError)"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes, sentence: str) -> None:
    assert problems(tmp_path, content) == [f"{FILE}: {sentence}"]


def test_a_folder_with_the_name_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir(parents=True)
    assert problems_of_files(tmp_path, "toy") == [f"{FILE}: cannot be read (IsADirectoryError)"]


words = st.sampled_from(
    ["sources", "tables", "columns", "name", "config", "meta", "x", "toy_postgres", 1, None]
)
documents: st.SearchStrategy[Any] = st.recursive(
    words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=15,
)


@any_project
@given(documents)
def test_any_document_is_right_or_every_problem_is_named_with_its_file(tmp_path: Path, document: Any) -> None:
    for wrap in (lambda d: d, lambda d: {"sources": [{"name": "toy_postgres", "tables": d}]}):
        found = problems(tmp_path, yaml.safe_dump(wrap(document)))
        assert all(problem.startswith(f"{FILE}: ") for problem in found)


@any_project
@given(st.binary(max_size=60) | st.text("-: {}[]&*!|>'\"%@`#,?\n\tab", max_size=60).map(str.encode))
def test_any_bytes_are_read_or_named_with_their_file(tmp_path: Path, content: bytes) -> None:
    found = problems(tmp_path, content)
    assert all(problem.startswith(f"{FILE}: ") for problem in found)


names = st.text("abc_", min_size=1, max_size=4)


@any_project
@given(st.lists(names, min_size=1, max_size=5))
def test_a_column_is_named_twice_exactly_when_it_is(tmp_path: Path, columns: list[str]) -> None:
    document: dict[str, Any] = yaml.safe_load(GOOD)
    document["sources"][0]["tables"][0]["columns"] = [{"name": name} for name in columns]
    found = problems(tmp_path, yaml.safe_dump(document))
    assert len(found) == len(columns) - len(set(columns))
