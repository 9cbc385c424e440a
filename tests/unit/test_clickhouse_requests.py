"""What the gateway reads out of a url, its headers and a form: who asks, for what, with which settings.

Add here: a property of `sandbox.clickhouse.request`, or of who is let in.
Keep out: what the engine makes of it (`tests/contract/test_clickhouse_gateway.py`).
"""

from __future__ import annotations

import base64
import io
from email.message import Message
from http.client import parse_headers
from urllib.parse import quote, quote_from_bytes, urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sandbox.clickhouse.errors import AUTHENTICATION_FAILED, BAD_ARGUMENTS, NOT_IMPLEMENTED, ClickHouseError
from sandbox.clickhouse.request import (
    Credentials,
    Request,
    credentials,
    external_table,
    parse,
    path_of,
    url_parameters,
)
from sandbox.clickhouse.server import Users

any_text = st.text(max_size=20)
utf8 = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# What a header can carry: no control characters, no blanks at its ends.
header_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1, max_size=20
)
names = st.sampled_from(["query", "user", "param_a", "max_threads", "session_id", "database", "x y", "é"])


def headers(**values: str) -> Message:
    """As the server reads them from the wire, where clients write UTF-8."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in values.items())
    return parse_headers(io.BytesIO(lines.encode("utf-8", "surrogateescape") + b"\r\n"))


def request(parameters: dict[str, str], method: str = "POST", **values: str) -> Request:
    return parse(method, headers(**values), parameters, "kepler")


@given(parameters=st.dictionaries(names, utf8))
def test_parameters_come_out_of_a_url_as_they_went_in(parameters: dict[str, str]) -> None:
    assert url_parameters(f"/?{urlencode(parameters)}") == parameters
    assert url_parameters(f"http://localhost:1/?{urlencode(parameters)}#end") == parameters


@given(query=st.binary(max_size=40))
def test_a_query_of_any_bytes_comes_out_of_a_url(query: bytes) -> None:
    parameters = url_parameters(f"/?query={quote_from_bytes(query)}")
    assert request(parameters).query == query


@given(
    target=st.one_of(
        any_text, st.sampled_from(["http://[", "//[x", "http://[::1/?a=b", "*", "", "/?%", "/?%f", "?;&="])
    )
)
def test_no_target_is_too_strange(target: str) -> None:
    try:
        path_of(target)
        url_parameters(target)
    except ClickHouseError as error:
        assert error.code == BAD_ARGUMENTS


@given(
    parameters=st.dictionaries(
        st.one_of(
            names, any_text, st.sampled_from(["compress", "role", "session_timeout", "wait_end_of_query"])
        ),
        st.one_of(any_text, st.sampled_from(["0", "1", "true", "-1", "9" * 400, "\udcff", "\0"])),
    ),
    method=st.sampled_from(["GET", "POST", "HEAD"]),
)
def test_any_parameters_make_a_request_or_a_refusal(parameters: dict[str, str], method: str) -> None:
    try:
        made = request(parameters, method)
    except ClickHouseError as error:
        assert error.code in {BAD_ARGUMENTS, NOT_IMPLEMENTED}
        return
    assert made.may_modify == (method == "POST")
    assert made.query == parameters.get("query", "").encode("utf-8", "surrogateescape")
    assert made.parameters == {
        name.removeprefix("param_"): value for name, value in parameters.items() if name.startswith("param_")
    }
    assert not made.settings.keys() & {"query", "user", "password", "session_id", "database", "param_a"}
    assert "max_threads" not in parameters or made.settings["max_threads"] == parameters["max_threads"]
    for value in (*made.settings.values(), *made.parameters.values(), *made.settings, *made.parameters):
        value.encode()


@pytest.mark.parametrize("timeout", ["-1", "x", "1.5", "٣", "9" * 10])
def test_a_session_has_a_timeout_in_whole_seconds(timeout: str) -> None:
    with pytest.raises(ClickHouseError, match="session_timeout"):
        request({"session_id": "s", "session_timeout": timeout})
    session = request({"session_id": "s", "session_timeout": "7", "session_check": "1"}).session
    assert session is not None
    assert (session.user, session.session_id, session.timeout, session.must_exist) == (
        "kepler",
        "s",
        7.0,
        True,
    )
    assert request({"session_timeout": timeout}).session is None


@given(database=header_text, output_format=st.sampled_from(["CSV", "Native"]), query_id=header_text)
def test_headers_name_what_the_url_does_not(database: str, output_format: str, query_id: str) -> None:
    named = {
        "X_ClickHouse_Database": database,
        "X_ClickHouse_Format": output_format,
        "X_ClickHouse_Query_Id": query_id,
    }
    by_header = request({}, **named)
    assert (by_header.database, by_header.default_format, by_header.query_id) == (
        database,
        output_format,
        query_id,
    )
    by_url = request({"database": "d", "default_format": "TSV", "query_id": "q"}, **named)
    assert (by_url.database, by_url.default_format, by_url.query_id) == ("d", "TSV", "q")


# --- who asks -----------------------------------------------------------------------------------------


@given(user=header_text, password=header_text)
def test_a_name_and_a_password_are_the_same_by_every_way(user: str, password: str) -> None:
    assume(":" not in user)
    basic = base64.b64encode(f"{user}:{password}".encode()).decode()
    expected = Credentials(user=user, password=password)
    url = url_parameters(f"/?user={quote(user)}&password={quote(password)}")
    assert credentials(headers(X_ClickHouse_User=user, X_ClickHouse_Key=password), {}) == expected
    assert credentials(headers(Authorization=f"Basic {basic}"), {}) == expected
    assert credentials(headers(), url) == expected
    # What stands in headers counts, whatever the url says.
    assert credentials(headers(Authorization=f"bAsIc {basic}"), {"user": "x", "password": "y"}) == expected


@given(password=st.text("abcdef", min_size=8))
def test_a_password_is_in_no_text_of_its_credentials(password: str) -> None:
    assert password not in repr(Credentials(user="kepler", password=password))


@given(
    header=st.one_of(
        header_text, st.sampled_from(["Basic", "Basic !", "Basic /w==", "Bearer abc", "Basic YQ==x"])
    )
)
def test_any_authorization_is_read_or_refused(header: str) -> None:
    try:
        who = credentials(headers(Authorization=header), {})
    except ClickHouseError as error:
        assert error.code == AUTHENTICATION_FAILED
    else:
        assert header.lower().startswith("basic ")
        assert who.user


@given(user=any_text, given_password=any_text, known=st.dictionaries(any_text, any_text, max_size=2))
def test_only_a_known_name_with_its_own_password_is_let_in(
    user: str, given_password: str, known: dict[str, str]
) -> None:
    users = Users(passwords={"kepler": "secret", **known})
    who = Credentials(user=user, password=given_password)
    assert users.admit(who, "127.0.0.1") == (
        bool(users.passwords.get(user)) and users.passwords[user] == given_password
    )


def test_the_default_user_needs_no_password_but_must_be_on_this_machine() -> None:
    nobody = Credentials(user="default", password="")
    assert Users(passwords={"kepler": "secret"}, open_default=True).admit(nobody, "127.0.0.1")
    assert Users(passwords={"kepler": "secret"}, open_default=True).admit(nobody, "::1")
    assert not Users(passwords={"kepler": "secret"}, open_default=True).admit(nobody, "192.0.2.7")
    assert not Users(passwords={"kepler": "secret"}).admit(nobody, "127.0.0.1")
    wrong = Credentials(user="default", password="x")
    assert not Users(passwords={"kepler": "secret"}, open_default=True).admit(wrong, "127.0.0.1")


# --- tables that come along ---------------------------------------------------------------------------


@given(
    name=st.text("abc_", min_size=1, max_size=5),
    types=st.lists(st.sampled_from(["Int8", "String"]), min_size=1),
)
def test_a_table_is_described_by_structure_or_types(name: str, types: list[str]) -> None:
    described = {f"{name}_types": ",".join(types), f"{name}_format": "CSV", "max_threads": "1"}
    table = external_table(name, b"1\n", described)
    assert table.structure == ", ".join(f"_{at} {kind}" for at, kind in enumerate(types, start=1))
    assert (table.input_format, table.data, described) == ("CSV", b"1\n", {"max_threads": "1"})
    assert external_table(name, b"", {f"{name}_structure": "id Int8"}).structure == "id Int8"
    with pytest.raises(ClickHouseError, match=f"{name} has neither"):
        external_table(name, b"", {f"{name}_format": "CSV"})
