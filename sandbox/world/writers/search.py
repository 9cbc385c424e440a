"""The world in the search engine: an index a project, a document a unit.

Holds: the documents and the bulk load.
Add here: another field of the documents (and its mapping in search_index.json).
Keep out: the judgments themselves.
"""

import json
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.resources import files
from typing import TYPE_CHECKING

from sandbox.world.contributors import Contributor
from sandbox.world.crews import Crew
from sandbox.world.generate import Unit, World
from sandbox.world.judgments import judgments
from sandbox.world.stores import WorldStores
from sandbox.world.writers.progress import Counts, Progress, blocks

if TYPE_CHECKING:
    from opensearchpy import OpenSearch

_DOCUMENTS_AT_ONCE = 1_000
_REQUESTS_AT_ONCE = 3
# While loading: neither made visible nor put on the disk before the end.
_LOADING = {"index": {"refresh_interval": "-1", "translog.durability": "async"}}
_LOADED = {"index": {"refresh_interval": None, "translog.durability": None}}


def write_search(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Documents by index."""
    from opensearchpy import OpenSearch

    names = [index_name(project.project_id) for project in world.projects]
    with OpenSearch(stores.search_url, timeout=300, pool_maxsize=_REQUESTS_AT_ONCE) as client:
        _recreate(client, names)
        counts: Counter[str] = Counter()
        with _Bulk(client) as bulk:
            for crew in world.crews:
                people = world.people(crew)
                for some in blocks(documents(world, crew, people), _DOCUMENTS_AT_ONCE):
                    bulk.send("".join(lines for _, lines in some))
                    counts.update(index for index, _ in some)
                    progress("search/units", counts.total(), world.units)
        for name in names:
            client.indices.put_settings(index=name, body=_LOADED)
            client.indices.flush(index=name)
            client.indices.refresh(index=name)
    return dict(counts)


def index_name(project_id: object) -> str:
    """The index of a project's units."""
    return f"project-{project_id}"


class _Bulk:
    """A few bulk requests under way at a time; the engine works on each with a thread of its own."""

    def __init__(self, client: "OpenSearch") -> None:
        self._client = client
        self._pool = ThreadPoolExecutor(_REQUESTS_AT_ONCE)
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> "_Bulk":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._pool:
            if kind is None:
                self._wait(0)

    def send(self, body: str) -> None:
        """Raises what became of an earlier request, if that failed."""
        self._wait(_REQUESTS_AT_ONCE)
        self._under_way.append(self._pool.submit(self._request, body))

    def _wait(self, most: int) -> None:
        while len(self._under_way) > most:
            self._under_way.popleft().result()

    def _request(self, body: str) -> None:
        answer = self._client.bulk(body=body, filter_path="errors,items.*.error.type")
        if answer["errors"]:
            refused = [item["create"]["error"]["type"] for item in answer["items"] if item]
            raise RuntimeError(
                f"search: {len(refused)} documents were refused ({refused[0]}); see the engine's log and load again"
            )


def _recreate(client: "OpenSearch", names: list[str]) -> None:
    # By name: some clusters refuse to delete by pattern, and the list shows closed ones too.
    found = client.cat.indices(index="project-*", format="json", expand_wildcards="all")
    for each in found:
        client.indices.delete(index=each["index"])
    body = json.loads(files("sandbox.world").joinpath("search_index.json").read_text(encoding="utf-8"))
    for name in names:
        client.indices.create(index=name, body=body)
        client.indices.put_settings(index=name, body=_LOADING)


def documents(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[tuple[str, str]]:
    """Each unit's index, and its lines of a bulk request."""
    ids = [each.contributor_id for each in people]
    written = [json.dumps(text, ensure_ascii=False) for text in world.label_texts]
    labels = dict(zip(world.label_texts, written, strict=True))
    for block in judgments(world, crew, people):
        unit = block.unit[0]
        elements: list[str] = []
        for unit_place, position, email, label, at in zip(
            block.unit, block.contributor, block.email, block.label, block.at, strict=True
        ):
            if unit_place != unit:
                yield _document(world.unit(unit), elements)
                unit, elements = unit_place, []
            # Written out, as there are so many of them; ids and emails have nothing to escape.
            elements.append(
                f'{{"workerId": "{ids[position]}", "workerEmail": "{email}", '
                f'"label": {labels[label]}, "at": "{at}+00:00"}}'
            )
        yield _document(world.unit(unit), elements)


def _document(unit: Unit, elements: list[str]) -> tuple[str, str]:
    index = index_name(unit.job.project_id)
    # The last to arrive, whatever its date: else nobody inactive would ever stand there.
    latest = elements[-1]
    return index, (
        f'{{"create": {{"_index": "{index}", "_id": "{unit.unit_id}"}}}}\n'
        f'{{"unit_id": "{unit.unit_id}", "project_id": "{unit.job.project_id}", "job_id": "{unit.job.job_id}", '
        f'"url": {json.dumps(unit.url, ensure_ascii=False)}, "judgmentCount": {len(elements)}, '
        f'"latest": {latest}, "judgments": [{", ".join(elements)}]}}\n'
    )
