"""One table in a database of its own, and what the survey says of it: for the tests of PostgreSQL's catalogs.

Holds: `Ground`, which makes a table, surveys it under rules, and masks it as the engine would be asked to.
Add here: a step that several modules of these tests take.
Keep out: cases; each test module has a table of its own.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
import pytest
from psycopg import sql
from pydantic import SecretStr

from dagster_defs.dbt_models import DbtProject
from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import Person, Rule, apply
from erasure.settings import Settings
from erasure.stores.base import Survey
from erasure.stores.postgres.store import PostgresStore
from sandbox.supervisor import Sandbox
from tests.contract.sql_world import settings_of

FILE = "dbt_project/models/kepler/inventory/postgres.yml"
ANN, BOB = (str(uuid.UUID(int=number << 120 | 0x4000_8000_000000000000)) for number in (1, 2))


@dataclass(frozen=True, kw_only=True)
class Names:
    """How a case calls its things: each is written once plainly, and once in capitals, blanks and quotes."""

    schema: str
    table: str
    id: str
    value: str
    other: str

    def sql(self, template: str) -> str:
        """A template with `{s}`, `{t}` (schema and table), `{id}`, `{v}` and `{o}` as quoted identifiers."""
        quoted = {
            "s": sql.Identifier(self.schema),
            "t": sql.Identifier(self.schema, self.table),
            "p": sql.Identifier(self.schema, f"{self.table}_part"),
            "id": sql.Identifier(self.id),
            "v": sql.Identifier(self.value),
            "o": sql.Identifier(self.other),
        }
        return template.format(**{name: identifier.as_string() for name, identifier in quoted.items()})


NAMES = (
    Names(schema="surveyed", table="people", id="contributor_id", value="email", other="kind"),
    Names(schema="Odd World", table='The "People"', id="Id of It", value="eMail %", other="{Kind}"),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A table, the rule of its column, and what is said; nothing is, where `says` is empty.

    table: what stands between the parentheses, behind which `more` runs. values: of Ann's row and of Bob's.
    certain: whether the engine itself takes or refuses the masked rows just as the survey says.
    """

    table: str
    rule: str = "constant"
    says: str = ""
    notice: str = ""
    more: tuple[str, ...] = ()
    values: tuple[Any, ...] = ("ann@example.com", "bob@example.com")
    certain: bool = True
    elements: bool = False
    path: tuple[str, ...] = ()
    object_rule: Rule | None = None


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A database, and the user of the product in it, who owns it."""

    settings: Settings
    raw: psycopg.Connection[tuple[Any, ...]]
    admin_dsn: str = field(repr=False)

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.raw.execute(statement.encode())

    def as_admin(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The superuser, in the same database."""
        return psycopg.connect(self.admin_dsn, dbname=self.settings.database.database, autocommit=True)

    def make(self, names: Names, case: Case) -> None:
        """The schema with the case's table alone."""
        self.run(
            names.sql("drop schema if exists {s} cascade"),
            names.sql("create schema {s}"),
            names.sql("set search_path to {s}"),
            names.sql("create table {t} (" + case.table + ")"),
            *(names.sql(statement) for statement in case.more),
        )

    def item(
        self,
        names: Names,
        rules: Mapping[str, str],
        *,
        subject: Subject | None = None,
        rule: Rule | None = None,
    ) -> InventoryObject:
        """The inventory's object for the table: these rules, and keep for every other column."""
        found = self.raw.execute(
            "select attname::text from pg_attribute inner join pg_class on attrelid = pg_class.oid"
            " where relnamespace = %s::regnamespace and relname = %s and attnum > 0 and not attisdropped",
            (sql.Identifier(names.schema).as_string(), names.table),
        ).fetchall()
        fields = [
            Field(name=name, rule=Rule(rules[name])) if name in rules else Field(name=name, rule=Rule.KEEP)
            for (name,) in found
            if name != names.id
        ]
        return InventoryObject(
            store="postgres",
            name="people",
            source="kepler_postgres",
            schema=names.schema,
            location=names.table,
            subject=subject or Subject(contributor_id=names.id),
            primary_key=(names.id,),
            fields=tuple(fields),
            rule=rule,
        )

    def store(self, *items: InventoryObject, settings: Settings | None = None) -> PostgresStore:
        used = settings or self.settings
        return PostgresStore(
            settings=used.database, world="kepler", registered=items, objects=items, models=DbtProject(used)
        )

    def survey(self, names: Names, case: Case) -> Survey:
        """What is said of the case's table, other tables of its schema left aside."""
        item = self.item(names, {names.value: case.rule}, rule=case.object_rule)
        fields = (
            replace(field, elements=case.elements, path=case.path) if field.name == names.value else field
            for field in item.fields
        )
        item = replace(item, fields=tuple(fields))
        said = self.store(item).survey()
        return Survey(
            problems=tuple(line for line in said.problems if "is not in the inventory" not in line),
            notices=said.notices,
        )

    def masks(self, names: Names, case: Case) -> bool:
        """Whether the engine takes the masked rows; they are rolled back."""
        ids = (ANN, BOB, ANN)
        insert = names.sql("insert into {t} ({id}, {v}) values (%s, %s)").replace("eMail %", "eMail %%")
        update = names.sql("update {t} set {v} = %s where {id} = %s and {v} = %s").replace(
            "eMail %", "eMail %%"
        )
        connection = self.raw
        with connection.transaction(force_rollback=True):
            for owner, value in zip(ids, case.values, strict=False):
                connection.execute(insert.encode(), (owner, value))
            try:
                for owner, value in zip(ids, case.values, strict=False):
                    masked = apply(
                        Rule(case.rule), str(value), Person(contributor_id=owner, salt=f"made up for {owner}")
                    )
                    connection.execute(update.encode(), (masked, owner, value))
                return True
            except psycopg.Error:
                return False


