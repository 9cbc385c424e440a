"""The steps of a batch: planned, pending, done, per store, object and stage, with their counts.

Holds: `Step`, and the transitions of steps.
Add here: a figure that a step keeps.
Keep out: changing a store; `pending` is committed before anything is changed, `done` after it was counted again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb

from erasure.counts import Count, Counts
from erasure.ledger.database import connect
from erasure.settings import Settings

# A step is over in both; `not_erasable` has done what could be done, and its detail says what could not.
NOT_ERASABLE = "not_erasable"
OVER = frozenset({"done", NOT_ERASABLE})


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of `erasure.steps`."""

    store: str
    object_name: str
    stage: str
    state: str
    planned: int | None
    pending: int | None
    done: int | None
    detail: Mapping[str, Any]
    error_class: str | None

    @property
    def not_erasable(self) -> Mapping[str, int]:
        """Reason -> how many records were left, because nobody can erase them; empty until the step is over."""
        return dict(self.detail.get("left") or {}) if self.state == NOT_ERASABLE else {}


def plan(settings: Settings, *, batch_id: str, store: str, stage: str, counts: Counts) -> None:
    """Keeps what a stage will change, per object."""
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into erasure.steps (batch_id, store, object, stage, state, planned, detail)"
            " values (%s, %s, %s, %s, 'planned', %s, %s)"
            " on conflict (batch_id, store, object, stage)"
            " do update set planned = excluded.planned, detail = excluded.detail",
            [(batch_id, store, name, stage, c.records, Jsonb(asdict(c))) for name, c in counts.items()],
        )


def begin(settings: Settings, *, batch_id: str, store: str, stage: str, counts: Counts) -> None:
    """Marks the steps pending with what is counted now, before anything is changed.

    After a crash less is left to change than there was: the larger, first number stays. After a finished attempt what
    is found now has come since, and is added.
    """
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into erasure.steps (batch_id, store, object, stage, state, pending, attempts, started_at, detail)"
            " values (%s, %s, %s, %s, 'pending', %s, 1, now(), %s)"
            " on conflict (batch_id, store, object, stage) do update set state = 'pending',"
            # What a finished attempt has changed stays changed; an interrupted one is counted again from its start.
            " pending = case when erasure.steps.state in ('done', 'not_erasable')"
            " then erasure.steps.done + excluded.pending"
            " else greatest(erasure.steps.pending, excluded.pending) end,"
            " attempts = erasure.steps.attempts + 1, started_at = now(), error_class = null,"
            " detail = erasure.steps.detail || jsonb_build_object("
            "'pending_elements', greatest((erasure.steps.detail ->> 'pending_elements')::bigint,"
            " (excluded.detail ->> 'pending_elements')::bigint))",
            [
                (batch_id, store, name, stage, c.records, Jsonb({"pending_elements": c.elements}))
                for name, c in counts.items()
            ],
        )


def finish(
    settings: Settings,
    *,
    batch_id: str,
    store: str,
    stage: str,
    counts: Counts,
    detail: Mapping[str, str] | None = None,
) -> None:
    """Marks the steps over, with what else is to be kept of each in its detail.

    After an interrupted attempt what that one changed is unknown: `pending` says it all.
    """
    more = dict(detail or {})
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "update erasure.steps set state = %s, finished_at = now(), error_class = null,"
            " done = case when attempts > 1 then greatest(pending, %s) else %s end,"
            " detail = detail || %s"
            " where batch_id = %s and store = %s and object = %s and stage = %s",
            [
                (
                    NOT_ERASABLE if any(c.not_erasable.values()) else "done",
                    c.records,
                    c.records,
                    Jsonb({"done_elements": c.elements, "left": dict(c.not_erasable), **more}),
                    batch_id,
                    store,
                    name,
                    stage,
                )
                for name, c in counts.items()
            ],
        )


def fail(settings: Settings, *, batch_id: str, store: str, stage: str, error: BaseException) -> None:
    """Marks the unfinished steps of a store failed, with the class of the error and nothing of its text.

    The object that the error names is failed in any case: it may have been done, and found unfinished afterwards.
    """
    with connect(settings.database) as connection:
        connection.execute(
            "update erasure.steps set state = 'failed', error_class = %s"
            " where batch_id = %s and store = %s and stage = %s and (state in ('planned', 'pending') or object = %s)",
            (type(error).__name__, batch_id, store, stage, getattr(error, "object_name", None)),
        )


def read(settings: Settings, *, batch_id: str, stage: str | None = None) -> list[Step]:
    """The steps of a batch, of one stage or of all."""
    with connect(settings.database) as connection:
        rows = connection.execute(
            "select store, object as object_name, stage, state, planned, pending, done, detail, error_class"
            " from erasure.steps where batch_id = %(batch)s and (%(stage)s::text is null or stage = %(stage)s)"
            " order by stage, store, object",
            {"batch": batch_id, "stage": stage},
        ).fetchall()
    return [Step(**row) for row in rows]


def planned_counts(settings: Settings, *, batch_id: str, stage: str = "mask") -> dict[str, dict[str, Count]]:
    """Store -> object -> what the plan counted."""
    counts: dict[str, dict[str, Count]] = {}
    known = set(Count.__dataclass_fields__)
    for step in read(settings, batch_id=batch_id, stage=stage):
        figures = {key: value for key, value in step.detail.items() if key in known}
        counts.setdefault(step.store, {})[step.object_name] = Count(
            **{"records": step.planned or 0} | figures
        )
    return counts
