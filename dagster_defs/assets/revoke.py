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
OWN_SESSIONS = "own_sessions"


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
        former = _former_proof(platform, work)
        _require_the_job_of_before(platform, former)
        changed, ended, proof = _revoke(context, platform, work)
        if former and former.state is ProofState.PROVEN and proof.state is ProofState.NOT_CONFIGURED:
            # It was seen; that nobody names the job any more does not undo it.
            proof = former
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


def _require_the_job_of_before(platform: Platform, former: LockoutProof | None) -> None:
    """A proof that was begun through a job is not given up by leaving out the job's name. Raises Inconclusive."""
    if platform.settings().api.job_url is None and former and former.state is ProofState.INCONCLUSIVE:
        raise Inconclusive(
            "An earlier run of this batch could not prove through a job that access has ended, and no job is named "
            "now. Nothing was masked. Name it by --job-url, [api] job_url or CONTRIBUTOR_DELETION_JOB_URL, then resume."
        )


def _former_proof(platform: Platform, work: Work) -> LockoutProof | None:
    """What an earlier run of the batch came to; None for the first."""
    kept = ledger.get(platform.settings(), work.targets.batch_id).access_proof
    if not kept:
        return None
    known = {name: value for name, value in kept.items() if name != OWN_SESSIONS}
    return LockoutProof(**{**known, "state": ProofState(known["state"])})


def _own_sessions(platform: Platform, work: Work) -> int:
    """How many sessions a run may have left that was interrupted after it had opened them for the proof."""
    kept = ledger.get(platform.settings(), work.targets.batch_id).access_proof or {}
    return int(kept.get(OWN_SESSIONS, 0))


def _keep_begun(platform: Platform, work: Work, *, opened: int) -> None:
    """Before the proof comes to its end, so that whoever resumes knows of it; what was proven once stays so."""
    former = _former_proof(platform, work)
    if former and former.state is ProofState.PROVEN:
        return
    begun = LockoutProof(state=ProofState.INCONCLUSIVE, reason="it was interrupted before it came to an end")
    ledger.keep_access_proof(
        platform.settings(),
        batch_id=work.targets.batch_id,
        proof={**asdict(begun), OWN_SESSIONS: opened},
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
    # Counted before the proof logs anybody in: its own sessions are no one's, nor are those of a run that was killed.
    left = _own_sessions(platform, work)
    theirs = max(store.count_sessions(targets).records - left, 0)
    _begin(settings, targets.batch_id, "redis", SESSIONS, Count(records=theirs))
    with _captured_access(platform, work) as (api, captured):
        changed = _end_status(platform, work)
        work.check()
        done = store.end_sessions(targets, log_progress(context, "redis"))
        # A platform may keep the sessions of our logins elsewhere: then none of those that ended was ours.
        ended = max(done.records - left - len(captured.opened), min(done.records, theirs))
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
    earlier = _own_sessions(platform, work)
    with api:
        _keep_begun(platform, work, opened=earlier + len(sample))
        captured = capture(api, sample, control)
        _keep_begun(platform, work, opened=earlier + len(captured.opened))
        try:
            yield api, captured
        except ErasureError:
            for token in captured.opened:
                api.logout(token)
            _keep_begun(platform, work, opened=earlier)
            raise


def _end_status(platform: Platform, work: Work) -> int:
    settings, contributors, batch_id = (
        platform.settings(),
        platform.inventory().contributors,
        work.targets.batch_id,
    )
    # Not all of the targets: on a resumed run the status of most has been changed and counted already.
    pending = not_revoked(settings, batch_id=batch_id, contributors=contributors)
    _begin(settings, batch_id, "postgres", contributors.name, Count(records=pending))
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
