"""One request as the gateway understands it: who asks, for what, with which settings.

Add here: url parameters and headers of ClickHouse's HTTP interface.
Keep out: checking passwords, running SQL.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import SplitResult, parse_qsl, urlsplit

from sandbox.clickhouse.compression import encoding_for
from sandbox.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    refusal,
)
from sandbox.clickhouse.sessions import SessionRef

# Everything else in the url is a setting of ClickHouse.
_RESERVED = {
    "buffer_size",
    "client_protocol_version",
    "compress",
    "database",
    "decompress",
    "default_format",
    "password",
    "query",
    "query_id",
    "quota_key",
    "role",
    "session_check",
    "session_id",
    "session_timeout",
    "stacktrace",
    "user",
    "wait_end_of_query",
}
_SECONDS = re.compile(r"[0-9]{1,9}")
_TABLE_PARTS = ("format", "types", "structure")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """A name and a password; the password stays out of every text."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ExternalTable:
    """Rows that a client sends along with a query, as a table."""

    name: str
    structure: str
    input_format: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to run, apart from the text that comes in the body."""

    query: bytes
    query_id: str
    database: str | None
    default_format: str
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    session: SessionRef | None
    wait_until_done: bool
    answer_encoding: str | None
    may_modify: bool


def path_of(target: str) -> str:
    """The path of a request's target."""
    return _split(target).path


def url_parameters(target: str) -> dict[str, str]:
    """Parameters of the url; bytes that are no UTF-8 survive as surrogates."""
    pairs = parse_qsl(_split(target).query, keep_blank_values=True, errors="surrogateescape")
    return dict(pairs)


def credentials(headers: Message, parameters: Mapping[str, str]) -> Credentials:
    """From ClickHouse's headers, basic authentication or the url, in this order; else `default`."""
    if "X-ClickHouse-User" in headers:
        return Credentials(
            user=_header(headers, "X-ClickHouse-User"), password=_header(headers, "X-ClickHouse-Key")
        )
    if "Authorization" in headers:
        return _basic(headers["Authorization"])
    return Credentials(user=parameters.get("user", "default"), password=parameters.get("password", ""))


def parse(method: str, headers: Message, parameters: Mapping[str, str], user: str) -> Request:
    """The request behind a url and its headers. Form fields are parameters like those of the url."""
    for flag in ("compress", "decompress"):
        if _is_true(parameters.get(flag, "")):
            raise refusal(
                NOT_IMPLEMENTED,
                f"{flag}=1 is not supported by this gateway. Use Content-Encoding and Accept-Encoding with "
                "lz4, zstd, gzip or deflate.",
            )
    for name, value in parameters.items():
        # The engine takes text here. A query may hold any bytes.
        if name != "query" and not _is_text(name + value):
            raise refusal(BAD_ARGUMENTS, "A parameter is not valid UTF-8.")
    if parameters.get("role"):
        raise refusal(NOT_IMPLEMENTED, "Roles are not supported by this gateway.")
    wanted = encoding_for(headers.get("Accept-Encoding", ""))
    return Request(
        query=parameters.get("query", "").encode("utf-8", "surrogateescape"),
        query_id=parameters.get("query_id") or _header(headers, "X-ClickHouse-Query-Id") or str(uuid.uuid4()),
        database=parameters.get("database") or _header(headers, "X-ClickHouse-Database") or None,
        default_format=parameters.get("default_format")
        or _header(headers, "X-ClickHouse-Format")
        or "TabSeparated",
        parameters={
            name.removeprefix("param_"): value
            for name, value in parameters.items()
            if name.startswith("param_")
        },
        settings={
            name: value
            for name, value in parameters.items()
            if name not in _RESERVED and not name.startswith("param_")
        },
        session=_session(parameters, user),
        wait_until_done=_is_true(parameters.get("wait_end_of_query", "")),
        answer_encoding=wanted if _is_true(parameters.get("enable_http_compression", "")) else None,
        may_modify=method == "POST",
    )


def external_table(name: str, data: bytes, parameters: dict[str, str]) -> ExternalTable:
    """The table behind a file of a form; its description is taken out of `parameters`."""
    described = {part: parameters.pop(f"{name}_{part}", "") for part in _TABLE_PARTS}
    structure = described["structure"]
    if described["types"]:
        types = described["types"].split(",")
        structure = ", ".join(f"_{at} {kind}" for at, kind in enumerate(types, start=1))
    if not structure:
        raise refusal(BAD_ARGUMENTS, f"The external table {name} has neither a structure nor types.")
    return ExternalTable(
        name=name, structure=structure, input_format=described["format"] or "TabSeparated", data=data
    )


def _session(parameters: Mapping[str, str], user: str) -> SessionRef | None:
    session_id = parameters.get("session_id")
    if not session_id:
        return None
    timeout = parameters.get("session_timeout") or "60"
    if _SECONDS.fullmatch(timeout) is None:
        raise refusal(BAD_ARGUMENTS, "session_timeout is not a number of seconds.")
    return SessionRef(
        user=user,
        session_id=session_id,
        timeout=float(timeout),
        must_exist=_is_true(parameters.get("session_check", "")),
    )


def _split(target: str) -> SplitResult:
    try:
        return urlsplit(target)
    except ValueError:
        raise refusal(BAD_ARGUMENTS, "The address of the request is not a valid url.") from None


def _header(headers: Message, name: str) -> str:
    """A header as UTF-8: the standard library reads headers as Latin-1."""
    return str(headers.get(name, "")).encode("latin-1", "replace").decode("utf-8", "replace")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _basic(header: str) -> Credentials:
    scheme, _, encoded = header.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError
    except (ValueError, binascii.Error):
        reason = "Authentication failed: only basic authentication is known here."
        raise refusal(AUTHENTICATION_FAILED, reason) from None
    return Credentials(user=user or "default", password=password)


def _is_true(value: str) -> bool:
    return value.strip().lower() in {"1", "true"}
