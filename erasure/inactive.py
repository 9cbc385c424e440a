"""Who has been inactive: the answer of dbt's query, cut to a number of contributors.

Add here: what is told about those who were found or left out.
Keep out: the query (`dbt_project/models/targets/inactive_contributors.sql`) and the CSV's form (`targets`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import psycopg

from erasure.errors import StoreRefused, safe_reason
from erasure.ledger.database import connect
from erasure.request import cell_of
from erasure.settings import Settings

# A hundred years; PostgreSQL cannot subtract any number of days from a date.
MOST_DAYS = 36_525
_NO_CELL = "no email that a CSV can hold; mend it in PostgreSQL"


@dataclass(frozen=True, kw_only=True)
class Inactive:
    """How many were found, who is taken (id and email, oldest first), and who was left out for which reason."""

    found: int
    chosen: tuple[tuple[str, str], ...] = field(repr=False)
    excluded: Mapping[str, int]


def find_inactive(settings: Settings, *, query: str, max_contributors: int | None) -> Inactive:
    """Runs the compiled query. A limit never cuts a person in two: all accounts are taken, or none.

    An account whose email no CSV can lead back to is left out and told: no deletion could be asked for with it.
    """
    try:
        with connect(settings.database) as connection:
            rows = connection.execute(
                f"select * from ({query}) as inactive order by contributors_so_far, contributor_id"
            ).fetchall()
    except psycopg.Error as error:
        raise StoreRefused(
            store="postgres",
            what=f"the inactive contributors could not be read ({safe_reason(error)})",
            remedy="check the rights of [database] username on the world's tables",
        ) from None
    for row in rows:
        if row["excluded_because"] is None and cell_of(str(row["email_address"])) is None:
            row["excluded_because"] = _NO_CELL
    found = [row for row in rows if row["excluded_because"] is None]
    chosen = [
        (str(row["contributor_id"]), str(row["email_address"]))
        for row in found
        if max_contributors is None or row["contributors_so_far"] <= max_contributors
    ]
    excluded = Counter(str(row["excluded_because"]) for row in rows if row["excluded_because"] is not None)
    return Inactive(found=len(found), chosen=tuple(chosen), excluded=dict(sorted(excluded.items())))
