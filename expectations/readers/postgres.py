"""Reads PostgreSQL: counts in SQL over two temporary tables, free text streamed and judged in Python.

Holds: `read_postgres`, `read_postgres_controls`.
Add here: what is particular to PostgreSQL in the reading.
Keep out: the predicates (`sql.py`), values of persons in the text of a statement.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from erasure.controls import CELLS_OF_A_TABLE, Figures
from erasure.inventory import Field, Inventory, InventoryObject
from erasure.rules import Rule
from erasure.settings import Settings
from expectations.readers.base import FieldReading, Tally, VerifiedBatch, judged_places, place
from expectations.readers.connections import postgres_connection, postgres_errors
from expectations.readers.free_text import TextJudge
from expectations.readers.sql import (
    Dialect,
    closed_form,
    control_statement,
    count_statement,
    parent_of,
    readings_of,
    record_reading,
    record_statement,
    table,
    text_of,
)

if TYPE_CHECKING:
    import psycopg

_FETCHED_AT_ONCE = 2_000
_DIGEST = "hashtextextended(cast(r as text), 0)"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _within(column: str, path: Sequence[str]) -> str:
    return f"(cast({column} as jsonb) #>> array[{_texts(path)}])"


def _every_within(column: str, path: Sequence[str], form: Callable[[str], str]) -> str:
    """A value within JSON in a form; of an array there, each element."""
    at, text = f"(cast({column} as jsonb) #> array[{_texts(path)}])", _within(column, path)
    elements = f"select 1 from jsonb_array_elements_text({at}) as each_of (e) where not ({form('e')})"
    return f"case when jsonb_typeof({at}) = 'array' then not exists ({elements}) else {form(text)} end"


def _texts(path: Sequence[str]) -> str:
    return ", ".join("'" + step.replace("'", "''") + "'" for step in path)


_DIALECT = Dialect(
    ids="pg_temp.verified_ids",
    emails="pg_temp.verified_emails",
    quoted=_quoted,
    text=lambda value: f"cast({value} as text)",
    # Under the collation C only ASCII letters have another case.
    normalised=lambda text: f"""lower(btrim({text}, E' \\t\\n\\r\\x0b\\x0c') collate "C")""",
    matches=lambda text, pattern: f"({text} ~ '{pattern}')",
    joined=lambda array: f"array_to_string({array}, chr(10))",
    every=lambda array, form: (
        f"not exists (select 1 from unnest({array}) as each_of (e) where not ({form('e')}))"
    ),
    within=_within,
    every_within=_every_within,
)


def read_postgres(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every ruled field of every table, in one snapshot that changes nothing."""
    judged = set(judged_places(inventory, "postgres", batch))
    readings: list[FieldReading] = []
    with _snapshot(settings, batch) as connection:
        for item in inventory.of("postgres"):
            fields = [field for field in item.ruled_fields if place(item.name, field.label) in judged]
            counted = [field for field in fields if field.rule is not Rule.SCRUB_TEXT]
            texts = [field for field in fields if field.rule is Rule.SCRUB_TEXT]
            with postgres_errors(item.name):
                if item.rule is Rule.DELETE:
                    cursor = connection.execute(record_statement(item, inventory, _DIALECT).encode())
                    readings.append(record_reading(item, next(iter(cursor))[0]))
                readings += _count(connection, item, counted, inventory) if counted else []
                readings += _judge_texts(connection, item, texts, inventory, batch) if texts else []
    return readings


def read_postgres_controls(
    settings: Settings, inventory: Inventory, batch: VerifiedBatch, reports: Mapping[str, str]
) -> dict[str, Figures]:
    """The control records of every table, and the rows of every report (name -> its select), in one snapshot."""
    figures: dict[str, Figures] = {}
    with _snapshot(settings, batch) as connection:
        # How a value is written as text must not depend on the server's settings of the moment.
        connection.execute("set local intervalstyle = 'postgres'; set local bytea_output = 'hex'")
        connection.execute("set local extra_float_digits = 1")
        for item in inventory.registered("postgres"):
            digests = control_statement(item, inventory, _DIALECT, _DIGEST)
            with postgres_errors(item.name):
                cell = f"digest & {CELLS_OF_A_TABLE - 1}"
                figures[item.name] = _figures(connection, cell, digests)
        for name, select in reports.items():
            with postgres_errors(name):
                figures[name] = _figures(
                    connection, "digest", f"select {_DIGEST} as digest from ({select}) r"
                )
    return figures


