"""CSVs of what a batch is about to change in the search server: whole documents as they are, one a row.

Add here: what is needed to put a document back where it was.
Keep out: which documents change (`stores/search/elements.py` judges them), and counting them (`masking.py`).
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erasure.csv_backups.files import opened
from erasure.inventory import InventoryObject
from erasure.rules import Rule, normalise_email
from erasure.stores.search.elements import Judge
from erasure.stores.search.failures import speaking_of
from erasure.stores.search.field_checks import owners_of
from erasure.stores.search.layout import Layout, layouts_of
from erasure.stores.search.mapped import candidates_in
from erasure.stores.search.masking import Masking
from erasure.stores.search.requests import everybody, query_of
from erasure.stores.search.scan import Scan
from erasure.stores.search.server import SearchServer
from erasure.targets import TargetSet

COLUMNS = ("index", "id", "routing", "document")
_EVERYTHING: Mapping[str, Any] = {"match_all": {}}


def write(
    server: SearchServer, *, objects: Sequence[InventoryObject], targets: TargetSet, folder: Path
) -> dict[str, int]:
    """Writes a CSV for each object of which documents will change; returns object -> documents."""
    documents: dict[str, int] = {}
    for item in objects:
        path = folder / f"{item.name}.csv"
        with speaking_of(item.name), opened(path) as file:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
            rows = csv.writer(text)
            rows.writerow(COLUMNS)
            number = 0
            for hit in _changing(server, item, targets):
                source = json.dumps(hit["_source"], ensure_ascii=False)
                rows.writerow((hit["_index"], hit["_id"], hit.get("_routing", ""), source))
                number += 1
            text.flush()
        if number:
            documents[item.name] = number
        else:
            path.unlink()
    return documents


def _changing(server: SearchServer, item: InventoryObject, targets: TargetSet) -> Iterator[Mapping[str, Any]]:
    masking = Masking(server, item, targets, ids_at_once=max(1, len(targets.contributor_ids)))
    judge = Judge(item, targets)
    scan = Scan(server, judge, object_name=item.name)
    tallies = masking.look().tallies
    changing = {name: tally for name, tally in tallies.items() if tally.records}
    for name, layout in layouts_of(server, changing).items():
        query = _EVERYTHING if changing[name].by_email else _naming(item, targets, layout)
        for page in scan.pages(name, query):
            for hit in page:
                if _goes(hit["_source"], item, targets) or judge.examine(hit["_source"]).changes:
                    yield hit


def _naming(item: InventoryObject, targets: TargetSet, layout: Layout) -> Mapping[str, Any]:
    """The documents that may be somebody's of the batch, as far as the index can find them."""
    ids = sorted(targets.contributor_ids)
    found = [candidates_in(layout.mapping, path, ids) for path in sorted(owners_of(item))]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        return _EVERYTHING
    return query_of(item, everybody(targets), known, first=True)


def _goes(source: Mapping[str, Any], item: InventoryObject, targets: TargetSet) -> bool:
    """Whether a document goes as a whole: by its owner, and by the email where it has none."""
    if item.rule is not Rule.DELETE:
        return False
    owners = list(_at(source, item.subject.contributor_id))
    if owners:
        return all(str(owner) in targets.contributor_ids for owner in owners)
    emails = list(_at(source, item.subject.email))
    return any(normalise_email(str(email)) in targets.emails for email in emails)


def _at(value: Any, path: str | None) -> Iterator[Any]:
    """What stands at a path, whether its steps are objects in objects or one name with dots; lists are walked."""
    if path is None or value is None:
        return
    if isinstance(value, list):
        for element in value:
            yield from _at(element, path)
    elif isinstance(value, dict):
        for name, held in value.items():
            if name == path:
                yield from held if isinstance(held, list) else [held] if held is not None else []
            elif path.startswith(f"{name}."):
                yield from _at(held, path.removeprefix(f"{name}."))
