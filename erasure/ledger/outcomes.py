"""What becomes of each line of a request, by dbt's query: found, already erased, or at odds with PostgreSQL.

Add here: another way in which a line can disagree with PostgreSQL, with its sentence.
Keep out: what is wrong with a line's form (`erasure/request.py`), and keeping a set (`freezing.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from erasure.errors import BadInput, ErasureError, StoreRefused, safe_reason
from erasure.ledger.database import Connection, connect, migrate
from erasure.request import LINES_SHOWN, Request, WrongLines, WrongRequest
from erasure.rules import normalise_email
from erasure.settings import Settings

FOUND, ERASED, UNKNOWN = "found", "already erased", "unknown"
_SENTENCES: Mapping[str, str] = {
    UNKNOWN: "contributor_id is unknown in PostgreSQL",
    "other email": "email_address is not that contributor's in PostgreSQL",
}


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """How many lines came to what, and the first lines of those that disagree."""

    numbers: Mapping[str, int]
    wrong: WrongLines
    hints: tuple[str, ...] = ()


def enter(connection: Connection, *, batch_id: str, world: str, request: Request) -> None:
    """Mints the batch and enters the lines of its request, where dbt's queries look for them."""
    connection.execute(
        "insert into erasure.batches (batch_id, state, world, csv_sha256) values (%s, 'planned', %s, %s)",
        (batch_id, world, request.sha256),
    )
    columns = "batch_id, contributor_id, kind, value, line"
    with connection.cursor() as cursor, cursor.copy(f"copy erasure.targets ({columns}) from stdin") as copy:
        for row in request.rows:
            copy.write_row((batch_id, row.contributor_id, "requested", normalise_email(row.email), row.line))


def judge(connection: Connection, *, query: str, skip_unknown: bool) -> Outcomes:
    """Asks dbt's query; `unknown` is wrong unless it may be skipped. Of each outcome only the first lines come over."""
    rows: list[dict[str, Any]] = connection.execute(
        f"select outcome, count(*) as number, (array_agg(line order by line))[1:{LINES_SHOWN}] as first"
        f" from ({query}) as requested group by outcome"
    ).fetchall()
    numbers = {row["outcome"]: row["number"] for row in rows}
    wrong = WrongLines()
    for row in rows:
        what = _SENTENCES.get(row["outcome"])
        if what is not None and not (skip_unknown and row["outcome"] == UNKNOWN):
            wrong += WrongLines(number=row["number"], first=tuple((line, what) for line in row["first"]))
    hints = () if skip_unknown or UNKNOWN not in numbers else ("--skip-unknown leaves the unknown ones out",)
    return Outcomes(numbers=numbers, wrong=wrong, hints=hints)


def require_agreement(outcomes: Outcomes) -> None:
    """Raises BadInput that lists the lines PostgreSQL disagrees with."""
    if outcomes.wrong.number:
        raise BadInput(
            f"The CSV disagrees with PostgreSQL in {outcomes.wrong.number} lines; nothing was changed.",
            [*outcomes.wrong.sentences, *outcomes.hints],
        )


def with_disagreements(
    settings: Settings, wrong: WrongRequest, *, batch_id: str, query: Callable[[], str], skip_unknown: bool
) -> BadInput:
    """The same refusal with the lines that PostgreSQL disagrees with among the right ones: so a user mends once.

    `batch_id` is used for a transaction that is rolled back. Where PostgreSQL cannot be asked, it says so.
    """
    if not wrong.right.rows:
        return wrong
    try:
        migrate(settings.database)
        asked = query()
        with connect(settings.database) as connection:
            try:
                enter(connection, batch_id=batch_id, world=settings.erasure.world, request=wrong.right)
                outcomes = judge(connection, query=asked, skip_unknown=skip_unknown)
            except psycopg.Error as error:
                raise unfrozen(error) from None
            finally:
                connection.rollback()
    except ErasureError as error:
        more = [f"the other lines could not be held against PostgreSQL ({type(error).__name__})"]
        return WrongRequest(wrong.path, wrong.lines, wrong.right, more)
    return WrongRequest(wrong.path, wrong.lines + outcomes.wrong, wrong.right, outcomes.hints)


def unfrozen(error: psycopg.Error) -> StoreRefused:
    """PostgreSQL refused a statement on the way to a frozen set; only its code is told."""
    return StoreRefused(
        store="postgres",
        object_name="erasure.targets",
        what=f"the target set could not be frozen ({safe_reason(error)})",
        remedy="check the rights of [database] username on the world's tables and on schema erasure",
    )
