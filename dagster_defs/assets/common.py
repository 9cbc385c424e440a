"""What assets share: the batch of a run, safe errors, progress in the log, counts as metadata.

Add here: what more than one stage needs.
Keep out: what a stage does.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from dagster_defs.resources import Platform
from erasure.counts import Counts
from erasure.errors import ErasureError, Refused, safe_reason
from erasure.execution import leased
from erasure.ledger import batches as ledger
from erasure.ledger.freezing import load_targets
from erasure.ledger.lease import Lease
from erasure.settings import PROJECT_ROOT
from erasure.stores.base import Progress
from erasure.targets import TargetSet


@dataclass(frozen=True, kw_only=True)
class Work:
    """A step at work: its lease, the check that stops it once that is lost, and the batch's targets."""

    lease: Lease
    check: Callable[[], None]
    targets: TargetSet


@contextmanager
def safe_errors() -> Iterator[None]:
    """Fails with the sentence of our own errors, and names all others by class and place: their text may hold values
    of a person.

    As Dagster's `Failure`, of which the UI shows the sentence first: of any other error it shows the frames of its own
    calls first, which fill the page. The error itself stays the cause, by which `launch` finds its exit code.
    """
    try:
        yield
    except (dg.Failure, dg.DagsterError):
        raise
    except ErasureError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ours = [
            f
            for f in traceback.extract_tb(error.__traceback__)
            if Path(f.filename).is_relative_to(PROJECT_ROOT)
        ]
        place = f"{Path((ours or [frame])[-1].filename).name}:{(ours or [frame])[-1].lineno}"
        unexpected = ErasureError(f"Unexpected {safe_reason(error)} at {place}.")
        raise dg.Failure(str(unexpected), allow_retries=False) from unexpected


def is_unused(platform: Platform, store: str) -> bool:
    """Whether the world has nothing in a store, so that nobody need be there: its steps have nothing to do."""
    return store not in platform.inventory().stores


def run_ended(context: dg.AssetExecutionContext, run_id: str) -> bool:
    """Whether a run of this instance is over; one that the instance does not know may still be at work elsewhere."""
    run = context.instance.get_run_by_id(run_id)
    return run is not None and run.is_finished


def planning_ended(context: dg.AssetExecutionContext, batch_id: str) -> bool:
    """Whether all runs of a batch are over; one that this instance knows no run of may be planned elsewhere."""
    runs = context.instance.get_runs(dg.RunsFilter(tags={"batch": batch_id}))
    return bool(runs) and all(run.is_finished for run in runs)


@contextmanager
def working(context: dg.AssetExecutionContext, platform: Platform) -> Iterator[Work]:
    """Holds the lease of the run's batch while a step changes something; errors come out safe."""
    with safe_errors():
        settings = platform.settings()
        batch_id = context.partition_key
        state = ledger.get(settings, batch_id).state
        if state != "executing":
            raise Refused(
                f"Batch {batch_id} is {state}, and this step works on one that executes: launch execute_deletion as a "
                "whole, or `contributor-deletion resume` where it failed."
            )
        with leased(
            settings,
            batch_id=batch_id,
            run_id=context.run.run_id,
            run_ended=lambda run_id: run_ended(context, run_id),
        ) as (lease, check):
            yield Work(lease=lease, check=check, targets=load_targets(settings, batch_id=batch_id))


def log_progress(context: dg.AssetExecutionContext, store: str) -> Progress:
    """Progress as lines in the run's log, at most one for each tenth of an object."""
    told: dict[str, int] = {}

    def progress(object_name: str, done: int, total: int) -> None:
        tenth = done * 10 // total if total else 0
        if told.get(object_name) != tenth:
            told[object_name] = tenth
            context.log.info(
                f"{store}/{object_name}: {done} of {total}" if total else f"{store}/{object_name}"
            )

    return progress


def counts_metadata(counts: Counts) -> Mapping[str, int]:
    """Counts as an asset's metadata."""
    return {name: count.records for name, count in counts.items()}
