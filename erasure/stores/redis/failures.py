"""How errors of Redis are told: what is wrong, and which setting to change.

Holds: `told`, under which every command runs, `refused` and `unavailable`.
Add here: an error of the server that has a remedy of its own.
Keep out: texts of the driver: they repeat commands with their keys.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from erasure.errors import StoreError, StoreRefused, StoreUnavailable, safe_reason

STORE = "redis"


# A port of the other kind says what nobody understands, closes the connection, or waits for more.
_OR_TLS = "check [redis] host and port, and whether it speaks TLS ([redis] tls)"


@contextmanager
def told(object_name: str | None = None) -> Iterator[None]:
    """Raises StoreUnavailable or StoreRefused in place of the driver's errors."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise _named(error, object_name) from None


def refused(object_name: str | None, what: str, remedy: str) -> StoreRefused:
    """The same for what we refuse ourselves."""
    return StoreRefused(store=STORE, object_name=object_name, what=what, remedy=remedy)


def unavailable(what: str, remedy: str) -> StoreUnavailable:
    """The same for servers that are away."""
    return StoreUnavailable(store=STORE, what=what, remedy=remedy)


# What the server's answer begins with or holds, wherever it comes from: within a script the class is lost.
_ANSWERS = (
    (
        "MOVED",
        "the server is one of a cluster, and has not all keys",
        "set cluster = true in [redis], or a url that begins with redis+cluster://",
    ),
    (
        "READONLY",
        "the server is a replica, which takes no changes",
        "name the primary, not a replica, in [redis] host",
    ),
    (
        "OOM",
        "the server is out of memory and takes no changes (maxmemory, noeviction)",
        "raise its maxmemory, then resume",
    ),
    ("MISCONF", "the server takes no changes while it cannot save", "see its disk and its log, then resume"),
    ("CLUSTERDOWN", "a part of the cluster is away", "bring its primaries back, then resume"),
    (
        "cluster support disabled",
        "the server is no cluster",
        "set cluster = false in [redis], or url redis://",
    ),
)


def _named(error: Exception, object_name: str | None) -> StoreError:
    from redis.exceptions import (
        AuthenticationError,
        BusyLoadingError,
        ConnectionError,
        InvalidResponse,
        TimeoutError,
    )

    text, reason = str(error), safe_reason(error)
    away = True
    # The kind of error is in the class, and in some cases in the text only.
    if isinstance(error, AuthenticationError) or "called without any password" in text:
        what, remedy = f"the server does not accept the password ({reason})", "check [redis] password"
        if "WRONGPASS" in text and "user" not in text:
            remedy = "check [redis] username and password"
    elif "DB index" in text:
        what, remedy = f"the server has no database of that number ({reason})", "check [redis] db"
    elif isinstance(error, BusyLoadingError) or text.startswith("LOADING"):
        what, remedy = f"the server is still loading its data ({reason})", "wait until it has, then try again"
    elif isinstance(error, InvalidResponse):
        what, remedy = f"what answers is not Redis ({reason})", _OR_TLS
    elif isinstance(error, TimeoutError):
        what, remedy = f"the server did not answer in time ({reason})", _OR_TLS
    elif isinstance(error, ConnectionError):
        what, remedy = _of_connection(text.lower(), reason)
    else:
        what, remedy, away = _of_answer(error, text, reason)
    kind = StoreUnavailable if away else StoreRefused
    return kind(store=STORE, object_name=object_name, what=what, remedy=remedy)


def _of_connection(text: str, reason: str) -> tuple[str, str]:
    if "certificate" in text:
        what = f"the server's certificate is not trusted ({reason})"
        return what, "check [redis] ca_certs, and that host is the name in the certificate"
    what = f"the server cannot be reached, or closed the connection ({reason})"
    if "ssl" in text or "closed" in text:
        return what, _OR_TLS
    return what, "check [redis] host and port"


def _of_answer(error: Exception, text: str, reason: str) -> tuple[str, str, bool]:
    from redis.exceptions import (
        ClusterDownError,
        MovedError,
        NoPermissionError,
        OutOfMemoryError,
        ReadOnlyError,
    )

    signs = {
        "MOVED": MovedError,
        "READONLY": ReadOnlyError,
        "OOM": OutOfMemoryError,
        "CLUSTERDOWN": ClusterDownError,
    }
    for sign, told_as, then in _ANSWERS:
        if sign in text or (sign in signs and isinstance(error, signs[sign])):
            return f"{told_as} ({reason})", then, sign == "CLUSTERDOWN"
    what, remedy = f"Redis did not do it ({reason})", "see the server's rights and limits"
    if isinstance(error, NoPermissionError) or "NOPERM" in text:
        remedy = "let the user of [redis] run it: see docs/redis.md for what it needs"
    return what, remedy, False
