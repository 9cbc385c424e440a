"""Who answers at the configured address, and which library it is spoken to with.

Elastic's client checks the server after the server has acted: with another one at the address, an index is gone when
the check fails. So nothing is sent before `GET /` has told who is there.
Holds: `ProbedClient`, and `identify`.
Add here: another engine, or another version that needs another library.
Keep out: requests beside that one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erasure.settings import ElasticsearchSettings
from erasure.stores.search.access import access_of
from erasure.stores.search.client import SearchClient, SearchError, Trouble
from erasure.stores.search.elastic_client import ElasticClient
from erasure.stores.search.opensearch_client import OpenSearchClient

OPENSEARCH, ELASTICSEARCH = "OpenSearch", "Elasticsearch"
_FORBIDDEN, _NOT_FOUND = 403, 404
# Elastic's client of major version 8 speaks with servers of these.
_ELASTIC_CLIENT = (8, 9)
_PRODUCT_HEADER, _PRODUCT = "x-elastic-product", "Elasticsearch"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What a server says of itself."""

    name: str
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def identify(about: Any) -> Engine:
    """The engine behind the answer to `GET /`; raises SearchError where it is none."""
    version = about.get("version") if isinstance(about, Mapping) else None
    number = str(version.get("number")) if isinstance(version, Mapping) else ""
    if not isinstance(version, Mapping) or not number[:1].isdigit() or "cluster_name" not in about:
        raise SearchError(Trouble.NO_SEARCH_SERVER)
    # With compatibility.override_main_response_version OpenSearch gives itself out as 7.10.2.
    tagline = str(about.get("tagline"))
    opensearch = version.get("distribution") == "opensearch" or tagline.startswith("The OpenSearch Project")
    return Engine(name=OPENSEARCH if opensearch else ELASTICSEARCH, version=number)


class ProbedClient:
    """A `SearchClient` that asks who is there before anything else, and again whenever it is asked for `GET /`."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._first: OpenSearchClient | None = None
        self._elastic: ElasticClient | None = None
        self._chosen: SearchClient | None = None

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        seconds: float | None = None,
    ) -> Any:
        if (method, path) == ("GET", "/"):
            return self._probe()[1]
        chosen = self._chosen or self._probe()[0]
        return chosen.ask(method, path, params=params, body=body, seconds=seconds)

    def close(self) -> None:
        for client in (self._first, self._elastic):
            if client is not None:
                client.close()

    def _probe(self) -> tuple[SearchClient, Any]:
        self._chosen = None
        access = access_of(self._settings)
        self._first = self._first or OpenSearchClient(access)
        try:
            headers, about = self._first.introduce()
        except SearchError as error:
            if error.status == _FORBIDDEN:
                raise SearchError(Trouble.SHUT, status=error.status) from None
            if error.status == _NOT_FOUND:
                raise SearchError(Trouble.NO_SEARCH_SERVER, status=error.status, reason="404") from None
            raise
        engine = identify(about)
        if engine.name == OPENSEARCH or engine.major < min(_ELASTIC_CLIENT):
            self._chosen = self._first
        elif headers.get(_PRODUCT_HEADER) == _PRODUCT:
            self._chosen = self._elastic = self._elastic or ElasticClient(access)
        else:
            raise SearchError(Trouble.NO_SEARCH_SERVER, reason="no X-Elastic-Product")
        return self._chosen, about
