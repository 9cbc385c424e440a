"""Who answers at the configured address, and which library it is spoken to with.

Elastic's client checks the server after the server has acted: with another one at the address, an index is gone when
the check fails. So nothing is sent before `GET /` has told who is there.
Holds: `ProbedClient`, and `identify`.
Add here: another engine, or another version that needs another library.
Keep out: requests beside that one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erasure.store_settings import ElasticsearchSettings
from erasure.stores.search.access import Access, access_of
from erasure.stores.search.client import SearchClient, SearchError, Trouble
from erasure.stores.search.elastic_client import ElasticClient
from erasure.stores.search.opensearch_client import OpenSearchClient

OPENSEARCH, ELASTICSEARCH = "OpenSearch", "Elasticsearch"
_FORBIDDEN = 403
# Nothing at this path, or somewhere else, or another protocol.
_OTHER_PLACES = (301, 302, 303, 307, 308, 400, 404, 405)
# The first Elasticsearch that resolves names of indices, aliases and data streams in one request.
_OLDEST = (7, 9)
# Elastic's client of major version 8 speaks with servers of these.
_ELASTIC_CLIENT = (8, 9)
# Nothing longer: it is repeated to people, and may come from anybody.
_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){1,2}(-[A-Za-z0-9.-]{1,20})?")
_PRODUCT_HEADER, _PRODUCT = "x-elastic-product", "Elasticsearch"


@dataclass(frozen=True, kw_only=True)
class Engine:
    """What a server says of itself."""

    name: str
    version: str

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(int(number) for number in self.version.partition("-")[0].split("."))


def identify(about: Any) -> Engine:
    """The engine behind the answer to `GET /`; raises SearchError where it is none."""
    version = about.get("version") if isinstance(about, Mapping) else None
    if not isinstance(version, Mapping) or "cluster_name" not in about:
        raise SearchError(Trouble.NO_SEARCH_SERVER)
    number = str(version.get("number"))
    if not _VERSION.fullmatch(number):
        raise SearchError(Trouble.NO_SEARCH_SERVER)
    # With compatibility.override_main_response_version OpenSearch gives itself out as 7.10.2.
    tagline = str(about.get("tagline"))
    opensearch = version.get("distribution") == "opensearch" or tagline.startswith("The OpenSearch Project")
    return Engine(name=OPENSEARCH if opensearch else ELASTICSEARCH, version=number)


class ProbedClient:
    """A `SearchClient` that asks who is there before anything else, and again whenever it is asked for `GET /`."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._access: Access | None = None
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
        # Whoever fails the probe is not asked anything else.
        self._chosen = None
        self._access = access = self._access or access_of(self._settings)
        self._first = first = self._first or OpenSearchClient(access)
        try:
            headers, about = first.introduce()
        except SearchError as error:
            if error.status == _FORBIDDEN:
                raise SearchError(Trouble.SHUT, status=error.status) from None
            raise (_no_search_server(error, access) if error.status in _OTHER_PLACES else error) from None
        if _is_for_elastic(identify(about), headers, access):
            self._chosen = self._elastic = self._elastic or ElasticClient(access)
        else:
            self._chosen = first
        return self._chosen, about


def _is_for_elastic(engine: Engine, headers: Mapping[str, str], access: Access) -> bool:
    """Whether Elastic's client is wanted; raises SearchError where neither will do."""
    if engine.name == OPENSEARCH:
        return False
    if engine.numbers < _OLDEST or engine.numbers[0] > max(_ELASTIC_CLIENT):
        raise SearchError(
            Trouble.UNUSABLE,
            reason=f"{engine.name} {engine.version} is not served",
            remedy="lead [elasticsearch] url to OpenSearch, or to Elasticsearch from 7.9 to 9",
        )
    if engine.numbers[0] < min(_ELASTIC_CLIENT):
        return False
    if headers.get(_PRODUCT_HEADER) != _PRODUCT:
        missing = f"it says {engine.name} {engine.version} and lacks the header X-Elastic-Product"
        raise SearchError(Trouble.NO_SEARCH_SERVER, reason=missing)
    if access.sign is not None:
        raise SearchError(
            Trouble.UNUSABLE,
            reason=f"{engine.name} {engine.version} takes no signatures of AWS",
            remedy="put api_key in the place of [elasticsearch] aws_region",
        )
    return True


def _no_search_server(error: SearchError, access: Access) -> SearchError:
    place = f" at the path /{access.prefix}" if access.prefix else ""
    return SearchError(Trouble.NO_SEARCH_SERVER, status=error.status, reason=f"{error.status}{place}")
