"""Command line of the gateway: `python -m sandbox.clickhouse --data DIR --port PORT [--host H] [--user U]`.

Opens the data directory, serves until SIGTERM or SIGINT, closes. Ready when GET /ping answers.
Add here: options and the process's life. Keep out: anything a request needs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sandbox.clickhouse.engine import Engine
from sandbox.clickhouse.errors import ClickHouseError
from sandbox.clickhouse.server import GatewayServer, Users

PASSWORD_VARIABLE = "SANDBOX_CLICKHOUSE_PASSWORD"
_SECONDS_TO_CLOSE = 3.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the gateway until it is told to stop; the exit code says how it went."""
    options = _options(arguments)
    password = os.environ.pop(PASSWORD_VARIABLE, "")
    if not password:
        print(f"clickhouse gateway: set the password in {PASSWORD_VARIABLE}", file=sys.stderr)
        return 2
    try:
        server = GatewayServer(options.host, options.port)
    except OSError as error:
        where = f"{options.host}:{options.port}"
        print(f"clickhouse gateway: cannot listen on {where}: {error.strerror}", file=sys.stderr)
        return 1
    try:
        engine = Engine(options.data.resolve(), query_log=options.query_log)
    except (ClickHouseError, OSError) as error:
        print(f"clickhouse gateway: cannot open {options.data}: {error}", file=sys.stderr)
        return 1
    server.attach(engine, Users(passwords={options.user: password}, open_default=options.open_default_user))
    _serve(server)
    _close(server)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.clickhouse",
        description="ClickHouse's HTTP interface over the embedded engine.",
        epilog=f"The user's password is read from the environment variable {PASSWORD_VARIABLE}.",
    )
    parser.add_argument("--data", type=Path, required=True, help="data directory, created when absent")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--user", default="kepler", help="the user who needs the password")
    parser.add_argument(
        "--open-default-user",
        action="store_true",
        help="let the user `default` in without a password, from this machine only",
    )
    parser.add_argument("--query-log", action="store_true", help="keep system.query_log")
    options = parser.parse_args(arguments)
    if options.open_default_user and options.user == "default":
        parser.error("--open-default-user and --user default exclude each other")
    return options


def _serve(server: GatewayServer) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    accepting = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    accepting.start()
    # Looked at now and then: a signal that one of the engine's threads gets does not wake this one.
    while not stop.wait(0.2):
        pass


def _close(server: GatewayServer) -> None:
    """Close the engine; a query still running may hold it up, and the data survives a hard end."""
    impatience = threading.Timer(_SECONDS_TO_CLOSE, os._exit, args=(0,))
    impatience.daemon = True
    impatience.start()
    server.shutdown()
    server.server_close()
    server.watch.close()
    server.sessions.close()
    server.engine.close()
    impatience.cancel()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of open connections and of the engine have nothing left to do: do not wait for them.
    os._exit(code)
