"""gzip and zstd around rows: what is kept of them, and what is broken is an error.

Add here: another compression, and what a server or a crash can make of one.
Keep out: formats (`test_rows_delimited.py`, `test_rows_json.py`, `test_rows_parquet.py`).
"""

import gzip
import io

import pyarrow as pa
import pytest

from erasure.rules import MASK
from erasure.stores.s3.rows.base import Flaw, UnreadableRows
from tests.unit.rows_support import ANN, BOB, CONTROL, TARGET, prepared, rewritten

RAW = f"id,email,label\n{TARGET},{ANN},x\n{CONTROL},{BOB},y\n".encode()
MASKED = RAW.replace(ANN.encode(), MASK.encode())


def zstd(raw: bytes) -> bytes:
    """A frame of Arrow's."""
    return bytes(pa.compress(raw, codec="zstd", asbytes=True))


def unzstd(raw: bytes) -> bytes:
    """All frames."""
    return bytes(pa.CompressedInputStream(pa.BufferReader(raw), "zstd").read())


@pytest.mark.parametrize(("level", "sign"), [(1, 4), (6, 0), (9, 2)])
def test_gzip_keeps_time_name_and_level(level: int, sign: int) -> None:
    held = io.BytesIO()
    with gzip.GzipFile("export.csv", "wb", compresslevel=level, fileobj=held, mtime=1_700_000_000) as file:
        file.write(RAW)
    codec, rules = prepared("a.csv.gz")
    result, _ = rewritten(codec, held.getvalue(), rules)
    assert gzip.decompress(result) == MASKED
    header = held.getvalue()[: held.getvalue().index(b"export.csv\0") + 11]
    assert result.startswith(header)
    assert result[8] == sign


def test_several_members_and_padding_are_one_stream() -> None:
    codec, rules = prepared("a.csv.gz")
    raw = gzip.compress(RAW[:30]) + gzip.compress(b"") + gzip.compress(RAW[30:]) + b"\0" * 700
    result, counts = rewritten(codec, raw, rules)
    assert gzip.decompress(result) == MASKED
    assert counts.rows == 2


def test_several_frames_of_zstd_are_one_stream() -> None:
    codec, rules = prepared("a.csv.zst")
    result, counts = rewritten(codec, zstd(RAW[:30]) + zstd(RAW[30:]), rules)
    assert unzstd(result) == MASKED
    assert counts.rows == 2


def test_what_is_packed_without_its_key_saying_so_is_read_and_packed_again() -> None:
    codec, rules = prepared("a.csv")
    assert gzip.decompress(rewritten(codec, gzip.compress(RAW), rules)[0]) == MASKED
    assert unzstd(rewritten(codec, zstd(RAW), rules)[0]) == MASKED


BIG = RAW + f"{CONTROL},{BOB},z\n".encode() * 5_000


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("a.csv.gz", gzip.compress(BIG)[:-1]),
        ("a.csv.gz", gzip.compress(BIG)[: len(gzip.compress(BIG)) // 2]),
        ("a.csv.gz", gzip.compress(BIG)[:5]),
        ("a.csv.gz", gzip.compress(BIG)[:-8] + b"\1\2\3\4" + gzip.compress(BIG)[-4:]),
        ("a.csv.gz", gzip.compress(BIG) + b"rest"),
        ("a.csv.gz", BIG),
        ("a.csv.zst", zstd(BIG)[:-3]),
        ("a.csv.zst", zstd(BIG) + b"rest"),
        ("a.csv.zst", gzip.compress(BIG)),
    ],
    ids=[
        "gzip without its last byte",
        "half of a gzip",
        "the head of a gzip",
        "gzip with another checksum",
        "gzip and something else",
        "no gzip",
        "zstd without its end",
        "zstd and something else",
        "gzip for zstd",
    ],
)
def test_what_is_cut_off_or_broken_is_an_error(key: str, raw: bytes) -> None:
    codec, rules = prepared(key)
    with pytest.raises(UnreadableRows) as flaw:
        codec.rewrite(io.BytesIO(raw), io.BytesIO(), rules)
    assert flaw.value.kind is Flaw.COMPRESSION
    with pytest.raises(UnreadableRows):
        codec.count(io.BytesIO(raw), rules)


class Lost(io.BytesIO):
    """A connection that breaks behind its first thousand bytes."""

    def read(self, size: int | None = -1) -> bytes:
        """Some, and then no more."""
        if self.tell() >= 1_000:
            raise ConnectionResetError("lost")
        return super().read(1_000)


@pytest.mark.parametrize(
    ("key", "raw"),
    [("a.csv.gz", gzip.compress(BIG, 0)), ("a.csv.zst", zstd(BIG)), ("a.csv", BIG)],
    ids=["gzip", "zstd", "plain"],
)
def test_a_connection_that_breaks_is_not_taken_for_a_broken_file(key: str, raw: bytes) -> None:
    codec, rules = prepared(key)
    with pytest.raises(ConnectionResetError):
        codec.count(Lost(raw + bytes(1_000)), rules)
