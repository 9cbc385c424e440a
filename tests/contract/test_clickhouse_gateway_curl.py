"""The gateway as people at a terminal use it: with curl.

Add here: a way to call curl. Keep out: what a program sends (`test_clickhouse_gateway.py`).
"""

from __future__ import annotations

import gzip
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.clickhouse_gateway_support import PASSWORD, USER, Gateway, ids


@dataclass(frozen=True, kw_only=True)
class Curl:
    """curl on one gateway; the password travels by a file, as it should: arguments are seen by everybody."""

    gateway: Gateway
    credentials: Path

    def __call__(self, *arguments: str, path: str = "", stdin: bytes = b"", anonymous: bool = False) -> bytes:
        who = [] if anonymous else ["--config", str(self.credentials)]
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            *who,
            *arguments,
            self.gateway.url + path,
        ]
        return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=90).stdout

    def status(self, *arguments: str, path: str = "", anonymous: bool = False) -> bytes:
        return self(
            "--output", "/dev/null", "--write-out", "%{http_code}", *arguments, path=path, anonymous=anonymous
        )


@pytest.fixture
def curl(gateway: Gateway, tmp_path: Path) -> Curl:
    credentials = tmp_path / "curlrc"
    credentials.write_text(f'user = "{USER}:{PASSWORD}"\n')
    return Curl(gateway=gateway, credentials=credentials)


def test_without_credentials_one_is_the_default_user(curl: Curl, people: str) -> None:
    query = f"SELECT COUNT(*) FROM default.{people} WHERE email = 'ann@example.com'"
    for extra in (["-H", "Content-Type: text/plain"], []):
        assert curl("-X", "POST", *extra, "-d", query, anonymous=True) == b"1\n"
    assert curl(path="ping", anonymous=True) == b"Ok.\n"


def test_queries_go_by_body_by_url_and_by_standard_input(curl: Curl, people: str) -> None:
    query = f"SELECT id FROM {people} ORDER BY id"
    assert curl("--data", query) == b"1\n2\n"
    assert curl("--get", "--data-urlencode", f"query={query}") == b"1\n2\n"
    assert (
        curl("--data-binary", "@-", stdin=f"SELECT id\nFROM {people} -- all;\nORDER BY id;\n".encode())
        == b"1\n2\n"
    )
    assert curl("--http1.0", "--data", f"{query} FORMAT JSONEachRow") == b'{"id":1}\n{"id":2}\n'
    assert curl("--data", query, path="?default_format=CSV&limit=1") == b"1\n"


def test_files_are_inserted_plain_compressed_in_chunks_and_after_a_hundred_continue(
    curl: Curl, people: str, tmp_path: Path
) -> None:
    rows = b"".join(b"%d,user%d@example.com\n" % (number, number) for number in range(10, 60_010))
    plain, packed = tmp_path / "rows.csv", tmp_path / "rows.csv.gz"
    plain.write_bytes(rows)
    packed.write_bytes(gzip.compress(rows))
    insert = f"?query=INSERT+INTO+{people}+FORMAT+CSV"
    expects = ["--header", "Expect: 100-continue", "--expect100-timeout", "30"]
    for extra in (["--data-binary", f"@{plain}"], ["--data-binary", f"@{plain}", *expects]):
        assert curl(*extra, path=insert) == b""
    curl("--data-binary", f"@{packed}", "--header", "Content-Encoding: gzip", path=insert)
    chunked = ["--request", "POST", "--upload-file", "-", "--header", "Transfer-Encoding: chunked"]
    curl(*chunked, path=insert, stdin=rows)
    assert (
        curl("--data", f"SELECT count(), uniqExact(id), max(id) FROM {people}") == b"240002\t60002\t60009\n"
    )


def test_answers_are_compressed_where_curl_asks_for_it(curl: Curl) -> None:
    query = "SELECT number FROM numbers(300000)"
    switch = "?enable_http_compression=1"
    assert curl("--compressed", "--data", query, path=switch) == curl("--data", query)
    packed = curl("--header", "Accept-Encoding: gzip", "--data", query, path=switch)
    assert gzip.decompress(packed) == curl("--data", query)


def test_forms_carry_parameters_and_tables(curl: Curl, people: str, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.tsv"
    wanted.write_text("2\n7\n")
    form = ["--form", f"query=SELECT email FROM {people} WHERE id IN wanted AND email != {{other:String}}"]
    form += ["--form", "param_other=x@example.com", "--form", f"wanted=@{wanted}"]
    assert curl(*form, path="?wanted_structure=id+Int32") == b"bob@example.org\n"


def test_a_wrong_password_and_an_error_have_their_status_and_change_nothing(
    curl: Curl, gateway: Gateway, people: str
) -> None:
    truncate = ["--data", f"TRUNCATE TABLE {people}"]
    assert curl.status("--user", f"{USER}:wrong", *truncate, anonymous=True) == b"403"
    assert curl.status("--header", f"X-ClickHouse-User: {USER}", *truncate, anonymous=True) == b"403"
    assert curl.status("--user", "nobody:", *truncate, anonymous=True) == b"403"
    assert curl.status("--data", "SELECT * FROM no_such_table") == b"404"
    assert curl.status("--data", f"TRUNCATE TABLE {people}; SELECT 1") == b"400"
    assert curl.status("--head", path=f"?query=TRUNCATE+TABLE+{people}") == b"500"
    assert ids(gateway, people) == [1, 2]


def test_a_failure_on_the_way_fails_curl_too(curl: Curl) -> None:
    late = "SELECT number, throwIf(number = 1999999) FROM numbers(2000000)"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        curl("--data", late)
    assert b"__exception__" in failed.value.stdout
    assert b"Code: 395" in failed.value.stdout
    assert curl.status("--data", late, path="?wait_end_of_query=1") == b"500"


def test_a_head_request_has_no_body(curl: Curl) -> None:
    """A longer one than a stream begins with; and the connection goes on to the next request."""
    url = f"{curl.gateway.url}?query=SELECT+number+FROM+numbers(500000)"
    answer = curl(
        "--head", url, "--next", "--silent", "--data", "SELECT 1", "--config", str(curl.credentials)
    )
    assert b"Content-Length: 3388890\r\n" in answer
    assert answer.endswith(b"\r\n\r\n1\n")
