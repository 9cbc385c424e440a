"""PostgreSQL's columns and checks against their rules: what could not be written is told before anything is counted.

Holds: types, lengths, NOT NULL, CHECK of tables and domains, what PostgreSQL writes itself, rights.
Add here: a case of a single column.
Keep out: what lies between rows and tables (`test_postgres_survey_relations.py`).
"""

import pytest
from psycopg import sql

from erasure.stores.base import Survey
from tests.contract.postgres_survey_support import FILE, NAMES, Case, Ground, Names, require, settings_for

ID = "{id} uuid primary key"
WELL = tuple(
    Case(table=f"{ID}, {{v}} {column}", rule=rule, values=values)
    for rule, column, values in (
        ("constant", "text", ("a", "b")),
        ("constant", "varchar(12)", ("a", "b")),
        ("constant", "char(20)", ("a", "b")),
        ("constant", "text not null check (length({v}) <= 12)", ("a", "b")),
        ("constant", "text check ({v} !~ '^deleted')", ("a", "b")),
        ("unique", "varchar(49)", ("a", "b")),
        ("unique", "text check ({v} ~~ 'DELETED%' or {v} ~~ '%@%')", ("a@b", "b@c")),
        ("hash", "varchar(45)", ("a", "b")),
        ("hash", "text check ({v} !~ '@')", ("a", "b")),
        ("clear", "integer", (1, 2)),
        ("clear", "text check ({v} ~~ '%@%')", ("a@b", "b@c")),
        ("clear", "date[]", (["2001-01-01"], ["2001-01-02"])),
        ("truncate_ip", "varchar(15)", ("192.0.2.9", "192.0.2.10")),
        # What is no address cannot be there, so that the mask is never written.
        ("truncate_ip", "text check (pg_input_is_valid({v}, 'inet'))", ("192.0.2.9", "2001:db8::1")),
        ("coarsen_date", "date check ({v} < '2100-01-01')", ("1980-05-06", "1990-05-06")),
        ("scrub_text", "text check (length({v}) < 5000)", ("a", "b")),
    )
)
WRONG = tuple(
    Case(table=f"{ID}, {{v}} {column}", rule=rule, says=says, values=values)
    for rule, column, says, values in (
        ("constant", "varchar(11)", "is character varying(11), and its rule constant writes 12", ("a", "b")),
        ("constant", "char(5)", "is character(5), and its rule constant writes 12 characters", ("a", "b")),
        ("unique", "varchar(48)", "is character varying(48), and its rule unique writes 49", ("a", "b")),
        ("scrub_text", "varchar(9)", "is character varying(9), and its rule scrub_text writes 12", ()),
        ("truncate_ip", "varchar(11)", "and its rule truncate_ip writes 12", ("no address", "none")),
        (
            "hash",
            "varchar(44)",
            "is character varying(44), and its rule hash writes 45 characters",
            ("a", "b"),
        ),
        ("clear", "text not null", "is NOT NULL, and its rule clear writes NULL", ("a", "b")),
        ("constant", "integer", "is integer, which its rule constant cannot write (it can text)", (1, 2)),
        ("constant", "date", "is date, which its rule constant cannot write", ("2001-01-01", "2001-01-02")),
        ("unique", "uuid", "is uuid, which its rule unique cannot write", ()),
        ("scrub_text", "bytea", "is bytea, which its rule scrub_text cannot write", ()),
        (
            "constant",
            "text[]",
            "is text[], an array, which its rule constant cannot write as a whole; say `elements: true`",
            (["a"], ["b"]),
        ),
        ("truncate_ip", "macaddr", "cannot write (it can text, cidr, inet)", ()),
        ("coarsen_date", "integer", "cannot write (it can text, date, timestamp, timestamptz)", ()),
        (
            "constant",
            "text constraint c check ({v} ~~ '%@%')",
            "CHECK constraint c refuses what its rule constant",
            ("a@b", "b@c"),
        ),
        ("constant", "text constraint c check (length({v}) < 12)", "CHECK constraint c refuses", ("a", "b")),
        ("unique", "text constraint c check (length({v}) < 49)", "CHECK constraint c refuses", ("a", "b")),
        (
            "constant",
            "text constraint c check ({v}::integer > 0)",
            "cannot be evaluated with what its rule constant writes (SQLSTATE 22P02)",
            ("1", "2"),
        ),
        (
            "clear",
            "text constraint c check ({v} is not null)",
            "CHECK constraint c refuses what its rule clear",
            ("a", "b"),
        ),
        (
            "truncate_ip",
            "text constraint c check ({v} ~ '[1-9]$')",
            "CHECK constraint c refuses what its rule truncate_ip",
            ("192.0.2.9", "192.0.2.8"),
        ),
        (
            "coarsen_date",
            "date constraint c check (extract(day from {v}) > 1)",
            "CHECK constraint c refuses what its rule coarsen_date",
            ("1980-05-06", "1980-05-07"),
        ),
    )
)


