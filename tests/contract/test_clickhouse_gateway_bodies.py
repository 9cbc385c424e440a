"""What the gateway makes of bodies: compressed, chunked, broken off, and rows that look like SQL.

Add here: a way in which a body may be sent, or may lie.
Keep out: what a request without one sees (`test_clickhouse_gateway.py`).
"""

from __future__ import annotations

import datetime as dt
import gzip
import uuid
import zlib
from collections.abc import Callable

import httpx
import lz4.frame
import pytest
import zstandard

from tests.contract.clickhouse_gateway_support import (
    AUTHORIZATION,
    PASSWORD,
    USER,
    Gateway,
    chunked_insert,
    ids,
)

# --- bodies -------------------------------------------------------------------------------------------

ROWS = "".join(f"{number},user{number}@example.com\n" for number in range(10, 3010))


def in_frames(compress: Callable[[bytes], bytes]) -> bytes:
    """Several complete frames in one body, as clients send them."""
    return b"".join(compress(ROWS[at : at + 20000].encode()) for at in range(0, len(ROWS), 20000))


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("lz4", in_frames(lz4.frame.compress)),
        ("zstd", in_frames(zstandard.ZstdCompressor().compress)),
        ("gzip", in_frames(gzip.compress)),
        ("deflate", zlib.compress(ROWS.encode())),
    ],
)
def test_compressed_rows_arrive_whole_or_not_at_all(
    gateway: Gateway, people: str, encoding: str, body: bytes
) -> None:
    headers = {"Content-Encoding": encoding}
    cut = gateway.post(f"INSERT INTO {people} FORMAT CSV", body=body[:-9], headers=headers)
    assert (cut.status_code, cut.headers["X-ClickHouse-Exception-Code"]) == (400, "36")
    assert ids(gateway, people) == [1, 2]
    whole = gateway.post(f"INSERT INTO {people} FORMAT CSV", body=body, headers=headers)
    assert whole.status_code == httpx.codes.OK
    assert ids(gateway, people) == [1, 2, *range(10, 3010)]


def test_an_unknown_encoding_and_the_native_block_format_are_refused(gateway: Gateway) -> None:
    unknown = gateway.post(body="SELECT 1", headers={"Content-Encoding": "br"})
    assert unknown.status_code == httpx.codes.BAD_REQUEST
    for flag in ("compress", "decompress"):
        refused = gateway.post(body="SELECT 1", **{flag: "1"})
        assert (refused.status_code, refused.headers["X-ClickHouse-Exception-Code"]) == (501, "48")
        assert gateway.post(body="SELECT 1", **{flag: "0"}).text == "1\n"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4"])
def test_answers_are_compressed_only_when_asked(gateway: Gateway, encoding: str) -> None:
    query = "SELECT number FROM numbers(300000)"
    plain = gateway.sql(query).encode()
    expand: Callable[[bytes], bytes] = {
        "lz4": lz4.frame.decompress,
        "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
    }[encoding]
    for switch, expected in (("1", encoding), ("0", None)):
        options = {"params": {"enable_http_compression": switch}, "headers": {"Accept-Encoding": encoding}}
        with gateway.http.stream(
            "POST", gateway.url, content=query, auth=(USER, PASSWORD), **options
        ) as answer:
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("Content-Encoding") == expected
        assert (expand(raw) if expected else raw) == plain


@pytest.mark.parametrize(
    "chunks",
    [
        b"4\r\n7,x\n\r\n",
        b"4\r\n7,x\n\r\n0\r\n",
        b"ff\r\n7,x\n\r\n0\r\n\r\n",
        b"3\r\n7,x\n\r\n0\r\n\r\n",
        b"4\r\n7,x\n\r\n-1\r\n\r\n",
        b"4\r\n7,x\n\r\nxyz\r\n\r\n",
        b"0x4\r\n7,x\n\r\n0\r\n\r\n",
    ],
)
def test_a_chunked_body_that_breaks_off_inserts_nothing(gateway: Gateway, people: str, chunks: bytes) -> None:
    answer = gateway.send_raw(chunked_insert(people, chunks))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert ids(gateway, people) == [1, 2]


def test_a_whole_chunked_body_inserts_its_rows(gateway: Gateway, people: str) -> None:
    answer = gateway.send_raw(chunked_insert(people, b"4\r\n7,x\n\r\n4;note=1\r\n8,y\n\r\n0\r\nT: 1\r\n\r\n"))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert ids(gateway, people) == [1, 2, 7, 8]


def test_a_body_shorter_than_announced_or_with_two_lengths_runs_nothing(
    gateway: Gateway, people: str
) -> None:
    statement = f"INSERT INTO {people} VALUES (7, 'x')"
    start = f"POST / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {AUTHORIZATION}\r\n"
    short = f"{start}Content-Length: {len(statement) + 9}\r\n\r\n{statement}"
    chunks = f"{len(statement):x}\r\n{statement}\r\n0\r\n\r\n"
    both = f"{start}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    for request in (short, both):
        assert gateway.send_raw(request.encode()).startswith(b"HTTP/1.1 400 ")
    assert ids(gateway, people) == [1, 2]


