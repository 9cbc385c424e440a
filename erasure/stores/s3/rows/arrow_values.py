"""Values of Arrow's at paths: taken out, changed, and put back with everything around them as it was.

Holds: `mapped`, `replaced`, `truths`, `texts_at`, `texts_with_elements`, `masked_values`, `differences`.
Add here: what a rule makes of another type.
Keep out: whose values these are (`arrow_rows.py`), and what a schema allows (`arrow_schema.py`).
"""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from erasure.rules import MASK, Person, Rule
from erasure.stores.s3.rows.arrow_schema import is_text, is_uuid
from erasure.stores.s3.rows.base import Flaw, Path, RuledCell, UnreadableRows
from erasure.stores.s3.rows.subjects import masked_text

# An array, the element that each of its values belongs to -> the array as it is to be, the same where nothing changes.
Change = Callable[[Any, Any], Any]


def mapped(array: Any, path: Path, rows: Any, change: Change, *, whole: bool = False) -> Any:
    """Changes what lies at a path, through lists, with everything around it kept; `rows` says whose each value is."""
    if not path and whole:
        return change(array, rows)
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        values = array.flatten()
        owners = rows[pc.list_parent_indices(array).to_numpy(zero_copy_only=False)]
        new = mapped(values, path, owners, change, whole=whole)
        return array if new is values else _list_of(array, new)
    if not path:
        return change(array, rows)
    at = array.type.get_field_index(path[0])
    child = pc.struct_field(array, [at])
    new = mapped(child, path[1:], rows, change, whole=whole)
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


def replaced(values: Any, at: Any, new: Any) -> Any:
    indices = np.arange(len(values))
    indices[at] = len(values) + np.arange(len(new))
    return pa.concat_arrays([values, new]).take(pa.array(indices))


def truths(found: Any) -> Any:
    """Arrow's truths as an array of numpy's, of its own; NULL is false."""
    return np.array(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=bool)


def texts_at(elements: Any, path: Path) -> Any:
    """One text an element; a list on the way would be several."""
    node = elements
    for step in path:
        if not pa.types.is_struct(node.type):
            raise UnreadableRows(Flaw.VALUE, f"{'.'.join(path)} leads through an array, marked by [] nowhere")
        node = pc.struct_field(node, [node.type.get_field_index(step)])
    if pa.types.is_list(node.type) or pa.types.is_large_list(node.type):
        raise UnreadableRows(Flaw.VALUE, f"{'.'.join(path)} is an array, where one id was expected")
    return _as_texts(node)


def texts_with_elements(elements: Any, path: Path) -> tuple[Any, Any]:
    """All texts at a path, and the number of the element that each stands in."""
    found: list[tuple[Any, Any]] = []

    def take(values: Any, rows: Any) -> Any:
        found.append((_as_texts(values), rows))
        return values

    mapped(elements, path, np.arange(len(elements)), take)
    return found[0]


def _as_texts(values: Any) -> Any:
    kind = values.type
    if is_uuid(kind):
        storage = values.storage if isinstance(kind, pa.BaseExtensionType) else values
        return pa.array(
            [None if raw is None else str(uuid.UUID(bytes=raw)) for raw in storage.to_pylist()], pa.string()
        )
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        raise UnreadableRows(Flaw.ENCODING, "texts of it are not utf-8") from None


def masked_values(old: Any, cell: RuledCell, persons: Iterable[Person]) -> Any:
    """The values after their rule, in the same type."""
    if cell.rule is Rule.CLEAR or pa.types.is_null(old.type):
        return pa.nulls(len(old), old.type)
    if not is_text(old.type):
        return pc.floor_temporal(old, unit="year").cast(old.type)
    if cell.rule is Rule.CONSTANT:
        # It asks for no person, and so needs none of the values in Python.
        return pc.if_else(old.is_valid(), pa.scalar(MASK), pa.scalar(None, pa.string())).cast(old.type)
    texts = _as_texts(old).to_pylist()
    new = [
        None if text is None else masked_text(cell.rule, text, person)
        for text, person in zip(texts, persons, strict=True)
    ]
    return pa.array(new, pa.string()).cast(old.type)


def differences(old: Any, new: Any, rule: Rule) -> Any:
    """Which values their rule changes; what is NULL stays so."""
    if rule is Rule.CLEAR or pa.types.is_null(old.type):
        return old.is_valid().to_numpy(zero_copy_only=False)
    if is_text(old.type):
        old, new = _as_texts(old), _as_texts(new)
    return pc.fill_null(pc.not_equal(old, new), False).to_numpy(zero_copy_only=False)
