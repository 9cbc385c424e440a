"""What is known of rows inside an object: whose they are, what is ruled, what was counted, and why one is unreadable.

Holds: `RowRules` with its `Place`s, `rules_for`, `RowCounts`, `UnreadableRows`, the protocol `Codec`.
Add here: what every format must know or say.
Keep out: one format (a module each), S3 and its client, and values of a person in any message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Protocol

from erasure.inventory import Field, InventoryObject
from erasure.rules import Rule
from erasure.stores.s3.rows.subjects import Subjects
from erasure.targets import TargetSet

# Steps down from an element; a list that is met on the way is gone through, whether `[]` marks it or not.
Path = tuple[str, ...]
# A row is held in memory as a whole: quotes that nobody closes would otherwise read the rest of the object into it.
ROW_AT_MOST = 16 * 1024 * 1024


class Flaw(StrEnum):
    """Why rows can't be read, or not be written as they are."""

    COMPRESSION = "compression"
    FORMAT = "format"
    ENCODING = "encoding"
    HEADER = "header"
    CELLS = "cells"
    QUOTES = "quotes"
    LENGTH = "length"
    KEYS = "keys"
    VALUE = "value"
    UNREGISTERED = "unregistered"
    ENCRYPTED = "encrypted"


class UnreadableRows(Exception):
    """The rows of an object cannot be read, or not be written so that everything else stays; nothing is to be kept of
    what was written so far.

    `row` counts from 1, a header not counted; None where no row is meant. The message never holds a value of a row.
    """

    def __init__(self, kind: Flaw, what: str, row: int | None = None) -> None:
        super().__init__(what if row is None else f"row {row}: {what}")
        self.kind = kind
        self.row = row


@dataclass(frozen=True, kw_only=True)
class RuledCell:
    """A column, or a path below an element, whose values masking may change."""

    label: str
    path: Path
    rule: Rule


@dataclass(frozen=True, kw_only=True)
class Place:
    """Elements that each belong to somebody: a whole row (an empty path), or each member of an array within it.

    `owner` and `emails` say whose an element is; they and the paths of `cells` begin at the element.
    """

    element: Path
    owner: Path | None
    emails: tuple[Path, ...]
    cells: tuple[RuledCell, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class RowRules:
    """What masking does in the objects of one glob, for one batch. Its repr shows no one.

    delete: the rows themselves go.
    known: plain paths (without `[]`) that the inventory speaks of; what else a row holds is unregistered.
    """

    object_name: str
    delete: bool
    places: tuple[Place, ...]
    known: frozenset[str]
    subjects: Subjects

    def __repr__(self) -> str:
        return f"RowRules(object_name={self.object_name!r}, subjects={self.subjects!r})"


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """The figures of one object. A row is what belongs to one person: a row, or an element of an array within it.

    rows: all of them, of_targets: those of targets, or with a masked email; to_mask: those that masking changes (or
    deletes); cells: values that it changes; conflicts: rows whose id is somebody else's and whose email is a target's.
    unregistered: columns or paths that the inventory does not know, sorted, 20 at most; `rewrite` raises over them.
    """

    rows: int = 0
    of_targets: int = 0
    to_mask: int = 0
    cells: int = 0
    conflicts: int = 0
    unregistered: tuple[str, ...] = ()


class Codec(Protocol):
    """A format with its compression: how rows are counted, and rewritten from one stream into another."""

    @property
    def needs_seek(self) -> bool:
        """Whether the source must be seekable (Parquet has its schema at the end)."""
        ...

    def count(self, source: BinaryIO, rules: RowRules) -> RowCounts:
        """What `rewrite` would change; raises UnreadableRows where it would."""
        ...

    def rewrite(self, source: BinaryIO, sink: BinaryIO, rules: RowRules) -> RowCounts:
        """Copies everything into the sink, changing only what is ruled in rows of targets; both stay open.

        The counts are of the source. Raises UnreadableRows: then what the sink has is not to be used.
        """
        ...


def rules_for(item: InventoryObject, targets: TargetSet) -> RowRules:
    """The rules of an object of the inventory that is found by a glob, for the targets of a batch."""
    return RowRules(
        object_name=item.name,
        delete=item.rule is Rule.DELETE,
        places=tuple(_places(item)),
        known=frozenset(plain(name) for name in item.known_fields),
        subjects=Subjects(targets),
    )


def plain(path: str) -> str:
    """A path without the signs for arrays."""
    return path.replace("[]", "")


def _places(item: InventoryObject) -> Iterable[Place]:
    subject = item.subject
    own = [field for field in item.ruled_fields if field.owner is None]
    if subject.contributor_id or subject.email:
        yield Place(
            element=(),
            owner=_steps(subject.contributor_id) if subject.contributor_id else None,
            emails=(_steps(subject.email),) if subject.email else (),
            cells=tuple(_cell(field, ()) for field in own),
        )
    by_owner: dict[str, list[Field]] = {}
    for field in item.ruled_fields:
        if field.owner is not None:
            by_owner.setdefault(field.owner, []).append(field)
    for owner, fields in by_owner.items():
        element = _steps(element_of(owner))
        cells = tuple(_cell(field, element) for field in fields)
        yield Place(
            element=element,
            owner=_steps(owner)[len(element) :],
            emails=tuple(cell.path for cell in cells),
            cells=cells,
        )


def element_of(owner: str) -> str:
    """The element that an owner's path speaks of: as far as the last array; "" where it is the whole row."""
    return owner[: owner.rindex("[]") + 2] if "[]" in owner else ""


def _cell(field: Field, element: Path) -> RuledCell:
    return RuledCell(label=field.name, path=_steps(field.name)[len(element) :], rule=field.rule)


def _steps(path: str) -> Path:
    return tuple(plain(path).split(".")) if path else ()
