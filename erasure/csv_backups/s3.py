"""CSVs of the S3 objects that a batch is about to remove: which versions, and not what is in them.

Add here: what a listing says of a version besides.
Keep out: whose an object is (`stores/s3/finding.py`), and files of many people, of which rows change.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from erasure.csv_backups.files import opened
from erasure.inventory import InventoryObject
from erasure.stores.s3.finding import finder_of
from erasure.stores.s3.listing import Listing
from erasure.targets import TargetSet

COLUMNS = ("bucket", "key", "version_id", "is_latest", "is_delete_marker", "bytes", "etag")


def write(
    client: Any, bucket: str, *, objects: Sequence[InventoryObject], targets: TargetSet, folder: Path
) -> dict[str, int]:
    """Writes a CSV for each object of which versions will go; returns object -> versions and delete markers."""
    versions: dict[str, int] = {}
    for item in objects:
        listing = Listing(
            client=client,
            bucket=item.bucket or bucket,
            object_name=item.name,
            foreign=item.bucket is not None,
        )
        found = finder_of(listing, item).versions(targets).versions
        if not found:
            continue
        with opened(folder / f"{item.name}.csv") as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            rows = csv.writer(text)
            rows.writerow(COLUMNS)
            rows.writerows(
                (listing.bucket, v.key, v.version_id, v.is_latest, v.is_marker, v.size, v.etag) for v in found
            )
        versions[item.name] = len(found)
    return versions
