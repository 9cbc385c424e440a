"""Records of PostgreSQL that name a target and somebody else: a plan with one of them is refused.

Holds: `conflicts`.
Add here: another way in which one record can belong to two people.
Keep out: whose a record is (dbt macros), and the refusal itself (`erasure/plan.py`).
"""

from collections.abc import Sequence

from psycopg import sql

from erasure.inventory import InventoryObject
from erasure.ledger.database import Connection

_TARGETS = "(select contributor_id from erasure.targets where batch_id = %(batch)s and kind = 'contributor')"
# Whoever was erased before is nobody who could lose something.
_ERASED = "(select contributor_id from erasure.erased where restored_at is null)"
# The same normalisation as macros/subjects/normalised_email.sql; a test holds the two together.
_BY_EMAIL = (
    "select count(*) as number from {table} as record"
    " where record.{id} is not null and record.{id}::text not in "
    + _TARGETS
    + " and lower(btrim(record.{email}, e' \\t\\n\\r\\x0b\\x0c') collate \"C\") in"
    " (select value from erasure.targets where batch_id = %(batch)s and kind = 'email')"
)
# A parent that several children lead to, or a record that several parents lead to, such as an address of two people.
_BY_PARENT = (
    "select count(*) as number from {table} as record"
    " where record.{column} in"
    " (select parent.{parent_column} from {parent} as parent where parent.{id}::text in " + _TARGETS + ")"
    " and record.{column} in"
    " (select parent.{parent_column} from {parent} as parent where parent.{id} is not null"
    " and parent.{id}::text not in " + _TARGETS + " and parent.{id}::text not in " + _ERASED + ")"
)


def conflicts(
    connection: Connection, item: InventoryObject, registered: Sequence[InventoryObject], batch_id: str
) -> int:
    """How many records of a table belong to a target of the batch by one way, and by another to somebody else."""
    subject = item.subject
    names: dict[str, sql.Composable] = {"table": sql.Identifier(item.schema, item.location)}
    if subject.contributor_id and subject.email:
        names |= {"id": sql.Identifier(subject.contributor_id), "email": sql.Identifier(subject.email)}
        return _number(connection, _BY_EMAIL, names, batch_id)
    via = subject.via
    parent = next((other for other in registered if via and other.name == via.table), None)
    if via is None or parent is None or parent.subject.contributor_id is None:
        return 0
    names |= {
        "column": sql.Identifier(via.column),
        "parent": sql.Identifier(parent.schema, parent.location),
        "parent_column": sql.Identifier(via.parent_column),
        "id": sql.Identifier(parent.subject.contributor_id),
    }
    return _number(connection, _BY_PARENT, names, batch_id)


def _number(connection: Connection, query: str, names: dict[str, sql.Composable], batch_id: str) -> int:
    row = connection.execute(sql.SQL(query).format(**names), {"batch": batch_id}).fetchone()
    return int(row["number"]) if row else 0
