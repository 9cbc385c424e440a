"""That masking has left alone what it does not mask: checksums of the kept columns of a subject's rows.

Holds: `measured`, before and after a mutation, and `require_equal`.
Add here: another thing that must stay.
Keep out: shadow tables, which compare every row before they are exchanged (`shadow.py`).
"""

from dataclasses import dataclass

from erasure.errors import Incomplete
from erasure.stores.clickhouse.catalog import Table
from erasure.stores.clickhouse.cluster import quoted
from erasure.stores.clickhouse.connection import Server
from erasure.stores.sql import MaskExpressions

NAME = "clickhouse"


@dataclass(frozen=True, kw_only=True)
class Measure:
    """The rows of a batch in one table, and the sum of the hashes of what is not ruled in them."""

    rows: int
    checksum: int


def measured(server: Server, table: Table, expressions: MaskExpressions) -> Measure:
    """The measure of now; a row stays a subject's when it is masked, so that both measures are of the same rows."""
    columns = ", ".join(quoted(column.name) for column in table.untouched)
    checksum = f"sum(cityHash64({columns}))" if columns else "0"
    rows, found = server.rows(
        f"select count(), {checksum} from {table.relation}{table.final} where {expressions.is_subject}"
    )[0]
    return Measure(rows=int(rows), checksum=int(found))


def require_equal(table: Table, before: Measure, after: Measure) -> None:
    """Raises Incomplete where a row has come or gone, or a kept column is another."""
    if before == after:
        return
    what = (
        f"{before.rows} rows of the batch became {after.rows}"
        if before.rows != after.rows
        else f"kept columns of its {after.rows} masked rows are not what they were"
    )
    raise Incomplete(
        store=NAME,
        object_name=table.item.name,
        what=f"{what} while they were masked",
        remedy="see who else writes these rows, in system.query_log; then resume",
    )
