"""The search store: masks in place in OpenSearch, and in Elasticsearch 7.10, which takes the same requests.

Holds: what the protocol asks of a store, object by object.
Add here: an operation of the protocol.
Keep out: counting and masking (`masking.py`), fields (`field_checks.py`), copies on disk (`copies.py`), indices
(`layout.py`), sentences for refusals (`failures.py`), requests (`server.py`), settings (the server is handed in).
"""

import time

from erasure.counts import Count, Counts
from erasure.errors import StoreRefused
from erasure.inventory import InventoryObject
from erasure.rules import Rule
from erasure.stores.base import COUNTED_AT_MOST, PURGED, Health, Holdings, Progress, Survey
from erasure.stores.search.copies import CopiesRemover
from erasure.stores.search.failures import STORE, speaking_of
from erasure.stores.search.field_checks import notices_of, problems_of_fields
from erasure.stores.search.layout import in_groups, indices_behind, layouts_of
from erasure.stores.search.looking import Look, require_all_shards
from erasure.stores.search.masking import Masking
from erasure.stores.search.outside import outside
from erasure.stores.search.server import SearchServer
from erasure.targets import TargetSet

_PURGE_SECONDS = 600.0
# Below the 65,536 that an engine takes in a query; a smaller request is told more often that it is alone.
_IDS_AT_ONCE = 50_000


class SearchStore:
    """Documents of many people: only the elements whose owner is a target change.

    `purge_seconds` is how long a purge of an object may take; it begins with a wait of some 30 seconds.
    `ids_at_once` is how many contributors one request names.
    """

    purge_state = PURGED

    def __init__(
        self,
        server: SearchServer,
        objects: tuple[InventoryObject, ...],
        *,
        purge_seconds: float = _PURGE_SECONDS,
        ids_at_once: int = _IDS_AT_ONCE,
    ) -> None:
        self._server = server
        self._objects = tuple(item for item in objects if item.waived is None)
        self._purge_seconds = purge_seconds
        self._ids_at_once = ids_at_once
        # Object -> what was seen last, and for whom.
        self._looks: dict[str, tuple[TargetSet, Look]] = {}

    @property
    def name(self) -> str:
        return STORE

    def health(self) -> Health:
        """Reads `GET /`. Everything below begins with it: what is no search server is never written to."""
        with speaking_of(None):
            engine = self._server.about()
        return Health(engine=engine.name, version=engine.version)

    def survey(self) -> Survey:
        """Fields, and indices out of reach; raises StoreRefused where no index is there at all: another cluster."""
        self.health()
        self._require_some_index()
        problems: list[str] = []
        notices: list[str] = []
        for item in self._objects:
            file = _file_of(item)
            with speaking_of(item.name):
                indices = indices_behind(self._server, item.location)
                layouts = layouts_of(self._server, indices.open)
            if not layouts and not indices.closed:
                problems.append(
                    f"{STORE}: no index matches {item.location}; correct the pattern of {item.name} in {file}"
                )
            notices += [
                f"{STORE}: index {index} is closed or frozen, so nobody can say what it holds; open it, or delete it"
                for index in indices.closed
            ]
            problems += problems_of_fields(item, layouts, file=file)
            notices += notices_of(item, layouts)
        return Survey(problems=tuple(problems), notices=(*notices, *self._out_of_reach()))

    def _out_of_reach(self) -> tuple[str, ...]:
        with speaking_of(None):
            found = [indices_behind(self._server, item.location).open for item in self._objects]
            return tuple(outside(self._server, sorted({name for names in found for name in names})))

    def holdings(self) -> Holdings:
        """The documents of each object, up to a thousand."""
        self.health()
        return {item.name: self._held(item) for item in self._objects}

    def count(self, targets: TargetSet) -> Counts:
        self.health()
        return {item.name: self._count(item, targets) for item in self._objects}

    def mask(self, targets: TargetSet, progress: Progress) -> Counts:
        """As the protocol has it; what `count` has just seen is not read again where nobody has written since."""
        self.health()
        return {item.name: self._mask(item, targets, progress) for item in self._objects}

    def purge(self, targets: TargetSet, progress: Progress) -> Counts:
        """Rewrites the indices that hold an element of a target, or a mask; counts those documents."""
        self.health()
        return {item.name: self._purge(item, targets, progress) for item in self._objects}

    def _require_some_index(self) -> None:
        for item in self._objects:
            with speaking_of(item.name):
                indices = indices_behind(self._server, item.location)
            if indices.open or indices.closed:
                return
        if self._objects:
            item = self._objects[0]
            remedy = f"check [elasticsearch] url, or correct the pattern in {_file_of(item)}"
            raise _refused(item, f"no index matches {item.location}", remedy)

    def _held(self, item: InventoryObject) -> int:
        with speaking_of(item.name):
            groups = in_groups(indices_behind(self._server, item.location).open)
            answers = [
                self._server.count(group, {"terminate_after": str(COUNTED_AT_MOST)}) for group in groups
            ]
        for answer in answers:
            require_all_shards(answer, item.name)
        return min(sum(int(answer["count"]) for answer in answers), COUNTED_AT_MOST)

    def _count(self, item: InventoryObject, targets: TargetSet) -> Count:
        look = self._masking(item, targets).look()
        self._looks[item.name] = targets, look
        return look.count()

    def _mask(self, item: InventoryObject, targets: TargetSet, progress: Progress) -> Count:
        return self._masking(item, targets).mask(progress, self._known(item, targets))

    def _known(self, item: InventoryObject, targets: TargetSet) -> Look | None:
        whom, look = self._looks.pop(item.name, (None, None))
        return look if whom is targets else None

    def _masking(self, item: InventoryObject, targets: TargetSet) -> Masking:
        return Masking(self._server, item, targets, ids_at_once=self._ids_at_once)

    def _purge(self, item: InventoryObject, targets: TargetSet, progress: Progress) -> Count:
        found = self._masking(item, targets).look(self._known(item, targets)).tallies
        # Of documents that are gone nothing is left to be seen: then all indices are looked after.
        tallies = {name: tally for name, tally in found.items() if tally.touched or item.rule is Rule.DELETE}
        documents = sum(tally.touched for tally in tallies.values())
        progress(item.name, 0, documents)
        deadline = time.monotonic() + self._purge_seconds
        remover = CopiesRemover(self._server, object_name=item.name, deadline=deadline)
        with speaking_of(item.name):
            remover.rewrite(tuple(tallies))
        progress(item.name, documents, documents)
        return Count(records=documents, total=sum(tally.total for tally in tallies.values()))


def _file_of(item: InventoryObject) -> str:
    return f"dbt_project/models/{item.source.removesuffix(f'_{STORE}')}/inventory/{STORE}.yml"


def _refused(item: InventoryObject, what: str, remedy: str) -> StoreRefused:
    return StoreRefused(store=STORE, object_name=item.name, what=what, remedy=remedy)