# --- hostile SQL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("insert", "rows"),
    [
        ("VALUES", "(7, 'x')\n\nDROP TABLE {table}"),
        ("VALUES", "(7, 'x'); DROP TABLE {table}"),
        ("VALUES", "(7, 'x');\n\n-- a comment\nDROP TABLE {table}"),
        ("FORMAT Values", "(7, 'x') ; SELECT 1"),
        ("FORMAT CSV", "7,x\n\nDROP TABLE {table}\n"),
        ("FORMAT CSV", "7,x\n\n; DROP TABLE {table};\n"),
        ("FORMAT JSONEachRow", '{{"id": 7, "email": "x"}}\n\nDROP TABLE {table}\n'),
        ("SELECT id, 'x' FROM input('id Int32') FORMAT CSV", "7\n\nDROP TABLE {table}"),
        ("", "(7, 'x')\n\nDROP TABLE {table}"),
    ],
)
def test_rows_of_an_insert_never_run_as_sql(gateway: Gateway, people: str, insert: str, rows: str) -> None:
    statement, data = f"INSERT INTO {people} {insert}", rows.format(table=people)
    apart = gateway.post(statement, body=data)
    together = gateway.post(body=f"{statement}\n{data}")
    for response in (apart, together):
        assert response.status_code == httpx.codes.BAD_REQUEST, response.text
    assert ids(gateway, people) == [1, 2]


def test_harmless_blank_lines_and_semicolons_in_rows_are_data(gateway: Gateway, people: str) -> None:
    gateway.sql(f"INSERT INTO {people} VALUES (7, 'a;\n\nDROP TABLE {people}'),\n\n(8, 'it''s; \\'b') ; \n")
    gateway.post(f"INSERT INTO {people} FORMAT CSV", body=f'9,"c\n\n; DROP TABLE {people};"\n')
    assert ids(gateway, people) == [1, 2, 7, 8, 9]
    assert gateway.sql(f"SELECT email FROM {people} WHERE id = 8") == "it\\'s; \\'b\n"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1; DROP TABLE {table}",
        "SELECT 1 /* ; /* ; */ ; */; DROP TABLE {table}",
        "SELECT ';'; DROP TABLE {table}",
        "SELECT 'a\\';'; DROP TABLE {table}",
        "SELECT 1 -- ;\n; DROP TABLE {table}",
        "DROP TABLE {table}; SELECT ((",
        "DROP TABLE {table}; garbage",
        "SELECT $tag$;$tag$; DROP TABLE {table}",
        "WITH 1 AS x INSERT INTO {table} (id) FORMAT CSV\n7\n\nDROP TABLE {table}",
    ],
)
def test_two_statements_are_refused_and_neither_runs(gateway: Gateway, people: str, text: str) -> None:
    response = gateway.post(body=text.format(table=people))
    assert (response.status_code, response.headers["X-ClickHouse-Exception-Code"]) == (400, "62")
    assert "Multi-statements are not allowed" in response.text
    assert ids(gateway, people) == [1, 2]


@pytest.mark.parametrize("hiding", ["$a$", "'", "/*"])
@pytest.mark.parametrize(
    "start", ["WITH 1 AS x INSERT", "EXPLAIN AST INSERT", "EXECUTE AS default INSERT", "/**/INSERT"]
)
def test_rows_behind_an_unusual_insert_never_run_as_sql(
    gateway: Gateway, people: str, start: str, hiding: str
) -> None:
    """The engine ends the rows at a blank line; ours sees one long piece in quotes; and neither can parse the end."""
    closing = hiding.replace("/*", "*/")
    text = f"{start} INTO {people} (id) FORMAT CSV\n7,{hiding}\n\nDROP TABLE {people}; garbage ( {closing}"
    for parameters in ({}, {"wait_end_of_query": "1"}, {"default_format": "JSON"}):
        assert gateway.post(body=text, **parameters).status_code >= httpx.codes.BAD_REQUEST
        asked = {"query": text, **parameters}
        assert gateway.http.get(gateway.url, params=asked, auth=(USER, PASSWORD)).is_error
    assert ids(gateway, people) == [1, 2]


def test_one_statement_with_semicolons_in_odd_places_runs(gateway: Gateway) -> None:
    assert gateway.sql("SELECT 1 -- ;\n;;") == "1\n"
    assert gateway.sql("SELECT ';', /* ; */ 2; -- end") == ";\t2\n"
    assert gateway.sql("(SELECT $a$;$a$)") == ";\n"


def test_what_only_resembles_sql_is_an_error(gateway: Gateway) -> None:
    for text in ("garbage", "", " ; ", "SELECT 1 INTO OUTFILE '/dev/null'", "SELECT (("):
        assert gateway.post(body=text).status_code in {400, 501}


def test_a_long_list_of_ids_is_scanned_quickly(gateway: Gateway) -> None:
    listed = ", ".join(f"'{uuid.uuid4()}'" for _ in range(60_000))
    answer = gateway.post(body=f"SELECT 'x' IN ({listed})", max_query_size="10000000")
    assert answer.text == "0\n"
    assert answer.elapsed < dt.timedelta(seconds=30)
