"""Objects that are somebody's as a whole: every version of them goes, and so do unfinished uploads.

Holds: `PersonObjects`, one object of the inventory.
Add here: what is done with whole objects.
Keep out: whose they are (`finding.py`), objects in which many people share one file (`shared.py`).
"""

from collections import Counter
from collections.abc import Sequence

from erasure.counts import Count
from erasure.errors import Incomplete
from erasure.inventory import InventoryObject
from erasure.stores.base import Progress
from erasure.stores.s3.failures import STORE
from erasure.stores.s3.finding import finder_of
from erasure.stores.s3.listing import Listing, Version
from erasure.stores.s3.obstacles import Obstacle, locked_among
from erasure.stores.s3.removal import Removed, abort_uploads, remove_versions
from erasure.targets import TargetSet


class PersonObjects:
    """One object of the inventory in one bucket."""

    def __init__(self, listing: Listing, item: InventoryObject) -> None:
        self._listing = listing
        self._name = item.name
        self._finder = finder_of(listing, item)

    def held(self) -> int:
        """Keys of contributors on the first page of a listing."""
        return self._finder.held()

    def count(self, targets: TargetSet) -> Count:
        """Keys with any version or delete marker of a target; `elements` are those versions and markers."""
        found = self._finder.versions(targets)
        locked = locked_among(self._listing, found.versions)
        free = [version for version in found.versions if version not in locked]
        return _count(free, conflicts=found.conflicts, obstacles=[*locked.values(), *found.untold.values()])

    def mask(self, targets: TargetSet, progress: Progress) -> Count:
        """Deletes all that is not locked, and lists again: what is then left is Incomplete."""
        # Uploads first: one that is finished afterwards would otherwise become a new version.
        abort_uploads(self._listing, self._finder.uploads(targets))
        found = self._finder.versions(targets)
        locked = locked_among(self._listing, found.versions)
        free = [version for version in found.versions if version not in locked]
        progress(self._name, 0, len(free))
        removed = remove_versions(self._listing, free, lambda done: progress(self._name, done, len(free)))
        # Missing versions are reported as deleted as well: only a new listing tells.
        left, uploads = self._left(targets)
        if left and not removed.refused:
            # Written meanwhile; or a null marker and the null version below it, which versitygw keeps by one id.
            removed = remove_versions(self._listing, left)
            left, uploads = self._left(targets)
        self._require_nothing(left, uploads, removed)
        return _count(free, obstacles=[*locked.values(), *found.untold.values()])

    def purge(self, targets: TargetSet) -> None:
        """Looks again, at uploads too: the versions, S3's physical copies, went with the keys."""
        self._require_nothing(*self._left(targets), Removed(done=0, refused={}))

    def _left(self, targets: TargetSet) -> tuple[list[Version], int]:
        """Versions of targets that no lock keeps, and how many unfinished uploads."""
        found = self._finder.versions(targets)
        uploads = len(self._finder.uploads(targets, found))
        locked = locked_among(self._listing, found.versions)
        return [version for version in found.versions if version not in locked], uploads

    def _require_nothing(self, left: Sequence[Version], uploads: int, removed: Removed) -> None:
        if not left and not uploads:
            return
        what = f"{len(left)} versions and {uploads} unfinished uploads are left"
        refused = Counter(removed.refused)
        if refused["AccessDenied"]:
            what += f", {refused['AccessDenied']} of them locked or not ours to delete"
            remedy = "release the lock, or grant s3:DeleteObjectVersion in [s3] bucket_name, then resume"
        elif refused:
            what += f" (S3 answered {', '.join(sorted(refused))})"
            remedy = "see what S3 says of that, then resume"
        else:
            remedy = "see who still writes there, then resume"
        raise Incomplete(store=STORE, object_name=self._name, what=what, remedy=remedy)


def _count(free: Sequence[Version], *, obstacles: Sequence[Obstacle], conflicts: int = 0) -> Count:
    return Count(
        records=len({version.key for version in free}),
        elements=len(free),
        conflicts=conflicts,
        not_erasable=dict(Counter(obstacle.value for obstacle in obstacles)),
    )
