"""The search store on a real engine: a target's elements are masked wherever they stand, controls keep all.

Holds: the contract of `SearchStore`, on indices of its own with several hundred documents of many people.
Add here: a form of document that the store learns, a way in which an engine can refuse or look like success.
Keep out: requests and sentences that need no engine (`tests/unit/test_search_*.py`).
"""

import json
import random
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opensearchpy import OpenSearch, exceptions, helpers

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused, StoreUnavailable
from erasure.inventory import Field, InventoryObject, Subject
from erasure.rules import MASK, Rule, normalise_email
from erasure.stores.base import no_progress
from erasure.stores.search.store import SearchStore
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory

PEOPLE = 40
DOCUMENTS = 400
MAPPING = json.loads(
    (Path(__file__).parents[2] / "sandbox" / "world" / "search_index.json").read_text(encoding="utf-8")
)["mappings"]
ANY_MAPPING: dict[str, Any] = {"dynamic": True}

pytestmark = pytest.mark.filterwarnings("ignore::opensearchpy.exceptions.OpenSearchWarning")


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

    def __init__(self, client: OpenSearch, config: SandboxConfig) -> None:
        self.client = client
        self.config = config
        self.prefix = f"contract-{uuid.uuid4().hex[:12]}"

    @property
    def units(self) -> InventoryObject:
        return replace(kepler_inventory().of("elasticsearch")[0], location=f"{self.prefix}-*")

    def store(self, item: InventoryObject | None = None, *, purge_seconds: float = 90.0) -> SearchStore:
        return SearchStore(self.client, (item or self.units,), purge_seconds=purge_seconds)

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
        try:
            self.client.indices.refresh(index=".tasks")
            return json.dumps(self.client.search(index=".tasks", body={"size": 1000})["hits"]["hits"])
        except exceptions.NotFoundError:
            return ""

    def remove(self) -> None:
        self.client.indices.delete(index=f"{self.prefix}-*", params={"expand_wildcards": "all"}, ignore=[404])


@pytest.fixture
def ground(sandbox: Sandbox) -> Iterator[Ground]:
    client = OpenSearch(sandbox.config.search_url, timeout=60)
    ground = Ground(client, sandbox.config)
    yield ground
    ground.remove()
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


# Masking


def test_only_the_elements_of_targets_are_masked_among_many_peoples(ground: Ground) -> None:
    documents = {document["unit_id"]: document for document in many_units()}
    first, second = ground.index("a"), ground.index("b")
    ground.fill(first, list(documents.values())[: DOCUMENTS // 2])
    ground.fill(second, list(documents.values())[DOCUMENTS // 2 :])
    targets = target_set(*TARGETS)

    plan = only(ground.store().count(targets))
    done = only(ground.store().mask(targets, no_progress))

    after = ground.read(first) | ground.read(second)
    changed = 0
    for unit_id, document in documents.items():
        expected = expected_after(document, *TARGETS)
        if expected == document:
            assert after[unit_id] == {"version": 1, "source": json.dumps(document)}
        else:
            assert after[unit_id]["version"] == 2
            assert json.loads(after[unit_id]["source"]) == expected
            changed += 1
    elements = sum(
        element["workerId"] in {worker.id for worker in TARGETS}
        for document in documents.values()
        for element in [*document["judgments"], *([document["latest"]] if document["latest"] else [])]
    )
    assert 0 < changed < DOCUMENTS
    assert (plan.records, plan.elements, plan.total) == (changed, elements, DOCUMENTS)
    assert done == plan
    assert only(ground.store().count(targets)).records == 0


def test_what_users_look_for_is_found_under_latest(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0]), judgment(TARGETS[0])), unit(judgment(CONTROLS[0]))])

    ground.store().mask(target_set(TARGETS[0]), no_progress)

    found = ground.client.count(index=index, body={"query": {"term": {"latest.workerEmail": MASK}}})
    assert found["count"] == 1


def test_masking_again_changes_nothing(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, many_units())
    targets = target_set(*TARGETS)
    ground.store().mask(targets, no_progress)
    before = ground.read(index)

    again = only(ground.store().mask(targets, no_progress))

    assert (again.records, again.elements) == (0, 0)
    assert ground.read(index) == before


