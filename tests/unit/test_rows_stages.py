"""Reading ahead and writing behind: the same bytes and the same errors, and no thread that outlives its object.

Add here: another way in which a source or a sink can break off.
Keep out: formats and compressions, which have modules of their own.
"""

import gzip
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from erasure.stores.s3.rows.compression import CHUNK
from tests.unit.rows_support import ANN, BOB, CONTROL, TARGET, prepared

ROW = f'{{"id": "{TARGET}", "email": "{ANN}", "label": "x"}}\n'.encode()
OTHER = f'{{"id": "{CONTROL}", "email": "{BOB}", "label": "x"}}\n'.encode()
SHORT = (ROW + OTHER) * 3
LONG = (ROW + OTHER) * (8 * CHUNK // len(ROW))


class Source(io.BytesIO):
    """Tells which threads have read it; behind so many bytes it raises what it was given."""

    def __init__(
        self, raw: bytes, *, breaks_at: int | None = None, error: BaseException | None = None
    ) -> None:
        super().__init__(raw)
        self.threads: set[str] = set()
        self._breaks_at = breaks_at
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        """Some of it."""
        self.threads.add(threading.current_thread().name)
        if self._error is not None and self._breaks_at is not None and self.tell() >= self._breaks_at:
            raise self._error
        return super().read(size)


class Full(io.BytesIO):
    """A disk that has room for a few pieces."""

    def write(self, data: Any) -> int:
        """Takes it while there is room."""
        if self.tell() > 3 * CHUNK:
            raise OSError(28, "no room")
        return super().write(data)


def alive() -> list[str]:
    """The threads of stages that run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rows-")]


def packed(key: str, raw: bytes) -> bytes:
    """As the key says; almost as long as it was."""
    return gzip.compress(raw, 0) if key.endswith(".gz") else raw


def masked(raw: bytes) -> bytes:
    """As it is to be."""
    return raw.replace(ANN.encode(), MASK.encode())


@pytest.mark.parametrize("key", ["a.jsonl", "a.jsonl.gz"])
def test_a_long_object_is_read_and_written_beside_its_judging(key: str) -> None:
    codec, rules = prepared(key)
    source, sink = Source(packed(key, LONG)), io.BytesIO()
    counts = codec.rewrite(source, sink, rules)
    result = gzip.decompress(sink.getvalue()) if key.endswith(".gz") else sink.getvalue()
    assert result == masked(LONG)
    assert counts.rows == LONG.count(b"\n")
    assert len(source.threads) == 2
    assert alive() == []


@pytest.mark.parametrize("key", ["a.jsonl", "a.jsonl.gz"])
def test_a_short_object_has_no_thread(key: str) -> None:
    codec, rules = prepared(key)
    source, sink = Source(packed(key, SHORT)), io.BytesIO()
    codec.rewrite(source, sink, rules)
    assert source.threads == {threading.current_thread().name}


@pytest.mark.parametrize("key", ["a.jsonl", "a.jsonl.gz", "a.csv", "a.json"])
def test_a_source_that_breaks_off_raises_what_it_raised(key: str) -> None:
    raw = {
        "a.csv": b"id,email,label\n" + f"{CONTROL},{BOB},x\n".encode() * (8 * CHUNK // 60),
        "a.json": b"[" + OTHER.replace(b"\n", b",\n") * (8 * CHUNK // len(ROW)),
    }.get(key, LONG)
    for work in ("count", "rewrite"):
        lost = ConnectionResetError("lost")
        codec, rules = prepared(key)
        source = Source(packed(key, raw), breaks_at=5 * CHUNK, error=lost)
        with pytest.raises(ConnectionResetError) as told:
            codec.count(source, rules) if work == "count" else codec.rewrite(source, io.BytesIO(), rules)
        assert told.value is lost
        assert len(source.threads) == 2
        assert alive() == []


def test_a_flaw_before_the_break_is_told_though_the_break_was_met_first() -> None:
    raw = LONG[: 2 * CHUNK].rpartition(b"\n")[0] + b"\n{no row}\n" + LONG
    codec, rules = prepared("a.jsonl")
    source = Source(raw, breaks_at=4 * CHUNK, error=ConnectionResetError("lost"))
    with pytest.raises(UnreadableRows) as flaw:
        codec.rewrite(source, io.BytesIO(), rules)
    assert flaw.value.kind is Flaw.FORMAT
    assert alive() == []


def test_an_object_without_end_is_left_at_its_first_flaw() -> None:
    class Endless(Source):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            self.given += 1
            return LONG[:CHUNK].rpartition(b"\n")[0] + (b"\n{no row}\n" if self.given == 3 else b"\n")

    codec, rules = prepared("a.jsonl")
    source = Endless(b"")
    with pytest.raises(UnreadableRows):
        codec.rewrite(source, io.BytesIO(), rules)
    # No more than what may wait for the judge.
    assert source.given < 30
    assert alive() == []


def broken_later(raw: bytes) -> bytes:
    """Behind what fits, a row that is none."""
    return raw + b"{no row}\n"


@pytest.mark.parametrize("change", [bytes, broken_later], ids=["whole", "with a flaw at its end"])
def test_a_sink_that_takes_no_more_is_told_before_what_lies_behind(change: Callable[[bytes], bytes]) -> None:
    codec, rules = prepared("a.jsonl")
    with pytest.raises(OSError, match="no room"):
        codec.rewrite(Source(change(LONG)), Full(), rules)
    assert alive() == []
