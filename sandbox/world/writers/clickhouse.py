"""The world in ClickHouse: its database dropped, created and filled in blocks.

Holds: the rows of unit_metrics and app_events, and their insertion.
Add here: another table (and its DDL in ddl_clickhouse.sql).
Keep out: the people and judgments themselves.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

from sandbox.world.chance import dice
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World
from sandbox.world.judgments import address_of_network, judgments
from sandbox.world.stores import WorldStores
from sandbox.world.tables import Row
from sandbox.world.writers.progress import Counts, Progress, blocks, steps

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_BLOCK = 50_000
_EVENTS = ("open", "work", "pause", "close")
_METRICS = (
    *("project_id", "job_id", "unit_id", "contributor_id", "email", "label", "country"),
    *("seconds_spent", "created_at"),
)
_APP_EVENTS = ("event_id", "event", "worker_email", "ip", "duration_ms", "created_at")


def write_clickhouse(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Rows by table."""
    with _client(stores, "default") as client:
        for database in ("erasure", stores.clickhouse_database):
            client.command(f"DROP DATABASE IF EXISTS `{database}` SYNC")
        client.command(f"CREATE DATABASE `{stores.clickhouse_database}`")
    with _client(stores, stores.clickhouse_database) as client:
        ddl = files("sandbox.world").joinpath("ddl_clickhouse.sql").read_text(encoding="utf-8")
        for statement in filter(str.strip, ddl.split(";")):
            client.command(statement)
        metrics = steps("clickhouse/unit_metrics", _unit_metrics(world), len(world.slots), progress)
        events = steps("clickhouse/app_events", _app_events(world), 5 * len(world.contributors), progress)
        return {
            "unit_metrics": _insert(client, "unit_metrics", _METRICS, metrics),
            "app_events": _insert(client, "app_events", _APP_EVENTS, events),
        }


def _client(stores: WorldStores, database: str) -> "Client":
    import clickhouse_connect

    return clickhouse_connect.get_client(
        host=stores.clickhouse_host,
        port=stores.clickhouse_port,
        username=stores.clickhouse_username,
        password=stores.clickhouse_password,
        database=database,
    )


def _insert(client: "Client", table: str, columns: tuple[str, ...], rows: Iterable[Row]) -> int:
    done = 0
    for block in blocks(rows, _BLOCK):
        client.insert(table, block, column_names=columns)
        done += len(block)
    return done


def _unit_metrics(world: World) -> Iterator[Row]:
    """The analytics copy resolves who judged, so that orphans have an id here."""
    for each in judgments(world):
        job = each.unit.job
        yield (
            *(job.project_id, job.job_id, each.unit.unit_id, each.contributor.contributor_id),
            *(each.email, each.label, each.contributor.person.country),
            *(5 + each.draw % 600, each.created_at),
        )


def _app_events(world: World) -> Iterator[Row]:
    """Keyed by email only, as the app sent it; now and then nobody was logged in."""
    number = 0
    for each in world.contributors:
        die = dice(world.seed, "events", each.place)
        for form in range(die.randint(3, 6)):
            number += 1
            yield (
                *(number, die.choice(_EVENTS), _sent_email(each, form)),
                address_of_network(die.getrandbits(60)),
                *(die.randrange(50, 90_000), each.moment(die.randrange(10**9))),
            )
        if each.place % 10 == 0:
            number += 1
            opened = each.last_active - timedelta(seconds=40)
            yield number, "open", None, address_of_network(die.getrandbits(60)), 0, opened


def _sent_email(each: Contributor, form: int) -> str:
    match form:
        case 1:
            return each.email.upper()
        case 2:
            return each.aliases[-1] if each.aliases else each.email.title()
        case _:
            return each.email
