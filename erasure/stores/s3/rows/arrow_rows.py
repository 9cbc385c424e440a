"""Batches of Arrow: which elements are whose, and what their ruled values become; whole columns at a time.

Nothing but values at ruled paths is made anew, so no type loses anything on a way through Python.
Holds: `ArrowRows`.
Add here: another type that can hold an id or a ruled value.
Keep out: files (`parquet.py`), and the rules (`erasure/rules.py`).
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from erasure.rules import ASCII_BLANKS, MASK, Person, Rule
from erasure.stores.s3.rows.base import Flaw, Path, Place, RowRules, RuledCell, UnreadableRows
from erasure.stores.s3.rows.subjects import masked_text
from erasure.stores.s3.rows.tally import Tally, shown_column

# An array, the element that each of its values belongs to -> the array as it is to be, the same where nothing changes.
_Change = Callable[[Any, Any], Any]
_UUID_BYTES = 16


class ArrowRows:
    """Judges the batches of one file; needed and ruled_names are names of whole columns."""

    def __init__(self, schema: pa.Schema, rules: RowRules, tally: Tally, *, writes: bool) -> None:
        self._rules = rules
        self._tally = tally
        root = pa.struct(list(schema))
        self._places = [_resolved(schema, place) for place in rules.places]
        for place in self._places:
            _require(root, place)
        whole = [(place.element, path) for place in self._places for path in _paths(place)]
        self.needed = sorted({(element + path)[0] for element, path in whole})
        self.ruled_names = frozenset(
            (place.element + cell.path)[0] for place in self._places for cell in place.cells
        )
        # Where rows go as a whole, so do all of their columns.
        names = () if rules.delete else _leaves(root, "")
        unknown = [shown_column(name) for name in names if not _is_known(name, rules.known)]
        tally.meet(unknown, row=None, writes=writes)
        subjects = rules.subjects
        self._ids = pa.array(sorted(subjects.ids), pa.string())
        self._folded = pa.array(sorted(subjects.folded), pa.string())
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
                    self._tally.to_mask += len(persons)
                    gone[rows[list(persons)]] = True
                    return elements
                return self._changed(elements, place, persons) if persons else elements

            changed = _mapped(changed, place.element, everyone, weigh)
        if gone.any():
            return batch.filter(pa.array(~gone))
        return batch if changed is root else pa.RecordBatch.from_struct_array(changed).cast(batch.schema)

    def _persons(self, elements: Any, place: Place) -> dict[int, Person]:
        """Number of the element -> whose it is, of those that masking is for."""
        if not pa.types.is_struct(elements.type):
            raise UnreadableRows(Flaw.VALUE, f"{'.'.join(place.element)} is no object")
        self._tally.rows += len(elements) - elements.null_count
        owners = _texts_at(elements, place.owner) if place.owner is not None else None
        emails = [_texts_with_elements(elements, path) for path in place.emails]
        suspects = set() if owners is None else set(_numbers(self._looks_like_id(owners)))
        for texts, rows in emails:
            suspects |= {int(rows[at]) for at in _numbers(self._looks_like_email(texts))}
        if not suspects:
            return {}
        return dict(self._judged(sorted(suspects), owners, emails))

    def _judged(self, suspects: list[int], owners: Any, emails: list[Any]) -> Iterator[tuple[int, Person]]:
        by_element: dict[int, list[str]] = {at: [] for at in suspects}
        for texts, rows in emails:
            # Only what stands in a suspect's elements is taken out of Arrow.
            for number in np.flatnonzero(np.isin(rows, suspects)).tolist():
                if text := texts[number].as_py():
                    by_element[int(rows[number])].append(text)
        for at in suspects:
            owner = owners[at].as_py() if owners is not None else None
            verdict = self._rules.subjects.verdict(owner, by_element[at], by_mask=not self._rules.delete)
            self._tally.conflicts += verdict.conflict
            if verdict.person is not None:
                self._tally.of_targets += 1
                yield at, verdict.person

    def _looks_like_id(self, owners: Any) -> Any:
        trimmed = pc.utf8_trim(owners, characters=ASCII_BLANKS)
        found = pc.or_(
            pc.is_in(trimmed, value_set=self._ids), pc.is_in(pc.ascii_lower(trimmed), value_set=self._folded)
        )
        whole = pc.ends_with(trimmed, ".0")
        if not pc.any(whole).as_py():
            return found
        return pc.or_(found, pc.is_in(pc.utf8_slice_codeunits(trimmed, 0, -2), value_set=self._ids))

    def _looks_like_email(self, emails: Any) -> Any:
        trimmed = pc.utf8_trim(emails, characters=ASCII_BLANKS)
        found = pc.is_in(pc.ascii_lower(trimmed), value_set=self._emails)
        return pc.or_(found, pc.fill_null(pc.starts_with(emails, MASK), False))

    def _changed(self, elements: Any, place: Place, persons: dict[int, Person]) -> Any:
        touched: set[int] = set()
        result = elements
        for cell in place.cells:

            def write(values: Any, rows: Any, cell: RuledCell = cell) -> Any:
                at = np.flatnonzero(np.isin(rows, list(persons)))
                old = values.take(pa.array(at))
                new = _masked_values(old, cell, [persons[int(rows[each])] for each in at])
                differs = _differences(old, new, cell.rule)
                if not differs.any():
                    return values
                self._tally.cells += int(differs.sum())
                touched.update(int(row) for row in rows[at[differs]])
                return _replaced(values, at[differs], new.filter(pa.array(differs)))

            result = _mapped(
                result, cell.path, np.arange(len(elements)), write, whole=cell.rule is Rule.CLEAR
            )
        self._tally.to_mask += len(touched)
        return result


def _paths(place: Place) -> Iterator[Path]:
    yield from (path for path in (place.owner, *place.emails) if path is not None)
    yield from (cell.path for cell in place.cells)


def _resolved(schema: pa.Schema, place: Place) -> Place:
    """The place with paths that are names of columns as a whole, dots and all, as one step."""
    if place.element:
        return place

    def one(path: Path) -> Path:
        return (".".join(path),) if ".".join(path) in schema.names else path

    return Place(
        element=(),
        owner=one(place.owner) if place.owner is not None else None,
        emails=tuple(one(path) for path in place.emails),
        cells=tuple(RuledCell(label=cell.label, path=one(cell.path), rule=cell.rule) for cell in place.cells),
    )


def _require(root: pa.DataType, place: Place) -> None:
    """Raises UnreadableRows where a path is missing, or its type cannot hold what is expected or written there."""
    names = {path: ".".join(place.element + path) for path in _paths(place)}
    for path, name in names.items():
        if root.get_field_index((place.element + path)[0]) < 0 or _field(root, place.element + path) is None:
            raise UnreadableRows(Flaw.HEADER, f"its schema lacks {name}")
        if [root.field(at).name for at in range(root.num_fields)].count((place.element + path)[0]) > 1:
            raise UnreadableRows(Flaw.HEADER, f"its schema has more than one {name}")
    for path in (path for path in (place.owner, *place.emails) if path is not None):
        kind = _leaf_type(root, place.element + path)
        if not (_is_text(kind) or _is_number(kind) or _is_uuid(kind) or pa.types.is_null(kind)):
            raise UnreadableRows(Flaw.VALUE, f"{names[path]} is {kind}, which names nobody")
    for cell in place.cells:
        field = _field(root, place.element + cell.path)
        kind = _leaf_type(root, place.element + cell.path)
        if field is not None and not _can_write(cell.rule, kind, nullable=field.nullable):
            raise UnreadableRows(
                Flaw.VALUE, f"{cell.label} is {field.type}, in which the rule {cell.rule} cannot be written"
            )


def _can_write(rule: Rule, kind: pa.DataType, *, nullable: bool) -> bool:
    # A column in which there has never been a value has no type either.
    if rule is Rule.CLEAR or pa.types.is_null(kind):
        return bool(nullable)
    return _is_text(kind) or (
        rule is Rule.COARSEN_DATE and bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))
    )


def _field(kind: pa.DataType, path: Path) -> pa.Field | None:
    """The field at a path, through lists; None where there is none."""
    field = None
    for step in path:
        kind = _within_lists(kind)
        at = kind.get_field_index(step) if pa.types.is_struct(kind) else -1
        if at < 0:
            return None
        field = kind.field(at)
        kind = field.type
    return field


def _leaf_type(root: pa.DataType, path: Path) -> pa.DataType:
    field = _field(root, path)
    return _within_lists(field.type) if field is not None else root


def _within_lists(kind: pa.DataType) -> pa.DataType:
    while pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return kind


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_a(kind)
        for is_a in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_binary,
            pa.types.is_large_binary,
        )
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_uuid(kind: pa.DataType) -> bool:
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return bool(pa.types.is_fixed_size_binary(storage) and storage.byte_width == _UUID_BYTES)


def _leaves(kind: pa.DataType, path: str) -> Iterator[str]:
    kind = _within_lists(kind)
    if not pa.types.is_struct(kind):
        yield path.removesuffix(".")
        return
    for field in kind:
        yield from _leaves(field.type, f"{path}{field.name}.")


def _is_known(name: str, known: frozenset[str]) -> bool:
    """Whether a leaf is registered, or something around it."""
    return name in known or any(name.startswith(f"{each}.") for each in known)


def _mapped(array: Any, path: Path, rows: Any, change: _Change, *, whole: bool = False) -> Any:
    """Changes what lies at a path, through lists, with everything around it kept; `rows` says whose each value is."""
    if not path and whole:
        return change(array, rows)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        values = array.flatten()
        owners = rows[pc.list_parent_indices(array).to_numpy(zero_copy_only=False)]
        new = _mapped(values, path, owners, change, whole=whole)
        return array if new is values else _list_of(array, new)
    if not path:
        return change(array, rows)
    at = array.type.get_field_index(path[0])
    child = pc.struct_field(array, [at])
    new = _mapped(child, path[1:], rows, change, whole=whole)
    if new is child:
        return array
    children = [new if number == at else array.field(number) for number in range(array.type.num_fields)]
    nulls = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(array.type), mask=nulls)


def _list_of(array: Any, values: Any) -> Any:
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    large = pa.types.is_large_list(array.type)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int64() if large else pa.int32())
    kind = pa.LargeListArray if large else pa.ListArray
    return kind.from_arrays(
        offsets, values, type=array.type, mask=array.is_null() if array.null_count else None
    )


def _replaced(values: Any, at: Any, new: Any) -> Any:
    indices = np.arange(len(values))
    indices[at] = len(values) + np.arange(len(new))
    return pa.concat_arrays([values, new]).take(pa.array(indices))


def _numbers(truths: Any) -> list[int]:
    found: list[int] = np.flatnonzero(pc.fill_null(truths, False).to_numpy(zero_copy_only=False)).tolist()
    return found


def _texts_at(elements: Any, path: Path) -> Any:
    """One text an element; a list on the way would be several."""
    node = elements
    for step in path:
        if not pa.types.is_struct(node.type):
            raise UnreadableRows(Flaw.VALUE, f"{'.'.join(path)} leads through an array, marked by [] nowhere")
        node = pc.struct_field(node, [node.type.get_field_index(step)])
    if pa.types.is_list(node.type) or pa.types.is_large_list(node.type):
        raise UnreadableRows(Flaw.VALUE, f"{'.'.join(path)} is an array, where one id was expected")
    return _as_texts(node)


def _texts_with_elements(elements: Any, path: Path) -> tuple[Any, Any]:
    """All texts at a path, and the number of the element that each stands in."""
    found: list[tuple[Any, Any]] = []

    def take(values: Any, rows: Any) -> Any:
        found.append((_as_texts(values), rows))
        return values

    _mapped(elements, path, np.arange(len(elements)), take)
    return found[0]


def _as_texts(values: Any) -> Any:
    kind = values.type
    if _is_uuid(kind):
        storage = values.storage if isinstance(kind, pa.BaseExtensionType) else values
        return pa.array(
            [None if raw is None else str(uuid.UUID(bytes=raw)) for raw in storage.to_pylist()], pa.string()
        )
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        raise UnreadableRows(Flaw.ENCODING, "texts of it are not utf-8") from None


def _masked_values(old: Any, cell: RuledCell, persons: list[Person]) -> Any:
    """The values after their rule, in the same type."""
    if cell.rule is Rule.CLEAR or pa.types.is_null(old.type):
        return pa.nulls(len(old), old.type)
    if not _is_text(old.type):
        return pc.floor_temporal(old, unit="year").cast(old.type)
    texts = _as_texts(old).to_pylist()
    new = [
        None if text is None else masked_text(cell.rule, text, person)
        for text, person in zip(texts, persons, strict=True)
    ]
    return pa.array(new, pa.string()).cast(old.type)


def _differences(old: Any, new: Any, rule: Rule) -> Any:
    """Which values their rule changes; what is NULL stays so."""
    if rule is Rule.CLEAR or pa.types.is_null(old.type):
        return old.is_valid().to_numpy(zero_copy_only=False)
    if _is_text(old.type):
        old, new = _as_texts(old), _as_texts(new)
    return pc.fill_null(pc.not_equal(old, new), False).to_numpy(zero_copy_only=False)
