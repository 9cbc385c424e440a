"""Batches of Arrow: which elements are whose, and what their ruled values become; whole columns at a time.

Nothing but values at ruled paths is made anew, so no type loses anything on a way through Python.
Holds: `ArrowRows`.
Add here: another way to tell of many rows at once whose they are.
Keep out: files (`parquet.py`), schemas and values (`arrow_schema.py`, `arrow_values.py`), and the rules.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from erasure.rules import ASCII_BLANKS, MASK, Person, Rule
from erasure.stores.s3.rows.arrow_schema import is_known, leaves, paths, require, resolved
from erasure.stores.s3.rows.arrow_values import (
    differences,
    mapped,
    masked_values,
    replaced,
    texts_at,
    texts_with_elements,
    truths,
)
from erasure.stores.s3.rows.base import Flaw, Place, RowRules, RuledCell, UnreadableRows
from erasure.stores.s3.rows.subjects import Verdict
from erasure.stores.s3.rows.tally import Tally, shown_column

_REMEMBERED_AT_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class _Persons:
    """Of the elements of a batch: which masking is for, and whose one of these is."""

    theirs: Any
    person: Callable[[int], Person]


class ArrowRows:
    """Judges the batches of one file; needed and ruled_names are names of whole columns."""

    def __init__(self, schema: pa.Schema, rules: RowRules, tally: Tally, *, writes: bool) -> None:
        self._rules = rules
        self._tally = tally
        root = pa.struct(list(schema))
        self._places = [resolved(schema, place) for place in rules.places]
        for place in self._places:
            require(root, place)
        whole = [(place.element, path) for place in self._places for path in paths(place)]
        self.needed = sorted({(element + path)[0] for element, path in whole})
        self.ruled_names = frozenset(
            (place.element + cell.path)[0] for place in self._places for cell in place.cells
        )
        # Where rows go as a whole, so do all of their columns.
        names = () if rules.delete else leaves(root, "")
        unknown = [shown_column(name) for name in names if not is_known(name, rules.known)]
        tally.meet(unknown, row=None, writes=writes)
        self._verdicts: dict[tuple[str | None, tuple[str, ...]], Verdict] = {}
        subjects = rules.subjects
        # Letters of ASCII alone, as Arrow lowers them.
        ids = {one.encode().lower().decode() for one in subjects.ids}
        self._exact = pa.array(sorted(subjects.ids), pa.string())
        self._ids = pa.array(sorted(ids | {f"{one}.0" for one in ids}), pa.string())
        self._emails = pa.array(sorted(subjects.emails), pa.string())

    def masked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch after the rules, the same one where nothing changes; counts its rows."""
        root = batch.to_struct_array()
        everyone = np.arange(len(root))
        changed, gone = root, np.zeros(len(root), dtype=bool)
        for place in self._places:

            def weigh(elements: Any, rows: Any, place: Place = place) -> Any:
                persons = self._persons(elements, place)
                if self._rules.delete:
                    self._tally.to_mask += int(persons.theirs.sum())
                    gone[rows[persons.theirs]] = True
                    return elements
                return self._changed(elements, place, persons) if persons.theirs.any() else elements

            changed = mapped(changed, place.element, everyone, weigh)
        if gone.any():
            return batch.filter(pa.array(~gone))
        return batch if changed is root else pa.RecordBatch.from_struct_array(changed).cast(batch.schema)

    def _persons(self, elements: Any, place: Place) -> "_Persons":
        """The elements that masking is for."""
        if not pa.types.is_struct(elements.type):
            raise UnreadableRows(Flaw.VALUE, f"{'.'.join(place.element)} is no object")
        self._tally.rows += len(elements) - elements.null_count
        owners = texts_at(elements, place.owner) if place.owner is not None else None
        emails = [texts_with_elements(elements, path) for path in place.emails]
        certain = np.zeros(len(elements), dtype=bool)
        suspects: set[int] = set()
        if owners is not None:
            found = np.flatnonzero(truths(self._looks_like_id(owners)))
            # Most targets are named by the very id, which decides whatever else there is.
            exact = truths(pc.is_in(owners.take(pa.array(found)), value_set=self._exact))
            certain[found[exact]] = True
            suspects = set(found[~exact].tolist())
        for texts, rows in emails:
            found = rows[truths(self._looks_like_email(texts))]
            suspects.update(found[~certain[found]].tolist())
        self._tally.of_targets += int(certain.sum())
        judged = self._judged(sorted(suspects), owners, emails) if suspects else {}
        certain[list(judged)] = True

        def person(at: int) -> Person:
            known = (
                judged.get(at) or self._verdict(owners[at].as_py() if owners is not None else None, ()).person
            )
            if known is None:
                raise UnreadableRows(Flaw.VALUE, "an id is a target's in one look and not in another")
            return known

        return _Persons(theirs=certain, person=person)

    def _judged(self, suspects: list[int], owners: Any, emails: list[Any]) -> dict[int, Person]:
        named: dict[int, tuple[str, ...]] = {}
        for texts, rows in emails:
            # Only what stands in a suspect's elements is taken out of Arrow.
            found = np.flatnonzero(np.isin(rows, suspects))
            for at, text in zip(rows[found].tolist(), texts.take(pa.array(found)).to_pylist(), strict=True):
                if text:
                    named[at] = (*named.get(at, ()), text)
        taken = owners.take(pa.array(suspects)).to_pylist() if owners is not None else [None] * len(suspects)
        persons = {}
        for at, owner in zip(suspects, taken, strict=True):
            verdict = self._verdict(owner, named.get(at, ()))
            self._tally.conflicts += verdict.conflict
            if verdict.person is not None:
                self._tally.of_targets += 1
                persons[at] = verdict.person
        return persons

    def _verdict(self, owner: str | None, emails: tuple[str, ...]) -> Verdict:
        """The same for the same words, so that it is weighed once for all rows of somebody."""
        known = self._verdicts.get((owner, emails))
        if known is None:
            if len(self._verdicts) >= _REMEMBERED_AT_MOST:
                self._verdicts.clear()
            known = self._rules.subjects.verdict(owner, emails, by_mask=not self._rules.delete)
            self._verdicts[owner, emails] = known
        return known

    def _looks_like_id(self, owners: Any) -> Any:
        """Never fewer than a verdict finds: any case, blanks around it, a whole number as a float."""
        return pc.is_in(_bare(owners), value_set=self._ids)

    def _looks_like_email(self, emails: Any) -> Any:
        found = pc.is_in(_bare(emails), value_set=self._emails)
        return pc.or_(found, pc.fill_null(pc.starts_with(emails, MASK), False))

    def _changed(self, elements: Any, place: Place, persons: "_Persons") -> Any:
        touched = np.zeros(len(elements), dtype=bool)
        theirs = persons.theirs
        result = elements
        for cell in place.cells:

            def write(values: Any, rows: Any, cell: RuledCell = cell) -> Any:
                at = np.flatnonzero(theirs[rows])
                old = values.take(pa.array(at))
                new = masked_values(old, cell, map(persons.person, rows[at].tolist()))
                differs = differences(old, new, cell.rule)
                if not differs.any():
                    return values
                self._tally.cells += int(differs.sum())
                touched[rows[at[differs]]] = True
                return replaced(values, at[differs], new.filter(pa.array(differs)))

            result = mapped(result, cell.path, np.arange(len(elements)), write, whole=cell.rule is Rule.CLEAR)
        self._tally.to_mask += int(touched.sum())
        return result


def _bare(texts: Any) -> Any:
    return pc.ascii_lower(pc.ascii_trim(texts, characters=ASCII_BLANKS))
