"""Asks by Elastic's own client: Elasticsearch 8 and 9.

It looks for the product's header after a server has acted, so it is only for servers that have been identified.
Add here: what this library needs to be told so that it stays quiet and sends a request once.
Keep out: paths of requests (`server.py`).
"""

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

_JSON = "application/json"


class ElasticClient:
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

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Any:
        client = self._client.options(request_timeout=seconds) if seconds is not None else self._client
        headers = {"accept": _JSON} | ({"content-type": _JSON} if body is not None else {})
        with _errors():
            return client.perform_request(
                method, path, params=dict(params or {}), headers=headers, body=body
            ).body

    def close(self) -> None:
        self._client.close()


@contextmanager
def _errors() -> Iterator[None]:
    from elastic_transport import TransportWarning
    from elasticsearch import exceptions

    try:
        with warnings.catch_warnings():
            # What a later version of the server will do is nothing that users of this one can act on.
            warnings.simplefilter("ignore", TransportWarning)
            yield
    except (exceptions.ApiError, exceptions.TransportError) as error:
        raise _translated(error) from None


def _translated(error: Exception) -> SearchError:
    from elasticsearch import exceptions

    reason = safe_reason(error)
    if isinstance(error, exceptions.ConnectionTimeout):
        return SearchError(Trouble.LATE, reason=reason)
    if isinstance(error, exceptions.ConnectionError):
        return broken(error)
    if isinstance(error, exceptions.ApiError) and not isinstance(error, exceptions.UnsupportedProductError):
        return answered(error.meta.status, error.body)
    return SearchError(Trouble.NO_SEARCH_SERVER, reason=reason)
