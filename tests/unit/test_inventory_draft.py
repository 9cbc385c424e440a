"""Drafting an inventory: what names and counted shapes decide, and that nothing harmful is ever drafted as `keep`."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from erasure.errors import BadInput
from erasure.inventory_draft.columns import REVIEW, decide, words
from erasure.inventory_draft.facts import ColumnFacts, Kind, Reference, Shape, TableFacts
from erasure.inventory_draft.tables import draft, people_of
from erasure.inventory_draft.text import inventory_yaml
from erasure.inventory_reading import read_inventory
from erasure.rules import Rule
from tests.inventory_fixtures import manifest_sources

PERSONAL_SHAPES = (Shape.EMAIL, Shape.HAS_EMAIL, Shape.IP, Shape.PHONE, Shape.IBAN)
PERSONAL = (
    "email",
    "contact_mail",
    "fullName",
    "LAST_NAME",
    "phone",
    "ip_address",
    "userAgent",
    "birth_date",
    "iban",
)
HARMLESS = ("created_at", "status", "currency", "amount", "version", "active")
names = st.one_of(
    st.text(min_size=1, max_size=20).filter(lambda name: "\0" not in name and "{" not in name),
    st.sampled_from([*PERSONAL, *HARMLESS, "title", "x_id", "created_by", "label", "status_email"]),
)


@st.composite
def columns(draw: st.DrawFn) -> ColumnFacts:
    sampled = draw(st.integers(0, 1_000))
    return ColumnFacts(
        name=draw(names),
        declared="text",
        kind=draw(st.sampled_from(Kind)),
        nullable=draw(st.booleans()),
        length=draw(st.one_of(st.none(), st.integers(1, 60))),
        unique=draw(st.booleans()),
        generated=draw(st.sampled_from([False, False, False, True])),
        sampled=sampled,
        shapes=draw(
            st.dictionaries(st.sampled_from(Shape), st.integers(1, sampled)) if sampled else st.just({})
        ),
    )


@given(column=columns(), alone=st.booleans())
def test_nothing_that_looks_like_somebodys_is_drafted_as_keep(column: ColumnFacts, alone: bool) -> None:
    decision = decide(column, person_is_unique=alone)
    assert decision.rule == REVIEW or decision.rule in set(Rule)
    assert decision.why
    if decision.rule == Rule.KEEP and not column.generated:
        assert not any(column.shapes.get(shape) for shape in PERSONAL_SHAPES)
        assert column.name not in PERSONAL


@given(column=columns(), alone=st.booleans())
def test_a_rule_that_the_column_could_not_take_is_left_to_a_person(column: ColumnFacts, alone: bool) -> None:
    decision = decide(column, person_is_unique=alone)
    if decision.rule in {REVIEW, Rule.KEEP}:
        return
    if decision.rule == Rule.CLEAR:
        assert column.nullable
    elif column.length is not None:
        needed = {Rule.HASH: 45, Rule.UNIQUE: 49}.get(Rule(decision.rule), 12)
        assert column.length >= needed
    if column.unique and decision.rule != Rule.CLEAR:
        assert decision.rule == (Rule.UNIQUE if alone else Rule.HASH)
    assert decision.elements is (column.kind is Kind.TEXTS and decision.rule != Rule.CLEAR)
    if decision.rule in {Rule.CONSTANT, Rule.UNIQUE, Rule.HASH, Rule.SCRUB_TEXT}:
        assert column.kind in {Kind.TEXT, Kind.TEXTS}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("email", Rule.CONSTANT),
        ("contactEmail", Rule.CONSTANT),
        ("E_MAIL", Rule.CONSTANT),
        ("first_name", Rule.CONSTANT),
        ("lastName", Rule.CONSTANT),
        ("mobile", Rule.CONSTANT),
        ("IBAN", Rule.CONSTANT),
        ("last_ip", Rule.TRUNCATE_IP),
        ("user_agent", Rule.CLEAR),
        ("home_address", Rule.CLEAR),
        ("resetToken", Rule.CLEAR),
        ("dob", Rule.COARSEN_DATE),
        ("internal_note", Rule.SCRUB_TEXT),
        ("name", REVIEW),
        ("title", REVIEW),
        ("recipe", REVIEW),
        ("mailing", REVIEW),
        ("country", REVIEW),
    ],
)
def test_names_are_read_by_their_words(name: str, rule: str) -> None:
    assert decide(ColumnFacts(name=name, declared="text", kind=Kind.TEXT), person_is_unique=True).rule == rule


@pytest.mark.parametrize(
    ("shape", "rule"),
    [
        (Shape.EMAIL, Rule.CONSTANT),
        (Shape.PHONE, Rule.CONSTANT),
        (Shape.IBAN, Rule.CONSTANT),
        (Shape.IP, Rule.TRUNCATE_IP),
        (Shape.UUID, REVIEW),
    ],
)
def test_where_the_name_says_nothing_most_values_do(shape: Shape, rule: str) -> None:
    def drafted(number: int) -> str:
        column = ColumnFacts(name="x", declared="text", kind=Kind.TEXT, sampled=10, shapes={shape: number})
        return decide(column, person_is_unique=True).rule

    assert (drafted(5), drafted(4)) == (rule, REVIEW)


def test_a_harmless_name_keeps_nothing_once_a_value_looks_like_somebodys() -> None:
    def drafted(**more: Any) -> str:
        column = ColumnFacts(name="status", declared="text", kind=Kind.TEXT, **more)
        return decide(column, person_is_unique=True).rule

    assert drafted(sampled=10) == Rule.KEEP
    assert drafted(sampled=0) == REVIEW
    assert drafted(sampled=10, shapes={Shape.HAS_EMAIL: 1}) == REVIEW


def test_the_words_of_a_name_are_found_however_they_are_joined() -> None:
    assert words("userEmailAddress") >= {"user", "email", "address"}
    assert words("IPAddress") >= {"ip", "address", "ipaddress"}
    assert "mail" not in words("gmailing")


# Tables


def column(name: str, kind: Kind = Kind.UUID, **more: Any) -> ColumnFacts:
    return ColumnFacts(name=name, declared=str(kind), kind=kind, **more)


ID = column("id")
WORKERS = TableFacts(
    name="workers", primary_key=("id",), columns=(ID, column("email", Kind.TEXT, unique=True, nullable=False))
)
VISITS = TableFacts(
    name="visits",
    primary_key=("id",),
    columns=(ID, column("worker"), column("ip", Kind.TEXT)),
    references=(Reference(column="worker", table="workers", parent_column="id"),),
)
PAGES = TableFacts(
    name="pages of visits",
    primary_key=("page",),
    columns=(column("page", Kind.NUMBER), column("visit"), column("what", Kind.TEXT)),
    references=(Reference(column="visit", table="visits", parent_column="id"),),
)
COLOURS = TableFacts(
    name="colours", primary_key=("code",), columns=(column("code"), column("hue", Kind.TEXT))
)
# Two people in a row: whose it is only a person can say.
REVIEWS = TableFacts(
    name="reviews",
    primary_key=("key",),
    columns=(column("key"), column("author"), column("reviewer")),
    references=(
        Reference(column="author", table="workers", parent_column="id"),
        Reference(column="reviewer", table="workers", parent_column="id"),
    ),
)
TABLES = (WORKERS, VISITS, PAGES, COLOURS)


def test_owners_are_found_along_the_foreign_keys() -> None:
    people = people_of(TABLES)
    assert people is not None and (people.table, people.column, people.id_form) == ("workers", "id", "uuid")
    found = {table.facts.name: table for table in draft((*TABLES[1:], REVIEWS, WORKERS), people)}
    assert found["workers"].contributor_id == "id" and found["workers"].columns["email"].rule == Rule.UNIQUE
    assert found["pages of visits"].via == PAGES.references[0]
    assert not found["reviews"].has_subject and not found["colours"].has_subject
    assert {d.rule for name in ("reviews", "colours") for d in found[name].columns.values()} == {REVIEW}


def yaml_of(*tables: TableFacts) -> Any:
    people = people_of(tables)
    text = inventory_yaml(
        draft(tables, people), world="drafted", store="postgres", schema="public", people=people
    )
    return yaml.safe_load(text)


def test_a_draft_is_refused_by_the_name_of_each_line_that_nobody_has_reviewed() -> None:
    with pytest.raises(BadInput) as refused:
        read_inventory(manifest_sources(yaml_of(*TABLES)), world="drafted")
    told = "\n".join(refused.value.problems)
    assert "drafted_postgres.pages_of_visits.what: rule 'REVIEW' is not known" in told
    assert "drafted_postgres.colours.hue: rule 'REVIEW' is not known" in told
    assert "visits.ip" not in told


@settings(max_examples=50)
@given(odd=st.lists(columns(), min_size=1, max_size=6, unique_by=lambda found: found.name), table=names)
def test_whatever_things_are_called_the_draft_is_yaml_that_names_them(
    odd: list[ColumnFacts], table: str
) -> None:
    facts = TableFacts(name=table, columns=tuple(odd), primary_key=(odd[0].name,))
    (drafted,) = draft([facts], None)
    (written,) = yaml_of(facts)["sources"][0]["tables"]
    assert written.get("identifier", written["name"]) == table
    assert [found["name"] for found in written.get("columns", [])] == list(drafted.columns)
    for found in written.get("columns", []):
        meta = found["config"]["meta"]
        assert meta["rule"] == drafted.columns[found["name"]].rule
        assert meta["rule"] != "keep" or meta["reason"]
        assert meta.get("elements", False) is drafted.columns[found["name"]].elements
