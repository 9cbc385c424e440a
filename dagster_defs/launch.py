"""Launching the asset jobs from the command line: the same jobs and the same instance as the UI's.

Add here: what every launch needs.
Keep out: what is printed about a run (`cli/`). `execute_run_iterator` is not public in Dagster, hence the pinned
version; the public ways give no events while a run is under way.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from dagster_defs.jobs import QUIET
from dagster_defs.partitions import batches
from erasure import errors
from erasure.execution import settle
from erasure.settings import Settings

# (step, what, seconds): what is `started`, `done`, `failed` or `skipped`.
OnStep = Callable[[str, str, float], None]
_FINAL = {"STEP_SUCCESS": "done", "STEP_FAILURE": "failed", "STEP_SKIPPED": "skipped"}


@dataclass(frozen=True, kw_only=True)
class StepError:
    """Why a step failed: the class and message of our own error, which are safe to show."""

    step: str
    error_class: str
    message: str

    @property
    def exit_code(self) -> errors.ExitCode:
        """What the error's class says; failed for a class that is not ours."""
        known = getattr(errors, self.error_class, None)
        return (
            known.exit_code
            if isinstance(known, type) and issubclass(known, errors.ErasureError)
            else errors.ExitCode.FAILED
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended."""

    run_id: str
    succeeded: bool
    seconds: Mapping[str, float]
    errors: tuple[StepError, ...] = field(default=())


def step_count(job_name: str) -> int:
    """How many steps a run of the job has, for a bar of progress."""
    return len(_job(job_name).graph.node_dict)


def launch(
    settings: Settings,
    *,
    job_name: str,
    batch_id: str,
    config: Mapping[str, Mapping[str, Any]],
    on_step: OnStep,
    tags: Mapping[str, str] | None = None,
) -> Outcome:
    """Runs a job for a batch in this process and returns how it ended; `config` is by step (op) name."""
    from dagster._core.execution.api import execute_run_iterator

    instance = dg.DagsterInstance.get()
    instance.add_dynamic_partitions(batches.name or "", [batch_id])
    run = instance.create_run_for_job(
        _job(job_name),
        run_config={
            **QUIET,
            "ops": {step: {"config": dict(values)} for step, values in config.items()},
        },
        tags={"dagster/partition": batch_id, "batch": batch_id, **(tags or {})},
    )
    seconds: dict[str, float] = {}
    failed: list[StepError] = []
    try:
        for event in execute_run_iterator(_reconstructable(job_name), run, instance):
            kind, step = event.event_type_value, event.step_key or ""
            if kind == "STEP_START":
                on_step(step, "started", 0.0)
            elif kind in _FINAL:
                if kind == "STEP_SUCCESS":
                    seconds[step] = event.step_success_data.duration_ms / 1000
                elif kind == "STEP_FAILURE":
                    failed.append(_error_of(step, event))
                on_step(step, _FINAL[kind], seconds.get(step, 0.0))
    finally:
        settle(settings, batch_id=batch_id, run_id=run.run_id)
    ended = instance.get_run_by_id(run.run_id)
    return Outcome(
        run_id=run.run_id, succeeded=bool(ended and ended.is_success), seconds=seconds, errors=tuple(failed)
    )


def _job(job_name: str) -> dg.JobDefinition:
    job: dg.JobDefinition = _reconstructable(job_name).get_definition()
    return job


def _reconstructable(job_name: str) -> Any:
    """The job by the name of the code location, which must not be imported here: its jobs launch others."""
    from dagster._core.definitions.reconstruct import ReconstructableRepository

    return ReconstructableRepository.for_module("dagster_defs.definitions", "defs").get_reconstructable_job(
        job_name
    )


def _error_of(step: str, event: dg.DagsterEvent) -> StepError:
    info: Any = event.step_failure_data.error
    # Dagster wraps what a step raised; ours is the innermost cause.
    while info is not None and info.cause is not None:
        info = info.cause
    name = info.cls_name if info else "unknown"
    if name == "DagsterExecutionInterruptedError":
        return StepError(step=step, error_class=name, message="Interrupted; `resume` goes on with the batch.")
    text = str(info.message) if info else ""
    return StepError(step=step, error_class=name, message=text.partition(": ")[2].strip() or text.strip())
