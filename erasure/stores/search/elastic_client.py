"""Asks by Elastic's own client: Elasticsearch 8 and 9.

It looks for the product's header after a server has acted, so it is only for servers that have been identified.
Add here: what this library needs to be told so that it stays quiet and sends a request once.
Keep out: paths of requests (`server.py`).
"""

import logging
from typing import Any

from erasure.patience import SEARCH_SECONDS
from erasure.stores.search.access import Access
from erasure.stores.search.client import SearchError, answered
from erasure.stores.search.library import Library, LibraryClient

_JSON = "application/json"


class ElasticClient(LibraryClient):
    """A `SearchClient`."""

    def __init__(self, access: Access) -> None:
        from elasticsearch import Elasticsearch

        # At DEBUG the library logs bodies of requests: ids, and emails where a record has no id.
        logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
        host: dict[str, Any] = {"scheme": access.scheme, "host": access.host, "port": access.port}
        if access.prefix:
            host["path_prefix"] = f"/{access.prefix}"
        self._client = Elasticsearch(
            hosts=[host],
            headers=dict(access.headers),
            ssl_context=access.tls,
            request_timeout=SEARCH_SECONDS,
            max_retries=0,
            http_compress=True,
        )

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, path: str, params: dict[str, str], body: Any, seconds: float | None) -> Any:
        client = self._client.options(request_timeout=seconds) if seconds is not None else self._client
        headers = {"accept": _JSON} | ({"content-type": _JSON} if body is not None else {})
        return client.perform_request(method, path, params=params, headers=headers, body=body).body

    def _library(self) -> Library:
        from elastic_transport import TransportWarning
        from elasticsearch import exceptions

        return Library(
            errors=(exceptions.ApiError, exceptions.TransportError),
            late=exceptions.ConnectionTimeout,
            broken=exceptions.ConnectionError,
            warning=TransportWarning,
            answer=_answer,
        )


def _answer(error: Exception) -> SearchError | None:
    from elasticsearch import exceptions

    if isinstance(error, exceptions.ApiError) and not isinstance(error, exceptions.UnsupportedProductError):
        return answered(error.meta.status, error.body)
    return None
