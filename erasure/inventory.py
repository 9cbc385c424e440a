"""The inventory: where personal data lies, whose it is, and which rule applies, as frozen dataclasses.

Add here: what an object or a field says.
Keep out: how it is declared (`inventory_reading.py`) and what it must fulfil (`inventory_checks/`), names of tables,
indices or keys (they stand in `dbt_project/models/<world>/inventory/`), and I/O.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from erasure.rules import Rule

SQL_STORES = frozenset({"postgres", "clickhouse"})
ID_FORMS = ("uuid", "integer", "text")
ALL_STORES = ("postgres", "clickhouse", "elasticsearch", "s3", "redis")


@dataclass(frozen=True, kw_only=True)
class Via:
    """A parent that says whose a record is: `column` of the child refers to `parent_column` of `table`."""

    table: str
    column: str
    parent_column: str


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose a record is: by id, by email where the id is absent or NULL, or through a parent."""

    contributor_id: str | None = None
    email: str | None = None
    via: Via | None = None


@dataclass(frozen=True, kw_only=True)
class Whose:
    """What says whose a field of a document is: the path of an id, and that of the email where there is no id.

    Where both are None nobody is declared; where `email` alone is None the ruled values beside the field decide.
    """

    owner: str | None = None
    email: str | None = None


@dataclass(frozen=True, kw_only=True)
class Access:
    """The column that says whether a contributor may work: its value while one may, and once access is revoked."""

    column: str
    active: str
    revoked: str


@dataclass(frozen=True, kw_only=True)
class Field:
    """A column, or a path in a document such as `judgments[].workerEmail`, and its rule.

    `owner` is the path of the contributor id that the field belongs to, `email` that of the email which decides where
    there is no id; it may be the field's own (documents only: see `InventoryObject.whose`). Of a column, `path` leads
    to a value within its JSON, and `elements` says that the rule is for each element of its array. `volatile` is a
    column that the database itself changes with each update, by a trigger, and that masking may therefore touch.
    """

    name: str
    rule: Rule
    reason: str | None = None
    owner: str | None = None
    email: str | None = None
    path: tuple[str, ...] = ()
    elements: bool = False
    volatile: bool = False

    @property
    def label(self) -> str:
        """Names the field within its object: the column, and where there is a path, the path behind it."""
        return ".".join((self.name, *self.path))


# What files with rows of many people are written in -> the suffix that tells it.
ROW_FORMATS: Mapping[str, tuple[str, ...]] = {
    "csv": (".csv",),
    "tsv": (".tsv",),
    "jsonl": (".jsonl", ".ndjson"),
    "json": (".json",),
    "parquet": (".parquet",),
}
COMPRESSIONS: Mapping[str, tuple[str, ...]] = {"gzip": (".gz",), "zstd": (".zst",)}


@dataclass(frozen=True, kw_only=True)
class Rows:
    """That an object of S3 is a glob of files with rows of many people, and how they are written.

    Format and compression are told by each key's suffixes where they are None (`format_of`); `delimiter` is of csv
    alone, `encoding` of csv and tsv.
    """

    format: str | None = None
    compression: str | None = None
    delimiter: str = ","
    encoding: str = "utf-8"

    def format_of(self, key: str) -> tuple[str | None, str | None]:
        """Format and compression of a key, or of a glob; None where nothing tells the format, or nothing is packed."""
        name = key.lower()
        packed = [(kind, end) for kind, ends in COMPRESSIONS.items() for end in ends if name.endswith(end)]
        for _, end in packed:
            name = name.removesuffix(end)
        told = next((kind for kind, ends in ROW_FORMATS.items() if name.endswith(ends)), None)
        return self.format or told, self.compression or next((kind for kind, _ in packed), None)


@dataclass(frozen=True, kw_only=True)
class InventoryObject:
    """What a rule applies to within a store: a table, an index pattern, a key pattern, a glob of files.

    `location` is the table's name, the index pattern, the key template or, where there are `rows`, the glob of the
    files that hold them; `rule` is `delete` where whole records go.
    `id_form` is of the table of the contributors: what their ids look like, one of `ID_FORMS`. Of a key of Redis, `db`
    is the number of its database where that is not the configured one, and `members` says that the rule is for members
    of the key, and what names their owner: the member itself (`contributor_id`, `email`), or its value (`value`).
    In S3 `bucket` is another than the configured one; `tag` or `metadata` is what names the contributor of each object
    below a key that itself does not.
    """

    store: str
    name: str
    source: str
    schema: str
    location: str
    subject: Subject
    primary_key: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    rule: Rule | None = None
    access: Access | None = None
    id_form: str = "uuid"
    index: str | None = None
    members: str | None = None
    db: int | None = None
    ends_access: bool = False
    rows: Rows | None = None
    waived: str | None = None
    bucket: str | None = None
    tag: str | None = None
    metadata: str | None = None

    def whose(self, field: Field) -> Whose:
        """What says whose a field of a document is: its own words, or else the subject of the whole document."""
        if field.owner or field.email:
            return Whose(owner=field.owner, email=field.email)
        return Whose(owner=self.subject.contributor_id, email=self.subject.email)

    @property
    def ruled_fields(self) -> tuple[Field, ...]:
        """The fields that masking may change."""
        return tuple(field for field in self.fields if field.rule is not Rule.KEEP)

    @property
    def is_masked(self) -> bool:
        """Whether masking has something to do here: a field to change, or records to delete."""
        return self.rule is Rule.DELETE or bool(self.ruled_fields)

    @property
    def known_fields(self) -> frozenset[str]:
        """Every column or path that the inventory speaks of; anything else in the store is unregistered."""
        subject = self.subject
        parent = subject.via.column if subject.via else None
        named = [subject.contributor_id, subject.email, parent, *self.primary_key]
        said = [path for field in self.fields for path in (field.name, field.owner, field.email)]
        return frozenset(name for name in [*named, *said] if name)

    @property
    def is_per_person(self) -> bool:
        """Whether a record of it belongs to one person by its nature, so that shares of it say nothing."""
        named_in_key = "{contributor_id}" in self.location or "{email}" in self.location
        one_by_one = self.tag is not None or self.metadata is not None
        return named_in_key or one_by_one or self.primary_key == (self.subject.contributor_id,)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """All objects of a world."""

    world: str
    objects: tuple[InventoryObject, ...]

    def of(self, store: str) -> tuple[InventoryObject, ...]:
        """The objects of a store that are not waived; children before the parent they are reached through."""
        mine = [item for item in self.objects if item.store == store and item.waived is None]
        return tuple(sorted(mine, key=lambda item: (-_depth(item, mine), item.name)))

    def registered(self, store: str) -> tuple[InventoryObject, ...]:
        """The objects of a store, the waived ones too."""
        return tuple(item for item in self.objects if item.store == store)

    @property
    def stores(self) -> tuple[str, ...]:
        """The stores that hold personal data, in the order of `ALL_STORES`."""
        return tuple(store for store in ALL_STORES if self.of(store))

    @property
    def contributors(self) -> InventoryObject:
        """The table whose access column ends access; there is exactly one."""
        return next(item for item in self.objects if item.access is not None)

    @cached_property
    def digest(self) -> str:
        """Names the inventory and its rules: 64 hexadecimal digits that change with any line of it."""
        return hashlib.sha256(json.dumps(repr(self.objects)).encode()).hexdigest()


def _depth(item: InventoryObject, among: list[InventoryObject]) -> int:
    parent = item.subject.via.table if item.subject.via else None
    for other in among:
        if other.name == parent and other is not item:
            return 1 + _depth(other, [rest for rest in among if rest is not item])
    return 0
