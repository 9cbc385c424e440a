"""`workflow`: everything in one go. Route units to the job, test its API, delete, test again, look for the mask.

Holds: the steps in their order, which of them are critical, and what each comes to.
Add here: another step, by a method of `Steps`.
Keep out: what a step does; it is that of the command of the same name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

import typer

from dagster_defs.cli.deletion import DeletionRequest, delete_contributors
from dagster_defs.cli.run import TITLES, Run, reporting, run_of, say_hint
from dagster_defs.cli.test_apis import Sample, choose, end_sessions, require_job, try_sample
from erasure.errors import ErasureError, ExitCode, Inconclusive, StoreUnavailable
from erasure.inventory import Inventory
from erasure.job_api.client import JobApi
from erasure.settings import Settings, expanded


class _Failed(ErasureError):
    """A step that has told already what went wrong."""


@dataclass(kw_only=True)
class Steps:
    """What has been done so far, and what that means for the exit code."""

    run: Run
    done: list[dict[str, object]] = field(default_factory=list)
    code: int = ExitCode.DONE

    @contextmanager
    def step(self, name: str, *, critical: bool) -> Iterator[None]:
        """One step. Where it fails: a critical one ends the run, another one is told and the next one begins."""
        entry: dict[str, object] = {"step": name, "critical": critical, "state": "done"}
        self.done.append(entry)
        self.run.say(f"── {name}")
        try:
            yield
        except (ErasureError, typer.Exit) as error:
            code = error.exit_code
            if code == ExitCode.DONE:
                return
            entry["state"] = "failed"
            self.code = self.code or ExitCode.FAILED
            if isinstance(error, StoreUnavailable):
                say_hint(self.run, error.store)
            if isinstance(error, ErasureError) and not isinstance(error, _Failed):
                for line in str(error).splitlines():
                    self.run.problem(line)
            if not critical:
                self.run.say(f"⚠️  {name}: failed, which does not stop the others")
                return
            self.code = code
            self.run.say(f"❌ {name}: failed, and the run stops here")
            raise typer.Exit(int(code)) from None


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a user asks for; `deletion` names the CSV."""

    project_id: str
    units: int
    sample_size: int
    fetch_only: bool
    deletion: DeletionRequest


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def workflow(
        context: typer.Context,
        project_id: Annotated[str, typer.Option(help="The project whose units are routed to the job.")],
        csv: Annotated[str, typer.Option(help="The contributors: columns contributor_id and email_address.")],
        job_url: Annotated[
            str | None, typer.Option(help="The job with its secret; else [api] job_url or the environment.")
        ] = None,
        units: Annotated[int, typer.Option(min=1, help="How many units to route.")] = 10,
        sample_size: Annotated[
            int | None, typer.Option(min=1, max=1_000, help="How many contributors to test as.")
        ] = None,
        fetch_only: Annotated[bool, typer.Option("--fetch-only", help="Commit no judgment.")] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only plan the deletion.")] = False,
        undo_days: Annotated[int, typer.Option(min=0, help="As of delete.")] = 7,
        exceed_caps: Annotated[str, typer.Option(help="As of delete.")] = "",
        accept_not_erasable: Annotated[
            bool, typer.Option("--accept-not-erasable", help="As of delete.")
        ] = False,
        skip_unknown: Annotated[bool, typer.Option("--skip-unknown", help="As of delete.")] = False,
    ) -> None:
        """Route units, test the job's API, delete the contributors of a CSV, test again and verify; all in one go."""
        run = run_of(context)
        with reporting(run):
            settings = run.settings({("api", "job_url"): job_url})
            require_job(settings, flag=job_url)
            from dagster_defs.worlds import inventory_of
            from expectations.by_hand import require_project

            require_project(project_id)
            inventory = inventory_of(settings.erasure.world)
            wanted = Wanted(
                project_id=project_id,
                units=units,
                sample_size=sample_size or settings.api.sample_size,
                fetch_only=fetch_only,
                deletion=DeletionRequest(
                    csv=expanded(csv),
                    execute=not dry_run,
                    undo_days=undo_days,
                    exceed_caps=exceed_caps,
                    accept_not_erasable=accept_not_erasable,
                    skip_unknown=skip_unknown,
                ),
            )
            chosen = choose(settings, inventory, wanted.deletion.csv, wanted.sample_size)
            steps = Steps(run=run)
            run.result["steps"] = steps.done
            if dry_run:
                with steps.step("delete", critical=True):
                    delete_contributors(run, settings, wanted.deletion)
            else:
                _run(steps, settings, inventory, wanted, chosen)
            if steps.code:
                failed = ", ".join(str(entry["step"]) for entry in steps.done if entry["state"] == "failed")
                run.say(f"⚠️  Not everything succeeded: {failed}")
            elif not dry_run:
                run.say("✅ Workflow done")
            raise typer.Exit(int(steps.code))


