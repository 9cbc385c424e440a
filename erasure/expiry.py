"""The end of the undo window: needles destroyed, and the CSVs that we wrote: exports and backups.

Add here: another thing that must not outlive the window.
Keep out: CSVs that users name themselves; only what `fetch` has recorded is ours to remove.
"""

import hashlib
from pathlib import Path

from erasure.csv_backups import files
from erasure.ledger import batches
from erasure.settings import Settings


def record_export(var: Path, csv: Path) -> None:
    """Remembers a CSV as ours, by the hash of its content, so that it can be found from a batch."""
    folder = var / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(str(csv.resolve()).encode()).hexdigest()[:16]
    (folder / f"{_sha256(csv)}-{name}").write_text(str(csv.resolve()), encoding="utf-8")


def expire(settings: Settings, var: Path) -> list[str]:
    """Ends the undo window of the batches that are due; returns their ids. Safe to repeat."""
    expired = batches.expire_due(settings)
    for batch_id in expired:
        _destroy_export(var, batches.get(settings, batch_id).csv_sha256 or "")
    # Also those of a plan that nobody executes any more: a command may be killed between its backup and its batch.
    for batch_id in batches.ended_among(settings, files.batches_with_csvs(var)):
        files.destroy(var, batch_id)
    return expired


def _destroy_export(var: Path, sha256: str) -> None:
    for record in (var / "exports").glob(f"{sha256}-*") if sha256 else ():
        csv = Path(record.read_text(encoding="utf-8"))
        # A file that has changed since is somebody else's work by now.
        if csv.exists() and _sha256(csv) == sha256:
            csv.unlink()
        record.unlink()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
