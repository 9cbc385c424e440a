"""Whose access has ended by a deletion of ours, as the ledger has it.

Add here: another question about contributors that the ledger answers for all batches.
Keep out: the target set of one batch (`freezing`), and what the platform says (`job_api/`).
"""

from collections.abc import Collection

from erasure.ledger.database import connect, exists
from erasure.settings import Settings

# In PostgreSQL access ends with the watermark; erased ids stay when the targets are gone.
_ENDED = (
    "select erased.contributor_id::text as contributor_id from erasure.erased"
    " where erased.contributor_id::text = any(%(ids)s) and erased.restored_at is null"
    " union"
    " select targets.contributor_id::text from erasure.targets"
    " inner join erasure.batches on targets.batch_id = batches.batch_id"
    " where targets.kind = 'contributor' and targets.contributor_id::text = any(%(ids)s)"
    " and batches.watermark is not null and batches.state <> 'restored'"
)


def access_ended(settings: Settings, contributor_ids: Collection[str]) -> frozenset[str]:
    """Those of the ids who must be locked out."""
    with connect(settings.database) as connection:
        if not exists(connection):
            return frozenset()
        rows = connection.execute(_ENDED, {"ids": list(contributor_ids)}).fetchall()
    return frozenset(row["contributor_id"] for row in rows)