def _run(steps: Steps, settings: Settings, inventory: Inventory, wanted: Wanted, chosen: Sample) -> None:
    run = steps.run
    with steps.step("connections", critical=True):
        _connect(steps, settings, inventory)
    with steps.step("route", critical=False):
        _route(run, settings, wanted)
    tokens: dict[str, str] = {}
    try:
        with steps.step("test before", critical=True):
            trials = try_sample(run, settings, chosen, fetch_only=wanted.fetch_only, keep_sessions=True)
            tokens.update(trials.tokens)
            if not trials.conclusive:
                # Access would be revoked, and then nothing could be proven: better to stop while all is as it was.
                raise Inconclusive("Nothing has been changed, since a lockout could not be proven.")
            if not trials.ok:
                steps.code = ExitCode.FAILED
                steps.done[-1]["state"] = "failed"
                run.say("⚠️  test before: not as expected, which does not stop the others")
        with steps.step("delete", critical=True):
            _delete(steps, settings, wanted.deletion)
        with steps.step("test after", critical=True):
            trials = try_sample(run, settings, chosen, fetch_only=wanted.fetch_only, tokens=tokens)
            run.result["api"] = {"state": trials.state, "counts": trials.counts}
            if not trials.ok:
                raise _Failed("the test after the deletion")
    finally:
        # Of those who were deleted the sessions have ended; of people held back they would stay.
        end_sessions(settings, list(tokens.values()))
    with steps.step("verify Elasticsearch", critical=False):
        _look(run, "elasticsearch", lambda: _documents(settings, inventory, wanted.project_id), "documents")
    with steps.step("verify ClickHouse", critical=False):
        _look(run, "clickhouse", lambda: _records(settings, inventory), "records")


def _connect(steps: Steps, settings: Settings, inventory: Inventory) -> None:
    """Every store once, so that one that is away is named before anything is changed; PostgreSQL and Redis stop all."""
    run = steps.run
    from dagster_defs.wiring import health_of, store_of

    away = []
    for name in inventory.stores:
        try:
            health_of(store_of(name, settings, inventory), settings)
        except ErasureError as error:
            say_hint(run, name)
            run.problem(str(error))
            away.append(name)
    if {"postgres", "redis"} & set(away):
        raise _Failed(", ".join(away))
    if away:
        steps.code = ExitCode.FAILED
        steps.done[-1]["state"] = "failed"


def _route(run: Run, settings: Settings, wanted: Wanted) -> None:
    with JobApi(settings.api.job_url or "", settings=settings.api) as api:
        answer = api.route(wanted.project_id, wanted.units)
    if not answer.ok or answer.routed is None:
        raise Inconclusive(f"Units could not be routed: {answer.sentence}.")
    run.result["routed"] = answer.routed
    run.say(f"✅ The job has {answer.routed} of {wanted.units} units of the project")
    if answer.routed < wanted.units:
        run.say(f"   the project has no more than {answer.routed}")


def _delete(steps: Steps, settings: Settings, deletion: DeletionRequest) -> None:
    try:
        delete_contributors(steps.run, settings, deletion)
    except typer.Exit as ended:
        if ended.exit_code and steps.run.result.get("state") not in ("closed_with_exceptions", "erased"):
            raise
        # Done, but for what nobody can erase and somebody has accepted.
        steps.code = steps.code or ended.exit_code


def _look(run: Run, store: str, count: Callable[[], tuple[str, int]], what: str) -> None:
    name, number = count()
    run.result.setdefault("seen", {})[store] = number
    masked = run.result.get("counts", {}).get(store, {}).get(name, 0)
    if masked and not number and run.result.get("state") != "cancelled" and store == "clickhouse":
        raise Inconclusive(
            f"{TITLES[store]}: {masked} were masked in {name}, and none is to be found; see who else writes there."
        )
    run.say(f"✅ Found {number} {what} with DELETED_USER in {TITLES[store]}")


def _documents(settings: Settings, inventory: Inventory, project_id: str) -> tuple[str, int]:
    from expectations.by_hand import masked_documents

    return "", masked_documents(settings, inventory, project_id)


def _records(settings: Settings, inventory: Inventory) -> tuple[str, int]:
    from expectations.by_hand import masked_records

    return masked_records(settings, inventory)
