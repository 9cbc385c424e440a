"""`inventory init`: a draft from kepler's own catalogs, held against the inventory that people have written.

Holds: the agreement, what must never be in a draft or beside it, and the refusals.
Add here: another engine's draft.
Keep out: decisions one by one (`tests/unit/test_inventory_draft.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dagster_defs.inventory_files import problems_of_files
from erasure.errors import BadInput
from erasure.inventory_reading import read_inventory
from tests.flow_fixtures import Answer, Flow
from tests.inventory_fixtures import kepler_inventory, manifest_sources

STORES = ("postgres", "clickhouse")
PLANTED = "zq7.planted@example.com"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models" / "drafted" / "inventory"


def init(flow: Flow, folder: Path, *more: str, config: Path | None = None) -> Answer:
    arguments = ("inventory", "init", "--world", "drafted", "--output", folder, *more)
    return flow.command(*arguments, config=config)


def drafted(folder: Path, store: str) -> dict[str, dict[str, Any]]:
    content = yaml.safe_load((folder / f"{store}.yml").read_text())
    return {table["name"]: table for table in content["sources"][0]["tables"]}


def rules(table: dict[str, Any]) -> dict[str, str]:
    return {column["name"]: column["config"]["meta"]["rule"] for column in table.get("columns", [])}


def test_the_draft_agrees_with_the_inventory_that_people_have_written(
    flow: Flow, folder: Path, tmp_path: Path
) -> None:
    answer = init(flow, folder, "--database", "kepler")
    assert answer.code == 0, answer.said

    compared = [
        (
            f"{item.store}/{item.name}.{field.name}",
            str(field.rule),
            rules(drafted(folder, item.store)[item.name]),
        )
        for item in kepler_inventory().objects
        if item.store in STORES
        for field in item.ruled_fields
    ]
    assert len(compared) > 15
    # All of them, and with the same rule: none is left to review, and none is kept.
    assert [name for name, rule, found in compared if found.get(name.rpartition(".")[2]) != rule] == []

    for item in kepler_inventory().objects:
        if item.store in STORES and item.waived is None:
            meta = drafted(folder, item.store)[item.name]["config"]["meta"]
            assert meta["subject"].get("contributor_id") == item.subject.contributor_id
            assert ("via" in meta["subject"]) is (item.subject.via is not None)
    assert problems_of_files(tmp_path, "drafted") == []
    documents = [yaml.safe_load((folder / f"{store}.yml").read_text()) for store in STORES]
    with pytest.raises(BadInput) as refused:
        read_inventory(manifest_sources(*documents), world="drafted")
    assert any(
        "drafted_postgres.contributors.country: rule 'REVIEW'" in line for line in refused.value.problems
    )
    for store in STORES:
        for name, table in drafted(folder, store).items():
            left = sum(rule == "REVIEW" for rule in rules(table).values())
            assert answer.result["counts"][store][name] == left
            assert f"{store}/{name}: " in answer.said


@pytest.fixture
def odd(flow: Flow) -> Iterator[str]:
    """A schema whose names say nothing, or in capitals and quotes, and whose values do."""
    flow.sql(
        'create schema "Odd Schema"; set search_path to "Odd Schema";'
        'create table "Members" ("Nr" bigint primary key, "eMail" varchar(80) unique, x1 text,'
        ' lower_mail text generated always as (lower("eMail")) stored);'
        'create table "visits of them" (nr bigint primary key, "Who" bigint references "Members", x2 text, x3 text,'
        " phones text[], about_them jsonb);"
        f'insert into "Members" ("Nr", "eMail", x1) select n, n || \'{PLANTED}\', n || \'{PLANTED}\''
        " from generate_series(1, 20) as n;"
        f"insert into \"visits of them\" select n, n, '192.0.2.' || n, 'I am {PLANTED} and write five words',"
        " array['+1 555 0100'], '{}'"
        " from generate_series(1, 20) as n"
    )
    yield "Odd Schema"
    flow.sql('drop schema "Odd Schema" cascade')


def test_values_decide_where_names_say_nothing_and_are_nowhere_to_be_seen(
    flow: Flow, folder: Path, odd: str
) -> None:
    answer = init(flow, folder, "--database", "kepler", "--schema", odd)
    assert answer.code == 0, answer.said
    tables = drafted(folder, "postgres")

    members, visits = tables["Members"], tables["visits_of_them"]
    assert rules(members) == {"eMail": "unique", "x1": "constant", "lower_mail": "keep"}
    assert members["config"]["meta"]["id_form"] == "integer"
    assert visits["identifier"] == "visits of them"
    assert visits["config"]["meta"]["subject"] == {"contributor_id": "Who"}
    assert rules(visits) == {
        "x2": "truncate_ip",
        "x3": "scrub_text",
        "phones": "constant",
        "about_them": "REVIEW",
    }
    (phones,) = (column for column in visits["columns"] if column["name"] == "phones")
    assert phones["config"]["meta"]["elements"] is True

    # Names and texts of the world say the same as a canary does: no value of anybody, in what was said or written.
    values = {value for person in flow.people.values() for value in person.values} | {PLANTED, "192.0.2."}
    files = [*folder.iterdir(), *(flow.var / "logs").iterdir()]
    for text in (
        answer.out,
        answer.err,
        *(file.read_text() for file in files if "init" in file.name or file.parent == folder),
    ):
        assert [value for value in values if value in text] == []


def test_a_draft_overwrites_nothing(flow: Flow, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "clickhouse.yml").write_text("by hand")
    answer = init(flow, folder, "--database", "kepler")
    assert answer.code == 2
    assert any("clickhouse.yml exists" in problem for problem in answer.result["problems"])
    assert [file.name for file in folder.iterdir()] == ["clickhouse.yml"]
    assert (folder / "clickhouse.yml").read_text() == "by hand"

    answer = flow.command("inventory", "init", "--world", "kepler")
    assert answer.code == 2 and "postgres.yml exists" in answer.said


@pytest.mark.parametrize(
    ("changes", "more", "code", "says"),
    [
        ({("database", "port"): "1"}, (), 1, "postgres: nobody listens there"),
        ({("clickhouse", "port"): "1"}, (), 1, "check [clickhouse] host and port"),
        ({}, ("--schema", "nowhere"), 2, "postgres: nowhere holds no table; name another by --schema"),
        ({}, ("--database", "nowhere"), 2, "clickhouse: nowhere holds no table; name another by --database"),
        ({}, ("--world", "a b"), 2, "--world: expected letters, digits and underscores"),
    ],
)
def test_without_both_engines_nothing_is_drafted(
    flow: Flow,
    folder: Path,
    changes: dict[tuple[str, str], str],
    more: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    answer = init(
        flow, folder, "--database", "kepler", *more, config=flow.variant(changes) if changes else None
    )
    assert answer.code == code, answer.said
    assert says in answer.said
    assert not folder.exists()
