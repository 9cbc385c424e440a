"""Which library a search server is spoken to with, and that nothing is sent before it has said who it is.

Elasticsearch 8 is a real engine of another kind behind a face: see `docs/search.md` for what that proves.
Holds: masking and reading through Elastic's client, versions, servers that are passed off as another.
Add here: another way in which a server tells who it is.
Keep out: what the store does to documents (every other `test_search_*.py`, through both libraries in the full run),
and who is let in (`test_search_access.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http import HTTPStatus

import pytest

from erasure.errors import Incomplete, StoreError, StoreRefused, StoreUnavailable
from erasure.store_settings import ElasticsearchSettings
from erasure.stores.base import no_progress
from erasure.stores.search.server import search_server
from erasure.stores.search.store import SearchStore
from sandbox.supervisor import Sandbox
from tests.contract.search_support import (
    CONTROLS,
    TARGETS,
    Ground,
    Worker,
    expected_after,
    grounded,
    judgment,
    many_units,
    only,
    target_set,
    unit,
)
from tests.search_proxies import ElasticFace, Proxy, Reply, Request


@pytest.fixture
def face(sandbox: Sandbox) -> Iterator[ElasticFace]:
    with ElasticFace(sandbox.config.search_url) as face:
        yield face


@pytest.fixture
def behind(sandbox: Sandbox, face: ElasticFace) -> Iterator[Ground]:
    """A ground whose store speaks to the engine through the face."""
    with grounded(sandbox, face.url) as ground:
        yield ground


def test_a_batch_is_masked_through_elastics_client_as_through_the_other(
    behind: Ground, face: ElasticFace
) -> None:
    documents = {document["unit_id"]: document for document in many_units()}
    index, hidden = behind.index("a"), behind.index("b", settings={"hidden": True})
    behind.fill(index, list(documents.values()))
    behind.fill(hidden, [unit(judgment(TARGETS[0], workerId=None), judgment(CONTROLS[0]))])
    store, targets = behind.store(), target_set(*TARGETS)
    told: list[tuple[str, int, int]] = []

    survey, held = store.survey(), store.holdings()
    plan = only(store.count(targets))
    done = only(store.mask(targets, lambda *step: told.append(step)))

    after = behind.read(index)
    for unit_id, document in documents.items():
        assert json.loads(after[unit_id]["source"]) == expected_after(document, *TARGETS)
    assert (survey.problems, held) == ((), {"units": len(documents) + 1})
    assert done == plan
    assert plan.records > 0
    assert told[-1] == ("units", done.records, done.records)
    assert only(store.count(targets)).records == 0
    assert store.health().engine == "Elasticsearch"
    assert {
        request.path.partition("?")[0].rpartition("/")[2] for request in face.spoken_by_elastics_client
    } > {
        "_update_by_query",
        "_search",
        "_refresh",
        "_mapping",
    }
    # Elastic's client has sent everything but the probe, and everything once.
    assert {request.path for request in face.seen if request not in face.spoken_by_elastics_client} == {"/"}
    assert sum("_update_by_query" in request.path for request in face.seen) == 2


def test_elastics_client_tells_what_is_refused_as_the_other_does(behind: Ground, face: ElasticFace) -> None:
    index = behind.index("a")
    behind.fill(index, [unit(judgment(TARGETS[0]))])
    behind.client.indices.put_settings(index=index, body={"index.blocks.write": True})
    with pytest.raises(StoreRefused, match=f"index {index} is blocked"):
        behind.store().mask(target_set(TARGETS[0]), no_progress)

    behind.client.indices.put_settings(index=index, body={"index.blocks.write": None})
    behind.client.indices.close(index=index)
    closed = only(behind.store().count(target_set(TARGETS[0])))
    assert (closed.records, closed.not_erasable) == (0, {"a closed index": 1})

    nowhere = replace(behind.units, location=f"{behind.prefix}-nowhere")
    with pytest.raises(StoreRefused, match="no index matches"):
        behind.store(nowhere).survey()


@pytest.mark.full
def test_what_a_purge_asks_for_is_taken_from_elastics_client(behind: Ground) -> None:
    index = behind.index("a")
    behind.fill(index, many_units())
    stranger = Worker(id=TARGETS[0].id, email="nobody@example.com")
    behind.store().mask(target_set(*TARGETS), no_progress)
    scroll = behind.client.search(index=index, body={"size": 1}, params={"scroll": "5m"})["_scroll_id"]
    with pytest.raises(Incomplete, match="held open by a scroll"):
        behind.store(purge_seconds=45).purge(target_set(stranger), no_progress)
    behind.client.clear_scroll(scroll_id=scroll)

    behind.store().purge(target_set(*TARGETS), no_progress)

    assert behind.deleted_documents(index) == 0
    assert behind.stored_tasks() == ""


# Versions


class Claiming(ElasticFace):
    """Says something else of itself at `/`."""

    def __init__(self, target: str, *, number: str, tagline: str, product: bool) -> None:
        super().__init__(target, version=number, product=product)
        self._tagline = tagline

    def told(self, request: Request, reply: Reply) -> Reply:
        told = super().told(request, reply)
        if request.path != "/":
            return told
        return replace(told, body=json.dumps(json.loads(told.body) | {"tagline": self._tagline}).encode())


ELASTICS, OPENSEARCHS = "You Know, for Search", "The OpenSearch Project: https://opensearch.org/"


@pytest.mark.parametrize(
    ("number", "tagline", "product", "engine", "elastics"),
    [
        ("7.10.2", ELASTICS, False, "Elasticsearch", False),
        ("7.17.28", ELASTICS, True, "Elasticsearch", False),
        ("8.0.0", ELASTICS, True, "Elasticsearch", True),
        ("9.2.1", ELASTICS, True, "Elasticsearch", True),
        ("9.0.0-beta1", ELASTICS, True, "Elasticsearch", True),
        # With compatibility.override_main_response_version.
        ("7.10.2", OPENSEARCHS, False, "OpenSearch", False),
        ("3.8.0", OPENSEARCHS, False, "OpenSearch", False),
    ],
)
def test_the_library_is_chosen_by_what_the_server_says_of_itself(
    sandbox: Sandbox, number: str, tagline: str, product: bool, engine: str, elastics: bool
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(
            Claiming(sandbox.config.search_url, number=number, tagline=tagline, product=product)
        )
        ground = stack.enter_context(grounded(sandbox, server.url))
        ground.fill(ground.index("a"), [unit(judgment(TARGETS[0]))])

        assert only(ground.store().mask(target_set(TARGETS[0]), no_progress)).records == 1

        assert (ground.store().health().engine, ground.store().health().version) == (engine, number)
        assert bool(server.spoken_by_elastics_client) is elastics


@pytest.mark.parametrize(
    ("number", "product", "raises", "says"),
    [
        (
            "8.19.3",
            False,
            StoreUnavailable,
            r"not a search server \(it says Elasticsearch 8.19.3 and lacks the",
        ),
        ("10.0.0", True, StoreRefused, r"Elasticsearch 10.0.0 is not served; lead \[elasticsearch\] url to"),
        ("7.8.1", False, StoreRefused, r"Elasticsearch 7.8.1 is not served; lead \[elasticsearch\] url to"),
        ("worker7@example.com", True, StoreUnavailable, "what answers is not a search server; check"),
        ("9" * 5_000, True, StoreUnavailable, "what answers is not a search server; check"),
    ],
)
def test_a_server_that_neither_library_serves_is_sent_nothing_but_the_question_who_it_is(
    sandbox: Sandbox, number: str, product: bool, raises: type[StoreError], says: str
) -> None:
    with (
        ElasticFace(sandbox.config.search_url, version=number, product=product) as server,
        grounded(sandbox, server.url) as ground,
    ):
        index = ground.index("a")
        ground.fill(index, [unit(judgment(TARGETS[0]))])
        before = ground.read(index)
        for act in (ground.store().mask, ground.store().purge):
            with pytest.raises(raises, match=says) as caught:
                act(target_set(TARGETS[0]), no_progress)
            assert "worker7" not in str(caught.value)

        assert {(request.method, request.path) for request in server.seen} == {("GET", "/")}
        assert ground.read(index) == before


# Servers that are passed off as another


class Impostor(Proxy):
    """Claims Elastic's product header in every answer; at `/` it says what it is given, elsewhere that all is done."""

    def __init__(self, target: str, reply: Reply) -> None:
        super().__init__(target)
        self._reply = reply

    def turned_away(self, request: Request) -> Reply | None:
        reply = self._reply if request.path == "/" else Reply.of(HTTPStatus.OK, {"acknowledged": True})
        return replace(reply, headers={**reply.headers, "x-elastic-product": "Elasticsearch"})


