"""That masking has left alone what it does not mask: checksums of the kept columns of a subject's rows.

Holds: `measured`, before and after a mutation, and `require_equal`.
Add here: another thing that must stay.
Keep out: shadow tables, which compare every row before they are exchanged (`shadow.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from erasure.errors import Incomplete
from erasure.inventory import InventoryObject
from erasure.rules import Rule
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


def stays_in_sight(item: InventoryObject, among: Sequence[InventoryObject]) -> bool:
    """Whether a masked row is known for a subject's afterwards: not where it goes as a whole, nor where what says whose
    it is goes.
    """
    rules = {field.name: field.rule for field in item.ruled_fields}
    subject = item.subject
    if item.rule is Rule.DELETE or subject.contributor_id in rules:
        return False
    if subject.via is not None:
        parents = [other for other in among if other.name == subject.via.table]
        return all(stays_in_sight(parent, among) for parent in parents)
    return subject.contributor_id is not None or rules.get(subject.email or "") is not Rule.CLEAR


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
