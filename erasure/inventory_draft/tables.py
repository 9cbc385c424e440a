"""Whose the rows of each table are, as foreign keys and names suggest, and the draft of a whole store.

Add here: another way to recognise the people's own table, or the owner of a row.
Keep out: single columns (`columns.py`), and the YAML (`text.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from erasure.inventory_draft.columns import REVIEW, Decision, decide, words
from erasure.inventory_draft.facts import ColumnFacts, Kind, Reference, TableFacts
from erasure.rules import Rule

_PEOPLE = frozenset(
    {
        "contributor",
        "contributors",
        "worker",
        "workers",
        "user",
        "users",
        "person",
        "persons",
        "people",
        "member",
    }
    | {
        "members",
        "customer",
        "customers",
        "account",
        "accounts",
        "annotator",
        "annotators",
        "employee",
        "employees",
    }
)


@dataclass(frozen=True, kw_only=True)
class People:
    """The table of the people and its id, by which other tables name them."""

    table: str
    column: str
    kind: Kind

    @property
    def id_form(self) -> str:
        """As the inventory calls it."""
        return {Kind.UUID: "uuid", Kind.NUMBER: "integer"}.get(self.kind, "text")


@dataclass(frozen=True, kw_only=True)
class TableDraft:
    """A table: whose its rows are (nobody known: all of it is to be reviewed), and a decision a column."""

    facts: TableFacts
    contributor_id: str | None
    email: str | None
    via: Reference | None
    columns: Mapping[str, Decision]
    is_of_people: bool

    @property
    def has_subject(self) -> bool:
        """Whether anybody is known whose a row is."""
        return bool(self.contributor_id or self.email or self.via)

    @property
    def decided(self) -> int:
        """How many columns need no look."""
        return sum(decision.is_decided for decision in self.columns.values())


def people_of(tables: Sequence[TableFacts]) -> People | None:
    """The table of the people: with an email or a person's name, a key of one column, and most references to it."""
    candidates = []
    for table in tables:
        key = table.column(table.primary_key[0]) if len(table.primary_key) == 1 else None
        if key is None:
            continue
        referred = sum(reference.table == table.name for other in tables for reference in other.references)
        named = bool(words(table.name) & _PEOPLE)
        personal = any(_is_email(column) for column in table.columns)
        if personal and (named or referred):
            candidates.append((named, referred, table.name, key))
    if not candidates:
        return None
    _, _, name, found = max(candidates, key=lambda candidate: candidate[:2])
    return People(table=name, column=found.name, kind=found.kind)


def draft(tables: Sequence[TableFacts], people: People | None) -> list[TableDraft]:
    """A draft of each table, by name."""
    owned = _owners(tables, people)
    return [
        _of_table(table, people, owned.get(table.name))
        for table in sorted(tables, key=lambda table: table.name)
    ]


def _owners(tables: Sequence[TableFacts], people: People | None) -> dict[str, Reference | str]:
    """Table -> the column of the person's id, or the reference by which its rows reach somebody's."""
    found: dict[str, Reference | str] = {}
    if people is None:
        return found
    for table in tables:
        if table.name == people.table and table.column(people.column):
            found[table.name] = people.column
            continue
        to_people = [reference.column for reference in table.references if reference.table == people.table]
        same_name = [column.name for column in table.columns if column.name == people.column]
        # Where several columns name people, the one that is called as theirs is the owner's; else a person decides.
        mine = same_name or (to_people if len(to_people) == 1 else [])
        if mine:
            found[table.name] = mine[0]
    grown = True
    while grown:
        grown = False
        for table in tables:
            parents = [reference for reference in table.references if reference.table in found]
            if table.name not in found and len(parents) == 1:
                found[table.name] = parents[0]
                grown = True
    return found


def _of_table(table: TableFacts, people: People | None, owner: Reference | str | None) -> TableDraft:
    is_of_people = (
        people is not None and table.name == people.table and table.column(people.column) is not None
    )
    contributor_id = owner if isinstance(owner, str) else None
    via = owner if isinstance(owner, Reference) else None
    emails = [column.name for column in table.columns if _is_email(column)]
    # The people's own email is no second way to find them; a row reached through its parent has the parent's person.
    email = emails[0] if len(emails) == 1 and not is_of_people and via is None else None
    names_rows = {contributor_id, *table.primary_key, via.column if via else None}
    referring = {reference.column for reference in table.references}
    columns: dict[str, Decision] = {}
    for column in table.columns:
        decision = _decision(
            column, person_is_unique=_is_unique(table, contributor_id), refers=column.name in referring
        )
        if column.name in names_rows and (decision.rule == REVIEW or column.kind is not Kind.TEXT):
            continue
        columns[column.name] = decision
    if not (contributor_id or email or via):
        columns = {
            name: Decision(rule=REVIEW, why=f"{decision.why}; nobody is known whose the rows are")
            for name, decision in columns.items()
        }
    return TableDraft(
        facts=table,
        contributor_id=contributor_id,
        email=email,
        via=via,
        columns=columns,
        is_of_people=is_of_people,
    )


def _decision(column: ColumnFacts, *, person_is_unique: bool, refers: bool) -> Decision:
    decision = decide(column, person_is_unique=person_is_unique)
    if decision.is_decided or not refers or column.kind not in {Kind.UUID, Kind.NUMBER}:
        return decision
    return Decision(rule=Rule.KEEP, why="an opaque id, by which it refers to another table")


def _is_unique(table: TableFacts, contributor_id: str | None) -> bool:
    column = table.column(contributor_id or "")
    return column is not None and (column.unique or table.primary_key == (column.name,))


def _is_email(column: ColumnFacts) -> bool:
    decision = decide(column, person_is_unique=True)
    return column.kind is Kind.TEXT and decision.is_decided and "an email" in decision.why
