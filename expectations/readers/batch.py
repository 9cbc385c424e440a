"""Reads the target set of a batch straight from PostgreSQL, for the judge alone.

Holds: `read_batch`.
Add here: another kind of needle, where verification needs it.
Keep out: the ledger's own access to the same rows (`erasure.ledger`); both are not to share a mistake.
"""

from collections import defaultdict

from erasure.errors import BadInput
from erasure.rules import is_mask
from erasure.settings import Settings
from expectations.readers.base import VerifiedBatch
from expectations.readers.connections import postgres_connection

_TARGETS = """
    select lower(cast(contributor_id as text)), cast(coalesce(person_id, contributor_id) as text), kind, value
    from erasure.targets
    where batch_id = %s and kind in ('contributor', 'email', 'name', 'phone')
"""
_ERASED = """
    select distinct lower(cast(contributor_id as text))
    from erasure.erased
    where batch_id = %s and restored_at is null
"""
_NEEDLE_KINDS = frozenset({"email", "name", "phone"})


def read_batch(settings: Settings, batch_id: str) -> VerifiedBatch:
    """The targets with their needles; after the batch has expired the ids alone, from the list of the erased.

    Raises BadInput where nobody is known by that batch: an empty target set would make everything look clean.
    """
    with postgres_connection(settings) as connection:
        batch = _batch(batch_id, connection.execute(_TARGETS, [batch_id]).fetchall())
        if not batch.persons:
            erased = connection.execute(_ERASED, [batch_id]).fetchall()
            batch = VerifiedBatch(batch_id=batch_id, persons={one: one for (one,) in erased})
    if not batch.persons:
        raise BadInput(f"Batch {batch_id} has no targets; look for its name with the command status.")
    return batch


def _batch(batch_id: str, rows: list[tuple[str, str, str, str]]) -> VerifiedBatch:
    needles: dict[str, set[str]] = defaultdict(set)
    for _, person, kind, value in rows:
        if kind in _NEEDLE_KINDS and value and not is_mask(value):
            needles[person].add(value)
    emails = {value: person for _, person, kind, value in rows if kind == "email" and not is_mask(value)}
    return VerifiedBatch(
        batch_id=batch_id,
        persons={contributor: person for contributor, person, kind, _ in rows if kind == "contributor"},
        emails=emails,
        needles={person: tuple(sorted(values)) for person, values in needles.items()},
    )
