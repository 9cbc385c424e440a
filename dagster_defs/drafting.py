"""A draft of the inventory of PostgreSQL and ClickHouse: from their catalogs to two files, or to none.

Add here: another store whose catalog says enough for a draft.
Keep out: what is decided (`erasure.inventory_draft`), how an engine is asked (`erasure.stores`), and printing (`cli/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_defs.wiring import clickhouse_store, health_of, postgres_store
from erasure.errors import BadInput
from erasure.inventory import Inventory
from erasure.inventory_draft.facts import TableFacts
from erasure.inventory_draft.tables import People, TableDraft, draft, people_of
from erasure.inventory_draft.text import inventory_yaml
from erasure.settings import Settings

_FLAGS: Mapping[str, str] = {"postgres": "--schema", "clickhouse": "--database"}


@dataclass(frozen=True, kw_only=True)
class DraftedFile:
    """A file that is not written yet."""

    store: str
    path: Path
    text: str
    drafts: tuple[TableDraft, ...]


def draft_files(
    settings: Settings, *, world: str, schema: str, database: str, folder: Path
) -> list[DraftedFile]:
    """The two files; nothing is written. Raises BadInput where one is there already, or where there is no table.

    Raises StoreUnavailable where one of the engines does not answer: half a draft would look like a whole one.
    """
    _require_absent([folder / f"{store}.yml" for store in _FLAGS])
    nothing = Inventory(world=world, objects=())
    postgres, clickhouse = postgres_store(settings, nothing), clickhouse_store(settings, nothing)
    for store in (postgres, clickhouse):
        health_of(store, settings)
    found = postgres.facts(schema)
    people = people_of(found)
    return [
        _drafted(found, people, world=world, store="postgres", place=schema, folder=folder),
        _drafted(
            clickhouse.facts(database), people, world=world, store="clickhouse", place=database, folder=folder
        ),
    ]


def _drafted(
    facts: Sequence[TableFacts],
    people: People | None,
    *,
    world: str,
    store: str,
    place: str,
    folder: Path,
) -> DraftedFile:
    if not facts:
        raise BadInput(
            f"{store}: {place} holds no table; name another by {_FLAGS[store]}. Nothing was written."
        )
    drafts = tuple(draft(facts, people))
    return DraftedFile(
        store=store,
        path=folder / f"{store}.yml",
        drafts=drafts,
        text=inventory_yaml(drafts, world=world, store=store, schema=place, people=people),
    )


def write(files: Sequence[DraftedFile]) -> None:
    """Writes the files, and overwrites none. Raises BadInput where the folder cannot be written to."""
    _require_absent([file.path for file in files])
    try:
        for file in files:
            file.path.parent.mkdir(parents=True, exist_ok=True)
            with file.path.open("x", encoding="utf-8") as opened:
                opened.write(file.text)
    except OSError as error:
        raise BadInput(
            f"{file.path} cannot be written ({type(error).__name__}); name another folder by --output."
        ) from None


def _require_absent(paths: Sequence[Path]) -> None:
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise BadInput(
            "A draft overwrites nothing; name another folder by --output, or move what is there.",
            [f"{path} exists" for path in there],
        )
