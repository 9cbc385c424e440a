"""Free ports on the loopback address.

Holds: the choice of a port for each engine.
Add here: another engine's restriction on its port.
Keep out: who listens where in the end (each engine's own health check tells).
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable

LOOPBACK = "127.0.0.1"

# The search runner takes a base port in 9200-9299 and serves HTTP on the next one.
SEARCH_HTTP_PORTS = range(9201, 9300)


def choose_ports(engines: Iterable[str], *, former: dict[str, int]) -> dict[str, int]:
    """`former` with a free port for each of `engines`: the former one if possible, else another."""
    ports = dict(former)
    for engine in engines:
        port = ports.pop(engine, None)
        if port is None or not is_free(port):
            port = _free_search_port() if engine == "search" else _free_port(taken=set(ports.values()))
        ports[engine] = port
    return ports


def is_free(port: int) -> bool:
    """Whether nobody listens on `port`; one just closed by us counts as free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_ports(number: int) -> tuple[int, ...]:
    """So many different ones, for an engine that needs more than the one it is known by."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(_free_port(taken=ports))
    return tuple(sorted(ports))


def _free_port(*, taken: set[int]) -> int:
    # Bound to port 0 the system hands out a free one; again if an engine of ours, not yet listening, has it.
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def _free_search_port() -> int:
    # In random order: sandboxes that start at the same moment would all find the first one free.
    for port in random.sample(SEARCH_HTTP_PORTS, len(SEARCH_HTTP_PORTS)):
        if is_free(port):
            return port
    raise RuntimeError("no free port in 9201-9299 for the search engine: stop another sandbox first")