@pytest.mark.parametrize("names", NAMES, ids=["plain", "quoted"])
@pytest.mark.parametrize("case", WELL, ids=lambda case: f"{case.rule} {case.table[24:]}")
def test_a_column_that_takes_what_its_rule_writes_is_not_complained_about(
    survey_ground: Ground, case: Case, names: Names
) -> None:
    survey_ground.make(names, case)
    assert survey_ground.survey(names, case) == Survey()
    assert survey_ground.masks(names, case)


@pytest.mark.parametrize("names", NAMES, ids=["plain", "quoted"])
@pytest.mark.parametrize("case", WRONG, ids=lambda case: f"{case.rule} {case.table[24:]}")
def test_a_column_that_does_not_take_what_its_rule_writes_is_named_with_the_file(
    survey_ground: Ground, case: Case, names: Names
) -> None:
    survey_ground.make(names, case)
    require(survey_ground.survey(names, case), case, names, beside=[FILE, f".{names.value}"])
    if case.values:
        assert not survey_ground.masks(names, case)


WITHIN = (
    Case(table=f"{ID}, {{v}} text[]", elements=True),
    Case(table=f"{ID}, {{v}} varchar(12)[] not null check (cardinality({{v}}) > 0)", elements=True),
    Case(table=f"{ID}, {{v}} date[] not null", rule="clear", elements=True),
    Case(
        table=f"{ID}, {{v}} varchar(11)[]", elements=True, says="and its rule constant writes 12 characters"
    ),
    Case(
        table=f"{ID}, {{v}} integer[]",
        elements=True,
        says="is integer[], which its rule constant cannot write",
    ),
    Case(table=f"{ID}, {{v}} text", elements=True, says="is text, and no array"),
    Case(
        table=f"{ID}, {{v}} text[] constraint c check ('DELETED_USER' <> all({{v}}))",
        elements=True,
        says="CHECK constraint c refuses what its rule constant writes",
    ),
    Case(table=f"{ID}, {{v}} jsonb not null", rule="clear", path=("who", "email")),
    Case(table=f"{ID}, {{v}} json", path=("email",)),
    Case(table=f"{ID}, {{v}} text", path=("who", "email"), says="within which there is no key who.email"),
    Case(
        table=f"{ID}, {{v}} jsonb constraint c check ({{v}} ->> 'email' ~~ '%@%')",
        path=("email",),
        notice="CHECK constraint c is over <v>, and masking changes <v>",
    ),
)


@pytest.mark.parametrize("names", NAMES, ids=["plain", "quoted"])
@pytest.mark.parametrize("case", WITHIN, ids=lambda case: case.table[24:])
def test_elements_of_arrays_and_keys_of_json_are_held_to_their_own_types(
    survey_ground: Ground, case: Case, names: Names
) -> None:
    survey_ground.make(names, case)
    require(survey_ground.survey(names, case), case, names)


DOMAINS = "create domain {s}.limited as varchar(10)", "create domain {s}.deep as {s}.limited not null"
OF_DOMAINS = (
    Case(
        table=f"{ID}, {{v}} text",
        more=("create domain {s}.d as text", "alter table {t} alter {v} type {s}.d"),
    ),
    Case(
        table=f"{ID}, {{v}} text",
        more=(*DOMAINS, "alter table {t} alter {v} type {s}.limited"),
        says="and its rule constant writes 12 characters",
        values=("a", "b"),
    ),
    Case(
        table=f"{ID}, {{v}} text",
        more=(*DOMAINS, "alter table {t} alter {v} type {s}.deep"),
        rule="clear",
        says="is NOT NULL",
        values=("a", "b"),
    ),
    Case(
        table=f"{ID}, {{v}} text",
        more=(
            "create domain {s}.mail as text constraint \"has At\" check (value ~~ '%@%')",
            "create domain {s}.mine as {s}.mail",
            "alter table {t} alter {v} type {s}.mine",
        ),
        says="CHECK constraint has At of domain ",
    ),
    Case(
        table=f"{ID}, {{v}} text",
        more=(
            "create type {s}.kind as enum ('a', 'DELETED_USER')",
            "alter table {t} alter {v} type {s}.kind using {v}::{s}.kind",
        ),
        says="which its rule constant cannot write",
        certain=False,
    ),
)


@pytest.mark.parametrize("names", NAMES, ids=["plain", "quoted"])
@pytest.mark.parametrize("case", OF_DOMAINS, ids=["free", "short", "not null", "checked", "enum"])
def test_a_domain_is_looked_through_down_to_its_type(survey_ground: Ground, case: Case, names: Names) -> None:
    survey_ground.make(names, case)
    require(survey_ground.survey(names, case), case, names)
    assert not case.certain or survey_ground.masks(names, case) is (case.says == "")


