"""Indices of many made-up people, for the tests of the search store.

Holds: `Worker` and documents that name workers, `Ground`, a test's own indices on the real engine, and the fixtures
`ground` and `server`.
Add here: a form of document, or a look into the engine, that several test modules need.
Keep out: assertions on what the store did.
"""

import json
import random
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch, exceptions, helpers

from erasure.counts import Count
from erasure.inventory import InventoryObject
from erasure.rules import MASK, normalise_email
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory
from tests.search_proxies import ElasticFace

PEOPLE = 40
DOCUMENTS = 400
MAPPING = json.loads(
    (Path(__file__).parents[2] / "sandbox" / "world" / "search_index.json").read_text(encoding="utf-8")
)["mappings"]
ANY_MAPPING: dict[str, Any] = {"dynamic": True}


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A made-up person."""

    id: str
    email: str


WORKERS = tuple(
    Worker(id=str(uuid.UUID(int=number + 1)), email=f"worker{number}@example.com") for number in range(PEOPLE)
)
TARGETS, CONTROLS = WORKERS[:8], WORKERS[8:]


def target_set(*workers: Worker) -> TargetSet:
    needles = tuple(
        Needle(contributor_id=w.id, kind="email", value=normalise_email(w.email)) for w in workers
    )
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(w.id for w in workers), needles=needles)


def judgment(worker: Worker, **changes: Any) -> dict[str, Any]:
    # The order of the keys is not alphabetical: a document that was merely read and written would show it.
    written = {
        "workerEmail": worker.email,
        "workerId": worker.id,
        "label": "cat",
        "at": "2024-05-01T10:00:00Z",
    }
    return written | changes


def unit(*judgments: dict[str, Any]) -> dict[str, Any]:
    unit_id = str(uuid.uuid4())
    return {
        "url": f"https://example.com/{unit_id}.png",
        "unit_id": unit_id,
        "project_id": "p",
        "job_id": "j",
        "judgmentCount": len(judgments),
        "judgments": list(judgments),
        "latest": dict(judgments[-1]) if judgments else None,
    }


def many_units(seed: int = 7) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        unit(*(judgment(worker) for worker in chance.sample(WORKERS, chance.randint(0, 6))))
        for _ in range(DOCUMENTS)
    ]


def expected_after(document: dict[str, Any], *targets: Worker) -> dict[str, Any]:
    """What a document must look like, said without any of the store's code."""
    masked = deepcopy(document)
    for element in [*masked["judgments"], masked["latest"] or {}]:
        if element.get("workerId") in {worker.id for worker in targets}:
            element["workerEmail"] = MASK
    return masked


class Ground:
    """Indices of one test, and what stands in them."""

    # `client` is the test's own; `server` is what the store is given, at `url` where that is not the engine's own.
    def __init__(self, client: OpenSearch, config: SandboxConfig, url: str | None = None) -> None:
        self.client = client
        self.config = config
        self.server = search_server(ElasticsearchSettings(url=url or config.search_url))
        self.prefix = f"contract-{uuid.uuid4().hex[:12]}"

    @property
    def units(self) -> InventoryObject:
        return replace(kepler_inventory().of("elasticsearch")[0], location=f"{self.prefix}-*")

    def store(self, item: InventoryObject | None = None, *, purge_seconds: float = 90.0) -> SearchStore:
        return SearchStore(self.server, (item or self.units,), purge_seconds=purge_seconds)

    def index(
        self, name: str, mappings: Mapping[str, Any] = MAPPING, settings: Mapping[str, Any] | None = None
    ) -> str:
        full = f"{self.prefix}-{name}"
        shape = {"number_of_shards": 1, "number_of_replicas": 0} | dict(settings or {})
        self.client.indices.create(index=full, body={"settings": shape, "mappings": dict(mappings)})
        return full

    def fill(self, index: str, documents: list[dict[str, Any]], *, refresh: bool = True) -> None:
        actions = [
            {"_index": index, "_id": d.get("unit_id", str(n)), "_source": d} for n, d in enumerate(documents)
        ]
        helpers.bulk(self.client, actions, refresh=refresh)

    def read(self, index: str) -> dict[str, dict[str, Any]]:
        """Document id -> version and source, as text: a control's keeps the order of its keys."""
        self.client.indices.refresh(index=index)
        hits = self.client.search(index=index, body={"size": 1000, "version": True})["hits"]["hits"]
        return {
            hit["_id"]: {"version": hit["_version"], "source": json.dumps(hit["_source"])} for hit in hits
        }

    def read_sources(self, index: str, *, by: str) -> dict[Any, dict[str, Any]]:
        """A field's value -> the source that bears it."""
        sources = [json.loads(entry["source"]) for entry in self.read(index).values()]
        return {source[by]: source for source in sources}

    def deleted_documents(self, index: str) -> int:
        return int(self.client.indices.stats(index=index)["_all"]["total"]["docs"]["deleted"])

    def stored_tasks(self) -> str:
        """What the engine keeps of the tasks over this test's indices; those of other tests are kept as well."""
        try:
            self.client.indices.refresh(index=".tasks")
            hits = self.client.search(index=".tasks", body={"size": 10_000})["hits"]["hits"]
        except exceptions.NotFoundError:
            return ""
        return "\n".join(told for told in map(json.dumps, hits) if self.prefix in told)

    def remove(self) -> None:
        self.client.indices.delete(index=f"{self.prefix}-*", params={"expand_wildcards": "all"}, ignore=[404])


@pytest.fixture(params=["opensearch-py", pytest.param("elasticsearch", marks=pytest.mark.full)])
def ground(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Ground]:
    """The store speaks to the engine by one library and then, in the full run, by the other."""
    with ExitStack() as stack:
        behind = request.param == "elasticsearch"
        face = stack.enter_context(ElasticFace(sandbox.config.search_url)) if behind else None
        yield stack.enter_context(grounded(sandbox, face.url if face else None))
        asked = [request for request in face.seen if request.path != "/"] if face else []
        assert not asked or (face and face.spoken_by_elastics_client)


@contextmanager
def grounded(sandbox: Sandbox, url: str | None = None) -> Iterator[Ground]:
    """A ground that is removed afterwards."""
    client = OpenSearch(sandbox.config.search_url, timeout=60)
    ground = Ground(client, sandbox.config, url)
    try:
        yield ground
    finally:
        ground.remove()
        ground.server.close()
        client.close()


@pytest.fixture
def server() -> Iterator[Callable[[int, bytes], str]]:
    """Starts something that speaks HTTP, gives one answer to everything, and is no search server."""
    servers: list[HTTPServer] = []

    def start(status: int, body: bytes) -> str:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        running = HTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=running.serve_forever, daemon=True).start()
        servers.append(running)
        return f"http://127.0.0.1:{running.server_port}"

    yield start
    for running in servers:
        running.shutdown()
        running.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def only(counts: Mapping[str, Count]) -> Count:
    (count,) = counts.values()
    return count


def assert_names_nobody(error: BaseException) -> None:
    assert error.__cause__ is None
    for worker in WORKERS:
        assert worker.id not in str(error)
        assert worker.email not in str(error)
