"""Why a connection to a search server failed, in words of ours, from the errors that lie beneath a library's.

Add here: another cause that calls for another remedy.
Keep out: texts of exceptions, which repeat addresses and requests; names of libraries' own exceptions.
"""

import http.client
import socket
import ssl
from collections.abc import Iterator

from erasure.errors import safe_reason
from erasure.stores.search.client import SearchError, Trouble

# OpenSSL's numbers for what is wrong with a certificate.
_CERTIFICATES = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself",
    19: "its authority is unknown",
    20: "its authority is unknown",
    21: "its authority is unknown",
    62: "it is for another host",
    64: "it is for another host",
}
# OpenSSL's words for an answer that is no TLS.
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING"}
)


def broken(error: BaseException) -> SearchError:
    """The error for a connection that could not be made, or broke before there was an answer."""
    beneath = list(_beneath(error))
    for cause in beneath:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = _CERTIFICATES.get(cause.verify_code, f"OpenSSL's {cause.verify_code}")
            return SearchError(Trouble.UNTRUSTED, reason=reason)
    for cause in beneath:
        if isinstance(cause, ssl.SSLError):
            reason = str(cause.reason or safe_reason(cause))
            trouble = Trouble.NO_TLS if reason in _NO_TLS else Trouble.UNREACHABLE
            return SearchError(trouble, reason=reason)
    for cause in beneath:
        if isinstance(cause, socket.gaierror):
            return SearchError(Trouble.UNREACHABLE, reason="there is no such host")
        if isinstance(cause, ConnectionRefusedError):
            return SearchError(Trouble.UNREACHABLE, reason="nobody listens there")
        if isinstance(cause, ConnectionResetError | BrokenPipeError | http.client.HTTPException):
            return SearchError(Trouble.UNREACHABLE, reason="what answers does not speak HTTP, or closes")
    return SearchError(Trouble.UNREACHABLE, reason=safe_reason(error))


def _beneath(error: BaseException) -> Iterator[BaseException]:
    """An exception with all that it holds, wraps or followed: libraries keep causes in different places."""
    waiting, seen = [error], set[int]()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        held = (
            *current.args,
            *(getattr(current, "errors", None) or ()),
            current.__cause__,
            current.__context__,
        )
        waiting += [each for each in held if isinstance(each, BaseException)]
