"""The world in the search engine: an index a project, a document a unit.

Holds: the documents, their mapping's use and the bulk load.
Add here: another field of the documents (and its mapping in search_index.json).
Keep out: the judgments themselves.
"""

import json
from collections import Counter
from collections.abc import Iterator
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sandbox.world.generate import World
from sandbox.world.judgments import Judgment, judgments
from sandbox.world.stores import WorldStores
from sandbox.world.writers.progress import Counts, Progress, steps

if TYPE_CHECKING:
    from opensearchpy import OpenSearch


def write_search(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Documents by index."""
    from opensearchpy import OpenSearch
    from opensearchpy.helpers import streaming_bulk

    with OpenSearch(stores.search_url, timeout=60) as client:
        _recreate(client, [index_name(project.project_id) for project in world.projects])
        counts: Counter[str] = Counter()
        actions = steps("search/units", _actions(world, counts), world.unit_count, progress)
        for _ in streaming_bulk(client, actions, chunk_size=1_000):
            pass  # it raises at the first document that is refused
        client.indices.refresh(index=",".join(counts))
    return dict(counts)


def index_name(project_id: object) -> str:
    """The index of a project's units."""
    return f"project-{project_id}"


def _recreate(client: "OpenSearch", names: list[str]) -> None:
    # By name: some clusters refuse to delete by pattern, and the list shows closed ones too.
    found = client.cat.indices(index="project-*", format="json", expand_wildcards="all")
    for each in found:
        client.indices.delete(index=each["index"])
    body = json.loads(files("sandbox.world").joinpath("search_index.json").read_text(encoding="utf-8"))
    for name in names:
        client.indices.create(index=name, body=body)


def _actions(world: World, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    for _, together in groupby(judgments(world), key=attrgetter("unit.unit_id")):
        document = unit_document(list(together))
        index = index_name(document["project_id"])
        counts[index] += 1
        yield {"_op_type": "create", "_index": index, "_id": document["unit_id"], "_source": document}


def unit_document(judged: list[Judgment]) -> dict[str, Any]:
    """The document of one unit, from all its judgments."""
    unit = judged[0].unit
    # The last to arrive, whatever its date: else nobody inactive would ever stand there.
    newest = max(judged, key=attrgetter("judgment_id"))
    return {
        "unit_id": str(unit.unit_id),
        "project_id": str(unit.job.project_id),
        "job_id": str(unit.job.job_id),
        "url": unit.url,
        "judgmentCount": len(judged),
        "latest": _element(newest),
        "judgments": [_element(each) for each in judged],
    }


def _element(judgment: Judgment) -> dict[str, str]:
    return {
        "workerId": str(judgment.contributor.contributor_id),
        "workerEmail": judgment.email,
        "label": judgment.label,
        "at": judgment.created_at.isoformat(),
    }
