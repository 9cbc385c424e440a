"""The embedded ClickHouse: opening it, and what one connection to it can do.

Add here: calls into chdb. Keep out: HTTP, sessions, and any decision about a statement.
The engine is chdb's native module; chdb's own wrapper drops the last piece of a stream and hides
`classify_query`, so it is not used.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sandbox.clickhouse.errors import BAD_ARGUMENTS, ClickHouseError, from_engine, refusal
from sandbox.clickhouse.sql import identifier, quoted, to_bytes

_QUERY_LOG_CONFIG = """<clickhouse>
    <query_log>
        <database>system</database>
        <table>query_log</table>
        <flush_interval_milliseconds>1000</flush_interval_milliseconds>
        <ttl>event_date + INTERVAL 7 DAY DELETE</ttl>
    </query_log>
</clickhouse>
"""


class _NativeResult(Protocol):
    def bytes(self) -> bytes: ...
    def bytes_read(self) -> int: ...
    def bytes_written(self) -> int: ...
    def elapsed(self) -> float: ...
    def rows_read(self) -> int: ...
    def rows_written(self) -> int: ...
    def storage_bytes_read(self) -> int: ...
    def storage_rows_read(self) -> int: ...


class _NativeConnection(Protocol):
    def classify_query(self, sql: bytes) -> dict[str, Any]: ...
    def close(self) -> None: ...
    def insert_append(self, insert: object, data: bytes) -> None: ...
    def insert_cancel(self, insert: object) -> None: ...
    def insert_done(self, insert: object) -> _NativeResult: ...
    def query(self, sql: str | bytes, output_format: str, *, params: dict[str, str]) -> _NativeResult: ...
    def send_insert(self, sql: bytes, input_format: str) -> object: ...
    def send_query(self, sql: bytes, output_format: str, *, params: dict[str, str]) -> object: ...
    def streaming_cancel_query(self, stream: object) -> None: ...
    def streaming_fetch_result(self, stream: object) -> _NativeResult | None: ...


@dataclass(frozen=True, kw_only=True)
class Result:
    """Output of a statement, or a piece of it, with what it read and wrote."""

    data: bytes = b""
    result_rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Classified:
    """The engine's own opinion of a text: how many statements, and whether they change anything."""

    statements: int
    only_reads: bool


