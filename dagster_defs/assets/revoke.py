"""Stage `revoke`: access ends first, in PostgreSQL and Redis, and is proven to have ended.

Add here: another place where access is kept.
Keep out: the calls of the job API (`erasure.job_api`) and what they prove (`erasure.lockout`).
"""

import random
from collections.abc import Sequence
from dataclasses import asdict

import dagster as dg

from dagster_defs.assets.common import Work, log_progress, working
from dagster_defs.assets.plan import CONFIRMED
from dagster_defs.partitions import batches
from dagster_defs.resources import Platform, redis_store
from erasure.access import control_of, revoke_status
from erasure.counts import Count
from erasure.errors import Inconclusive
from erasure.ledger import batches as ledger
from erasure.ledger import steps
from erasure.lockout import NOT_CONFIGURED, LockoutProof, ProofState, capture, prove_lockout

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
        if proof.state is ProofState.INCONCLUSIVE:
            raise Inconclusive(
                f"It could not be proven that access has ended: {proof.reason}. Nothing was masked. Check [api] job_url "
                "and its secret, then resume."
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
    settings, inventory, targets = platform.settings(), platform.inventory(), work.targets
    contributors, batch_id = inventory.contributors, targets.batch_id
    store = redis_store(settings, inventory)
    # Counted before the proof logs anybody in: its own sessions are no one's.
    pending = store.count_sessions(targets)
    steps.begin(settings, batch_id=batch_id, store="redis", stage="revoke", counts={SESSIONS: pending})
    api = platform.job_api()
    sample = _sample(sorted(targets.contributor_ids), seed=batch_id, size=settings.api.sample_size)
    control = control_of(settings, batch_id=batch_id, contributors=contributors)
    captured = capture(api, sample, control) if api else None
    people = {contributors.name: Count(records=len(targets.contributor_ids))}
    steps.begin(settings, batch_id=batch_id, store="postgres", stage="revoke", counts=people)
    changed = revoke_status(
        settings,
        batch_id=batch_id,
        contributors=contributors,
        queries=platform.dbt().target_queries(batch_id),
        fence=work.lease.fence,
    )
    counts = {contributors.name: Count(records=changed)}
    steps.finish(settings, batch_id=batch_id, store="postgres", stage="revoke", counts=counts)
    work.check()
    done = store.end_sessions(targets, log_progress(context, "redis"))
    ended = done.records - (len(captured.tokens) if captured else 0)
    steps.finish(
        settings,
        batch_id=batch_id,
        store="redis",
        stage="revoke",
        counts={SESSIONS: Count(records=max(ended, 0))},
    )
    proof = prove_lockout(api, captured) if api and captured else NOT_CONFIGURED
    return changed, max(ended, 0), proof


def _sample(contributor_ids: Sequence[str], *, seed: str, size: int) -> list[str]:
    """The same people each time the batch is resumed."""
    return random.Random(seed).sample(contributor_ids, min(size, len(contributor_ids)))