def test_everybody_elses_elements_count_in_the_totals_alone(ground: Ground) -> None:
    ground.fill(
        ground.index("a"), [unit(judgment(CONTROLS[0]), judgment(TARGETS[0])), unit(judgment(CONTROLS[1]))]
    )

    count = only(ground.store().count(target_set(TARGETS[0])))

    assert count == Count(records=1, elements=2, total=2, total_elements=5)


def test_documents_that_were_not_refreshed_are_found(ground: Ground) -> None:
    index = ground.index("a", settings={"refresh_interval": "-1"})
    ground.fill(index, many_units(), refresh=False)
    unseen = ground.client.count(index=index)["count"]

    done = only(ground.store().mask(target_set(*TARGETS), no_progress))

    assert unseen == 0
    assert done.records > 0
    assert not any(worker.email in json.dumps(ground.read(index)) for worker in TARGETS[:1])


def test_progress_ends_with_all_that_was_planned(ground: Ground) -> None:
    ground.fill(ground.index("a"), many_units())
    told: list[tuple[str, int, int]] = []

    done = only(ground.store().mask(target_set(*TARGETS), lambda *step: told.append(step)))

    assert told[-1] == ("units", done.records, done.records)
    assert [step[1] for step in told] == sorted(step[1] for step in told)


def test_a_batch_that_concerns_nobody_starts_no_task(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0]))])
    stranger = Worker(id=str(uuid.uuid4()), email="stranger@example.org")

    assert only(ground.store().mask(target_set(stranger), no_progress)).records == 0
    assert stranger.id not in ground.stored_tasks()


def test_other_writers_in_between_do_not_leave_anybody_unmasked(ground: Ground) -> None:
    index = ground.index("a")
    documents = many_units()
    ground.fill(index, documents)
    writer = threading.Thread(target=rewrite_urls, args=(ground, index, documents[:150]))
    writer.start()

    ground.store().mask(target_set(*TARGETS), no_progress)
    writer.join()

    left = ground.store().count(target_set(*TARGETS))
    assert only(left).records == 0
    urls = [json.loads(entry["source"])["url"] for entry in ground.read(index).values()]
    assert urls.count("https://example.com/rewritten") == 150


def rewrite_urls(ground: Ground, index: str, documents: list[dict[str, Any]]) -> None:
    # Partial updates, as a platform does them: they read the document and write all of it again.
    for document in documents:
        ground.client.update(
            index=index,
            id=document["unit_id"],
            body={"doc": {"url": "https://example.com/rewritten"}},
            params={"retry_on_conflict": 50},
        )


# Whose an element is


def test_the_email_decides_in_any_case_where_there_is_no_owner(ground: Ground) -> None:
    index = ground.index("a")
    target, control = TARGETS[0], CONTROLS[0]
    shouted = judgment(target, workerId=None, workerEmail=f" \t{target.email.upper()} ")
    absent = {key: value for key, value in judgment(target).items() if key != "workerId"}
    other = judgment(control, workerId=None, workerEmail=control.email.upper())
    longer = judgment(control, workerId=None, workerEmail=f"x{target.email}")
    ground.fill(index, [unit(judgment(control), shouted, other), unit(absent, longer), unit(other)])
    targets = target_set(target)

    plan = only(ground.store().count(targets))
    done = only(ground.store().mask(targets, no_progress))

    emails = [
        [element["workerEmail"] for element in json.loads(entry["source"])["judgments"]]
        for entry in ground.read(index).values()
    ]
    assert sorted(emails) == sorted(
        [[control.email, MASK, control.email.upper()], [MASK, f"x{target.email}"], [control.email.upper()]]
    )
    assert plan.records == done.records == 2


