"""Stage `revoke`: access ends first, in PostgreSQL and Redis, and is proven to have ended.

Add here: another place where access is kept.
Keep out: the calls of the job API (`erasure.job_api`) and what they prove (`erasure.lockout`).
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

import dagster as dg

from dagster_defs.assets.common import Work, is_unused, log_progress, working
from dagster_defs.assets.plan import CONFIRMED
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform
from dagster_defs.wiring import redis_store
from erasure.access import control_of, not_revoked, revoke_status
from erasure.counts import Count
from erasure.errors import ErasureError, Inconclusive
from erasure.job_api.client import JobApi
from erasure.ledger import batches as ledger
from erasure.ledger import steps
from erasure.lockout import (
    NOT_CONFIGURED,
    CapturedAccess,
    LockoutProof,
    ProofState,
    capture,
    prove_lockout,
)
from erasure.settings import Settings

ACCESS = dg.AssetKey(["revoke", "access"])
SESSIONS = "sessions"


@dg.asset(
    key=ACCESS,
    deps=[CONFIRMED],
    group_name="revoke",
    partitions_def=batches,
    kinds={"postgres", "redis"},
    description="Status revoked, sessions ended, and both proven through the job API with a control contributor.",
)
def access(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """Nothing is masked unless this succeeds."""
    with working(context, platform) as work:
        changed, ended, proof = _revoke(context, platform, work)
        ledger.keep_access_proof(platform.settings(), batch_id=work.targets.batch_id, proof=asdict(proof))
        left = not_revoked(
            platform.settings(),
            batch_id=work.targets.batch_id,
            contributors=platform.inventory().contributors,
        )
        if left:
            raise Inconclusive(
                f"{left} of the targets have another status than revoked again: something gives access back. "
                "Nothing was masked. See who writes the status, then resume."
            )
        if proof.state is ProofState.INCONCLUSIVE:
            raise Inconclusive(
                f"It could not be proven that access has ended: {proof.reason}. Nothing was masked. "
                "Check [api] job_url and its secret, then resume."
            )
    return dg.MaterializeResult(
        metadata={
            "contributors": changed,
            "sessions": ended,
            "proof": proof.state.value,
            "seen": proof.reason,
        }
    )


def _revoke(
    context: dg.AssetExecutionContext, platform: Platform, work: Work
) -> tuple[int, int, LockoutProof]:
    settings, targets = platform.settings(), work.targets
    if is_unused(platform, "redis"):
        # A world without sessions: the status, and the proof where there is an API.
        with _captured_access(platform, work) as (api, captured):
            changed = _end_status(platform, work)
            return changed, 0, prove_lockout(api, captured) if api else NOT_CONFIGURED
    store = redis_store(settings, platform.inventory())
    # Counted before the proof logs anybody in: its own sessions are no one's.
    pending = store.count_sessions(targets)
    _begin(settings, targets.batch_id, "redis", SESSIONS, pending)
    with _captured_access(platform, work) as (api, captured):
        changed = _end_status(platform, work)
        work.check()
        done = store.end_sessions(targets, log_progress(context, "redis"))
        ended = max(done.records - len(captured.opened), 0)
        _finish(settings, targets.batch_id, "redis", SESSIONS, Count(records=ended))
        proof = prove_lockout(api, captured) if api else NOT_CONFIGURED
    return changed, ended, proof


@contextmanager
def _captured_access(platform: Platform, work: Work) -> Iterator[tuple[JobApi | None, CapturedAccess]]:
    """Sessions of a sample from before revoking; ended here where revoking fails, so that none is left behind."""
    settings, contributors, batch_id = (
        platform.settings(),
        platform.inventory().contributors,
        work.targets.batch_id,
    )
    control = control_of(settings, batch_id=batch_id, contributors=contributors)
    sample = _sample(sorted(work.targets.contributor_ids), seed=batch_id, size=settings.api.sample_size)
    api = platform.job_api()
    if api is None:
        yield None, CapturedAccess(contributor_ids=tuple(sample), control_id=control)
        return
    with api:
        captured = capture(api, sample, control)
        try:
            yield api, captured
        except ErasureError:
            for token in captured.opened:
                api.logout(token)
            raise


def _end_status(platform: Platform, work: Work) -> int:
    settings, contributors, batch_id = (
        platform.settings(),
        platform.inventory().contributors,
        work.targets.batch_id,
    )
    _begin(
        settings, batch_id, "postgres", contributors.name, Count(records=len(work.targets.contributor_ids))
    )
    changed = revoke_status(
        settings,
        batch_id=batch_id,
        contributors=contributors,
        queries=platform.dbt().target_queries(batch_id),
        fence=work.lease.fence,
    )
    _finish(settings, batch_id, "postgres", contributors.name, Count(records=changed))
    return changed


def _begin(settings: Settings, batch_id: str, store: str, name: str, count: Count) -> None:
    steps.begin(settings, batch_id=batch_id, store=store, stage="revoke", counts={name: count})


def _finish(settings: Settings, batch_id: str, store: str, name: str, count: Count) -> None:
    steps.finish(settings, batch_id=batch_id, store=store, stage="revoke", counts={name: count})


def _sample(contributor_ids: Sequence[str], *, seed: str, size: int) -> list[str]:
    """The same people each time the batch is resumed."""
    return random.Random(seed).sample(contributor_ids, min(size, len(contributor_ids)))
