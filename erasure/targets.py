"""The target set, frozen, with its needles; and the id of the batch that it belongs to.

Add here: what a store needs to know of a person.
Keep out: the CSV that names contributors (`request.py`), and SQL (the set is computed by
`dbt_project/models/targets/` and frozen by the ledger).
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from erasure.errors import BadInput

_BATCH_ID = re.compile(r"b[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4,32}")


@dataclass(frozen=True, kw_only=True, repr=False)
class Needle:
    """A value by which a person can be found: kind is `email` (normalised), `name` or `phone`."""

    contributor_id: str
    kind: str
    value: str


@dataclass(frozen=True, kw_only=True, repr=False)
class TargetSet:
    """The contributors of a batch, frozen. Its repr shows no one.

    persons: contributor id -> person; merged accounts are one person, and who is missing is one alone.
    salts: contributor id -> what `hash` salts with; empty once the batch has expired.
    """

    batch_id: str
    contributor_ids: frozenset[str]
    persons: Mapping[str, str] = field(default_factory=dict)
    salts: Mapping[str, str] = field(default_factory=dict)
    needles: tuple[Needle, ...] = field(default=())

    def __repr__(self) -> str:
        return f"TargetSet(batch_id={self.batch_id!r}, contributors={len(self.contributor_ids)})"

    @cached_property
    def needles_of(self) -> Mapping[str, tuple[str, ...]]:
        """Person -> the values by which free text can name that person."""
        found: dict[str, list[str]] = {}
        for needle in self.needles:
            person = self.persons.get(needle.contributor_id, needle.contributor_id)
            found.setdefault(person, []).append(needle.value)
        return {person: tuple(sorted(set(values))) for person, values in found.items()}

    @cached_property
    def emails(self) -> Mapping[str, str]:
        """Normalised email -> contributor id; the smallest id where two members share one."""
        pairs = [(needle.value, needle.contributor_id) for needle in self.needles if needle.kind == "email"]
        return dict(sorted(pairs, reverse=True))


def mint_batch_id(now: datetime | None = None) -> str:
    """An opaque id such as `b20261123T141200Z-3f9a1c`: it sorts by time and says nothing of anybody."""
    moment = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"b{moment}-{uuid.uuid4().hex[:6]}"


def require_batch_id(batch_id: str) -> str:
    """A batch id as we mint them. Partitions can be named by hand in the UI, and the id stands in statements."""
    if not _BATCH_ID.fullmatch(batch_id):
        raise BadInput(
            f"{batch_id!r} is no batch id such as b20261123T141200Z-3f9a1c; launch request_deletion, which mints one."
        )
    return batch_id