def test_emails_are_compared_as_the_rules_compare_them(ground: Ground) -> None:
    index = ground.index("a")
    chance = random.Random(11)
    # Blanks and letters that one language trims or lowers and another does not.
    alphabet = "aAzZ@.é É\u0130ß\u017fΣςÄä \t\n\r\x0b\x0c\x00\x1c\x85\u00a0\u2003\U0001f600"
    values = ["".join(chance.choices(alphabet, k=chance.randint(0, 6))) for _ in range(DOCUMENTS)]
    wanted = {normalise_email(value) for value in chance.sample(values, DOCUMENTS // 2)}
    needles = tuple(Needle(contributor_id=TARGETS[0].id, kind="email", value=value) for value in wanted)
    documents = [unit(judgment(TARGETS[0], workerId=None, workerEmail=value)) for value in values]
    ground.fill(index, documents)

    ground.store().mask(
        TargetSet(batch_id="b-test", contributor_ids=frozenset({TARGETS[0].id}), needles=needles), no_progress
    )

    after = ground.read(index)
    for document, value in zip(documents, values, strict=True):
        email = json.loads(after[document["unit_id"]]["source"])["latest"]["workerEmail"]
        assert email == (MASK if normalise_email(value) in wanted else value)


def test_a_controls_element_with_a_targets_email_is_a_conflict_and_is_left_alone(ground: Ground) -> None:
    index = ground.index("a")
    target, control = TARGETS[0], CONTROLS[0]
    ground.fill(index, [unit(judgment(control, workerEmail=target.email.upper()), judgment(CONTROLS[1]))])
    before = ground.read(index)

    count = only(ground.store().count(target_set(target)))
    ground.store().mask(target_set(target), no_progress)

    assert (count.conflicts, count.records) == (1, 0)
    assert ground.read(index) == before


def test_the_id_decides_where_a_targets_element_bears_another_email(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(TARGETS[0], workerEmail=CONTROLS[0].email), judgment(CONTROLS[0]))])

    count = only(ground.store().mask(target_set(TARGETS[0]), no_progress))

    (entry,) = ground.read(index).values()
    assert [each["workerEmail"] for each in json.loads(entry["source"])["judgments"]] == [
        MASK,
        CONTROLS[0].email,
    ]
    assert count.conflicts == 0


def test_an_id_that_begins_with_a_targets_id_is_another_one(ground: Ground) -> None:
    index = ground.index("a")
    ground.fill(index, [unit(judgment(CONTROLS[0], workerId=f"{TARGETS[0].id}0"))])

    assert only(ground.store().count(target_set(TARGETS[0]))).records == 0


# Forms of documents


def reviews(location: str) -> InventoryObject:
    """An object with several ruled fields an element, arrays within arrays, and a field to clear."""
    ruled = (
        ("workerEmail", Rule.CONSTANT, "workerId"),
        ("workerName", Rule.CLEAR, "workerId"),
        ("tasks[].review.by.email", Rule.CONSTANT, "tasks[].review.by.id"),
    )
    return InventoryObject(
        store="elasticsearch",
        name="reviews",
        source="kepler_elasticsearch",
        schema="kepler_elasticsearch",
        location=location,
        subject=Subject(),
        fields=tuple(Field(name=name, rule=rule, owner=owner) for name, rule, owner in ruled),
    )


