"""The servers that hold the keys: one, or the primaries of a cluster; and a connection to each database.

Holds: `Servers`, which passes over every key of every primary at once and notices that slots have moved.
Add here: another way in which keys are spread over servers.
Keep out: which keys are looked for (`places.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from erasure.stores.redis.failures import refused, told, unavailable

AT_ONCE = 5_000
_SLOTS = 16_384
_Answer = TypeVar("_Answer")
Layout = tuple[tuple[int, int, str, int], ...]


class Servers:
    """`client` is the server, or a node of the cluster; `addresses` are all nodes that the settings name."""

    def __init__(self, client: Any, *, cluster: bool, addresses: Sequence[tuple[str, int]] = ()) -> None:
        self._client = client
        self.is_cluster = cluster
        self._addresses = tuple(addresses)
        self._clients: dict[tuple[str, int, int], Any] = {}

    def first(self) -> Any:
        """Whoever answers first; raises StoreUnavailable where nobody does."""
        from redis.exceptions import ConnectionError, TimeoutError

        for host, port in self._addresses[:-1] if self.is_cluster else ():
            client = self._at(host, port)
            try:
                client.ping()
            except (ConnectionError, TimeoutError):
                continue
            return client
        if self.is_cluster and self._addresses:
            return self._at(*self._addresses[-1])
        return self._client

    def of(self, db: int | None) -> tuple[list[Any], Layout]:
        """A client for each server, and how the keys are spread."""
        if not self.is_cluster:
            return [self._client if db is None else self._at(None, None, db)], ()
        layout = self.layout()
        return [self._at(host, port) for host, port in sorted({part[2:] for part in layout})], layout

    def layout(self) -> Layout:
        """First slot, last slot, host and port of each part. Raises StoreUnavailable where a slot is nobody's."""
        client = self.first()
        own = client.get_connection_kwargs()
        with told():
            parts = client.execute_command("CLUSTER SLOTS")
        found = tuple(sorted(_part(part, own) for part in _listed(parts)))
        if sum(last - first + 1 for first, last, _, _ in found) != _SLOTS:
            raise unavailable("a part of the cluster's slots is nobody's", "mend the cluster, then resume")
        for host, port in {part[2:] for part in found}:
            # Each tells of its own slots alone.
            with told():
                nodes = self._at(host, port).execute_command("CLUSTER NODES")
            if _is_moving(nodes):
                raise refused(
                    None, "slots are being moved between nodes", "let the resharding end, then resume"
                )
        return found

    def client_of(self, key: bytes, clients: Sequence[Any], layout: Layout) -> Any:
        """The server that holds a key."""
        if not layout:
            return clients[0]
        from redis.crc import key_slot

        slot = key_slot(key)
        host, port = next(part[2:] for part in layout if part[0] <= slot <= part[1])
        return self._at(host, port)

    def each(self, clients: Sequence[Any], work: Callable[[Any], _Answer]) -> list[_Answer]:
        """The work on each server, all at once."""
        if len(clients) == 1:
            return [work(clients[0])]
        with ThreadPoolExecutor(max_workers=len(clients), thread_name_prefix="redis") as pool:
            return list(pool.map(work, clients))

    def _at(self, host: str | None, port: int | None, db: int = 0) -> Any:
        import redis

        pool = self._client.connection_pool
        known = (host or "", port or 0, db)
        if known not in self._clients:
            options = {**pool.connection_kwargs, "db": db}
            if host is not None:
                options |= {"host": host, "port": port}
            fresh = redis.ConnectionPool(connection_class=pool.connection_class, **options)
            self._clients[known] = redis.Redis(connection_pool=fresh)
        return self._clients[known]


def scanned(client: Any, match: str | None = None) -> Iterator[list[bytes]]:
    """Every key of a database, or those like `match`, thousands at a time; one may come twice."""
    cursor = 0
    while True:
        cursor, keys = client.scan(cursor, match=match, count=AT_ONCE)
        yield keys
        if cursor == 0:
            return


def _listed(parts: Any) -> list[tuple[int, int, Any, int]]:
    """What CLUSTER SLOTS says, in either form in which the client tells it."""
    if isinstance(parts, dict):
        return [(first, last, *part["primary"][:2]) for (first, last), part in parts.items()]
    return [(part[0], part[1], part[2][0], part[2][1]) for part in parts]


def _is_moving(nodes: Any) -> bool:
    if isinstance(nodes, dict):
        return any(node.get("migrations") for node in nodes.values())
    return "->-" in str(nodes) or "-<-" in str(nodes)


def _part(part: tuple[int, int, Any, int], own: dict[str, Any]) -> tuple[int, int, str, int]:
    first, last, host, port = part
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    # A node that does not know its own name leaves it out.
    return int(first), int(last), name or str(own["host"]), int(port)
