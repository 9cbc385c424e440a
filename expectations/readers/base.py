"""What verification reads: a batch, and for each place how many values are masked and how many survive.

Holds: `VerifiedBatch`, `FieldReading`, the closed form in Python, and which places a batch can be judged in.
Add here: a figure that every reader reports.
Keep out: anything of one engine, and everything of `erasure.stores`: a judge does not ask the defendant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from erasure.inventory import Field, Inventory, InventoryObject
from erasure.rules import Person, Rule, is_mask, is_masked, normalise_email
from erasure.settings import Settings

# The field of an object whose records go as a whole.
RECORD = "*"


@dataclass(frozen=True, kw_only=True)
class FieldReading:
    """One ruled field of one object: counts only, never a value.

    survivors: values of targets that are neither NULL nor in their masked form.
    masked: values of targets in their masked form.
    records: the records of targets that were seen, the same for every field of an object.
    not_erasable: survivors apart from those: where they lie, nobody can erase them (a lock, a closed index).
    """

    object: str
    field: str
    survivors: int
    masked: int
    records: int
    not_erasable: int = 0

    @property
    def place(self) -> str:
        """Names the field within its store."""
        return place(self.object, self.field)


@dataclass(frozen=True, kw_only=True, repr=False)
class VerifiedBatch:
    """The target set as the judge read it. Its repr shows no one.

    persons: contributor id -> person; merged accounts are one person.
    emails: normalised email -> person; empty once the batch has expired.
    needles: person -> emails, names and phones; empty once the batch has expired.
    """

    batch_id: str
    persons: Mapping[str, str]
    emails: Mapping[str, str] = field(default_factory=dict)
    needles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"VerifiedBatch(batch_id={self.batch_id!r}, contributors={len(self.persons)})"

    @cached_property
    def contributor_ids(self) -> frozenset[str]:
        """The ids of all targets."""
        return frozenset(self.persons)

    @property
    def has_needles(self) -> bool:
        """Whether values of persons are still known: free text and records without an id need them."""
        return bool(self.needles)

    def holds(self, contributor_id: str | None, email: str | None) -> bool:
        """The closed form: a target by id; by email where there is no id; or masked already."""
        # Ids that are no uuids are known as they are written.
        if contributor_id is not None and (
            contributor_id in self.persons or contributor_id.lower() in self.persons
        ):
            return True
        if email is None:
            return False
        return is_mask(email) or (contributor_id is None and normalise_email(email) in self.emails)


# What every store has one of.
Reader = Callable[[Settings, Inventory, VerifiedBatch], list[FieldReading]]


@dataclass(kw_only=True)
class Tally:
    """Counts values of one field while they pass by."""

    survivors: int = 0
    masked: int = 0

    def add(self, rule: Rule, value: str | None, contributor_id: str | None) -> None:
        """Judges a value of a target; a NULL is the masked form of `clear` and else says nothing."""
        if value is None:
            self.masked += rule is Rule.CLEAR
        elif is_masked(rule, value, Person(contributor_id=contributor_id or "")):
            self.masked += 1
        else:
            self.survivors += 1

    def reading(self, item: InventoryObject, field_name: str, records: int) -> FieldReading:
        """The count so far."""
        return FieldReading(
            object=item.name, field=field_name, survivors=self.survivors, masked=self.masked, records=records
        )


def place(object_name: str, field_name: str) -> str:
    """Names a field within its store, or with `*` the records of an object."""
    return f"{object_name}.{field_name}"


def ruled_places(inventory: Inventory, store: str) -> tuple[str, ...]:
    """Every place of a store where the inventory changes something."""
    return tuple(
        place(item.name, name)
        for item in inventory.of(store)
        for name in ([RECORD] if item.rule is Rule.DELETE else [ruled.label for ruled in item.ruled_fields])
    )


def unjudged_places(inventory: Inventory, store: str, batch: VerifiedBatch) -> tuple[str, ...]:
    """The places about which nothing can be said once the values of persons are gone.

    These are free text, and the email of records that know the person by email alone, or such records as a whole. Zero
    survivors are not claimed there; the places are named instead.
    """
    if batch.has_needles:
        return ()
    return tuple(place(item.name, name) for item in inventory.of(store) for name in _unjudged(item))


def judged_places(inventory: Inventory, store: str, batch: VerifiedBatch) -> tuple[str, ...]:
    """The places that must be read, each of them once, before a store can be called clean."""
    unjudged = set(unjudged_places(inventory, store, batch))
    return tuple(name for name in ruled_places(inventory, store) if name not in unjudged)


def _unjudged(item: InventoryObject) -> list[str]:
    if item.rule is Rule.DELETE:
        return [RECORD] if _only_email_tells(item) else []
    whole = item.store == "redis" and _only_email_tells(item)
    return [
        ruled.label
        for ruled in item.ruled_fields
        if whole or ruled.rule is Rule.SCRUB_TEXT or _is_sole_email(item, ruled)
    ]


def _only_email_tells(item: InventoryObject) -> bool:
    if "{email}" in item.location or item.members == "email":
        return True
    subject = item.subject
    return (
        item.store in {"elasticsearch", "redis"}
        and subject.contributor_id is None
        and subject.email is not None
    )


def _is_sole_email(item: InventoryObject, ruled: Field) -> bool:
    whose = item.whose(ruled)
    return whose.owner is None and item.subject.via is None and whose.email == ruled.name
