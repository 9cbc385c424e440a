"""Objects in which many people share one file: the targets' rows are masked, and older versions that hold them go.

Holds: `SharedObjects`, one object of the inventory.
Add here: what is done with all objects of a glob.
Keep out: one object's rewriting (`rewriting.py`), formats (`rows/`), objects that are one person's (`persons.py`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject
from erasure.stores.base import COUNTED_AT_MOST, Progress
from erasure.stores.s3.contents import Contents, Judged
from erasure.stores.s3.failures import STORE, errors
from erasure.stores.s3.globs import Glob
from erasure.stores.s3.listing import THREADS, Listing, Version, pooled
from erasure.stores.s3.naming import shown
from erasure.stores.s3.rewriting import Rewriter
from erasure.targets import TargetSet

# Larger ones are worked on by fewer threads: a row group, or a piece of a file, of each is in memory.
_LARGE_BYTES = 32 * 1024 * 1024
_LARGE_AT_ONCE = 2
# So many obstacles are told one by one; of more, how many there are of a kind.
_TOLD_AT_MOST = 20


@dataclass(kw_only=True)
class _Key:
    """What was found under one key: its current version, if it has one, and those below."""

    current: Judged | None = None
    older: list[Judged] = field(default_factory=list)

    @property
    def is_left(self) -> bool:
        return bool(self.current and self.current.is_left) or any(one.is_left for one in self.older)

    @property
    def rows(self) -> int:
        return self.current.counts.to_mask if self.current and self.current.is_left else 0

    @property
    def size(self) -> int:
        return self.current.version.size if self.current else 0


class SharedObjects:
    """One glob of the inventory in one bucket."""

    def __init__(self, listing: Listing, item: InventoryObject) -> None:
        self._listing = listing
        self._item = item
        self._glob = Glob(text=item.location)

    def held(self) -> int:
        """Keys of the glob on the first page of a listing."""
        found = self._listing.first(self._glob.fixed, COUNTED_AT_MOST)
        return len({version.key for version in found if self._glob.fits(version.key)})

    def count(self, targets: TargetSet) -> Count:
        """Keys with rows to mask in any version; `elements` are the rows of the current ones.

        Raises StoreRefused where files have columns that the inventory does not know.
        """
        found = self._found(targets)
        return self._count(found, targets, [key for key in found.values() if key.is_left])

    def mask(self, targets: TargetSet, progress: Progress) -> Count:
        """Rewrites what holds rows of targets, removes older versions that do, and counts again."""
        found = self._found(targets)
        contents = Contents(self._listing, self._item, targets)
        rewriter = Rewriter(
            listing=self._listing,
            contents=contents,
            name=self._item.name,
            keeps_versions=self._versioning() == "Enabled",
        )
        left = [key for key in found.values() if key.is_left]
        progress(self._item.name, 0, len(left))
        for done, _ in enumerate(_by_size(lambda key: _mask(rewriter, key), left), start=1):
            progress(self._item.name, done, len(left))
        self._require_nothing_left(targets)
        return self._count(found, targets, left)

    def purge(self, targets: TargetSet) -> None:
        """Looks again: older versions, S3's physical copies, went with the rows."""
        self._require_nothing_left(targets)

    def _require_nothing_left(self, targets: TargetSet) -> None:
        left = [key for key in self._found(targets).values() if key.is_left]
        if left:
            rows = sum(key.rows for key in left)
            raise Incomplete(
                store=STORE,
                object_name=self._item.name,
                what=f"{len(left)} objects still hold targets ({rows} rows in their current versions)",
                remedy="see who still writes there, then resume",
            )

    def _found(self, targets: TargetSet) -> dict[str, _Key]:
        """Every key of the glob with all its versions, read."""
        listed = [
            version
            for page in self._listing.versions(self._glob.fixed)
            for version in page.entries
            if self._glob.fits(version.key) and not version.is_marker
        ]
        # Some servers repeat entries at the border of two pages.
        versions = list(dict.fromkeys(listed))
        contents = Contents(self._listing, self._item, targets)
        found: dict[str, _Key] = {}
        unregistered: Counter[str] = Counter()
        for judged in _by_size(contents.judge, versions):
            key = found.setdefault(judged.version.key, _Key())
            if judged.version.is_latest:
                key.current = judged
            else:
                key.older.append(judged)
            unregistered.update(judged.counts.unregistered)
        if unregistered:
            names = ", ".join(sorted(unregistered))
            raise StoreRefused(
                store=STORE,
                object_name=self._item.name,
                what=f"files have columns that the inventory does not know: {names}",
                remedy="rule them, or keep them with a reason, in the inventory file s3.yml",
            )
        return found

    def _count(self, found: dict[str, _Key], targets: TargetSet, left: Sequence[_Key]) -> Count:
        current = [key.current for key in found.values() if key.current is not None]
        every = [*current, *(one for key in found.values() for one in key.older)]
        return Count(
            records=len(left),
            elements=sum(key.rows for key in left),
            total=len(current),
            total_elements=sum(judged.counts.rows for judged in current),
            conflicts=sum(judged.counts.conflicts for judged in every),
            not_erasable=self._obstacles(every, targets),
        )

    def _obstacles(self, judged: Sequence[Judged], targets: TargetSet) -> dict[str, int]:
        met = [one for one in judged if one.obstacle is not None]
        tell_all = len(met) <= _TOLD_AT_MOST
        return dict(Counter(_reason(one, self._item, targets, tells_which=tell_all) for one in met))

    def _versioning(self) -> str:
        with errors(self._item.name):
            answer: Any = self._listing.client.get_bucket_versioning(Bucket=self._listing.bucket)
        return str(answer.get("Status", "Off"))


def _mask(rewriter: Rewriter, key: _Key) -> None:
    if key.current is not None and key.current.is_left:
        rewriter.rewrite(key.current)
    else:
        rewriter.remove([one.version for one in key.older if one.is_left])


def _by_size(work: Any, items: Sequence[Any]) -> Iterator[Any]:
    """Small ones many at once, then large ones a few at once."""
    large = [item for item in items if _size(item) > _LARGE_BYTES]
    small = [item for item in items if _size(item) <= _LARGE_BYTES]
    yield from pooled(work, small, threads=THREADS)
    yield from pooled(work, large, threads=_LARGE_AT_ONCE)


def _size(item: Version | _Key) -> int:
    return item.size


def _reason(judged: Judged, item: InventoryObject, targets: TargetSet, *, tells_which: bool) -> str:
    """`unreadable (row 3: …): exports/7/units.csv`, or by its ETag where the key could name somebody."""
    if not tells_which:
        return str(judged.obstacle)
    flaw = f" ({judged.flaw})" if judged.flaw else ""
    older = "" if judged.version.is_latest else ", an older version"
    return f"{judged.obstacle}{flaw}{older}: {shown(judged.version, item, targets)}"