class Connection:
    """One connection: its current database, settings and temporary tables are its own."""

    def __init__(self, native: _NativeConnection) -> None:
        self._native = native
        self._overridden: dict[str, str | None] = {}
        self._holds_half_an_answer = False
        # Otherwise any word is a valid statement: a misspelling would answer instead of failing.
        self.run(b"SET implicit_select = 0")

    def close(self) -> None:
        self._native.close()

    def use(self, database: str) -> None:
        self.run(b"USE " + to_bytes(identifier(database)))

    def apply(self, settings: Mapping[str, str | None]) -> None:
        """Settings for the rest of the connection's life; None is the default."""
        if settings:
            values = {name: "DEFAULT" if value is None else quoted(value) for name, value in settings.items()}
            items = ", ".join(f"{name} = {value}" for name, value in values.items())
            self.run(b"SET " + to_bytes(items))

    def override(self, settings: Mapping[str, str]) -> None:
        """Settings for one request: what the last one set and this one does not goes back to what it was."""
        gone = {name: self._overridden.pop(name) for name in self._overridden.keys() - settings.keys()}
        self.apply(gone)
        former = self._values_before(settings.keys() - self._overridden.keys())
        self.apply(settings)
        self._overridden |= former

    def bind(self, parameters: Mapping[str, str]) -> None:
        """Query parameters for the one call that takes none: an INSERT with its rows."""
        self.apply({f"param_{name}": value for name, value in parameters.items()})

    def classify(self, sql: bytes) -> Classified:
        try:
            opinion = self._native.classify_query(sql)
        except RuntimeError as error:
            raise from_engine(error) from None
        return Classified(
            statements=int(opinion["statement_count"]),
            only_reads=opinion["query_class"].name == "READ_ONLY",
        )

    def run(
        self,
        sql: bytes,
        output_format: str = "TabSeparated",
        parameters: Mapping[str, str] | None = None,
    ) -> Result:
        self._forget_half_an_answer()
        try:
            return _result(self._native.query(sql, output_format, params=dict(parameters or {})))
        except RuntimeError as error:
            self._holds_half_an_answer = True
            raise from_engine(error) from None

    def stream(
        self, sql: bytes, output_format: str, parameters: Mapping[str, str]
    ) -> Generator[Result, None, None]:
        """The output piece by piece; leaving early cancels the query."""
        finished = False
        self._forget_half_an_answer()
        try:
            running = self._native.send_query(sql, output_format, params=dict(parameters))
        except RuntimeError as error:
            raise from_engine(error) from None
        try:
            while not finished:
                piece = self._native.streaming_fetch_result(running)
                # The last piece has no rows, but may have bytes: totals stand there.
                finished = piece is None or piece.rows_read() == 0
                if piece is not None:
                    yield _result(piece)
        except RuntimeError as error:
            finished = True
            raise from_engine(error) from None
        finally:
            if not finished:
                self._native.streaming_cancel_query(running)

    def insert(self, head: bytes, input_format: str, pieces: Iterable[bytes]) -> Result:
        """Rows never pass through `run`: there a blank line ends them and the rest runs as SQL."""
        try:
            running = self._native.send_insert(head, input_format)
            try:
                for piece in pieces:
                    self._native.insert_append(running, piece)
            except BaseException:
                self._native.insert_cancel(running)
                raise
            return _result(self._native.insert_done(running))
        except RuntimeError as error:
            raise from_engine(error) from None

    def _forget_half_an_answer(self) -> None:
        """Of a statement that failed the engine keeps the output so far, and puts it before the next answer."""
        for harmless in (b"SET implicit_select = 0", b"SELECT 1"):
            # One may be refused by what a session has set, such as `readonly` or a limit.
            with suppress(RuntimeError):
                if self._holds_half_an_answer:
                    self._native.query(harmless, "Null", params={})
                    self._holds_half_an_answer = False

    def _values_before(self, names: Set[str]) -> dict[str, str | None]:
        """What the session itself had set; None for the others."""
        if not names:
            return {}
        listed = ", ".join(quoted(name) for name in names)
        sql = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({listed})"
        lines = self.run(sql.encode(), "TabSeparatedRaw").data.decode().splitlines()
        return dict.fromkeys(names) | dict(line.split("\t", 1) for line in lines)


class Engine:
    """The open data directory. One process at a time: the engine itself refuses a second one."""

    def __init__(self, data: Path, *, query_log: bool) -> None:
        # The engine reads options behind a question mark, and would open another directory.
        if "?" in str(data):
            raise refusal(BAD_ARGUMENTS, "The path of the data directory has a question mark.")
        self.data = data
        self._address = str(data)
        data.mkdir(parents=True, exist_ok=True)
        if query_log:
            config = data / "gateway.xml"
            config.write_text(_QUERY_LOG_CONFIG)
            self._address += f"?config-file={config}"
        native = importlib.import_module("chdb._chdb")
        # The engine's own handlers leave a crashed process hanging, with its port open, and would write queries down.
        native.set_signal_handlers_enabled(0)
        self._connect = native.connect
        # The engine lives as long as its last connection: this one outlives all requests.
        self._root = self.connect()
        version, timezone = self._root.run(b"SELECT version(), timezone()").data.decode().split()
        self.version = version
        self.timezone = timezone

    def connect(self) -> Connection:
        try:
            return Connection(self._connect(self._address))
        except RuntimeError as error:
            raise from_engine(error) from None

    def kill_reading(self, thread: int) -> None:
        """End the queries that a thread (its native id) runs, unless they write: those a server lets finish."""
        connection = self.connect()
        try:
            # Of the threads of a query ours is the one that is not the engine's.
            killed = f"KILL QUERY WHERE has(thread_ids, {thread}) AND query_kind = 'Select' ASYNC"
            connection.run(killed.encode())
        finally:
            connection.close()

    def with_version(self, error: ClickHouseError) -> str:
        """The text as a server ends it; the engine leaves its version out now and then."""
        return error.text if "(version " in error.text else f"{error.text} (version {self.version})"

    def close(self) -> None:
        self._root.close()


def _result(native: _NativeResult) -> Result:
    return Result(
        data=native.bytes(),
        result_rows=native.rows_read(),
        read_rows=native.storage_rows_read(),
        read_bytes=native.storage_bytes_read(),
        written_rows=native.rows_written(),
        written_bytes=native.bytes_written(),
        seconds=native.elapsed(),
    )
