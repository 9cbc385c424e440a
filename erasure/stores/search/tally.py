"""The figures of one index, whoever has counted them: the script in the engine, or a scan.

Add here: a figure that both count.
Keep out: counting.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from erasure.counts import Count
from erasure.stores.search.elements import Finding


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What masking would find in an index.

    records: documents that change; by_email: those of them in which an email alone says so; elements: values.
    total, total_elements: all documents, all ruled values.
    touched: documents that hold something of a target, or a mask.
    masked: values of targets in their masked form; lasting: changes that will leave a masked form to be seen.
    """

    total: int
    records: int = 0
    by_email: int = 0
    elements: int = 0
    total_elements: int = 0
    conflicts: int = 0
    touched: int = 0
    masked: int = 0
    lasting: int = 0

    def plus(self, finding: Finding) -> "Tally":
        """With one more document."""
        return Tally(
            total=self.total + 1,
            records=self.records + bool(finding.changes),
            by_email=self.by_email + bool(finding.by_email),
            elements=self.elements + len(finding.changes),
            total_elements=self.total_elements + finding.total_elements,
            conflicts=self.conflicts + finding.conflicts,
            touched=self.touched + finding.touched,
            masked=self.masked + finding.masked,
            lasting=self.lasting + finding.lasting,
        )

    def __add__(self, other: "Tally") -> "Tally":
        """Of two parts of an index."""
        return Tally(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})


Tallies = Mapping[str, Tally]


def read_tallies(answer: Mapping[str, Any]) -> Iterator[tuple[str, Tally]]:
    """Index -> its figures, from the answer to a counting request."""
    known = {field.name for field in fields(Tally)} - {"total"}
    for bucket in answer["aggregations"]["indices"]["buckets"]:
        figures = bucket["figures"]["value"]
        yield (
            bucket["key"],
            Tally(
                total=int(bucket["doc_count"]),
                **{name: int(value) for name, value in figures.items() if name in known},
            ),
        )


def merged(parts: Iterable[Tallies]) -> dict[str, Tally]:
    """Index -> its figures, from those of parts of it."""
    whole: dict[str, Tally] = {}
    for part in parts:
        for name, tally in part.items():
            whole[name] = whole[name] + tally if name in whole else tally
    return whole


def counted(tallies: Tallies) -> Count:
    """All indices of an object together."""
    return Count(
        records=sum(tally.records for tally in tallies.values()),
        elements=sum(tally.elements for tally in tallies.values()),
        total=sum(tally.total for tally in tallies.values()),
        total_elements=sum(tally.total_elements for tally in tallies.values()),
        conflicts=sum(tally.conflicts for tally in tallies.values()),
    )
