"""The figures that stores report and the plan and the ledger keep.

Add here: a figure that every store reports.
Keep out: what the figures are of (the inventory) and how they are found (the stores).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Count:
    """What masking will change, or has changed, in one object.

    records: rows, documents, S3 objects or Redis keys.
    elements: what stands beside them: elements of documents, versions of S3 objects.
    total: everything that `records` is a part of (`total_elements` of `elements`), for the caps; 0 where unknown.
    conflicts: records whose id is a control's and whose email is a target's.
    expiring: how many of `records` vanish by themselves (a TTL), and so are left out when a plan is compared.
    not_erasable: reason -> how many more there are that nobody can erase (a lock, a closed index); none of `records`.
    """

    records: int
    elements: int = 0
    total: int = 0
    total_elements: int = 0
    conflicts: int = 0
    expiring: int = 0
    not_erasable: Mapping[str, int] = field(default_factory=dict)


# Object name -> its count, for every object of the store that the inventory names.
Counts = Mapping[str, Count]