def _figures(connection: "psycopg.Connection[Any]", cell: str, digests: str) -> Figures:
    statement = f"select {cell} as cell, count(*), sum(digest) from ({digests}) digests group by cell"
    return {str(cell): (number, str(total)) for cell, number, total in connection.execute(statement.encode())}


@contextmanager
def _snapshot(settings: Settings, batch: VerifiedBatch) -> "Iterator[psycopg.Connection[Any]]":
    """A connection that sees one state and changes none, with the batch in two temporary tables."""
    import psycopg

    with postgres_connection(settings) as connection:
        _load(connection, "verified_ids", "id", batch.contributor_ids)
        _load(connection, "verified_emails", "email", batch.emails)
        # Of a moment the year is that of UTC.
        connection.execute("set timezone to 'UTC'")
        # Of many thousands no hash table is made within the default, and each row is held against all of them.
        connection.execute("set work_mem = '256MB'")
        connection.autocommit = False
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        yield connection


def _load(connection: "psycopg.Connection[Any]", name: str, column: str, values: Iterable[str]) -> None:
    # By COPY: parameters of statements can end up in the server's log. Never analyzed either: statistics
    # would put values into a catalog table.
    connection.execute(f"create temporary table {name} ({column} text not null)".encode())
    with connection.cursor().copy(f"copy pg_temp.{name} ({column}) from stdin".encode()) as copy:
        for value in values:
            copy.write_row([value])


def _count(
    connection: "psycopg.Connection[Any]",
    item: InventoryObject,
    fields: Sequence[Field],
    inventory: Inventory,
) -> list[FieldReading]:
    cursor = connection.execute(count_statement(item, fields, inventory, _DIALECT).encode())
    return readings_of(item, fields, next(iter(cursor)))


def _judge_texts(
    connection: "psycopg.Connection[Any]",
    item: InventoryObject,
    fields: Sequence[Field],
    inventory: Inventory,
    batch: VerifiedBatch,
) -> list[FieldReading]:
    judge, records = TextJudge(batch), 0
    tallies = [Tally() for _ in fields]
    with connection.cursor(name="verified_texts") as cursor:
        cursor.itersize = _FETCHED_AT_ONCE
        cursor.execute(_text_statement(item, fields, inventory).encode())
        for contributor_id, email, *texts in cursor:
            records += 1
            for tally, text in zip(tallies, texts, strict=True):
                masked = None if text is None else judge.is_masked(text, contributor_id, email)
                tally.masked += masked is True
                tally.survivors += masked is False
    return [tally.reading(item, field.label, records) for tally, field in zip(tallies, fields, strict=True)]


def _text_statement(item: InventoryObject, fields: Sequence[Field], inventory: Inventory) -> str:
    chain = [("r", item)]
    joins = ""
    while via := chain[-1][1].subject.via:
        child, alias = chain[-1][0], f"up{len(chain)}"
        parent = parent_of(chain[-1][1], inventory)
        match = f"{alias}.{_quoted(via.parent_column)} = {child}.{_quoted(via.column)}"
        joins += f" left join {table(parent, _DIALECT)} {alias} on {match}"
        chain.append((alias, parent))
    owner = _nearest(chain, lambda one: one.subject.contributor_id)
    email = _nearest(chain, lambda one: one.subject.email)
    texts = ", ".join(text_of(field, _DIALECT) for field in fields)
    where = closed_form(item, inventory, _DIALECT)
    return f"select {owner}, {email}, {texts} from {table(item, _DIALECT)} r{joins} where {where}"


def _nearest(
    chain: list[tuple[str, InventoryObject]], column: Callable[[InventoryObject], str | None]
) -> str:
    # The record's own subject counts before its parent's.
    named = [(alias, column(one)) for alias, one in chain]
    known = [_DIALECT.text(f"{alias}.{_quoted(name)}") for alias, name in named if name]
    return f"coalesce({', '.join(known)})" if known else "cast(null as text)"
