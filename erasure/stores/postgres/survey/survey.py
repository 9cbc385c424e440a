"""The survey of PostgreSQL: everything that the catalogs say against the rules, before a single row is counted.

Without it a column that is too short, or a constraint that the masked value breaks, shows in the middle of masking:
everything is rolled back then, with access revoked already.
Add here: another module beside this one, in the order of its sentences.
Keep out: tables and columns that only one side knows (`stores/sql.py` compares them for both SQL stores).
"""

from collections.abc import Iterator, Sequence

from erasure.inventory import InventoryObject
from erasure.ledger.database import Connection
from erasure.stores.base import Survey
from erasure.stores.postgres.survey import (
    catalog,
    checks,
    columns,
    documents,
    partitions,
    references,
    surroundings,
    uniqueness,
)
from erasure.stores.postgres.survey.catalog import Table, Told


def surveyed(connection: Connection, objects: Sequence[InventoryObject], *, world: str) -> Survey:
    """What the catalogs say against the rules of these objects; waived ones, and those without a rule, are left out."""
    mine = [item for item in objects if item.waived is None and item.is_masked]
    told = [
        sentence
        for table in catalog.read(connection, mine, world=world)
        for sentence in _of_table(connection, table)
    ]
    return Survey(
        problems=tuple(dict.fromkeys(sentence.text for sentence in told if sentence.refuses)),
        notices=tuple(dict.fromkeys(sentence.text for sentence in told if not sentence.refuses)),
    )


def _of_table(connection: Connection, table: Table) -> Iterator[Told]:
    yield from surroundings.survey(connection, table)
    # Of what keeps no rows of its own that is said, and nothing more.
    if table.kind not in {"r", "p"}:
        return
    yield from (Told(text=text) for text in columns.problems(connection, table))
    yield from (Told(text=text, refuses=False) for text in columns.notices(table))
    yield from documents.survey(connection, table)
    yield from checks.survey(connection, table)
    yield from uniqueness.survey(connection, table)
    yield from references.survey(connection, table)
    yield from partitions.survey(connection, table)
