"""The world in ClickHouse: its database dropped, created and filled in blocks.

Holds: the lines of unit_metrics and app_events, and their insertion.
Add here: another table (and its DDL in ddl_clickhouse.sql).
Keep out: the people and judgments themselves, and rows that follow from rows (derive_clickhouse.sql).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from sandbox.world.chance import Die
from sandbox.world.contributors import Contributor
from sandbox.world.crews import Crew
from sandbox.world.generate import World
from sandbox.world.judgments import address_of_network, judgments
from sandbox.world.stores import WorldStores
from sandbox.world.tsv import Value, field, line
from sandbox.world.writers.progress import Counts, Progress

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# Each insertion makes a part, which the engine merges later: few large ones.
_CHARACTERS_AT_ONCE = 8 << 20
_EVENTS = ("open", "pause", "close")
_MOST_EVENTS = 3
_METRICS = (
    *("project_id", "job_id", "unit_id", "contributor_id", "email", "label", "country"),
    *("seconds_spent", "created_at"),
)
_TABLES = ("unit_metrics", "app_events", "notifications", "slow_units", "job_totals")
_APP_EVENTS = ("event_id", "event", "worker_email", "ip", "duration_ms", "created_at")


def write_clickhouse(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Rows by table."""
    with _client(stores, "default") as client:
        for database in ("erasure", stores.clickhouse_database):
            client.command(f"DROP DATABASE IF EXISTS `{database}` SYNC")
        client.command(f"CREATE DATABASE `{stores.clickhouse_database}`")
    with _client(stores, stores.clickhouse_database) as client:
        for statement in filter(str.strip, _text("ddl_clickhouse.sql").split(";")):
            client.command(statement)
        metrics = _Insertion(client, "unit_metrics", _METRICS)
        events = _Insertion(client, "app_events", _APP_EVENTS)
        done = 0
        for crew in world.crews:
            people = world.people(crew)
            for each in people:
                events.add("".join(map(line, _app_events(world, each))))
            for lines in _unit_metrics(world, crew, people):
                metrics.add("".join(lines))
                done += len(lines)
                progress("clickhouse/unit_metrics", done, world.judgments)
        metrics.send()
        events.send()
        for statement in filter(str.strip, _text("derive_clickhouse.sql").split(";")):
            client.command(statement)
        return {table: _count(client, table) for table in _TABLES}


class _Insertion:
    """Lines of one table on their way: sent when there are many."""

    def __init__(self, client: "Client", table: str, columns: tuple[str, ...]) -> None:
        self._client = client
        self._table = table
        self._columns = columns
        self._pending: list[str] = []
        self._characters = 0

    def add(self, lines: str) -> None:
        self._pending.append(lines)
        self._characters += len(lines)
        if self._characters >= _CHARACTERS_AT_ONCE:
            self.send()

    def send(self) -> None:
        body = "".join(self._pending).encode()
        self._pending.clear()
        self._characters = 0
        if body:
            self._client.raw_insert(self._table, self._columns, insert_block=body, fmt="TabSeparated")


def _client(stores: WorldStores, database: str) -> "Client":
    import clickhouse_connect

    return clickhouse_connect.get_client(
        host=stores.clickhouse_host,
        port=stores.clickhouse_port,
        username=stores.clickhouse_username,
        password=stores.clickhouse_password,
        database=database,
    )


def _count(client: "Client", table: str) -> int:
    return int(str(client.command(f"SELECT count() FROM {table}")))


def _text(name: str) -> str:
    return files("sandbox.world").joinpath(name).read_text(encoding="utf-8")


def _unit_metrics(world: World, crew: Crew, people: Sequence[Contributor]) -> Iterator[list[str]]:
    """The lines of each block. The analytics copy resolves who judged, so that orphans have an id here."""
    ids = [each.contributor_id for each in people]
    countries = [each.person.country for each in people]
    for block in judgments(world, crew, people):
        place, unit = -1, ""
        lines = []
        for unit_place, position, email, label, draw, at in zip(
            block.unit, block.contributor, block.email, block.label, block.draw, block.at, strict=True
        ):
            if unit_place != place:
                of = world.unit(unit_place)
                place, unit = unit_place, f"{of.job.project_id}\t{of.job.job_id}\t{of.unit_id}"
            who = f"{ids[position]}\t{email}\t{field(label)}\t{countries[position]}"
            lines.append(f"{unit}\t{who}\t{5 + draw % 600}\t{at}\n")
        yield lines


def _app_events(world: World, each: Contributor) -> Iterator[tuple[Value, ...]]:
    """Keyed by email only, as the app sent it; now and then nobody was logged in."""
    die = Die(world.seed, "events", each.place)
    number = each.place * _MOST_EVENTS
    other_form = each.aliases[-1] if each.aliases else each.email.title()
    for email in (each.email.upper(), other_form):
        number += 1
        yield (
            *(number, die.choice(_EVENTS), email, address_of_network(die.below(1 << 60))),
            *(die.between(50, 89_999), each.moment(die.below(10**9))),
        )
    if each.place % 10 == 0:
        opened = each.last_active - timedelta(seconds=40)
        yield number + 1, "open", None, address_of_network(die.below(1 << 60)), 0, opened
