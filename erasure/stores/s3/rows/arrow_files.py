"""A Python file as Arrow is to see it.

Holds: `Guarded`.
Add here: another method that Arrow asks a file for.
Keep out: what is read or written.
"""

import io
from typing import Any


class Guarded:
    """A file that stays open when Arrow closes what it has read or written.

    What goes wrong below it (a broken connection) is kept in `failure`, apart from what is wrong with the data.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.failure: Exception | None = None
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        """Up to that many bytes."""
        try:
            return bytes(self._file.read(size))
        except Exception as error:
            self.failure = error
            raise

    def write(self, data: Any) -> int:
        """Takes all of it."""
        try:
            self._file.write(bytes(data))
        except Exception as error:
            self.failure = error
            raise
        return len(data)

    def seek(self, to: int, whence: int = io.SEEK_SET) -> int:
        """Moves there, and says where that is."""
        return int(self._file.seek(to, whence))

    def tell(self) -> int:
        """Where it stands."""
        return int(self._file.tell())

    def flush(self) -> None:
        """Nothing: whoever opened the file flushes it."""

    def close(self) -> None:
        """Closes it for Arrow alone."""
        self.closed = True
