"""Whatever a server answers: a store says in one of our errors that it is none of its kind, and repeats nothing of it.

Holds: drawn answers, for each store in the form of its own protocol, sent by a server that then hangs up.
Add here: another form that an answer can have.
Keep out: servers that are slow or that are real engines (`wrong_stores.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dagster_defs import wiring
from erasure.errors import ErasureError, StoreRefused, StoreUnavailable
from erasure.settings import Settings
from tests.faults.detours import section_of
from tests.faults.strangers import Stranger, saying
from tests.integration.raw_look import STORES
from tests.inventory_fixtures import kepler_inventory

# What an answer may hold and nobody may repeat.
VALUE = "ann.walker@example.com"
SECRET = "s3cret-w0rd"

junk = st.binary(max_size=60)
body = st.one_of(
    junk,
    st.sampled_from(
        [
            b"{}",
            b"[]",
            b"null",
            b'"text"',
            b'{"version": {}}',
            b'{"version": {"number": 8}, "cluster_name": null}',
            b'{"error": "no", "status": "text"}',
            b'{"error": {"type": {}, "root_cause": [1]}, "status": 400}',
            b"<html></html>",
            b"<Error><Code>AccessDenied</Code></Error>",
            b"<Error><Message>no code</Message></Error>",
            b"<VersioningConfiguration/>",
            b"<ListVersionsResult><Name>other</Name></ListVersionsResult>",
            b"Code: 516. DB::Exception: no",
            b"26.9.1\tUTC\n",
            b"\x02\x01\x09version()\x06String\x0426.9\x08timezone\x06String\x03UTC",
        ]
    ),
).map(lambda drawn: drawn + VALUE.encode())
status = st.sampled_from([200, 204, 301, 302, 307, 400, 401, 403, 404, 418, 429, 500, 503])
header = st.sampled_from(
    [
        b"Content-Type: application/json",
        b"Content-Type: text/html; charset=nonsense",
        b"Content-Type: application/xml",
        b"Content-Encoding: gzip",
        b"Transfer-Encoding: chunked",
        b"X-ClickHouse-Exception-Code: 516",
        b"X-ClickHouse-Exception-Code: many",
        b"X-ClickHouse-Format: Native",
        b"x-amz-bucket-region: nowhere",
        b"Location: /elsewhere",
        b"Warning: 299 nonsense",
        b"no header at all",
    ]
)
http = st.builds(
    lambda code, headers, drawn: (
        b"\r\n".join([b"HTTP/1.1 %d Said" % code, *headers, b"Connection: close"]) + b"\r\n\r\n" + drawn
    ),
    status,
    st.lists(header, max_size=3),
    body,
)
resp = st.one_of(
    junk,
    st.builds(
        lambda kind, drawn: kind + drawn + VALUE.encode() + b"\r\n",
        st.sampled_from(
            [b"+", b"-", b":", b"$", b"*", b"%", b"_", b"(", b"=", b"-ERR ", b"-WRONGPASS ", b"*-1\r\n"]
        ),
        st.one_of(junk, st.integers(-3, 10**12).map(lambda number: b"%d" % number)),
    ),
)
wire = st.one_of(
    junk,
    st.builds(
        lambda first, kind, length, drawn: first + kind + length.to_bytes(4, "big") + drawn + VALUE.encode(),
        st.sampled_from([b"", b"N", b"S", b"E"]),
        st.sampled_from([b"R", b"E", b"N", b"Z", b"S", b"\x00", b"H"]),
        st.integers(0, 2**31 - 1),
        junk,
    ),
)
ANSWERS = {"postgres": wire, "clickhouse": http, "elasticsearch": http, "s3": http, "redis": resp}


def settings_for(store: str, port: int) -> Settings:
    url = f"http://127.0.0.1:{port}"
    host = {"host": "127.0.0.1", "port": port, "password": SECRET}
    sections = {
        "database": {**host, "database": "kepler", "username": "kepler"},
        "clickhouse": {**host, "username": "kepler"},
        "elasticsearch": {"url": url.replace("//", f"//kepler:{SECRET}@")},
        "s3": {
            "bucket_name": "kepler-bucket",
            "endpoint_url": url,
            "aws_access_key_id": "key",
            "aws_secret_access_key": SECRET,
        },
        "redis": host,
    }
    sections[section_of(store)]["connect_seconds"] = 5
    return Settings.model_validate(sections)


@pytest.fixture(scope="module", autouse=True)
def no_second_try() -> Iterator[None]:
    """The answer would be the same one again, and clients wait in between."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "TRIES", 1)
        yield


@pytest.mark.parametrize("store", STORES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_answer_makes_a_store_say_anything_but_what_to_check(store: str, data: st.DataObject) -> None:
    with Stranger(saying(data.draw(ANSWERS[store]))) as stranger:
        asked = settings_for(store, stranger.port)
        with pytest.raises(ErasureError) as caught:
            wiring.health_of(wiring.store_of(store, asked, kepler_inventory()), asked)
    said = str(caught.value)
    assert isinstance(caught.value, StoreUnavailable | StoreRefused)
    assert said.startswith(store)
    assert VALUE not in said and SECRET not in said
    assert caught.value.__cause__ is None
