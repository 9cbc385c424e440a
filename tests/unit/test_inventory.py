"""The inventory: kepler's is read as it stands, and every wrong line of another is named with its file."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from erasure.errors import BadInput
from erasure.inventory import ALL_STORES, Inventory
from erasure.inventory_reading import read_inventory
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


def meta(document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """What a table of the document declares."""
    found: dict[str, Any] = table(document, number)["config"]["meta"]
    return found


def with_keys(data: Any, found: dict[str, Any]) -> None:
    """The first column with keys instead of its rule."""
    column(data).pop("rule")
    column(data).update(keys=found)


def column(document: dict[str, Any], number: int = 0) -> dict[str, Any]:
    """What a column of the people declares."""
    found: dict[str, Any] = table(document)["columns"][number]["config"]["meta"]
    return found


def with_object(store: str, declared: dict[str, Any], *columns: dict[str, Any]) -> dict[str, Any]:
    """The good document beside a source of another store with one object, `thing`."""
    source = {
        "name": f"toy_{store}",
        "config": {"meta": {"store": store}},
        "tables": [{"name": "thing", "config": {"meta": declared}, "columns": list(columns)}],
    }
    return {"sources": [*deepcopy(GOOD)["sources"], source]}


def ruled(name: str, **declared: Any) -> dict[str, Any]:
    return {"name": name, "config": {"meta": {"rule": "constant", **declared}}}


def test_kepler_names_objects_in_all_five_stores() -> None:
    inventory = kepler_inventory()
    assert inventory.stores == ALL_STORES
    assert inventory.contributors.name == "contributors"
    assert {item.name for item in inventory.of("clickhouse")} == {
        "unit_metrics",
        "app_events",
        "notifications",
        "slow_units",
    }


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


PEOPLE, NOTES = "toy.yml: toy_postgres.people", "toy.yml: toy_postgres.notes"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda d: column(d).update(rule="nul"), f"{PEOPLE}.email: rule 'nul' is not known; expected one of"),
        (
            lambda d: column(d).update(rule=None),
            f"{PEOPLE}.email: rule: expected a text, in quotes where YAML",
        ),
        (lambda d: column(d).pop("rule"), f"{PEOPLE}.email: rule: is missing; expected one of constant"),
        (
            lambda d: column(d).update(ruel="constant"),
            f"{PEOPLE}.email: unknown key ruel; a column knows elements",
        ),
        (lambda d: column(d).update(rule="delete"), f"{PEOPLE}.email: delete is for whole records"),
        (
            lambda d: column(d).update(keys={"a": {"rule": "clear"}}),
            f"{PEOPLE}.email: has both rule and keys",
        ),
        (lambda d: with_keys(d, {"a": {"rule": "nil"}}), f"{PEOPLE}.email.a: rule 'nil' is not known"),
        (lambda d: with_keys(d, {"a": {"rule": "keep"}}), f"{PEOPLE}.email.a: keep needs a reason"),
        (lambda d: with_keys(d, {"a": {}}), f"{PEOPLE}.email: keys.a.rule: is missing"),
        (
            lambda d: with_keys(d, {"a": {"rule": "clear"}, "a.b": {"rule": "clear"}}),
            f"{PEOPLE}.email.a: another key lies within it",
        ),
        (
            lambda d: column(d).update(volatile=True),
            f"{PEOPLE}.email: volatile is for columns with the rule keep",
        ),
        (lambda d: column(d).update(elements="yes"), f"{PEOPLE}.email: elements: expected true or false"),
        (
            lambda d: meta(d).update(rule="delete"),
            "has the rule delete, so that no column of it needs a rule",
        ),
        (lambda d: meta(d).update(rule="delete"), "declares access, so its records must stay"),
        (
            lambda d: meta(d).update(rule="constant"),
            "rule constant is for columns; a table as a whole knows delete",
        ),
        (lambda d: meta(d).update(id_form="number"), "id_form: expected one of uuid, integer, text"),
        (lambda d: column(d, 1).pop("reason"), f"{PEOPLE}.status: keep needs a reason"),
        (lambda d: column(d, 1).update(reason=" "), f"{PEOPLE}.status: reason: expected a text that is not"),
        (lambda d: column(d).update(owner="id"), f"{PEOPLE}.email: owner and email are for documents"),
        (lambda d: meta(d).pop("subject"), f"{PEOPLE}: needs a subject"),
        (lambda d: meta(d).update(subject="id"), f"{PEOPLE}: subject: "),
        (lambda d: meta(d)["subject"].update(emial="email"), f"{PEOPLE}: subject.emial: is not a known key"),
        (lambda d: meta(d).pop("primary_key"), f"{PEOPLE}: needs primary_key"),
        (lambda d: meta(d).update(primary_key="id"), f"{PEOPLE}: primary_key: expected a list, such as [id]"),
        (
            lambda d: meta(d).update(primarykey=["id"]),
            f"{PEOPLE}: unknown key primarykey; postgres knows access",
        ),
        (lambda d: meta(d).update(waived=False), f"{PEOPLE}: waived: expected a text"),
        (lambda d: meta(d, 1).update(waived=True), f"{NOTES}: waived: expected a text"),
        (lambda d: meta(d, 1).update(waived=""), f"{NOTES}: waived: expected a text that is not empty"),
        (
            lambda d: d["sources"][0]["config"]["meta"].update(store="mysql"),
            "store 'mysql' is not known; expected one of postgres, clickhouse, elasticsearch, s3, redis",
        ),
        (
            lambda d: d["sources"][0]["config"]["meta"].update(store="clickhouse"),
            "a source of clickhouse is named toy_clickhouse in this world",
        ),
        (
            lambda d: meta(d).pop("access"),
            "toy: exactly one table declares access, found 0; say it in models/toy",
        ),
        (
            lambda d: meta(d, 1).update(subject={"contributor_id": "id"}, access=meta(d)["access"]),
            f"{NOTES}: access.column status is none of its columns with the rule keep",
        ),
        (lambda d: meta(d)["access"].pop("active"), f"{PEOPLE}: access.active: is missing"),
        (
            lambda d: meta(d)["access"].update(column="email"),
            "access.column email is none of its columns with",
        ),
        (lambda d: meta(d)["access"].update(revoked="on"), "access.active and access.revoked are the same"),
        (lambda d: table(d).update(name="people:x"), "a name has letters, digits and underscores only"),
        (lambda d: table(d)["columns"][0].update(name="e\nmail"), "'e\\nmail' is no name of a column"),
        (
            lambda d: meta(d).update(subject={"email": "email"}),
            "the table that declares access needs a subject with a contributor_id",
        ),
        (
            lambda d: meta(d, 1)["subject"]["via"].update(table="nobody"),
            f"{NOTES}: via.table nobody is no table of toy_postgres that is masked",
        ),
        (
            lambda d: meta(d, 1)["subject"]["via"].update(table="notes"),
            f"{NOTES}: via leads in a circle, back to notes",
        ),
        (
            lambda d: meta(d, 1)["subject"]["via"].update(parent_column="nr"),
            f"{NOTES}: via.parent_column nr is no column of people",
        ),
        (
            lambda d: table(d, 1).update(identifier="people"),
            f"{PEOPLE}: people is declared by toy.yml: toy_postgres.notes already",
        ),
    ],
)
def test_every_wrong_line_is_named_with_its_file_and_what_was_expected(
    spoil: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    document = deepcopy(GOOD)
    spoil(document)
    with pytest.raises(BadInput) as refused:
        read(document)
    assert sentence in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (with_object("elasticsearch", {}), "toy_elasticsearch.thing: needs index"),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("a.email")),
            "thing.a.email: needs owner, the path of the contributor id",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("b[].email", owner="a[].id")),
            "thing.b[].email: its owner must stand in the same object or element, or in one around it",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("a..email", owner="a..id")),
            "'a..email' is no path such as latest.email or list[].email",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("emails[]", owner="id")),
            "'emails[]' is no path",
        ),
        (
            with_object(
                "elasticsearch", {"index": "d"}, ruled("b.x", owner="b.id"), ruled("b[].x", owner="b[].id")
            ),
            "thing.b[].x: is the same field as b.x",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("b[].email", owner="b.id")),
            "thing.b[].email: its owner b.id marks other arrays with [] than the field itself",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("b[].name", email="c[].email")),
            "thing.b[].name: its email must stand in the same object or element",
        ),
        (
            with_object("elasticsearch", {"index": "d-*"}, ruled("ip", rule="delete", owner="id")),
            "thing.ip: delete is for whole documents",
        ),
        (
            with_object("elasticsearch", {"index": "d-*", "rule": "delete"}),
            "thing: has the rule delete, and so needs a subject",
        ),
        (
            with_object("elasticsearch", {"index": "d-*", "rule": "clear", "subject": {"email": "email"}}),
            "thing: rule clear is for fields; documents as a whole know delete",
        ),
        (
            with_object(
                "elasticsearch",
                {"index": "d-*", "rule": "delete", "subject": {"contributor_id": "id"}},
                ruled("email"),
            ),
            "thing: has the rule delete, so that no field of it needs a rule",
        ),
        (
            with_object("elasticsearch", {"index": "d-*", "subject": {"email": "users[].email"}}),
            "thing: subject: users[].email leads into an array",
        ),
        (
            with_object(
                "elasticsearch",
                {"index": "d-*", "subject": {"via": {"table": "a", "column": "b", "parent_column": "c"}}},
            ),
            "thing: via is for tables",
        ),
        (with_object("s3", {"rule": "delete"}), "toy_s3.thing: needs key"),
        (with_object("s3", {"key": "a/{contributor_id}/"}), "toy_s3.thing: needs rule; s3 can do delete"),
        (
            with_object("s3", {"key": "a/{contributor}/", "rule": "delete"}),
            "key has braces for something other",
        ),
        (with_object("s3", {"key": "all/", "rule": "delete"}), "needs a key with {contributor_id}"),
        (with_object("s3", {"key": "a/{contributor_id}/*", "rule": "delete"}), "key has a *, which S3 takes"),
        (
            with_object("s3", {"key": "a/{contributor_id}/", "rule": "constant"}),
            "thing: rule constant is for columns of rows; an object as a whole knows delete",
        ),
        (
            with_object("s3", {"key": "a/{contributor_id}/", "rule": "delte"}),
            "rule 'delte' is not known; expected one of",
        ),
        (
            with_object("s3", {"key": "a/{contributor_id}/", "rule": "delete"}, ruled("x", rule="delete")),
            "thing.x: s3 has no columns",
        ),
        (
            with_object("redis", {"key": "a:*", "rule": "delete"}),
            "needs {contributor_id} or {email} in its key, members, or",
        ),
        (
            with_object("redis", {"key": "a:{contributor_id}:{contributor_id}", "rule": "delete"}),
            "key has braces for something other than one {contributor_id}",
        ),
        (
            with_object("redis", {"key": "a:{contributor_id}*", "rule": "delete"}),
            "key has a * right behind {contributor_id}",
        ),
        (
            with_object("redis", {"key": "a", "members": "names", "rule": "delete"}),
            "members are one of contributor_id, email, value",
        ),
        (
            with_object("redis", {"key": "a:{email}", "members": "email", "rule": "delete"}),
            "name the owner twice; leave one",
        ),
        (
            with_object("redis", {"key": "a:{email}"}),
            "needs rule: delete, or columns with rules",
        ),
        (
            with_object("redis", {"key": "a:{email}", "rule": "unique"}),
            "unique stands at a column",
        ),
        (
            with_object("redis", {"key": "a:{email}", "rule": "delete"}, ruled("x", rule="constant")),
            "has both a rule for whole records and columns",
        ),
        (
            with_object("redis", {"key": "a:{email}"}, ruled("$", rule="clear")),
            "a whole value cannot be cleared",
        ),
        (
            with_object("redis", {"key": "a:*", "subject": {"email": "e[].x"}}, ruled("x", rule="hash")),
            "leads into a list",
        ),
        (
            with_object("redis", {"key": "a:{email}", "rule": "delete", "db": -1}),
            "db: Input should be greater than or equal to 0",
        ),
        (
            with_object("redis", {"key": "a:*:*", "subject": {"email": "e"}, "index": "i", "rule": "delete"}),
            "an index needs {contributor_id}, and its key one *",
        ),
        (
            with_object("redis", {"key": "a:{contributor_id}", "rule": "delete", "ends_access": "yes"}),
            "ends_access: expected true or false",
        ),
        (
            with_object("redis", {"key": 5, "rule": "delete"}),
            "toy_redis.thing: key: expected a text, in quotes where YAML",
        ),
        (
            with_object("mongo", {"key": "x"}),
            "store 'mongo' is not known",
        ),
    ],
)
def test_what_a_store_cannot_do_or_find_is_named(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(document)
    assert sentence in str(refused.value)


def test_two_objects_of_a_store_are_not_of_one_place() -> None:
    document = with_object("redis", {"key": "a:{contributor_id}", "rule": "delete"})
    tables = document["sources"][1]["tables"]
    tables.append({**deepcopy(tables[0]), "name": "other"})
    with pytest.raises(BadInput) as refused:
        read(document)
    assert "toy_redis.thing: a:{contributor_id} is declared by toy.yml: toy_redis.other already" in str(
        refused.value
    )


def test_a_source_in_the_folder_of_a_world_is_never_overlooked() -> None:
    """Nor one of another world taken for its own, whose name begins alike."""
    document = deepcopy(GOOD)
    stray = {**deepcopy(GOOD)["sources"][0], "name": "toys_postgres"}
    sources = manifest_sources(document, path="models/toy/inventory/a.yml") | manifest_sources(
        {"sources": [stray]}, path="models/toys/inventory/a.yml"
    )
    assert {item.source for item in read_inventory(sources, world="toy").objects} == {"toy_postgres"}
    sources |= manifest_sources({"sources": [stray]}, path="models/toy/inventory/b.yml")
    with pytest.raises(BadInput, match="a source of postgres is named toy_postgres in this world"):
        read_inventory(sources, world="toy")


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["*", "{contributor_id}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(
    ["subject", "primary_key", "access", "waived", "index", "key", "rule", "members", "ends_access", "store"]
)
subjects = st.dictionaries(st.sampled_from(["contributor_id", "email", "via"]), json, max_size=3)


@given(
    store=st.sampled_from(ALL_STORES),
    declared=st.dictionaries(keys | st.text(max_size=4), json | subjects, max_size=5) | json,
    columns=st.dictionaries(
        st.text(max_size=5),
        st.dictionaries(
            st.sampled_from(["rule", "reason", "owner"]), json | st.sampled_from(Rule), max_size=3
        )
        | json,
        max_size=3,
    ),
)
@example(store="postgres", declared={"subject": {"via": "x"}}, columns={})
def test_any_declaration_is_an_inventory_or_bad_input(
    store: str, declared: Any, columns: dict[str, Any]
) -> None:
    document = with_object(
        store, declared, *({"name": name, "config": {"meta": said}} for name, said in columns.items())
    )
    document["sources"][1]["tables"][0]["name"] = "thing"
    try:
        inventory = read(document)
    except BadInput as refused:
        assert refused.problems
        assert all(problem.startswith(("toy.yml: ", "toy: ")) for problem in refused.problems)
    else:
        for item in inventory.objects:
            assert item.waived is None or item.waived.strip()
            assert all(field.rule is not Rule.KEEP or field.reason for field in item.fields)


steps = st.text("ab_-1", min_size=1, max_size=3)


@given(st.lists(st.tuples(steps, st.booleans()), max_size=3), steps, steps)
def test_every_path_whose_owner_stands_beside_it_is_accepted(
    above: list[tuple[str, bool]], leaf: str, owner: str
) -> None:
    parent = "".join(f"{step}{'[]' if array else ''}." for step, array in above)
    document = with_object("elasticsearch", {"index": "d-*"}, ruled(parent + leaf, owner=parent + owner))
    (item,) = read(document).of("elasticsearch")
    assert [(field.name, field.owner) for field in item.fields] == [(parent + leaf, parent + owner)]


def test_all_wrong_lines_are_told_at_once() -> None:
    document = deepcopy(GOOD)
    table(document)["config"]["meta"].pop("primary_key")
    table(document, 1)["config"]["meta"].pop("subject")
    with pytest.raises(BadInput) as refused:
        read(document)
    assert len(refused.value.problems) == 2


def test_a_world_without_a_source_is_refused() -> None:
    with pytest.raises(BadInput, match="no source named venus_<store>"):
        read_inventory(manifest_sources(GOOD), world="venus")


def test_delete_belongs_to_records_and_never_to_a_field_of_kepler() -> None:
    fields = [field for item in kepler_inventory().objects for field in item.fields]
    assert all(field.rule is not Rule.DELETE for field in fields)
