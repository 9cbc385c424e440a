"""What every step that changes a store does around the store: lease, pending, change, recount, done.

Add here: what is the same for each store and stage.
Keep out: orchestration (which step comes when) and the stores' own work.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from erasure.counts import Count, Counts
from erasure.errors import ErasureError, StoreRefused, StoreUnavailable
from erasure.ledger import batches, steps
from erasure.ledger import lease as leases
from erasure.ledger.lease import Lease, RunEnded
from erasure.settings import Settings
from erasure.stores.base import Progress, Store
from erasure.targets import TargetSet


@contextmanager
def leased(
    settings: Settings, *, batch_id: str, run_id: str, run_ended: RunEnded
) -> Iterator[tuple[Lease, Callable[[], None]]]:
    """Holds the lease while a step works; yields it with the check that stops the step once it is lost."""
    lease = leases.take(settings, batch_id=batch_id, run_id=run_id, run_ended=run_ended)
    with leases.beating(settings, lease) as check:
        yield lease, check


def mask(
    settings: Settings, *, store: Store, targets: TargetSet, check: Callable[[], None], progress: Progress
) -> Counts:
    """Masks a store as one recorded step and returns what the ledger says was done.

    Raises StoreRefused where something cannot be erased and nobody has accepted that.
    """

    def accepted(targets: TargetSet) -> Counts:
        counts = store.count(targets)
        _require_accepted(settings, targets.batch_id, store.name, counts)
        return counts

    return _recorded(settings, store, targets, "mask", accepted, store.mask, check, progress)


def _require_accepted(settings: Settings, batch_id: str, store: str, counts: Counts) -> None:
    for name, count in counts.items():
        for reason, number in count.not_erasable.items():
            if number and not batches.get(settings, batch_id).accepts_not_erasable:
                raise StoreRefused(
                    store=store,
                    object_name=name,
                    what=f"{number} cannot be erased ({reason})",
                    remedy="remove what stands in the way, or accept it by --accept-not-erasable, then resume",
                )


def purge(
    settings: Settings, *, store: Store, targets: TargetSet, check: Callable[[], None], progress: Progress
) -> Counts:
    """Purges a store as one recorded step, whose detail says what the state is `called`."""

    def nothing(targets: TargetSet) -> Counts:
        return {name: Count(records=0) for name in store.count(targets)}

    def called() -> Mapping[str, str]:
        # Only once it is done does a store know how far it got.
        return {"called": store.purge_state}

    return _recorded(settings, store, targets, "purge", nothing, store.purge, check, progress, called)


def settle(settings: Settings, *, batch_id: str, run_id: str) -> None:
    """After a run: its lease is free, and a batch that it has not brought to an end is failed.

    PostgreSQL may be what failed; then the lease expires and `resume` finds the batch executing.
    """
    try:
        leases.release(settings, batch_id=batch_id, run_id=run_id)
        batches.fail(settings, batch_id=batch_id)
    except StoreUnavailable:
        return


def _recorded(
    settings: Settings,
    store: Store,
    targets: TargetSet,
    stage: str,
    count: Callable[[TargetSet], Counts],
    change: Callable[[TargetSet, Progress], Counts],
    check: Callable[[], None],
    progress: Progress,
    detail: Callable[[], Mapping[str, str]] = dict,
) -> Counts:
    def checked(object_name: str, done: int, total: int) -> None:
        check()
        progress(object_name, done, total)

    batch_id, name = targets.batch_id, store.name
    try:
        steps.begin(settings, batch_id=batch_id, store=name, stage=stage, counts=count(targets))
        check()
        done = change(targets, checked)
    except ErasureError as error:
        steps.fail(settings, batch_id=batch_id, store=name, stage=stage, error=error)
        raise
    steps.finish(settings, batch_id=batch_id, store=name, stage=stage, counts=done, detail=detail())
    return {
        step.object_name: Count(records=step.done or 0, elements=int(step.detail.get("done_elements", 0)))
        for step in steps.read(settings, batch_id=batch_id, stage=stage)
        if step.store == name
    }