def test_paths_are_followed_through_objects_arrays_and_dotted_keys(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    target, control = TARGETS[0], CONTROLS[0]
    mine, others = {"id": target.id, "email": target.email}, {"id": control.id, "email": control.email}
    documents = [
        {"n": 0, "tasks": [{"review": {"by": [mine, others]}}, {"review": {"by": others}}, {}, None]},
        {"n": 1, "tasks": {"review.by": mine}},
        {"n": 2, "tasks.review.by.id": target.id, "tasks.review.by.email": target.email},
        {"n": 3, "tasks": [{"review": {"by.id": control.id, "by.email": control.email}}]},
        {"n": 4, "tasks": {"review": {"by": mine | {"email": [target.email, None, "second@example.com"]}}}},
    ]
    ground.fill(index, documents)

    done = only(ground.store(reviews(f"{ground.prefix}-*")).mask(target_set(target), no_progress))

    masked = mine | {"email": MASK}
    after = ground.read_sources(index, by="n")
    assert after == {
        0: {"n": 0, "tasks": [{"review": {"by": [masked, others]}}, {"review": {"by": others}}, {}, None]},
        1: {"n": 1, "tasks": {"review.by": masked}},
        2: documents[2] | {"tasks.review.by.email": MASK},
        3: documents[3],
        4: {"n": 4, "tasks": {"review": {"by": mine | {"email": [MASK, None, MASK]}}}},
    }
    assert (done.records, done.elements) == (4, 4)


def test_a_masked_value_makes_its_neighbours_subject_too(ground: Ground) -> None:
    index = ground.index("a", ANY_MAPPING)
    stranger = str(uuid.uuid4())
    documents: list[dict[str, Any]] = [
        {"n": 0, "workerId": None, "workerEmail": MASK, "workerName": "Ada Example"},
        {"n": 1, "workerId": stranger, "workerEmail": f"{MASK}-{stranger}", "workerName": "Ada Example"},
        {"n": 2, "workerId": CONTROLS[0].id, "workerEmail": CONTROLS[0].email, "workerName": "Bo Example"},
        {"n": 3, "workerId": TARGETS[0].id, "workerEmail": None, "workerName": "Cy Example"},
    ]
    ground.fill(index, documents)
    store = ground.store(reviews(f"{ground.prefix}-*"))

    plan = only(store.count(target_set(TARGETS[0])))
    done = only(store.mask(target_set(TARGETS[0]), no_progress))

    after = ground.read_sources(index, by="n")
    assert [after[number]["workerName"] for number in range(4)] == [None, None, "Bo Example", None]
    assert [after[number]["workerEmail"] for number in range(4)] == [MASK, MASK, CONTROLS[0].email, None]
    assert plan.records == done.records == 3
    assert only(store.mask(target_set(TARGETS[0]), no_progress)).records == 0


@pytest.mark.parametrize(
    "worker_id",
    [
        {"type": "text"},
        {"type": "keyword", "index": False, "doc_values": False},
        {"type": "keyword", "ignore_above": 8},
        {"type": "object", "enabled": False},
    ],
    ids=["text", "not indexed", "too long for the index", "stored unseen"],
)
def test_a_mapping_that_hides_the_owner_from_queries_hides_nobody(
    ground: Ground, worker_id: dict[str, Any]
) -> None:
    mapping = deepcopy(MAPPING)
    for parent in ("latest", "judgments"):
        mapping["properties"][parent]["properties"]["workerId"] = worker_id
    index = ground.index("a", mapping)
    documents = many_units()
    ground.fill(index, documents)

    done = only(ground.store().mask(target_set(*TARGETS), no_progress))

    after = ground.read(index)
    assert done.records > 0
    for document in documents:
        assert json.loads(after[document["unit_id"]]["source"]) == expected_after(document, *TARGETS)


def test_nested_arrays_are_masked_like_plain_ones(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["judgments"]["type"] = "nested"
    index = ground.index("a", mapping)
    document = unit(judgment(TARGETS[0]), judgment(CONTROLS[0]))
    ground.fill(index, [document, unit(judgment(CONTROLS[0]))])

    done = only(ground.store().mask(target_set(TARGETS[0]), no_progress))

    assert (done.records, done.total) == (1, 2)
    after = json.loads(ground.read(index)[document["unit_id"]]["source"])
    assert after == expected_after(document, TARGETS[0])


def test_neither_a_filtered_alias_nor_a_hidden_index_hides_a_document(ground: Ground) -> None:
    index = ground.index("a")
    hidden = ground.index("b", settings={"hidden": True})
    ground.fill(index, [unit(judgment(TARGETS[0]))])
    ground.fill(hidden, [unit(judgment(TARGETS[0]))])
    alias = f"only-cats-{uuid.uuid4().hex[:8]}"
    ground.client.indices.put_alias(
        index=index, name=alias, body={"filter": {"term": {"latest.workerId": CONTROLS[0].id}}}
    )

    by_alias = ground.store(replace(ground.units, location=alias)).count(target_set(TARGETS[0]))
    by_pattern = ground.store().count(target_set(TARGETS[0]))

    assert only(by_alias).records == 1
    assert only(by_pattern).records == 2


# Refusals


def test_a_write_blocked_index_is_refused_by_name_and_masked_once_it_is_free(ground: Ground) -> None:
    index = ground.index("a")
    documents = many_units()
    ground.fill(index, documents)
    ground.client.indices.put_settings(index=index, body={"index.blocks.write": True})

    with pytest.raises(StoreRefused) as refused:
        ground.store().mask(target_set(*TARGETS), no_progress)

    assert f"index {index} is blocked" in str(refused.value)
    assert refused.value.object_name == "units"
    assert_names_nobody(refused.value)
    ground.client.indices.put_settings(index=index, body={"index.blocks.write": None})
    assert only(ground.store().mask(target_set(*TARGETS), no_progress)).records > 0
    assert only(ground.store().count(target_set(*TARGETS))).records == 0


def assert_names_nobody(error: BaseException) -> None:
    assert error.__cause__ is None
    for worker in WORKERS:
        assert worker.id not in str(error)
        assert worker.email not in str(error)


def test_a_pattern_without_an_index_is_refused_and_unregistered(ground: Ground) -> None:
    for act in (ground.store().count, lambda targets: ground.store().mask(targets, no_progress)):
        with pytest.raises(StoreRefused, match="no index matches"):
            act(target_set(TARGETS[0]))

    (sentence,) = ground.store().unregistered()
    assert f"no index matches {ground.prefix}-*" in sentence
    assert "dbt_project/models/kepler/inventory/elasticsearch.yml" in sentence


def test_a_closed_index_is_refused_until_it_is_open(ground: Ground) -> None:
    open_index, closed = ground.index("a"), ground.index("b")
    ground.fill(open_index, [unit(judgment(TARGETS[0]))])
    ground.fill(closed, [unit(judgment(TARGETS[0]))])
    ground.client.indices.close(index=closed)

    with pytest.raises(StoreRefused, match=f"index {closed} is closed"):
        ground.store().count(target_set(TARGETS[0]))
    assert any(f"index {closed} is closed" in sentence for sentence in ground.store().unregistered())

    ground.client.indices.open(index=closed)
    assert only(ground.store().mask(target_set(TARGETS[0]), no_progress)).records == 2


def test_an_index_that_does_not_keep_its_source_is_refused(ground: Ground) -> None:
    index = ground.index("a", MAPPING | {"_source": {"excludes": ["latest"]}})

    with pytest.raises(StoreRefused, match=f"index {index} does not keep its whole _source"):
        ground.store().count(target_set(TARGETS[0]))


def test_a_mapping_that_cannot_hold_the_mask_is_refused_without_the_value(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["latest"]["properties"]["workerEmail"] = {"type": "long"}
    index = ground.index("a", mapping)
    document = unit(judgment(TARGETS[0])) | {"latest": judgment(TARGETS[0], workerEmail=4477001)}
    ground.fill(index, [document])

    with pytest.raises(StoreRefused) as refused:
        ground.store().mask(target_set(TARGETS[0]), no_progress)

    assert f"the mapping of index {index} does not take the masked value" in str(refused.value)
    assert "4477001" not in str(refused.value)
    assert_names_nobody(refused.value)


def test_fields_that_the_inventory_does_not_know_are_named(ground: Ground) -> None:
    mapping = deepcopy(MAPPING)
    mapping["properties"]["judgments"]["properties"]["workerPhone"] = {"type": "keyword"}
    mapping["properties"]["payload"] = {"type": "object", "enabled": False}
    known, odd = ground.index("a"), ground.index("b", mapping)

    sentences = ground.store().unregistered()

    assert len(sentences) == 2
    assert all(odd in sentence and known not in sentence for sentence in sentences)
    assert any("judgments.workerPhone" in sentence for sentence in sentences)
    assert any("field payload" in sentence for sentence in sentences)


# Health


def test_health_names_engine_and_version(ground: Ground) -> None:
    health = ground.store().health()

    assert health.engine in ("OpenSearch", "Elasticsearch")
    assert health.version[0].isdigit()


def test_nobody_listening_is_unavailable_and_says_what_to_check(ground: Ground) -> None:
    client = OpenSearch(f"http://127.0.0.1:{free_port()}", max_retries=0)
    store = SearchStore(client, (ground.units,))

    for act in (store.health, store.unregistered, lambda: store.count(target_set(TARGETS[0]))):
        with pytest.raises(StoreUnavailable, match=r"check \[elasticsearch\] url"):
            act()
    client.close()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b'{"hello": "world"}'),
        (200, b"no json"),
        (200, b'"text"'),
        (401, b'{"error": "who are you"}'),
        (403, b'{"message": "no"}'),
        (404, b"not here"),
    ],
    ids=["other json", "no json", "a string", "401", "403", "404"],
)
def test_what_is_no_search_server_or_lets_nobody_in_is_unavailable(
    ground: Ground, server: Callable[[int, bytes], str], status: int, body: bytes
) -> None:
    client = OpenSearch(server(status, body), max_retries=0, http_auth=("kepler", "s3cret-w0rd"))
    store = SearchStore(client, (ground.units,))

    for act in (store.health, lambda: store.mask(target_set(TARGETS[0]), no_progress)):
        with pytest.raises(StoreUnavailable, match=r"check \[elasticsearch\] url") as caught:
            act()
        assert "s3cret-w0rd" not in str(caught.value)
    client.close()