LOGIN_PAGE = Reply(
    status=HTTPStatus.OK, headers={"content-type": "text/html"}, body=b"<html>Please log in</html>"
)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (Reply.of(HTTPStatus.OK, {"hello": "world"}), "not a search server"),
        (Reply.of(HTTPStatus.OK, {"version": {"number": "8.1.0"}}), "not a search server"),
        (LOGIN_PAGE, "not a search server"),
        (
            Reply.of(HTTPStatus.FOUND, "", location="https://login.example.com/"),
            r"not a search server \(302\)",
        ),
        (Reply.of(HTTPStatus.MOVED_PERMANENTLY, "", location="/elsewhere"), r"not a search server \(301\)"),
        (Reply.of(HTTPStatus.BAD_GATEWAY, "no upstream"), "the server answered 502"),
    ],
    ids=["other JSON", "half an answer", "a login page", "a login elsewhere", "moved", "a gateway"],
)
def test_an_impostor_is_named_and_sent_nothing_else(sandbox: Sandbox, reply: Reply, says: str) -> None:
    with Impostor(sandbox.config.search_url, reply) as impostor, grounded(sandbox, impostor.url) as ground:
        for act in (ground.store().mask, ground.store().purge):
            with pytest.raises(StoreUnavailable, match=rf"{says}.*; check \[elasticsearch\] url"):
                act(target_set(TARGETS[0]), no_progress)
        assert {(request.method, request.path) for request in impostor.seen} == {("GET", "/")}


