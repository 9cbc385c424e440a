"""Connections for requests: a fresh one for each, or the one that belongs to a session id.

A session keeps its temporary tables and settings until it has been idle for its timeout, as on a server;
dbt's unit tests rely on that. Add here: rules of sessions. Keep out: statements.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.clickhouse.engine import Connection, Engine
from sandbox.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, refusal

MAX_TIMEOUT = 3600.0
# A client may send the next request a moment before the last one has let go of its session.
_GRACE = 2.0


@dataclass(frozen=True, kw_only=True)
class SessionRef:
    """What a request says about its session."""

    user: str
    session_id: str
    timeout: float = 60.0
    must_exist: bool = False


@dataclass(kw_only=True)
class _Session:
    connection: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    expires: float = 0.0


class Sessions:
    """All sessions of the gateway, and the way to a connection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._open: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, ref: SessionRef | None) -> Iterator[Connection]:
        """A connection for one request; nobody else has it meanwhile."""
        self._close_expired()
        if ref is None:
            connection = self._engine.connect()
            try:
                yield connection
            finally:
                connection.close()
            return
        session = self._acquire(ref)
        try:
            yield session.connection
        finally:
            session.expires = time.monotonic() + min(ref.timeout, MAX_TIMEOUT)
            session.lock.release()

    def close(self) -> None:
        """Close what is idle; a connection in use must not be closed under its query."""
        with self._lock:
            for session in self._open.values():
                if session.lock.acquire(blocking=False):
                    session.connection.close()

    def _acquire(self, ref: SessionRef) -> _Session:
        key = (ref.user, ref.session_id)
        deadline = time.monotonic() + _GRACE
        while True:
            with self._lock:
                session = self._open.get(key)
                if session is None:
                    if ref.must_exist:
                        raise refusal(SESSION_NOT_FOUND, f"Session {ref.session_id} not found.")
                    session = self._open[key] = _Session(connection=self._engine.connect())
            if not session.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
                reason = f"Session {ref.session_id} is locked by a concurrent client."
                raise refusal(SESSION_IS_LOCKED, reason)
            # It may have expired between the look-up and the lock.
            if self._open.get(key) is session:
                return session
            session.lock.release()

    def _close_expired(self) -> None:
        now = time.monotonic()
        with self._lock:
            for key, session in list(self._open.items()):
                if 0 < session.expires < now and session.lock.acquire(blocking=False):
                    del self._open[key]
                    session.connection.close()
                    session.lock.release()
