"""The forms that objects and columns of the inventory are declared in.

Holds: the keys that each store knows, their types, and what is said of a wrong one.
Add here: a key that an object or a field may carry, with its form.
Keep out: reading all of a world (`inventory_reading.py`), and what well-formed objects must still fulfil
(`inventory_checks/`).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic import Field as Declared

OBJECT_KEYS: Mapping[str, frozenset[str]] = {
    "postgres": frozenset({"subject", "primary_key", "access", "id_form", "rule", "waived"}),
    "clickhouse": frozenset({"subject", "primary_key", "rule", "waived"}),
    "elasticsearch": frozenset({"index", "subject", "rule", "waived"}),
    "s3": frozenset(
        {"key", "glob", "bucket", "tag", "metadata", "subject", "rule"}
        | {"format", "compression", "delimiter", "encoding"}
    ),
    "redis": frozenset({"key", "rule", "subject", "index", "members", "db", "ends_access", "waived"}),
}
# A table is found by its name, everything else by a pattern, given by one of these.
LOCATION_KEYS: Mapping[str, tuple[str, ...]] = {
    "elasticsearch": ("index",),
    "s3": ("key", "glob"),
    "redis": ("key",),
}
# What pydantic calls an error -> what was expected.
_EXPECTED: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": "expected a text, in quotes where YAML takes it for something else",
    "string_too_short": "expected a text that is not empty",
    "list_type": "expected a list, such as [id]",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "model_type": "expected keys and values",
    "extra_forbidden": "is not a known key",
    "string_pattern_mismatch": 'expected one of "," ";" "|" or "\\t"',
}
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    # Strict: YAML's own types are meant. A text taken for a list would be a list of its letters.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Via(_Strict):
    table: _Text
    column: _Text
    parent_column: _Text


class _Subject(_Strict):
    contributor_id: _Text | None = None
    email: _Text | None = None
    via: _Via | None = None


class _Access(_Strict):
    column: _Text
    active: _Text
    revoked: _Text


class DeclaredObject(_Strict):
    """The meta of an object, whatever its store."""

    subject: _Subject = _Subject()
    primary_key: list[_Text] = []
    access: _Access | None = None
    id_form: Literal["uuid", "integer", "text"] = "uuid"
    key: _Text | None = None
    glob: _Text | None = None
    format: Literal["csv", "tsv", "jsonl", "json", "parquet"] | None = None
    compression: Literal["gzip", "zstd"] | None = None
    delimiter: Annotated[str, StringConstraints(pattern=r"\A[,;|\t]\z")] = ","
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    index: _Text | None = None
    members: _Text | None = None
    db: Annotated[int, Declared(ge=0)] | None = None
    ends_access: bool = False
    rule: _Text | None = None
    bucket: _Text | None = None
    tag: _Text | None = None
    metadata: _Text | None = None
    # A reason, and nothing else: `waived: false` must not waive.
    waived: _Text = ""


class DeclaredKey(_Strict):
    """What applies to a value within a column's JSON."""

    rule: _Text
    reason: _Text | None = None


class DeclaredColumn(_Strict):
    """The meta of a column, or of a path in documents."""

    # Missing where there are keys, and never null: an unquoted null would not mask.
    rule: _Text = ""
    reason: _Text | None = None
    owner: _Text | None = None
    email: _Text | None = None
    elements: bool = False
    volatile: bool = False
    # Path within the column's JSON, with dots, and what applies to the value there.
    keys: dict[_Text, DeclaredKey] = {}


def sentences_of(error: ValidationError) -> Iterator[str]:
    """What is wrong, key by key, without what stands there."""
    for item in error.errors(include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        yield f"{key}: {_EXPECTED.get(item['type']) or _one_of(item.get('ctx', {})) or item['msg']}"


def _one_of(context: Mapping[str, Any]) -> str | None:
    # Pydantic's own list of choices is 'a', 'b' or 'c'.
    choices = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ")
    return f"expected one of {choices}" if choices else None
