"""Content encodings of the gateway, both ways.

Add here: a property of `sandbox.clickhouse.compression`.
Keep out: framing (`test_clickhouse_bodies.py`), and what a request with such a body does.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.clickhouse.compression import PIECE, decoded, encoder, encoding_for
from sandbox.clickhouse.errors import ClickHouseError
from tests.clickhouse_bytes import COMPRESS, cut, cuts, datas

encodings = st.sampled_from(sorted(COMPRESS))


@given(encoding=encodings, parts=st.lists(datas, min_size=1, max_size=4), at=cuts)
def test_frames_come_out_as_they_went_in_wherever_they_are_cut(
    encoding: str, parts: list[bytes], at: list[int]
) -> None:
    body = b"".join(COMPRESS[encoding](part) for part in parts)
    assert b"".join(decoded(encoding.upper(), cut(body, at))) == b"".join(parts)
    assert b"".join(decoded(encoding, [body[each : each + 1] for each in range(len(body))])) == b"".join(
        parts
    )


@given(encoding=encodings, first=datas, second=datas, lost=st.integers(1, 10_000), at=cuts)
def test_a_frame_that_is_not_whole_is_refused(
    encoding: str, first: bytes, second: bytes, lost: int, at: list[int]
) -> None:
    whole, last = COMPRESS[encoding](first), COMPRESS[encoding](second)
    body = whole + last[: -min(lost, len(last) - 1)]
    with pytest.raises(ClickHouseError, match="36"):
        list(decoded(encoding, cut(body, at)))


@given(encoding=encodings, body=st.binary(min_size=1, max_size=60), good=st.binary(max_size=20))
def test_any_bytes_are_expanded_or_refused(encoding: str, body: bytes, good: bytes) -> None:
    for hostile in (body, COMPRESS[encoding](good) + body, COMPRESS[encoding](good)[:7] + body):
        try:
            list(decoded(encoding, [hostile]))
        except ClickHouseError as error:
            assert error.code == 36


@given(encoding=encodings, parts=st.lists(datas, max_size=4))
def test_an_answer_is_one_frame_of_what_was_put_in(encoding: str, parts: list[bytes]) -> None:
    frame = encoder(encoding)
    packed = b"".join(frame.compress(part) for part in parts) + frame.flush()
    assert b"".join(decoded(encoding, [packed])) == b"".join(parts)


@pytest.mark.parametrize("encoding", sorted(COMPRESS))
def test_a_small_frame_of_much_comes_out_in_pieces(encoding: str) -> None:
    size = 64 << 20
    packed = COMPRESS[encoding](bytes(size))
    lengths = [len(piece) for piece in decoded(encoding, [packed])]
    assert sum(lengths) == size
    assert max(lengths) <= 8 * PIECE


@pytest.mark.timeout(120)
@pytest.mark.parametrize("encoding", sorted(COMPRESS))
def test_thousands_of_tiny_frames_take_time_in_proportion(encoding: str) -> None:
    packed = COMPRESS[encoding](b"") * 20_000
    assert b"".join(decoded(encoding, [packed])) == b""


def test_an_unknown_encoding_is_named_and_identity_is_none() -> None:
    with pytest.raises(ClickHouseError, match="br"):
        list(decoded("br", [b"x"]))
    assert list(decoded("identity", [b"x"])) == list(decoded("", [b"x"])) == [b"x"]


@given(
    accepted=st.one_of(st.text(max_size=30), st.sampled_from(["gzip;q=0, zstd", "*", "gzip, deflate, br"]))
)
@example("lz4;q=0")
def test_only_an_encoding_that_was_named_is_answered(accepted: str) -> None:
    chosen = encoding_for(accepted)
    assert chosen is None or chosen in accepted.lower()
    assert encoding_for("gzip;q=0, br") is None
    assert encoding_for("br, GZIP;q=0.5") == "gzip"
