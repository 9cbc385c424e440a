"""The inventory: kepler's is read as it stands, and every wrong line of another is named with its file."""

from copy import deepcopy
from typing import Any

import pytest

from erasure.errors import BadInput
from erasure.inventory import ALL_STORES, Inventory, read_inventory
from erasure.rules import Rule
from tests.inventory_fixtures import kepler_inventory, manifest_sources

GOOD: dict[str, Any] = {
    "sources": [
        {
            "name": "toy_postgres",
            "schema": "public",
            "config": {"meta": {"store": "postgres"}},
            "tables": [
                {
                    "name": "people",
                    "config": {
                        "meta": {
                            "subject": {"contributor_id": "id"},
                            "primary_key": ["id"],
                            "access": {"column": "status", "active": "on", "revoked": "off"},
                        }
                    },
                    "columns": [
                        {"name": "email", "config": {"meta": {"rule": "unique"}}},
                        {"name": "status", "config": {"meta": {"rule": "keep", "reason": "access"}}},
                    ],
                },
                {
                    "name": "notes",
                    "config": {
                        "meta": {
                            "subject": {
                                "via": {"table": "people", "column": "person", "parent_column": "id"}
                            },
                            "primary_key": ["note"],
                        }
                    },
                    "columns": [{"name": "body", "config": {"meta": {"rule": "scrub_text"}}}],
                },
            ],
        }
    ]
}


def read(document: dict[str, Any]) -> Inventory:
    """The inventory of one document, as if it stood in toy.yml."""
    return read_inventory(manifest_sources(document, path="toy.yml"), world="toy")


def table(document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """A table of the document, to be spoilt."""
    found: dict[str, Any] = document["sources"][0]["tables"][number]
    return found


def test_kepler_names_objects_in_all_five_stores() -> None:
    inventory = kepler_inventory()
    assert inventory.stores == ALL_STORES
    assert inventory.contributors.name == "contributors"
    assert {item.name for item in inventory.of("clickhouse")} == {"unit_metrics", "app_events"}


def test_a_child_comes_before_the_parent_it_is_reached_through() -> None:
    assert [item.name for item in read(GOOD).of("postgres")] == ["notes", "people"]
    names = [item.name for item in kepler_inventory().of("postgres")]
    assert names.index("disputes") < names.index("judgments")


def test_a_waived_table_is_registered_and_never_masked() -> None:
    inventory = kepler_inventory()
    assert "units" in {item.name for item in inventory.registered("postgres")}
    assert "units" not in {item.name for item in inventory.of("postgres")}


def test_columns_of_key_subject_and_rules_are_known_and_others_are_not() -> None:
    judgments = next(item for item in kepler_inventory().of("postgres") if item.name == "judgments")
    assert {"judgment_id", "contributor_id", "contributor_email", "ip", "label"} <= judgments.known_fields
    assert "password" not in judgments.known_fields
    assert {field.name for field in judgments.ruled_fields} == {"contributor_email", "ip"}


def test_the_digest_changes_with_any_line() -> None:
    other = deepcopy(GOOD)
    table(other)["columns"][1]["config"]["meta"]["reason"] = "another"
    assert read(GOOD).digest == read(deepcopy(GOOD)).digest
    assert read(GOOD).digest != read(other).digest


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (
            lambda d: table(d)["columns"][0]["config"]["meta"].update(rule="nul"),
            "toy.yml: toy_postgres.people.email: rule 'nul' is not known",
        ),
        (
            lambda d: table(d)["columns"][0]["config"]["meta"].update(rule=None),
            "toy_postgres.people.email: rule 'None' is not known",
        ),
        (
            lambda d: table(d)["columns"][0]["config"]["meta"].update(ruel="constant"),
            "toy_postgres.people.email: unknown key ruel",
        ),
        (
            lambda d: table(d)["columns"][0]["config"]["meta"].update(rule="delete"),
            "postgres cannot do the rule delete",
        ),
        (
            lambda d: table(d)["columns"][1]["config"]["meta"].pop("reason"),
            "toy_postgres.people.status: keep needs a reason",
        ),
        (lambda d: table(d)["config"]["meta"].pop("subject"), "toy_postgres.people: needs a subject"),
        (lambda d: table(d)["config"]["meta"].pop("primary_key"), "toy_postgres.people: needs primary_key"),
        (
            lambda d: table(d)["config"]["meta"].update(primarykey=["id"]),
            "toy_postgres.people: unknown key primarykey",
        ),
        (
            lambda d: table(d)["config"]["meta"]["subject"].update(emial="email"),
            "toy_postgres.people: is not of the expected form",
        ),
        (lambda d: d["sources"][0]["config"]["meta"].update(store="mysql"), "store 'mysql' is not known"),
        (lambda d: table(d)["config"]["meta"].pop("access"), "exactly one table declares access, found 0"),
        (lambda d: table(d).update(name="people:x"), "a name has letters, digits and underscores only"),
        (
            lambda d: table(d)["config"]["meta"].update(
                subject={"email": "email"}, access={"column": "s", "active": "a", "revoked": "r"}
            ),
            "the rule unique needs a subject with a contributor_id",
        ),
    ],
)
def test_every_wrong_line_is_named_with_its_file_and_what_was_expected(spoil: Any, sentence: str) -> None:
    document = deepcopy(GOOD)
    spoil(document)
    with pytest.raises(BadInput) as refused:
        read(document)
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2


def test_all_wrong_lines_are_told_at_once() -> None:
    document = deepcopy(GOOD)
    table(document)["config"]["meta"].pop("primary_key")
    table(document, 1)["config"]["meta"].pop("subject")
    with pytest.raises(BadInput) as refused:
        read(document)
    assert len(refused.value.problems) == 2


def test_a_field_of_a_document_needs_its_owner_in_the_same_element() -> None:
    document = {
        "sources": [
            {
                "name": "toy_elasticsearch",
                "config": {"meta": {"store": "elasticsearch"}},
                "tables": [
                    {
                        "name": "docs",
                        "config": {"meta": {"index": "d-*"}},
                        "columns": [
                            {"name": "a.email", "config": {"meta": {"rule": "constant"}}},
                            {
                                "name": "b[].email",
                                "config": {"meta": {"rule": "constant", "owner": "a.id"}},
                            },
                        ],
                    }
                ],
            },
            *deepcopy(GOOD)["sources"],
        ]
    }
    with pytest.raises(BadInput) as refused:
        read(document)
    assert "docs.a.email: needs owner" in str(refused.value)
    assert "docs.b[].email: its owner must stand in the same object or element" in str(refused.value)


def test_a_world_without_a_source_is_refused() -> None:
    with pytest.raises(BadInput, match="no source named venus_<store>"):
        read_inventory(manifest_sources(GOOD), world="venus")


def test_delete_belongs_to_records_and_never_to_a_field_of_kepler() -> None:
    fields = [field for item in kepler_inventory().objects for field in item.fields]
    assert all(field.rule is not Rule.DELETE for field in fields)