# Copies


def test_stored_tasks_hold_emails_only_where_they_decide(ground: Ground) -> None:
    # Nobody else's tasks are among what is read: these two are new.
    owned = Worker(id=str(uuid.uuid4()), email=f"owned-{uuid.uuid4().hex}@example.com")
    ownerless = Worker(id=str(uuid.uuid4()), email=f"ownerless-{uuid.uuid4().hex}@example.com")
    ground.fill(ground.index("a"), [unit(judgment(owned))])

    ground.store().mask(target_set(owned), no_progress)
    assert owned.id in ground.stored_tasks()
    assert owned.email not in ground.stored_tasks()

    ground.fill(ground.index("b"), [unit(judgment(ownerless, workerId=None))])
    ground.store().mask(target_set(ownerless), no_progress)
    assert ownerless.email in ground.stored_tasks()


# One test for a whole purge: leases move on every 30 seconds only, whatever a test does.
def test_purge_leaves_no_copy_on_disk_and_says_so_only_while_nobody_reads(ground: Ground) -> None:
    index, untouched = ground.index("a"), ground.index("b")
    # Random and in the middle of the text: a byte search finds only what no compression has shortened.
    target = Worker(id=str(uuid.uuid4()), email=f"t{uuid.uuid4().hex}@example.net")
    bystander = Worker(id=str(uuid.uuid4()), email=f"b{uuid.uuid4().hex}@example.net")
    ground.fill(index, [unit(judgment(bystander)), unit(judgment(target)), *many_units()])
    document = unit(judgment(CONTROLS[0]))
    ground.fill(untouched, [document, unit(judgment(CONTROLS[1]))])
    ground.fill(untouched, [document])
    targets = target_set(target, *TARGETS)
    ground.store().mask(targets, no_progress)
    ground.client.indices.flush(index=f"{ground.prefix}-*", params={"force": "true"})
    assert ground.deleted_documents(index) > 0
    assert ground.deleted_documents(untouched) == 1
    assert on_disk(ground, target) and on_disk(ground, bystander)
    assert target.id in ground.stored_tasks()

    purged = only(ground.store().purge(targets, no_progress))

    assert purged.records > 0
    assert ground.deleted_documents(index) == 0
    assert not on_disk(ground, target)
    assert on_disk(ground, bystander)
    assert ground.stored_tasks() == ""
    assert ground.deleted_documents(untouched) == 1

    scroll = ground.client.search(index=index, body={"size": 1}, params={"scroll": "5m"})["_scroll_id"]
    with pytest.raises(Incomplete, match=f"index {index} is held open by a scroll"):
        ground.store(purge_seconds=2).purge(targets, no_progress)
    ground.client.clear_scroll(scroll_id=scroll)
    ground.store().purge(targets, no_progress)


def on_disk(ground: Ground, worker: Worker) -> bool:
    needle = worker.email.partition("@")[0][1:].encode()
    files = (path for path in ground.config.root.rglob("*") if path.is_file() and "indices" in path.parts)
    return any(needle in path.read_bytes() for path in files)


def test_a_purge_is_incomplete_where_an_index_keeps_its_history(ground: Ground) -> None:
    index = ground.index("a", settings={"index.soft_deletes.retention.operations": 100})
    ground.fill(index, [unit(judgment(TARGETS[0]))])
    ground.store().mask(target_set(TARGETS[0]), no_progress)

    with pytest.raises(Incomplete, match=f"index {index} sets index.soft_deletes.retention.operations"):
        ground.store().purge(target_set(TARGETS[0]), no_progress)
