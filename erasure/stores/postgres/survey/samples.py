"""Made-up values before and after a rule, and expressions of the catalog evaluated with them.

A constraint's expression is asked about a value of nobody, in a select of its own: no row of a table is read for it.
Add here: what another rule makes of a value.
Keep out: what follows from an answer (`checks.py`, `uniqueness.py`, `partitions.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from erasure.ledger.database import Connection
from erasure.rules import MASK
from erasure.stores.postgres.survey.catalog import Column, Table


@dataclass(frozen=True, kw_only=True)
class Sample:
    """`after` is what a rule makes of `before`; `before` is None where a rule makes the same of any value."""

    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """An expression that the engine would not evaluate; the SQLSTATE says why, and nothing else does."""

    sqlstate: str


# Two people, for what a rule makes of each of them: one id begins where the other ends.
_IDS: Mapping[str, tuple[str, str]] = {
    "uuid": ("00000000-0000-4000-8000-00000000000a", "ffffffff-ffff-4fff-bfff-fffffffffff5"),
    "int2": ("1", "32767"),
    "int4": ("1", "2147483647"),
    "int8": ("1", "9223372036854775807"),
}
_OTHER_IDS = ("a1", "z9")
_HASHES = (f"{MASK}-{'0a' * 16}", f"{MASK}-{'f5' * 16}")
_ADDRESSES = (("192.0.2.77", "192.0.2.0"), ("2001:db8:1:2::3", "2001:db8:1::"))
_NETWORKS = (("192.0.2.77/32", "192.0.2.0/24"), ("2001:db8:1:2::3/128", "2001:db8:1::/48"))
_NO_ADDRESS = ("no address", MASK)
# Around a limit in the middle of a year, dates before it may keep a constraint that the first of January breaks.
_YEARS = range(1900, 2101)
_LATE_IN_A_YEAR = "12-31"


def samples(table: Table, column: Column) -> tuple[Sample, ...]:
    """What its rule may write into a ruled column, for people and values that stand for all others.

    Of a key within JSON nothing, for nobody knows the rest of the document.
    """
    field = table.field(column.name)
    made = _of_values(table, column, str(field.rule))
    if field.elements:
        return tuple(
            Sample(before=_array(sample.before), after=_array(sample.after) or "{NULL}") for sample in made
        )
    return () if field.path else made


def _array(value: str | None) -> str | None:
    return None if value is None else f'{{"{value}"}}'


def _of_values(table: Table, column: Column, rule: str) -> tuple[Sample, ...]:
    if rule == "clear":
        return (Sample(before=None, after=None),)
    if rule == "unique":
        owner = table.columns.get(table.item.subject.contributor_id or "")
        ids = _IDS.get(owner.base, _OTHER_IDS) if owner else _OTHER_IDS
        return tuple(Sample(before=None, after=f"{MASK}-{name}") for name in ids)
    if rule == "hash":
        return tuple(Sample(before=None, after=value) for value in _HASHES)
    if rule == "truncate_ip":
        known = _NETWORKS if column.base == "cidr" else _ADDRESSES
        pairs = (*known, _NO_ADDRESS) if column.is_text else known
        return tuple(Sample(before=before, after=after) for before, after in pairs)
    if rule == "coarsen_date":
        dates = [Sample(before=f"{year}-{_LATE_IN_A_YEAR}", after=f"{year}-01-01") for year in _YEARS]
        return (*dates, Sample(before="no date", after=MASK)) if column.is_text else tuple(dates)
    return (Sample(before=None, after=MASK),)


def evaluated(
    connection: Connection,
    expression: str,
    *,
    name: str,
    type_name: str,
    values: Sequence[str | None],
) -> list[Any]:
    """What an expression of the catalog over one column says of each value, as text; Unknown where it is refused.

    `name` is what the expression calls the column; `expression` and `type_name` are PostgreSQL's own text of them.
    """
    try:
        with connection.transaction():
            return _ask(connection, expression, name, type_name, values)
    except psycopg.Error as error:
        if len(values) == 1:
            return [Unknown(sqlstate=error.sqlstate or "unknown")]
    # One of them is refused: which, only asking one by one tells.
    return [
        answer
        for value in values
        for answer in evaluated(connection, expression, name=name, type_name=type_name, values=[value])
    ]


def _ask(
    connection: Connection, expression: str, name: str, type_name: str, values: Sequence[str | None]
) -> list[Any]:
    # Values as literals: with parameters beside them, a percent sign in a name or an expression would be one too.
    query = sql.SQL(
        "select ({expression})::text as answer from ("
        "select made_up.value::{type} as {name}, made_up.position as position_of_sample"
        " from unnest({values}::text[]) with ordinality as made_up (value, position)"
        ") as record order by position_of_sample"
    ).format(
        expression=sql.SQL(expression),
        type=sql.SQL(type_name),
        name=sql.Identifier(name),
        values=sql.Literal(list(values)),
    )
    return [row["answer"] for row in connection.execute(query).fetchall()]


def passes(answer: Any) -> bool:
    """True or NULL, and no error."""
    return answer is None or answer in {"true", "t"}
