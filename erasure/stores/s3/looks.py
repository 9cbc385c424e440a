"""Whose an object is by its tag or its user metadata, where the key does not say: a request for each version.

Holds: `Looks`.
Add here: another place at an object in which a contributor can be named.
Keep out: keys that say whose they are (`keys.py`), and contents (`rows/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erasure.inventory import InventoryObject
from erasure.stores.s3.failures import code_of, errors
from erasure.stores.s3.listing import Listing, Version, pooled
from erasure.stores.s3.obstacles import GONE, Obstacle, of_refusal


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Reads who is named at each version below a prefix; delete markers name nobody."""

    listing: Listing
    item: InventoryObject

    def owners(self, versions: Sequence[Version]) -> Mapping[Version, str | Obstacle]:
        """Version -> the contributor that it names, or why nobody can be told; those that name nobody are left out."""
        objects = [version for version in versions if not version.is_marker]
        found = zip(objects, pooled(self._owner, objects), strict=True)
        return {version: owner for version, owner in found if owner}

    def _owner(self, version: Version) -> str | Obstacle | None:
        from botocore.exceptions import ClientError

        with errors(self.item.name):
            try:
                return self._tag(version) if self.item.tag else self._metadata(version)
            except ClientError as error:
                # Gone since it was listed.
                if code_of(error) in GONE:
                    return None
                if (obstacle := of_refusal(error)) is not None:
                    return obstacle
                raise

    def _tag(self, version: Version) -> str | None:
        answer = self.listing.client.get_object_tagging(Bucket=self.listing.bucket, **version.named)
        return next((tag["Value"] for tag in answer["TagSet"] if tag["Key"] == self.item.tag), None)

    def _metadata(self, version: Version) -> str | None:
        answer = self.listing.client.head_object(Bucket=self.listing.bucket, **version.named)
        held: Mapping[str, Any] = {name.lower(): value for name, value in answer["Metadata"].items()}
        found = held.get((self.item.metadata or "").lower())
        return str(found) if found is not None else None
