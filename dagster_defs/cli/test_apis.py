"""`test-apis`: the job's API tried as contributors of a CSV, before a deletion and after it, by the same command line.

Holds: the command, and `try_sample`, which `workflow` uses as well.
Add here: a flag of the tests.
Keep out: what is tried (`erasure/trials.py`) and how (`erasure/job_api/`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from dagster_defs.cli.run import Run, hand_on_job_url, reporting, run_of
from erasure.access import control_beside
from erasure.errors import BadInput, ExitCode
from erasure.inventory import Inventory
from erasure.job_api.client import JobApi
from erasure.ledger.ended import access_ended
from erasure.request import read_request
from erasure.settings import Settings, expanded
from erasure.trials import Trials, sample, try_people

KICKED_OUT = "✅ Contributors successfully kicked out (fetch API failed as expected)"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Who is tried: some contributors of a CSV and the control, who is none of them."""

    contributor_ids: tuple[str, ...] = field(repr=False)
    control_id: str = field(repr=False)
    in_all: int


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("test-apis")
    def test_apis(
        context: typer.Context,
        csv: Annotated[str, typer.Option(help="The contributors: columns contributor_id and email_address.")],
        job_url: Annotated[
            str | None, typer.Option(help="The job with its secret; else [api] job_url or the environment.")
        ] = None,
        sample_size: Annotated[
            int | None, typer.Option(min=1, max=1_000, help="How many of them; always the same ones.")
        ] = None,
        fetch_only: Annotated[bool, typer.Option("--fetch-only", help="Commit no judgment.")] = False,
    ) -> None:
        """Log in as contributors and call fetch and commit: they must work, or be denied once they are deleted."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings({("api", "job_url"): job_url})
            require_job(settings, flag=job_url)
            from dagster_defs.worlds import inventory_of

            inventory = inventory_of(settings.erasure.world)
            chosen = choose(settings, inventory, expanded(csv), sample_size or settings.api.sample_size)
            trials = try_sample(run, settings, chosen, fetch_only=fetch_only)
            run.result |= {"state": trials.state, "counts": {"api": trials.counts}}
            raise typer.Exit(ExitCode.DONE if trials.ok else ExitCode.FAILED)


def require_job(settings: Settings, *, flag: str | None) -> None:
    """Raises BadInput where no job is named, or the URL is none of a job; nothing has been started then."""
    hand_on_job_url(settings, flag=flag)
    if settings.api.job_url is None:
        raise BadInput("No job is named; set --job-url, [api] job_url or CONTRIBUTOR_DELETION_JOB_URL.")


def choose(settings: Settings, inventory: Inventory, csv: Path, size: int) -> Sample:
    """The sample of a CSV. Raises BadInput for a CSV that is wrong, Inconclusive where nobody can be the control."""
    rows = read_request(csv, id_form=inventory.contributors.id_form).rows
    ids = [row.contributor_id for row in rows]
    chosen = sample(ids, size)
    control = control_beside(
        settings, contributor_ids=ids, seed=chosen[0], contributors=inventory.contributors
    )
    return Sample(contributor_ids=tuple(chosen), control_id=control, in_all=len(ids))


def try_sample(
    run: Run,
    settings: Settings,
    chosen: Sample,
    *,
    fetch_only: bool,
    tokens: Mapping[str, str] | None = None,
    keep_sessions: bool = False,
) -> Trials:
    """Tries the sample and says how it went; whose access has ended is what the ledger says now."""
    ids = chosen.contributor_ids
    ended = access_ended(settings, ids)
    calls = "fetch" if fetch_only else "fetch and commit"
    run.say(f"Testing {calls} as {len(ids)} of {chosen.in_all} contributors and a control contributor")
    run.say(f"   by the ledger access has ended for {len(ended)} of them, who must be denied")
    with JobApi(settings.api.job_url or "", settings=settings.api) as api:
        trials = try_people(
            api,
            ids,
            ended=ended,
            control_id=chosen.control_id,
            label=None if fetch_only else settings.api.test_label,
            concurrency=settings.api.concurrency,
            tokens=tokens,
            keep_sessions=keep_sessions,
        )
    _tell(run, trials, calls, former=sum(each in ended for each in tokens or ()))
    return trials


def end_sessions(settings: Settings, tokens: Sequence[str]) -> None:
    """Ends sessions of ours; those that have ended already are denied, which is as well."""
    if tokens:
        with JobApi(settings.api.job_url or "", settings=settings.api) as api:
            for token in tokens:
                api.logout(token)


def _tell(run: Run, trials: Trials, calls: str, *, former: int) -> None:
    for trial in trials.people:
        run.debug(f"a contributor: {trial.verdict}, since {trial.decided_by.sentence}")
    run.debug(f"the control contributor: {trials.control.answer.sentence}")
    counts = trials.counts
    if trials.conclusive and counts.get("works"):
        run.say(f"✅ {counts['works']} of {len(trials.people)} contributors can {calls}")
    if trials.conclusive and counts.get("locked_out"):
        if trials.ok:
            run.say(KICKED_OUT)
        seen = f"{former} sessions from before and " if former else ""
        run.say(
            f"   {seen}{counts['locked_out']} logins denied, while the control contributor can work by the same secret"
        )
    if trials.control.left_behind:
        run.say("   the control's session could not be ended and expires by itself")
    for sentence in trials.sentences():
        run.problem(sentence)