@pytest.fixture(scope="module")
def survey_ground(sandbox: Sandbox) -> Iterator[Ground]:
    """A database of its own, gone at the end."""
    config = sandbox.config
    database = f"survey_{uuid.uuid4().hex[:12]}"
    settings = settings_of(config, database)
    with psycopg.connect(config.postgres_admin_dsn, autocommit=True) as admin:
        admin.execute(f"create database {database} owner {config.postgres_user}".encode())
        try:
            dsn = config.postgres_dsn.replace(f"dbname={config.postgres_database}", f"dbname={database}")
            with psycopg.connect(dsn, autocommit=True) as raw:
                yield Ground(
                    settings=settings,
                    raw=raw,
                    admin_dsn=config.postgres_admin_dsn,
                )
        finally:
            admin.execute(f"drop database {database} with (force)".encode())


def require(said: Survey, case: Case, names: Names, *, beside: Sequence[str] = ()) -> None:
    """Exactly what the case says: one problem or none, one notice or none."""
    problems = [case.says] if case.says else []
    notices = [case.notice] if case.notice else []
    for found, wanted in ((said.problems, problems), (said.notices, notices)):
        assert len(found) == len(wanted), found
        for sentence, part in zip(found, wanted, strict=True):
            assert _named(part, names) in sentence
            assert sentence.startswith("postgres: ")
            assert f"{names.schema}.{names.table}" in sentence
    for part in beside:
        assert all(part in sentence for sentence in said.problems)


def _named(part: str, names: Names) -> str:
    for short, long in (("<t>", names.table), ("<id>", names.id), ("<v>", names.value), ("<o>", names.other)):
        part = part.replace(short, long)
    return part


@contextmanager
def settings_for(ground: Ground, role: str) -> Iterator[Settings]:
    """The product as another role of the server, which is gone afterwards."""
    password = uuid.uuid4().hex
    database = ground.settings.database
    with ground.as_admin() as admin:
        admin.execute(
            sql.SQL("create role {} login password {}").format(sql.Identifier(role), sql.Literal(password))
        )
        try:
            section = database.model_copy(update={"username": role, "password": SecretStr(password)})
            yield ground.settings.model_copy(update={"database": section})
        finally:
            admin.execute(sql.SQL("drop owned by {}").format(sql.Identifier(role)))
            admin.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
