"""Reading ahead and writing behind: what comes before and after judging rows, in threads of their own.

Files, sockets, gzip and zstd let other threads work meanwhile, so that on two cores they cost little time beside the
judging. A short object has no thread at all.
Holds: `read_ahead`, `written_behind`.
Add here: nothing of a format or a compression; a stage moves pieces of bytes.
Keep out: what the pieces hold. Errors pass through as they are, and nothing runs on behind an error.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition, Thread
from typing import Generic, TypeVar

from erasure.stores.s3.rows.compression import CHUNK, Packer, Readable
from erasure.stores.s3.rows.lines import filled

# Pieces that wait between two stages: enough for one to be slow for a while, and little memory.
_WAITING_AT_MOST = 4
_Item = TypeVar("_Item")


@contextmanager
def read_ahead(source: Readable) -> Iterator[Readable]:
    """The same bytes in the same order; pieces may be longer than what is asked for, as no reader here minds."""
    reader = _Reader(source)
    try:
        yield reader
    finally:
        reader.stop()


@contextmanager
def written_behind(packer: Packer) -> Iterator[Packer]:
    """Takes what is written; all of it has been written, and the packer is finished, once this is left."""
    writer = _Writer(packer)
    try:
        yield writer
        writer.finish()
    except Exception:
        writer.stop()
        # What could not be written was there before whatever was found behind it.
        if writer.failure is not None:
            raise writer.failure from None
        raise
    finally:
        writer.stop()


class _Belt(Generic[_Item]):
    """Carries a few items from one thread to another; once it is stopped, it takes and gives none."""

    def __init__(self) -> None:
        self._items = deque[_Item]()
        self._changed = Condition()
        self._is_stopped = False

    def put(self, item: _Item) -> bool:
        """Waits for room; whether the item was taken."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or len(self._items) < _WAITING_AT_MOST)
            if not self._is_stopped:
                self._items.append(item)
                self._changed.notify_all()
            return not self._is_stopped

    def take(self) -> _Item | None:
        """Waits for an item; None once the belt is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or bool(self._items))
            if self._is_stopped:
                return None
            self._changed.notify_all()
            return self._items.popleft()

    def stop(self) -> None:
        """Lets both sides go, and drops what is on it."""
        with self._changed:
            self._is_stopped = True
            self._items.clear()
            self._changed.notify_all()


class _Reader:
    def __init__(self, source: Readable) -> None:
        self._source = source
        self._seen = 0
        self._belt = _Belt[bytes | BaseException]()
        self._thread: Thread | None = None
        self._has_ended = False

    def read(self, size: int) -> bytes:
        if self._has_ended:
            return b""
        if self._thread is None:
            if self._seen <= CHUNK:
                piece = self._source.read(size)
                self._seen += len(piece)
                return piece
            self._thread = Thread(target=self._run, name="rows-ahead", daemon=True)
            self._thread.start()
        found = self._belt.take() or b""
        # Also behind an error, when nothing more comes.
        self._has_ended = not found or isinstance(found, BaseException)
        if isinstance(found, BaseException):
            raise found
        return found

    def _run(self) -> None:
        try:
            while self._belt.put(piece := filled(self._source, CHUNK)) and piece:
                pass
        except BaseException as error:
            self._belt.put(error)

    def stop(self) -> None:
        """Waits for a read that is under way: whoever opened the source is about to close it."""
        self._belt.stop()
        if self._thread is not None:
            self._thread.join()


class _Writer:
    def __init__(self, packer: Packer) -> None:
        self._packer = packer
        self._seen = 0
        self._belt = _Belt[bytes]()
        self._thread: Thread | None = None
        self.failure: BaseException | None = None

    def write(self, data: bytes) -> None:
        if self._thread is None:
            if self._seen <= CHUNK:
                self._seen += len(data)
                self._packer.write(data)
                return
            self._thread = Thread(target=self._run, name="rows-behind", daemon=True)
            self._thread.start()
        # An empty piece means the end.
        if data and not self._belt.put(data) and self.failure is not None:
            raise self.failure

    def finish(self) -> None:
        if self._thread is not None:
            self._belt.put(b"")
            self._thread.join()
            if self.failure is not None:
                raise self.failure
        self._packer.finish()

    def _run(self) -> None:
        try:
            while data := self._belt.take():
                self._packer.write(data)
        except BaseException as error:
            self.failure = error
            self._belt.stop()

    def stop(self) -> None:
        """Drops what waits, and waits for a write that is under way."""
        self._belt.stop()
        if self._thread is not None:
            self._thread.join()
