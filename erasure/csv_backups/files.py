"""The folder of a batch's CSVs: made for its owner alone, whole or not at all, and gone when the undo window ends.

They hold personal data.
Add here: what is the same for the CSVs of every store.
Keep out: what is written (a module a store), and restoring.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


def folder_of(var: Path, batch_id: str) -> Path:
    """Where the CSVs of a batch are, in a folder a store."""
    return var / "backups" / batch_id


@contextmanager
def made(var: Path, batch_id: str) -> Iterator[Path]:
    """An empty folder for the CSVs of a batch; one that could not be filled to the end is removed."""
    destroy(var, batch_id)
    folder = folder_of(var, batch_id)
    folder.mkdir(parents=True, mode=0o700)
    try:
        yield folder
    except BaseException:
        destroy(var, batch_id)
        raise


def opened(path: Path) -> IO[bytes]:
    """A new file, for its owner alone."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    # Opened with the narrow mode at once: a chmod afterwards would leave a moment in which others can read.
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def destroy(var: Path, batch_id: str) -> None:
    """Removes the CSVs of a batch; nothing happens where there are none."""
    shutil.rmtree(folder_of(var, batch_id), ignore_errors=True)


def batches_with_csvs(var: Path) -> list[str]:
    """The batches of which there are CSVs."""
    return sorted(folder.name for folder in (var / "backups").glob("*") if folder.is_dir())
