"""How the gateway reads bodies: in chunks, by length, and as forms.

Add here: a property of `sandbox.clickhouse.body`.
Keep out: compression (`test_clickhouse_compression.py`), and what a request with such a body does
(`tests/contract/test_clickhouse_gateway_bodies.py`).
"""

from __future__ import annotations

import io
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from sandbox.clickhouse.body import BrokenBody, FormFile, parse_form, raw_pieces, read_form, spooled
from sandbox.clickhouse.errors import ClickHouseError
from tests.clickhouse_bytes import COMPRESS, cut, cuts, datas

in_temporary_directory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def headers(**values: str) -> Message:
    message = Message()
    for name, value in values.items():
        message[name.replace("_", "-")] = value
    return message


CHUNKED = headers(Transfer_Encoding="chunked")


def in_chunks(pieces: list[bytes], extension: str = "", trailer: str = "") -> bytes:
    """A body in chunks as RFC 9112 has it; an empty chunk would be the last."""
    sized = [f"{len(piece):x}{extension}\r\n".encode() + piece + b"\r\n" for piece in pieces if piece]
    return b"".join(sized) + f"0\r\n{trailer}\r\n".encode()


# --- framing ------------------------------------------------------------------------------------------


@given(
    data=datas,
    at=cuts,
    extension=st.sampled_from(["", ";a=b", " ; x", "\t"]),
    trailer=st.sampled_from(["", "T: 1\r\n", "A: b\r\nC: d\r\n"]),
    after=st.binary(max_size=20),
)
def test_chunks_come_out_as_they_went_in_and_nothing_behind_them_is_read(
    data: bytes, at: list[int], extension: str, trailer: str, after: bytes
) -> None:
    source = io.BytesIO(in_chunks(cut(data, at), extension, trailer) + after)
    assert b"".join(raw_pieces(source, CHUNKED)) == data
    assert source.read() == after


@given(data=datas, at=cuts, lost=st.integers(1, 10_000))
def test_chunks_that_end_early_are_broken_and_never_shorter(data: bytes, at: list[int], lost: int) -> None:
    body = in_chunks(cut(data, at), trailer="T: 1\r\n")
    with pytest.raises(BrokenBody):
        list(raw_pieces(io.BytesIO(body[: -min(lost, len(body))]), CHUNKED))


@given(
    body=st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from([b"3", b"\r\n", b"abc", b"0", b";", b"-", b"x"])).map(b"".join),
    )
)
def test_chunks_of_any_bytes_are_read_or_broken(body: bytes) -> None:
    source = io.BytesIO(body)
    try:
        plain = b"".join(raw_pieces(source, CHUNKED))
    except BrokenBody:
        return
    assert plain in body or len(plain) < len(body)
    assert body[: source.tell()].endswith(b"\r\n")


@given(data=datas, after=st.binary(max_size=20), missing=st.integers(1, 50))
def test_a_length_is_kept_to_the_byte(data: bytes, after: bytes, missing: int) -> None:
    source = io.BytesIO(data + after)
    assert b"".join(raw_pieces(source, headers(Content_Length=str(len(data))))) == data
    assert source.read() == after
    with pytest.raises(BrokenBody):
        list(raw_pieces(io.BytesIO(data), headers(Content_Length=str(len(data) + missing))))


@given(
    length=st.one_of(st.text(max_size=5), st.sampled_from(["-1", "+3", "0x3", "3.0", "٣", "9" * 5000, ""]))
)
def test_a_length_that_is_no_number_is_broken(length: str) -> None:
    try:
        list(raw_pieces(io.BytesIO(b"abcdefghi" * 12_000), headers(Content_Length=length)))
    except BrokenBody:
        return
    assert length.strip().isdecimal() and length.isascii()


def test_two_lengths_or_a_length_beside_chunks_are_broken() -> None:
    two = headers(Content_Length="3")
    two["Content-Length"] = "4"
    both = headers(Content_Length="3", Transfer_Encoding="chunked")
    for ambiguous in (two, both, headers(Transfer_Encoding="gzip, chunked")):
        with pytest.raises(BrokenBody):
            list(raw_pieces(io.BytesIO(b"3\r\nabc\r\n0\r\n\r\n"), ambiguous))
    assert list(raw_pieces(io.BytesIO(b"abc"), headers())) == []


# --- the whole body -----------------------------------------------------------------------------------


