"""What a schema of Arrow's says before any row is read: whether the paths of the rules are there, and can be written.

Holds: `resolved`, `require`, `paths`, `leaves`, `is_known`, `is_text`, `is_uuid`.
Add here: another type that can hold an id or a ruled value.
Keep out: values (`arrow_values.py`).
"""

from collections.abc import Iterator

import pyarrow as pa

from erasure.rules import Rule
from erasure.stores.s3.rows.base import Flaw, Path, Place, RuledCell, UnreadableRows

_UUID_BYTES = 16


def paths(place: Place) -> Iterator[Path]:
    yield from (path for path in (place.owner, *place.emails) if path is not None)
    yield from (cell.path for cell in place.cells)


def resolved(schema: pa.Schema, place: Place) -> Place:
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


def require(root: pa.DataType, place: Place) -> None:
    """Raises UnreadableRows where a path is missing, or its type cannot hold what is expected or written there."""
    names = {path: ".".join(place.element + path) for path in paths(place)}
    for path, name in names.items():
        if root.get_field_index((place.element + path)[0]) < 0 or _field(root, place.element + path) is None:
            raise UnreadableRows(Flaw.HEADER, f"its schema lacks {name}")
        if [root.field(at).name for at in range(root.num_fields)].count((place.element + path)[0]) > 1:
            raise UnreadableRows(Flaw.HEADER, f"its schema has more than one {name}")
    for path in (path for path in (place.owner, *place.emails) if path is not None):
        kind = _leaf_type(root, place.element + path)
        if not (is_text(kind) or _is_number(kind) or is_uuid(kind) or pa.types.is_null(kind)):
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
    return is_text(kind) or (
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


def is_text(kind: pa.DataType) -> bool:
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


def is_uuid(kind: pa.DataType) -> bool:
    storage = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    return bool(pa.types.is_fixed_size_binary(storage) and storage.byte_width == _UUID_BYTES)


def leaves(kind: pa.DataType, path: str) -> Iterator[str]:
    kind = _within_lists(kind)
    if not pa.types.is_struct(kind):
        yield path.removesuffix(".")
        return
    for field in kind:
        yield from leaves(field.type, f"{path}{field.name}.")


def is_known(name: str, known: frozenset[str]) -> bool:
    """Whether a leaf is registered, or something around it."""
    return name in known or any(name.startswith(f"{each}.") for each in known)
