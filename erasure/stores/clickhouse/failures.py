"""What errors of ClickHouse's client mean to a person: who did not answer, or what was refused, and what to change.

Add here: a code of ClickHouse that deserves a remedy of its own.
Keep out: the texts of client and server, which quote statements and addresses; only codes and classes are told.
"""

import re

from erasure.errors import StoreError, StoreRefused, StoreUnavailable, safe_reason

NAME = "clickhouse"
_ADDRESS = "check [clickhouse] host and port; is the port-forward active?"
_NOT_IT = "what answers is not ClickHouse"
# Unknown user, wrong password, password required, authentication failed, no network of the user's.
_CREDENTIALS = frozenset({"192", "193", "194", "195", "516"})


def at_the_door(error: BaseException, *, seconds: int) -> StoreUnavailable:
    """The client could not be made: nobody is there, somebody else is, or we are not let in."""
    remedy = _ADDRESS
    if (code := _code(error)) in _CREDENTIALS:
        what, remedy = (
            "the server does not accept the credentials",
            "check [clickhouse] username and password",
        )
    elif code is not None:
        what, remedy = "the server lets nobody in", "look the code up, and check [clickhouse] username"
    elif isinstance(error, TimeoutError):
        what = f"nothing that speaks as ClickHouse does answered within {seconds} s"
        remedy = (
            "check [clickhouse] host and port, or raise connect_seconds there; is the port-forward active?"
        )
    elif (transport := _transport(error)) is not None:
        what = (
            "the server cannot be reached" if transport in _NOBODY else "what answers closed the connection"
        )
    else:
        what = _NOT_IT
    return StoreUnavailable(store=NAME, what=f"{what} ({_reason(error)})", remedy=remedy)


def in_the_middle(error: BaseException) -> StoreError:
    """A statement of ours failed: the server is away now, or refuses it."""
    if _code(error) is None:
        return StoreUnavailable(
            store=NAME,
            what=f"the connection was lost ({_reason(error)})",
            remedy="see whether the server of [clickhouse] runs (is the port-forward active?), then do it again",
        )
    return StoreRefused(
        store=NAME,
        what=f"refused a statement ({_reason(error)})",
        remedy="look the code up, and check the rights of [clickhouse] username on the world's tables",
    )


_NOBODY = frozenset({"NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "MaxRetryError"})


def _transport(error: BaseException) -> str | None:
    """The kind of what went wrong below HTTP, as urllib3 calls it; None where HTTP itself was spoken."""
    from urllib3.exceptions import DecodeError, HTTPError

    cause = error if isinstance(error, HTTPError) else error.__cause__
    cause = getattr(cause, "reason", None) or cause
    return (
        type(cause).__name__ if isinstance(cause, HTTPError) and not isinstance(cause, DecodeError) else None
    )


def _code(error: BaseException) -> str | None:
    """ClickHouse's own code of an error; None where it was no ClickHouse that said something."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return str(code)
    # Once an answer has begun there is no header to tell it.
    found = re.search(r"\bCode: (\d+)\. DB::", str(error))
    return found.group(1) if found else None


def _reason(error: BaseException) -> str:
    code = _code(error)
    return f"{type(error).__name__} {code}" if code else _transport(error) or safe_reason(error)
