"""The connection to ClickHouse: a client that has been let in, and the statements that are sent through it.

Holds: `connected`, `Server`.
Add here: what is the same for every statement.
Keep out: statements themselves; values of persons never stand in one (they stay in `system.mutations`, in mutation
files and in the query log).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from erasure.patience import CLICKHOUSE_SECONDS, within
from erasure.store_settings import ClickHouseSettings
from erasure.stores.clickhouse import failures
from erasure.stores.clickhouse.cluster import on_cluster, system_table

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client


@dataclass(frozen=True, kw_only=True)
class Server:
    """ClickHouse as the modules of this package see it; `cluster` is empty for a server on its own."""

    client: "Client"
    cluster: str = ""

    @property
    def everywhere(self) -> str:
        """The clause that takes a statement to every node."""
        return on_cluster(self.cluster)

    def system(self, table: str) -> str:
        """A system table of every replica."""
        return system_table(table, self.cluster)

    def run(self, statement: str, settings: Mapping[str, Any] | None = None) -> None:
        """A statement without an answer."""
        self.client.command(statement, settings=dict(settings or {}))

    def rows(
        self, query: str, settings: Mapping[str, Any] | None = None, **parameters: Any
    ) -> Sequence[Sequence[Any]]:
        """The rows of a query; `parameters` are names of tables and the like, bound by the server."""
        found = self.client.query(query, parameters=parameters or None, settings=dict(settings or {}))
        rows: Sequence[Sequence[Any]] = found.result_rows
        return rows

    def number(self, query: str, **parameters: Any) -> int:
        """The one number that a query returns."""
        return int(self.rows(query, **parameters)[0][0])

    def exists(self, relation: str) -> bool:
        """Whether there is a table of that (quoted) name."""
        return bool(self.number(f"exists table {relation}"))


@contextmanager
def connected(settings: ClickHouseSettings) -> Iterator[Server]:
    """A server that has let us in. Raises StoreUnavailable, or StoreRefused for a statement that it refuses."""
    from clickhouse_connect.driver.exceptions import ClickHouseError
    from urllib3.exceptions import HTTPError

    client = _client(settings)
    try:
        yield Server(client=client, cluster=settings.cluster)
    except (ClickHouseError, HTTPError) as error:
        raise failures.in_the_middle(error) from None
    finally:
        client.close()


def _client(settings: ClickHouseSettings) -> "Client":
    """A client that has asked the server for its version and settings."""
    import clickhouse_connect

    seconds = settings.connect_seconds
    try:
        return within(
            seconds,
            lambda: clickhouse_connect.get_client(
                host=settings.host,
                port=settings.port,
                username=settings.username,
                password=settings.password.get_secret_value(),
                connect_timeout=seconds,
                send_receive_timeout=CLICKHOUSE_SECONDS,
                autogenerate_session_id=False,
                query_limit=0,
            ),
        )
    # What is no ClickHouse makes the client stumble in any way: it reads lengths and types from what it is sent.
    except Exception as error:
        raise failures.at_the_door(error, seconds=seconds) from None
