"""The files in which Redis keeps old values, RDB and AOF, written anew once what they hold has changed in memory.

Holds: `rewrite_files`.
Add here: another file of the server's own.
Keep out: replicas, backups and what a provider keeps, which no client of ours reaches.
"""

import time
from typing import Any

from erasure.errors import Incomplete
from erasure.stores.redis.failures import STORE, told

_SECONDS = 600.0
_POLL_SECONDS = 0.1


def rewrite_files(client: Any) -> bool:
    """Has one server write its files anew and waits; False where the server does not let us, and old files stay.

    Raises Incomplete where a rewrite fails or does not end.
    """
    from redis.exceptions import NoPermissionError, ResponseError

    with told():
        about = client.info("persistence")
        try:
            if about.get("aof_enabled"):
                _start(client, "BGREWRITEAOF")
                _await(client, "aof_rewrite_in_progress", "aof_last_bgrewrite_status")
            # A server that saves no file of its own may still have one from before: it is overwritten.
            _start(client, "BGSAVE")
            _await(client, "rdb_bgsave_in_progress", "rdb_last_bgsave_status")
        except NoPermissionError:
            return False
        except ResponseError as error:
            # Managed services take these commands away.
            if "unknown command" in str(error) or "NOPERM" in str(error):
                return False
            raise
    return True


def _start(client: Any, command: str) -> None:
    """Begins after whatever is under way: that one began before the last change."""
    from redis.exceptions import ResponseError

    deadline = time.monotonic() + _SECONDS
    while True:
        about = client.info("persistence")
        busy = about.get("aof_rewrite_in_progress") or about.get("rdb_bgsave_in_progress")
        if not busy and not about.get("aof_rewrite_scheduled"):
            try:
                client.execute_command(command)
            except ResponseError as error:
                if "progress" not in str(error):
                    raise
            else:
                return
        _require_time(deadline)


def _await(client: Any, doing: str, status: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        about = client.info("persistence")
        if not about.get(doing) and not about.get("aof_rewrite_scheduled"):
            break
        _require_time(deadline)
    if about.get(status) != "ok":
        raise Incomplete(
            store=STORE,
            what="the server could not write its files anew, so they still hold old values",
            remedy="see its disk and its log, or set purge = none in [redis], then resume",
        )


def _require_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Incomplete(
            store=STORE,
            what="the server has not written its files anew in time, so they still hold old values",
            remedy="see its log, then resume",
        )
    time.sleep(_POLL_SECONDS)
