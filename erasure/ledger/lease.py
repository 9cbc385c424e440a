"""The lease: one executing batch at a time, held by a run, kept alive by a thread, fenced by a number.

Add here: what decides who may execute.
Keep out: what is executed. (An advisory lock would be simpler, and belongs to a session: it can't span processes, and
a terminated backend loses it while the process that took it lives on.)
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from erasure.errors import LeaseLost, Refused, StoreUnavailable
from erasure.ledger.database import connect
from erasure.settings import Settings

RunEnded = Callable[[str], bool]
_BEATS_PER_LIFE = 4


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who executes: the batch, the run, and the fencing number that a later holder exceeds."""

    batch_id: str
    run_id: str
    fence: int


def take(settings: Settings, *, batch_id: str, run_id: str, run_ended: RunEnded) -> Lease:
    """Takes the lease, or finds that this run holds it already.

    A lease is free when it was released, when its holder's run has ended, or when its heart has not beaten for
    `[erasure] lease_seconds`. Raises Refused that names the batch and run in the way.
    """
    life = settings.erasure.lease_seconds
    with connect(settings.database) as connection:
        connection.execute("select pg_advisory_xact_lock(hashtext('erasure.lease'))")
        held = connection.execute(
            "select fence, batch_id, run_id, heartbeat_at < now() - make_interval(secs => %s) as expired"
            " from erasure.lease where released_at is null",
            (life,),
        ).fetchone()
        if held and (held["batch_id"], held["run_id"]) == (batch_id, run_id):
            return Lease(batch_id=batch_id, run_id=run_id, fence=held["fence"])
        if held and not held["expired"] and not run_ended(held["run_id"]):
            raise Refused(
                f"Batch {held['batch_id']} is executing in run {held['run_id']}; one batch executes at a time. "
                f"Wait for it; after a crash its lease is free {life:.0f} s after the last sign of life."
            )
        if held:
            connection.execute(
                "update erasure.lease set released_at = now() where fence = %s", (held["fence"],)
            )
        taken = connection.execute(
            "insert into erasure.lease (fence, batch_id, run_id)"
            " values (nextval('erasure.fence'), %s, %s) returning fence",
            (batch_id, run_id),
        ).fetchone()
        assert taken is not None
        return Lease(batch_id=batch_id, run_id=run_id, fence=taken["fence"])


def require(settings: Settings, lease: Lease) -> None:
    """Raises LeaseLost where another run has taken over; asked before anything is changed."""
    with connect(settings.database) as connection:
        held = connection.execute(
            "select 1 as held from erasure.lease where fence = %s and released_at is null", (lease.fence,)
        ).fetchone()
    if held is None:
        raise LeaseLost(f"Batch {lease.batch_id}: another run has taken over; this step has stopped.")


def release(settings: Settings, *, batch_id: str, run_id: str) -> None:
    """Frees the lease of a run that ends; nothing happens where it holds none."""
    with connect(settings.database) as connection:
        connection.execute(
            "update erasure.lease set released_at = now() where batch_id = %s and run_id = %s and released_at is null",
            (batch_id, run_id),
        )


@contextmanager
def beating(settings: Settings, lease: Lease) -> Iterator[Callable[[], None]]:
    """Keeps the lease alive while a step works; yields a check that raises LeaseLost, to be called between chunks."""
    stop, lost = threading.Event(), threading.Event()

    def beat() -> None:
        while not stop.wait(settings.erasure.lease_seconds / _BEATS_PER_LIFE):
            # A PostgreSQL that is away for a moment is no loss yet: the next beat, or the expiry, decides.
            try:
                alive = _beat_once(settings, lease)
            except (StoreUnavailable, psycopg.Error):
                continue
            if not alive:
                lost.set()
                return

    def check() -> None:
        if lost.is_set():
            raise LeaseLost(f"Batch {lease.batch_id}: another run has taken over; this step has stopped.")

    require(settings, lease)
    heart = threading.Thread(target=beat, name="lease-heartbeat", daemon=True)
    heart.start()
    try:
        yield check
    finally:
        stop.set()
        heart.join()


def _beat_once(settings: Settings, lease: Lease) -> bool:
    with connect(settings.database) as connection:
        beaten = connection.execute(
            "update erasure.lease set heartbeat_at = now() where fence = %s and released_at is null",
            (lease.fence,),
        )
        return beaten.rowcount == 1
