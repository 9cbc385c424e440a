"""What a catalog says of a table that nobody has described yet, and what a sample of its values looks like, counted.

Add here: a fact that an engine's catalog tells and a draft is decided by.
Keep out: how an engine is asked (`stores/postgres/facts.py`, `stores/clickhouse/facts.py`), and values: of them only
shares leave the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a type is to the rules."""

    TEXT = "a text"
    ADDRESS = "an address"
    DATE = "a date"
    MOMENT = "a moment"
    FLAG = "a flag"
    NUMBER = "a number"
    UUID = "a UUID"
    CHOICE = "one of a fixed list"
    TEXTS = "an array of texts"
    JSON = "a document"
    OTHER = "of another type"


class Shape(StrEnum):
    """What a text may look like; the patterns are those of both engines (POSIX and RE2)."""

    EMAIL = "an email"
    HAS_EMAIL = "a text with an email in it"
    IP = "an address"
    PHONE = "a phone number"
    UUID = "a UUID"
    IBAN = "an IBAN"
    PROSE = "prose"


# Whole values but for HAS_EMAIL; written so that PostgreSQL and ClickHouse read the same.
PATTERNS: Mapping[Shape, str] = {
    Shape.EMAIL: r"^[^@[:space:]]+@[^@[:space:]]+[.][A-Za-z]{2,}$",
    Shape.HAS_EMAIL: r"[^@[:space:]]@[^@[:space:]]+[.][A-Za-z]{2,}",
    Shape.IP: r"^([0-9]{1,3}[.]){3}[0-9]{1,3}$|^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){2,7}$",
    Shape.PHONE: r"^[+(][-+() 0-9./]{6,24}$",
    Shape.UUID: r"^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$",
    Shape.IBAN: r"^[A-Z]{2}[0-9]{2}[0-9A-Z]{8,30}$",
    Shape.PROSE: r"^([^[:space:]]+[[:space:]]+){4,}",
}
SAMPLED_ROWS = 1_000


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """A column. `length`: the most characters it takes, if there is a limit. `sampled`: values that were not NULL.

    unique: its values alone differ from row to row.
    """

    name: str
    declared: str
    kind: Kind
    nullable: bool = True
    length: int | None = None
    unique: bool = False
    generated: bool = False
    sampled: int = 0
    shapes: Mapping[Shape, int] = field(default_factory=dict)

    def share(self, shape: Shape) -> float:
        """How many of the sampled values look like that, of one."""
        return self.shapes.get(shape, 0) / self.sampled if self.sampled else 0.0


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A foreign key of one column: it refers to `parent_column` of `table`."""

    column: str
    table: str
    parent_column: str


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """A table, with its primary key and the columns that refer to others of the same schema."""

    name: str
    columns: tuple[ColumnFacts, ...]
    primary_key: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()

    def column(self, name: str) -> ColumnFacts | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)
