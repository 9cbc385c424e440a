"""Asks by opensearch-py: OpenSearch, Elasticsearch before 8, and whoever has not been identified yet.

Add here: what this library needs to be told so that it stays quiet and sends a request once.
Keep out: paths of requests (`server.py`).
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from erasure.errors import safe_reason
from erasure.patience import SEARCH_SECONDS
from erasure.stores.search.access import Access
from erasure.stores.search.client import SearchError, Trouble, answered
from erasure.stores.search.reasons import broken


class OpenSearchClient:
    """A `SearchClient`; a server of any kind may stand at the other end."""

    def __init__(self, access: Access) -> None:
        from opensearchpy import OpenSearch

        # At DEBUG the library logs bodies of requests: ids, and emails where a record has no id.
        for logger in ("opensearch", "opensearchpy"):
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        host = {"host": access.host, "port": access.port, "use_ssl": access.tls is not None}
        if access.prefix:
            host["url_prefix"] = access.prefix
        self._client = OpenSearch(
            hosts=[host],
            headers=dict(access.headers),
            http_auth=access.sign,
            ssl_context=access.tls,
            timeout=SEARCH_SECONDS,
            max_retries=0,
            http_compress=True,
        )

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Any:
        with _errors():
            return self._client.transport.perform_request(
                method, path, params=dict(params or {}), body=body, timeout=seconds
            )

    def introduce(self) -> tuple[Mapping[str, str], Any]:
        """`GET /`, the one request that harms no server: the answer's headers, in lower case, and what it holds."""
        with _errors():
            _, headers, text = self._client.transport.get_connection().perform_request("GET", "/")
        try:
            body = json.loads(text)
        except ValueError as error:
            raise SearchError(Trouble.NO_SEARCH_SERVER, reason=safe_reason(error)) from None
        return {name.lower(): value for name, value in headers.items()}, body

    def close(self) -> None:
        self._client.close()


@contextmanager
def _errors() -> Iterator[None]:
    from opensearchpy import exceptions

    try:
        with warnings.catch_warnings():
            # What a later version of the server will do is nothing that users of this one can act on.
            warnings.simplefilter("ignore", exceptions.OpenSearchWarning)
            yield
    except (exceptions.OpenSearchException, exceptions.ImproperlyConfigured) as error:
        raise _translated(error) from None


def _translated(error: Exception) -> SearchError:
    from opensearchpy import exceptions

    reason = safe_reason(error)
    if isinstance(error, exceptions.ConnectionTimeout):
        return SearchError(Trouble.LATE, reason=reason)
    if isinstance(error, exceptions.ConnectionError):
        return broken(error)
    if isinstance(error, exceptions.TransportError) and isinstance(error.status_code, int):
        return answered(error.status_code, error.info)
    return SearchError(Trouble.NO_SEARCH_SERVER, reason=reason)