@in_temporary_directory
@given(encoding=st.sampled_from(["", *sorted(COMPRESS)]), data=datas, at=cuts)
def test_a_body_is_whole_before_anybody_sees_it(
    tmp_path: Path, encoding: str, data: bytes, at: list[int]
) -> None:
    packed = COMPRESS[encoding](data) if encoding else data
    both = headers(Transfer_Encoding="chunked", Content_Encoding=encoding)
    with spooled(io.BytesIO(in_chunks(cut(packed, at))), both, tmp_path) as body:
        assert body.read() == data
    assert list(tmp_path.iterdir()) == []


def test_a_large_body_lies_in_the_given_directory_under_no_name(tmp_path: Path) -> None:
    data = bytes(range(256)) * (40 << 10)
    with spooled(io.BytesIO(data), headers(Content_Length=str(len(data))), tmp_path) as body:
        assert body.fileno() > 0
        assert Path(f"/proc/self/fd/{body.fileno()}").readlink().parent == tmp_path
        assert list(tmp_path.iterdir()) == []
        assert body.read() == data


class Broken(io.BytesIO):
    """A client that is cut off."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 9_000_000:
            raise ConnectionResetError
        return super().read(size)


def test_a_body_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    data = bytes(10_000_000)
    with pytest.raises(ConnectionResetError):
        spooled(Broken(data), headers(Content_Length=str(len(data))), tmp_path)
    with pytest.raises(BrokenBody):
        spooled(io.BytesIO(data[:-1]), headers(Content_Length=str(len(data))), tmp_path)
    assert list(tmp_path.iterdir()) == []


# --- forms --------------------------------------------------------------------------------------------

names = st.text("abcXYZ019_", min_size=1, max_size=12)
contents = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([b"\r\n", b"--", b"\r\n--", b"\r\n\r\n", b"--x--\r\n", b"\n--x", b"\0"]),
)


@given(
    fields=st.dictionaries(names, contents, max_size=4),
    files=st.dictionaries(names, contents, max_size=3),
    boundary=st.sampled_from(["x", "b-1", "'()+_,-./:=? z", "0123456789" * 7]),
)
def test_a_form_comes_out_as_a_client_made_it(
    fields: dict[str, bytes], files: dict[str, bytes], boundary: str
) -> None:
    assume(not any(f"--{boundary}".encode() in value for value in (*fields.values(), *files.values())))
    parts: dict[str, object] = {f"f_{name}": value for name, value in fields.items()}
    parts |= {f"t_{name}": (f"{name}.csv", value, "text/csv") for name, value in files.items()}
    # Without any part a body has no mark but the last.
    assume(parts)
    body, _ = encode_multipart_formdata(parts, boundary)  # type: ignore[arg-type]
    form = parse_form(f'multipart/form-data; boundary="{boundary}"', body)
    read = {name: value.encode("utf-8", "surrogateescape") for name, value in form.fields.items()}
    assert read == {f"f_{name}": value for name, value in fields.items()}
    assert form.files == tuple(FormFile(name=f"t_{name}", data=value) for name, value in files.items())


@given(value=contents, lost=st.integers(1, 200))
def test_a_form_that_is_not_closed_is_refused(value: bytes, lost: int) -> None:
    body, kind = encode_multipart_formdata({"query": value}, "edge")
    # Its last two bytes are a line end behind the mark.
    with pytest.raises(ClickHouseError, match="36"):
        parse_form(kind, body[: -min(lost + 2, len(body))])


form_words = (
    *(b"--x", b"--", b"\r\n", b"Content-Disposition: form-data", b'; name="a"', b"; name*=utf-8''%ff", b'"'),
    *(
        b":",
        b"; filename*=x'y'z",
        b"; filename*0=a",
        b";",
        b"\xff",
        b"\0",
        b"data",
        b"; name=",
        b"=?utf-8?q?=ff?=",
    ),
)
form_pieces = st.lists(st.sampled_from(form_words), max_size=14).map(b"".join)


@given(
    body=st.one_of(st.binary(max_size=80), form_pieces),
    kind=st.one_of(st.just("multipart/form-data; boundary=x"), st.text(max_size=30)),
)
def test_a_form_of_any_bytes_is_read_or_refused(body: bytes, kind: str) -> None:
    for data in (body, b"--x\r\n" + body + b"\r\n--x--\r\n"):
        try:
            parse_form(kind, data)
        except ClickHouseError as error:
            assert error.code == 36


class Endless(io.RawIOBase):
    """Zeros, as many as are asked for."""

    asked = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.asked += size
        return bytes(size)


def test_a_form_has_a_largest_size() -> None:
    source = Endless()
    with pytest.raises(ClickHouseError, match="128 MiB"):
        read_form("multipart/form-data; boundary=x", source)  # type: ignore[arg-type]
    assert source.asked == (128 << 20) + 1
