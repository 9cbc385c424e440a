"""Asks by opensearch-py: OpenSearch, Elasticsearch before 8, and whoever has not been identified yet.

Add here: what this library needs to be told so that it stays quiet and sends a request once.
Keep out: paths of requests (`server.py`).
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from erasure.errors import safe_reason
from erasure.patience import SEARCH_SECONDS
from erasure.stores.search.access import Access
from erasure.stores.search.client import SearchError, Trouble, answered
from erasure.stores.search.library import Library, LibraryClient
from erasure.stores.search.slices import MOST_SLICES


class OpenSearchClient(LibraryClient):
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
            pool_maxsize=MOST_SLICES,
            max_retries=0,
            http_compress=True,
        )

    def introduce(self) -> tuple[Mapping[str, str], Any]:
        """`GET /`, the one request that harms no server: the answer's headers, in lower case, and what it holds."""
        with self._errors():
            _, headers, text = self._client.transport.get_connection().perform_request("GET", "/")
        try:
            body = json.loads(text)
        except ValueError as error:
            raise SearchError(Trouble.NO_SEARCH_SERVER, reason=safe_reason(error)) from None
        return {name.lower(): value for name, value in headers.items()}, body

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, path: str, params: dict[str, str], body: Any, seconds: float | None) -> Any:
        return self._client.transport.perform_request(method, path, params=params, body=body, timeout=seconds)

    def _library(self) -> Library:
        from opensearchpy import exceptions

        return Library(
            errors=(exceptions.OpenSearchException, exceptions.ImproperlyConfigured),
            late=exceptions.ConnectionTimeout,
            broken=exceptions.ConnectionError,
            warning=exceptions.OpenSearchWarning,
            answer=_answer,
        )


def _answer(error: Exception) -> SearchError | None:
    from opensearchpy import exceptions

    if isinstance(error, exceptions.TransportError) and isinstance(error.status_code, int):
        return answered(error.status_code, error.info)
    return None
