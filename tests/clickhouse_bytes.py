"""Bodies for the tests of the gateway: what they hold, how they are compressed, where they are cut.

Add here: a kind of body that several test modules send. Keep out: SQL (`clickhouse_text.py`), and assertions.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from itertools import pairwise

import lz4.frame
import zstandard
from hypothesis import strategies as st

# One whole frame by the clients' own libraries.
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
}
datas = st.one_of(st.binary(max_size=200), st.sampled_from([b"x" * 5000, bytes(range(256)) * 40, b""]))
cuts = st.lists(st.integers(0, 300), max_size=5)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    """`data` in pieces, cut at these positions."""
    edges = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]
