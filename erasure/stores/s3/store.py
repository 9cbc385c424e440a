"""S3: objects of a person go in every version, rows of a person within shared files are masked.

Holds: `S3Store`, which hands each object of the inventory to the kind that it is.
Add here: what concerns all of them.
Keep out: settings and credentials (the client is handed in), and how each kind works (`persons.py`, `shared.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from erasure.counts import Count, Counts
from erasure.inventory import InventoryObject
from erasure.stores.base import PURGED, Health, Holdings, Progress, Survey
from erasure.stores.s3.failures import STORE, errors, require_listing_of
from erasure.stores.s3.listing import Listing
from erasure.stores.s3.persons import PersonObjects
from erasure.stores.s3.shared import SharedObjects
from erasure.targets import TargetSet


class _Work(Protocol):
    """What can be done with one object of the inventory."""

    def held(self) -> int: ...
    def count(self, targets: TargetSet) -> Count: ...
    def mask(self, targets: TargetSet, progress: Progress) -> Count: ...
    def purge(self, targets: TargetSet) -> None: ...


class S3Store:
    """The buckets of the inventory. `client` is boto3's S3 client, which several threads may use at once."""

    name = STORE
    purge_state = PURGED

    def __init__(self, client: Any, bucket: str, objects: Sequence[InventoryObject]) -> None:
        self._client = client
        self._bucket = bucket
        self._others = sorted({item.bucket for item in objects if item.bucket and item.bucket != bucket})
        self._work: Mapping[str, _Work] = {item.name: self._work_on(item) for item in objects}

    def health(self) -> Health:
        """Looks at every bucket. Of S3 there is no version to tell, so the versioning of each stands there."""
        told = [self._versioning(self._bucket, None)]
        told += [f"{self._versioning(other, other)} in {other}" for other in self._others]
        return Health(engine="S3", version=f"versioning {', '.join(told)}")

    def survey(self) -> Survey:
        """Nothing: a bucket has no schema to hold against the inventory; that of files is read when they are counted.
        Stray keys are for the sweep.
        """
        return Survey()

    def holdings(self) -> Holdings:
        """What of each object is on the first page of a listing."""
        return {name: work.held() for name, work in self._work.items()}

    def count(self, targets: TargetSet) -> Counts:
        """Keys to delete, with their versions as `elements`; files to rewrite, with their rows."""
        return {name: work.count(targets) for name, work in self._work.items()}

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """Does it, and looks again: what is then left is Incomplete."""
        return {name: work.mask(targets, progress) for name, work in self._work.items()}

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Looks again: older versions, S3's physical copies, went with what was masked."""
        for name, work in self._work.items():
            work.purge(targets)
            progress(name, 0, 0)
        return {name: Count(records=0) for name in self._work}

    def _work_on(self, item: InventoryObject) -> _Work:
        listing = Listing(
            client=self._client,
            bucket=item.bucket or self._bucket,
            object_name=item.name,
            foreign=item.bucket is not None,
        )
        return SharedObjects(listing, item) if item.rows is not None else PersonObjects(listing, item)

    def _versioning(self, bucket: str, foreign: str | None) -> str:
        with errors(bucket=foreign):
            status = self._client.get_bucket_versioning(Bucket=bucket).get("Status", "off")
            # A page that says 200 to everything passes for an empty bucket: S3 repeats which one it has listed.
            require_listing_of(bucket, self._client.list_object_versions(Bucket=bucket, MaxKeys=1))
        return str(status).lower()
