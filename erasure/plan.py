"""The plan: what will change, counted per object, the guards that hold it back, and the fingerprint that names it.

Add here: a guard, or what a plan is compared by.
Keep out: counting (the stores) and keeping (the ledger); everything here is pure.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from erasure.counts import Count
from erasure.inventory import Inventory
from erasure.settings import ErasureSettings

PRODUCT_VERSION = "0.1.0"
_FINGERPRINT_DIGITS = 16
# Store -> object -> count.
PlanCounts = Mapping[str, Mapping[str, Count]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a batch will do; nothing in it names a person. `notices` are read with it and have no part in its name."""

    batch_id: str
    contributors: int
    all_contributors: int
    targets_digest: str
    inventory_digest: str
    counts: PlanCounts
    notices: tuple[str, ...] = ()
    product_version: str = PRODUCT_VERSION

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits over target set, eligibility, inventory, rules, version and counts."""
        named = {
            "batch_id": self.batch_id,
            "targets": self.targets_digest,
            "inventory": self.inventory_digest,
            "version": self.product_version,
            "counts": {
                store: {name: _compared(count) for name, count in sorted(objects.items())}
                for store, objects in sorted(self.counts.items())
            },
        }
        return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:_FINGERPRINT_DIGITS]

    def as_json(self) -> dict[str, Any]:
        """For the ledger and the summary."""
        return asdict(self) | {"fingerprint": self.fingerprint}


def lasting(count: Count) -> int:
    """The records that do not expire by themselves: what a plan is compared by."""
    return count.records - count.expiring


def _compared(count: Count) -> int | list[Any]:
    return [lasting(count), dict(count.not_erasable)] if count.not_erasable else lasting(count)


def exceeded_caps(plan: Plan, *, inventory: Inventory, settings: ErasureSettings) -> list[str]:
    """One sentence for each cap that the plan exceeds (semantics: caps guard against the wrong CSV)."""
    return list(_exceeded(plan, inventory, settings))


def _exceeded(plan: Plan, inventory: Inventory, settings: ErasureSettings) -> Iterator[str]:
    if plan.contributors > settings.max_contributors:
        yield f"{plan.contributors} contributors; [erasure] max_contributors is {settings.max_contributors}"
    share = plan.contributors / plan.all_contributors if plan.all_contributors else 0.0
    if share > settings.max_share_of_contributors:
        yield (
            f"{share:.0%} of all contributors; [erasure] max_share_of_contributors is "
            f"{settings.max_share_of_contributors:.0%}"
        )
    for store, objects in plan.counts.items():
        per_person = {item.name for item in inventory.of(store) if item.is_per_person}
        for name, count in objects.items():
            # Where many people share a document, its elements tell whose it is; one target in each would be 100 %.
            part, total = (
                (count.elements, count.total_elements)
                if count.total_elements
                else (count.records, count.total)
            )
            if name in per_person or total < settings.share_from_records:
                continue
            if part / total > settings.max_share_of_records:
                yield (
                    f"{store}/{name}: {part / total:.0%} of its {total} records; [erasure] max_share_of_records is "
                    f"{settings.max_share_of_records:.0%}"
                )


def conflicts(counts: PlanCounts) -> list[str]:
    """One sentence for each object with records whose id is a control's and whose email is a target's."""
    return [
        f"{store}/{name}: {count.conflicts} records belong to a target and to somebody else "
        "(by id and email, or by two parents)"
        for store, objects in sorted(counts.items())
        for name, count in sorted(objects.items())
        if count.conflicts
    ]


def not_erasable(counts: PlanCounts) -> list[str]:
    """One sentence for each object and reason for which records of targets cannot be erased."""
    return [
        f"{store}/{name}: {number} cannot be erased ({reason})"
        for store, objects in sorted(counts.items())
        for name, count in sorted(objects.items())
        for reason, number in sorted(count.not_erasable.items())
        if number
    ]


def drifted(planned: PlanCounts, current: PlanCounts, *, tolerance: int = 0) -> list[str]:
    """One sentence for each object whose count has moved by more than the tolerance; expiring records are left out.

    More that cannot be erased than was planned is drift at any tolerance: nobody has accepted it.
    """
    return [
        f"{store}/{name}: planned {lasting(before)}, now {lasting(now)}"
        for store, objects in sorted(current.items())
        for name, now in sorted(objects.items())
        for before in [planned.get(store, {}).get(name, Count(records=0))]
        if abs(lasting(before) - lasting(now)) > tolerance
    ] + [
        f"{store}/{name}: planned {before} that cannot be erased ({reason}), now {number}"
        for store, objects in sorted(current.items())
        for name, now in sorted(objects.items())
        for reason, number in sorted(now.not_erasable.items())
        for before in [planned.get(store, {}).get(name, Count(records=0)).not_erasable.get(reason, 0)]
        if number > before
    ]