def test_a_check_over_several_columns_is_a_notice_that_names_it(survey_ground: Ground) -> None:
    case = Case(
        table=ID + ", {v} text, {o} text, constraint mixed check ({v} is null or {o} is null)",
        notice="CHECK constraint mixed is over <v>, <o>, and masking changes <v>",
    )
    for names in NAMES:
        survey_ground.make(names, case)
        require(survey_ground.survey(names, case), case, names)


def test_a_check_that_some_years_break_is_a_notice(survey_ground: Ground) -> None:
    case = Case(
        table=ID + ", {v} date constraint young check ({v} > '1950-06-01')",
        rule="coarsen_date",
        notice="CHECK constraint young refuses what its rule coarsen_date writes for the dates of some years",
    )
    survey_ground.make(NAMES[0], case)
    require(survey_ground.survey(NAMES[0], case), case, NAMES[0])


def test_a_text_that_may_grow_beyond_its_column_is_a_notice(survey_ground: Ground) -> None:
    case = Case(table=ID + ", {v} varchar(80)", rule="scrub_text", notice="scrub_text may make a text longer")
    survey_ground.make(NAMES[1], case)
    require(survey_ground.survey(NAMES[1], case), case, NAMES[1])


@pytest.mark.parametrize(
    ("id_type", "needed"), [("bigint", 33), ("varchar(8)", 21), ("text", 16), ("uuid", 49)]
)
def test_the_longest_id_that_there_can_be_has_room(survey_ground: Ground, id_type: str, needed: int) -> None:
    """Of a text nobody knows how long an id can be, so that the longest one there is counts."""
    names = NAMES[1]
    for length, says in ((needed - 1, f"its rule unique writes {needed} characters"), (needed, "")):
        case = Case(table=f"{{id}} {id_type} primary key, {{v}} varchar({length})", rule="unique", says=says)
        survey_ground.make(names, case)
        if id_type == "text":
            survey_ground.run(names.sql("insert into {t} ({id}) values ('x'), ('abc')"))
        require(survey_ground.survey(names, case), case, names)


@pytest.mark.parametrize(
    "column", ["text generated always as (upper({o})) stored", "integer generated always as identity"]
)
def test_what_postgresql_writes_itself_needs_no_rule(survey_ground: Ground, column: str) -> None:
    case = Case(
        table=f"{ID}, {{o}} text, {{v}} {column}", says="so PostgreSQL alone writes it", certain=False
    )
    for names in NAMES:
        survey_ground.make(names, case)
        require(survey_ground.survey(names, case), case, names, beside=["give it keep with that reason"])


def test_a_check_that_would_write_is_stopped_and_told(survey_ground: Ground) -> None:
    names = NAMES[0]
    survey_ground.make(
        names,
        Case(
            table=ID + ", {v} text",
            more=(
                "create table {s}.seen (what text)",
                "create function {s}.nosy(what text) returns boolean language sql as"
                " $$ insert into surveyed.seen values (what) returning true $$",
                "alter table {t} add constraint nosy check ({s}.nosy({v}))",
            ),
        ),
    )
    said = survey_ground.survey(names, Case(table=""))
    assert [line for line in said.problems if "nosy" in line and "SQLSTATE 25006" in line] == list(
        said.problems
    )
    assert len(said.problems) == 1
    assert survey_ground.raw.execute("select count(*) from surveyed.seen").fetchone() == (0,)


def test_rights_that_are_missing_are_told_by_column(survey_ground: Ground) -> None:
    names = NAMES[1]
    case = Case(table=ID + ", {v} text, {o} text")
    survey_ground.make(names, case)
    item = survey_ground.item(names, {names.value: "constant", names.other: "clear"})
    with settings_for(survey_ground, "role_of_the_survey") as settings:
        role = sql.Identifier("role_of_the_survey").as_string()
        survey_ground.run(names.sql("grant usage on schema {s} to ") + role)
        survey_ground.run(names.sql("grant select ({id}, {o}), update ({v}), maintain on {t} to ") + role)
        assert survey_ground.store(item, settings=settings).survey().problems == (
            f"postgres: column {names.schema}.{names.table}.{names.value} may not be read; "
            "grant [database] username SELECT on it",
            f"postgres: column {names.schema}.{names.table}.{names.other} may not be changed; "
            "grant [database] username UPDATE on it",
        )
        survey_ground.run(names.sql("revoke maintain on {t} from ") + role)
        survey_ground.run(names.sql("grant select, update on {t} to ") + role)
        assert survey_ground.store(item, settings=settings).survey().problems == (
            f"postgres: table {names.schema}.{names.table} may not be vacuumed; "
            "make [database] username its owner, or grant it MAINTAIN on it",
        )
        survey_ground.run(names.sql("grant maintain on {t} to ") + role)
        assert survey_ground.store(item, settings=settings).survey() == Survey()
        survey_ground.run(names.sql("revoke usage on schema {s} from ") + role)
        (problem,) = survey_ground.store(item, settings=settings).survey().problems
        assert problem.startswith(f"postgres: the user may not enter schema {names.schema}; grant")
