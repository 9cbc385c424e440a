"""How long a store is waited for.

Until it has let us in and said who it is: `connect_seconds` of its section, counted as a whole. In the middle of its
work: as long as it says something; it may be silent for the seconds below, and is then given up. A statement of
PostgreSQL has no end of its own: a lost server is noticed by the keepalives. (dbt's connections: `profiles.yml`.)
Holds: these figures, for the stores and for the judge alike, and the deadline over a driver's call.
Add here: how long another kind of work may be silent.
Keep out: clients, and sentences for what took too long.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

# A statement of ClickHouse; what runs longer sends headers of progress meanwhile.
CLICKHOUSE_SECONDS = 300
SEARCH_SECONDS = 60
S3_SECONDS = 60
REDIS_SECONDS = 20
# How often a request is sent before its store counts as away, the first time included.
TRIES = 3
# Parameters of libpq: a host that has vanished is noticed within about a minute, not after the system's two hours.
POSTGRES_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}

_Answer = TypeVar("_Answer")


def within(seconds: float, ask: Callable[[], _Answer]) -> _Answer:
    """What `ask` returns or raises; TimeoutError once the time is over.

    A driver's own timeout starts anew with every byte, so that a server which trickles is waited for without end.
    A call that is given up goes on in a thread, until its socket or this process ends: nobody can stop it.
    """
    answer: Future[_Answer] = Future()

    def call() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=call, name="within", daemon=True).start()
    return answer.result(timeout=seconds)


def postgres_parameters(connect_seconds: int) -> dict[str, Any]:
    """What a connection to PostgreSQL is given beside its address."""
    return {"connect_timeout": connect_seconds, **POSTGRES_KEEPALIVES}
