"""What every client of a search server can do, and how it tells that something went wrong.

Holds: `SearchClient`, one method over two libraries, and `SearchError`, the one exception that leaves it.
Add here: another kind of trouble that the libraries can have.
Keep out: paths of requests (`server.py`), libraries (`opensearch_client.py`, `elastic_client.py`), and sentences for
people (`failures.py`).
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol


class Trouble(Enum):
    """What went wrong, as far as the remedy differs."""

    UNREACHABLE = "unreachable"
    LATE = "late"
    UNTRUSTED = "untrusted"
    NO_TLS = "no TLS"
    UNUSABLE = "unusable"
    SHUT = "shut"
    NO_SEARCH_SERVER = "no search server"
    ANSWERED = "answered"


class SearchError(Exception):
    """A request that did not succeed: no text of a library or a server, both repeat requests and values.

    `status` is that of HTTP. `kind` is the server's own word for the error and `index` the one that it names, where it
    answered with them; `reason` is in words of ours or the name of a library's exception, and
    `remedy` is what helps where only whoever raises it knows.
    """

    def __init__(
        self,
        trouble: Trouble,
        *,
        reason: str = "",
        remedy: str = "",
        status: int | None = None,
        kind: str = "",
        index: str | None = None,
    ) -> None:
        super().__init__(f"{trouble.value} {status or ''} {reason}".strip())
        self.trouble = trouble
        self.reason = reason
        self.remedy = remedy
        self.status = status
        self.kind = kind
        self.index = index


class SearchClient(Protocol):
    """Sends a request once and never again: a repeated one could hide that the first has already written."""

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Any:
        """The answer, read from JSON; raises SearchError. `path` is quoted already; `seconds` of silence are waited."""

    def close(self) -> None: ...


def answered(status: int, body: Any) -> SearchError:
    """The error for an answer that is none of success; `body` is what it held, read from JSON where it was any."""
    kind, index = _cause(body)
    return SearchError(Trouble.ANSWERED, status=status, kind=kind, index=index)


def _cause(body: Any) -> tuple[str, str | None]:
    """The innermost cause that names a kind: what is around it ("all shards failed") says nothing."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", None
    listed = error.get("root_cause")
    roots = [root for root in listed if isinstance(root, Mapping)] if isinstance(listed, list) else []
    chosen = next((root for root in roots if root.get("type")), error)
    return str(chosen.get("type") or ""), chosen.get("index")
