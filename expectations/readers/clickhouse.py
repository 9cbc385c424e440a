"""Reads ClickHouse: one count a table, over the batch sent along as external tables.

Holds: `read_clickhouse`, `read_clickhouse_controls`.
Add here: what is particular to ClickHouse in the reading.
Keep out: the predicates (`sql.py`), values of persons in the text of a query: ClickHouse logs that.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from erasure.controls import CELLS_OF_A_TABLE, Figures
from erasure.errors import BadInput, StoreRefused, StoreUnavailable, safe_reason
from erasure.inventory import Field, Inventory, InventoryObject
from erasure.patience import CLICKHOUSE_SECONDS
from erasure.rules import Rule
from erasure.settings import Settings
from expectations.readers.base import FieldReading, Tally, VerifiedBatch, judged_places, place
from expectations.readers.free_text import TextJudge
from expectations.readers.sql import (
    Dialect,
    closed_form,
    control_statement,
    count_statement,
    readings_of,
    record_reading,
    record_statement,
    table,
    text_of,
)

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.external import ExternalData

_REMEDY = "check [clickhouse] in the configuration, and what its user may read"
# A hash of the columns themselves is NULL where one of them is, and would lose the record.
_DIGEST = "sipHash64(formatRow('RowBinary', r.*))"
_BLANKS = r"[ \\t\\n\\r\\x0B\\x0C]+"


def _quoted(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _no_json(column: str, path: Sequence[str], form: object = None) -> str:
    raise BadInput(f"clickhouse has no keys within a column; the inventory has them at {column}.")


_DIALECT = Dialect(
    ids="verified_ids",
    emails="verified_emails",
    quoted=_quoted,
    text=lambda value: f"toString({value})",
    # `lower` knows ASCII letters only; trimming other blanks than spaces takes a pattern.
    normalised=lambda text: f"lower(replaceRegexpAll({text}, '^{_BLANKS}|{_BLANKS}$', ''))",
    matches=lambda text, pattern: f"match({text}, '{pattern}')",
    joined=lambda array: f"arrayStringConcat({array}, char(10))",
    every=lambda array, form: f"arrayAll(e -> ({form('e')}), {array})",
    within=_no_json,
    every_within=_no_json,
)


def read_clickhouse(settings: Settings, inventory: Inventory, batch: VerifiedBatch) -> list[FieldReading]:
    """Every ruled field of every table."""
    judged = set(judged_places(inventory, "clickhouse", batch))
    sent = _external(batch)
    readings: list[FieldReading] = []
    with _client(settings) as client:
        for item in inventory.of("clickhouse"):
            fields = [field for field in item.ruled_fields if place(item.name, field.label) in judged]
            counted = [field for field in fields if field.rule is not Rule.SCRUB_TEXT]
            texts = [field for field in fields if field.rule is Rule.SCRUB_TEXT]
            with _errors(item.name):
                if item.rule is Rule.DELETE:
                    statement = record_statement(item, inventory, _DIALECT)
                    found = client.query(statement, external_data=sent).result_rows[0][0]
                    readings.append(record_reading(item, found))
                if counted:
                    statement = count_statement(item, counted, inventory, _DIALECT)
                    row = client.query(statement, external_data=sent).result_rows[0]
                    readings += readings_of(item, counted, row)
                if texts:
                    readings += _judge_texts(client, item, texts, inventory, batch, sent)
    return readings


def _judge_texts(
    client: "Client",
    item: InventoryObject,
    fields: Sequence[Field],
    inventory: Inventory,
    batch: VerifiedBatch,
    sent: "ExternalData",
) -> list[FieldReading]:
    judge, records = TextJudge(batch), 0
    tallies = [Tally() for _ in fields]
    subject = item.subject
    owner, email = (
        f"toString(r.{_quoted(column)})" if column else "null"
        for column in (subject.contributor_id, subject.email)
    )
    texts = ", ".join(text_of(field, _DIALECT) for field in fields)
    where = closed_form(item, inventory, _DIALECT)
    statement = f"select {owner}, {email}, {texts} from {table(item, _DIALECT)} r where {where}"
    with client.query_row_block_stream(statement, external_data=sent) as blocks:
        for contributor_id, address, *found in (row for block in blocks for row in block):
            records += 1
            for tally, text in zip(tallies, found, strict=True):
                masked = None if text is None else judge.is_masked(text, contributor_id, address)
                tally.masked += masked is True
                tally.survivors += masked is False
    return [tally.reading(item, field.label, records) for tally, field in zip(tallies, fields, strict=True)]


def read_clickhouse_controls(
    settings: Settings, inventory: Inventory, batch: VerifiedBatch, reports: Mapping[str, str]
) -> dict[str, Figures]:
    """The control records of every table, and the rows of every report (name -> its select)."""
    sent = _external(batch)
    figures: dict[str, Figures] = {}
    with _client(settings) as client:
        for item in inventory.registered("clickhouse"):
            digests = control_statement(item, inventory, _DIALECT, _DIGEST)
            with _errors(item.name):
                cell = f"bitAnd(digest, {CELLS_OF_A_TABLE - 1})"
                figures[item.name] = _figures(client, cell, digests, sent)
        for name, select in reports.items():
            with _errors(name):
                digests = f"select {_DIGEST} as digest from ({select}) r"
                figures[name] = _figures(client, "digest", digests, sent)
    return figures


def _figures(client: "Client", cell: str, digests: str, sent: "ExternalData") -> Figures:
    statement = f"select {cell} as cell, count(*), sum(digest) from ({digests}) group by cell"
    # When an engine makes one row of several is its own affair: rows are taken as it shows them.
    found = client.query(statement, external_data=sent, settings={"final": 1}).result_rows
    return {str(cell): (int(number), str(total)) for cell, number, total in found}


def _external(batch: VerifiedBatch) -> "ExternalData":
    from clickhouse_connect.driver.external import ExternalData

    sent = ExternalData()
    for name, column, values in (
        ("verified_ids", "id", batch.contributor_ids),
        ("verified_emails", "email", batch.emails),
    ):
        sent.add_file(
            file_name=name, fmt="TabSeparated", structure=[f"{column} String"], data=_tab_separated(values)
        )
    return sent


def _tab_separated(values: Iterable[str]) -> bytes:
    escapes = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
    return "".join(f"{value.translate(escapes)}\n" for value in values).encode()


@contextmanager
def _client(settings: Settings) -> "Iterator[Client]":
    import clickhouse_connect

    with _errors():
        client = clickhouse_connect.get_client(
            host=settings.clickhouse.host,
            port=settings.clickhouse.port,
            username=settings.clickhouse.username,
            password=settings.clickhouse.password.get_secret_value(),
            connect_timeout=settings.clickhouse.connect_seconds,
            send_receive_timeout=CLICKHOUSE_SECONDS,
            # Nothing here needs a session, and behind a balancer a session would not last.
            autogenerate_session_id=False,
        )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _errors(object_name: str | None = None) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    try:
        yield
    except ClickHouseError as error:
        # Before any table is asked for, whatever goes wrong is about getting in.
        lost = object_name is None or isinstance(error, OperationalError)
        kind = StoreUnavailable if lost else StoreRefused
        raise kind(
            store="clickhouse",
            object_name=object_name,
            what=f"could not be read ({safe_reason(error)})",
            remedy=_REMEDY,
        ) from None
