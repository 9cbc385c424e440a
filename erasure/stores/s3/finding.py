"""Finds what is a target's as a whole: versions, markers and uploads, with as few requests as the inventory allows.

Holds: `finder_of`, and the two finders: by the name of a key, and by a look at each object.
Add here: another way in which a whole object can be somebody's.
Keep out: removing (`removal.py`), and objects in which many people share one file (`shared.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST
from erasure.stores.s3.keys import KeyTemplate, is_target
from erasure.stores.s3.listing import Listing, Page, Upload, Version, pooled
from erasure.stores.s3.looks import Looks
from erasure.stores.s3.obstacles import Obstacle
from erasure.targets import TargetSet

# Pages of everybody's keys that are read for each contributor before each is listed alone: at most a quarter more
# requests than the cheaper way of the two where that is the latter, and none where it is the former.
SHARED_PAGES_EACH = 0.25
_Entry = TypeVar("_Entry", Version, Upload)


@dataclass(frozen=True, kw_only=True)
class Found:
    """All versions of the targets' keys, sorted; `conflicts` are keys that name a target here and another there.

    untold: versions of other keys that do not let anybody look at whose they are, and why.
    """

    versions: list[Version]
    conflicts: int = 0
    keys: frozenset[str] = field(default=frozenset())
    untold: Mapping[Version, Obstacle] = field(default_factory=dict)


class Finder(Protocol):
    """One object of the inventory, whose records are somebody's as a whole."""

    def held(self) -> int:
        """Keys on the first page of a listing."""
        ...

    def versions(self, targets: TargetSet) -> Found:
        """Every version and delete marker of the targets."""
        ...

    def uploads(self, targets: TargetSet, found: Found | None = None) -> list[Upload]:
        """The targets' unfinished uploads; `found` spares a look where somebody has just found their versions."""
        ...


def finder_of(listing: Listing, item: InventoryObject) -> Finder:
    """By a look where the inventory says at what, by the key's name otherwise."""
    if item.tag is not None or item.metadata is not None:
        return _ByLook(listing=listing, item=item)
    return _ByName(listing=listing, template=KeyTemplate(item.location))


@dataclass(frozen=True, kw_only=True)
class _ByName:
    listing: Listing
    template: KeyTemplate

    def held(self) -> int:
        found = self.listing.first(self.template.fixed, COUNTED_AT_MOST)
        return len({version.key for version in found if self.template.owner(version.key)})

    def versions(self, targets: TargetSet) -> Found:
        found = self._owned(targets, self.listing.versions)
        return Found(versions=found, keys=frozenset(version.key for version in found))

    def uploads(self, targets: TargetSet, found: Found | None = None) -> list[Upload]:
        """By their names alone, which ask for no versions: of a large bucket that would be one listing more."""
        return self._owned(targets, self.listing.uploads)

    def _owned(self, targets: TargetSet, listed: Callable[[str], Iterator[Page[_Entry]]]) -> list[_Entry]:
        """Sorted. A set: some servers repeat entries at the border of two pages."""
        template = self.template

        def kept(pages: Iterable[Page[_Entry]]) -> set[_Entry]:
            return {entry for page in pages for entry in page.entries if template.is_of(entry.key, targets)}

        if template.by_email:
            # An email can stand in a key in many ways, so that no prefix would find them all.
            return sorted(kept(listed(template.fixed)))
        prefixes = [one for each in sorted(targets.contributor_ids) for one in template.prefixes(each)]
        # One page of everybody's keys is often all there is, and then the one request that is needed.
        shared = listed(template.fixed)
        found: set[_Entry] = set()
        for number, page in enumerate(shared, start=1):
            found |= kept([page])
            if not page.more:
                return sorted(found)
            if number >= SHARED_PAGES_EACH * len(prefixes):
                break
        return sorted(set().union(*pooled(lambda prefix: kept(listed(prefix)), prefixes)))


@dataclass(frozen=True, kw_only=True)
class _ByLook:
    listing: Listing
    item: InventoryObject

    def held(self) -> int:
        return len({version.key for version in self.listing.first(self.item.location, COUNTED_AT_MOST)})

    def versions(self, targets: TargetSet) -> Found:
        """A key is a target's with all its versions once one of them names the target."""
        listed = sorted(
            {entry for page in self.listing.versions(self.item.location) for entry in page.entries}
        )
        owners = Looks(listing=self.listing, item=self.item).owners(listed)
        untold = {version: owner for version, owner in owners.items() if isinstance(owner, Obstacle)}
        told = {version: owner for version, owner in owners.items() if version not in untold}
        theirs = frozenset(version.key for version, owner in told.items() if is_target(owner, targets))
        others = {version.key for version, owner in told.items() if not is_target(owner, targets)}
        return Found(
            versions=[version for version in listed if version.key in theirs],
            conflicts=len(theirs & others),
            keys=theirs,
            untold={version: why for version, why in untold.items() if version.key not in theirs},
        )

    def uploads(self, targets: TargetSet, found: Found | None = None) -> list[Upload]:
        """Those of keys that are a target's: what an upload will say of itself, nobody can be asked for."""
        listed = {entry for page in self.listing.uploads(self.item.location) for entry in page.entries}
        if not listed:
            return []
        keys = (found if found is not None else self.versions(targets)).keys
        return sorted(upload for upload in listed if upload.key in keys)
