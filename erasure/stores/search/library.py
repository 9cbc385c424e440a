"""What the clients of both libraries do alike: send once, stay quiet, and say errors in words of ours.

Holds: `LibraryClient`, and `Library`, what a client tells it of its library.
Add here: what is the same for both.
Keep out: either library (`opensearch_client.py`, `elastic_client.py`).
"""

import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from erasure.errors import safe_reason
from erasure.stores.search.client import SearchError, Trouble
from erasure.stores.search.reasons import broken


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library's exceptions and warnings, and what reads the server's answer from an exception that holds one."""

    errors: tuple[type[Exception], ...]
    late: type[Exception]
    broken: type[Exception]
    warning: type[Warning]
    answer: Callable[[Exception], SearchError | None]


class LibraryClient(ABC):
    """A `SearchClient` that several threads may ask at once."""

    @abstractmethod
    def close(self) -> None: ...

    @abstractmethod
    def _send(
        self, method: str, path: str, params: dict[str, str], body: Any, seconds: float | None
    ) -> Any: ...

    @abstractmethod
    def _library(self) -> Library: ...

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Any:
        with self._errors():
            return self._send(method, path, dict(params or {}), body, seconds)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Lets nothing but SearchError out; without the chain, which would print requests."""
        library = self._library()
        # What a later version of the server will do is nothing that users of this one can act on.
        with _ignored(library.warning):
            try:
                yield
            except library.errors as error:
                raise _translated(error, library) from None


def _translated(error: Exception, library: Library) -> SearchError:
    reason = safe_reason(error)
    if isinstance(error, library.late):
        return SearchError(Trouble.LATE, reason=reason)
    if isinstance(error, library.broken):
        return broken(error)
    return library.answer(error) or SearchError(Trouble.NO_SEARCH_SERVER, reason=reason)


class _Filters:
    """The filters of warnings belong to the whole process: the last to leave puts back what the first has found."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.found = warnings.catch_warnings()


_FILTERS = _Filters()


@contextmanager
def _ignored(warning: type[Warning]) -> Iterator[None]:
    with _FILTERS.lock:
        if not _FILTERS.inside:
            _FILTERS.found = warnings.catch_warnings()
            _FILTERS.found.__enter__()
        _FILTERS.inside += 1
        warnings.simplefilter("ignore", warning)
    try:
        yield
    finally:
        with _FILTERS.lock:
            _FILTERS.inside -= 1
            if not _FILTERS.inside:
                _FILTERS.found.__exit__(None, None, None)