def test_a_server_that_has_become_another_is_sent_nothing_more(sandbox: Sandbox, face: ElasticFace) -> None:
    with grounded(sandbox, face.url) as ground:
        index = ground.index("a")
        ground.fill(index, [unit(judgment(TARGETS[0]))])
        store = ground.store()
        assert only(store.count(target_set(TARGETS[0]))).records == 1
        sent = len(face.seen)

        face.turned_away = lambda request: LOGIN_PAGE  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable, match="not a search server"):
            store.mask(target_set(TARGETS[0]), no_progress)

        assert [request.path for request in face.seen[sent:]] == ["/"]


def test_a_path_that_leads_to_nothing_is_named(sandbox: Sandbox) -> None:
    settings = ElasticsearchSettings(url=f"{sandbox.config.search_url}/no/such/path")
    server = search_server(settings)
    with pytest.raises(StoreUnavailable, match=r"not a search server \(4\d\d at the path /no/such/path\)"):
        SearchStore(server, ()).health()
    server.close()


def test_names_of_indices_cannot_leave_their_place_in_the_address(
    sandbox: Sandbox, face: ElasticFace
) -> None:
    with grounded(sandbox, face.url) as ground:
        index = ground.index("a")
        ground.fill(index, [unit(judgment(TARGETS[0]))])
        for location in (f"{index}/_search?q=*#", "../_all", "a b", f"{index}%2f_doc"):
            with pytest.raises((StoreRefused, StoreUnavailable)):
                ground.store(replace(ground.units, location=location)).count(target_set(TARGETS[0]))
        steps = {request.path.partition("?")[0].count("/") for request in face.seen if request.path != "/"}
        assert steps == {len(["_resolve", "index", "name"])}
