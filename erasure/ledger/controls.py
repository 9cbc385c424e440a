"""What a batch knows of the controls: whether they are compared, and the figures of before the first masking.

A step of stage `controls` a SQL store, from the moment somebody asks for `--controls full`: planned until the figures
of before are kept, pending until they are compared, then done or failed. No such step means parity.
Add here: what else must survive a crash between masking and comparing.
Keep out: reading the stores (`expectations/controls.py`), and what a difference is (`erasure/controls.py`).
"""

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from erasure.controls import (
    AllFigures,
    Controls,
    Figures,
    all_differing,
    as_json,
    from_json,
    is_report,
    records,
    sentences,
)
from erasure.errors import ControlsChanged
from erasure.inventory import SQL_STORES
from erasure.ledger import steps
from erasure.ledger.database import connect
from erasure.ledger.steps import Step
from erasure.settings import Settings

STAGE = "controls"
_OBJECT = "controls"


def ask(settings: Settings, *, batch_id: str, controls: Controls) -> None:
    """Says how much a batch that has not begun will compare."""
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "delete from erasure.steps where batch_id = %s and stage = %s and state = 'planned'",
            (batch_id, STAGE),
        )
        if controls is Controls.FULL:
            cursor.executemany(
                "insert into erasure.steps (batch_id, store, object, stage, state) values (%s, %s, %s, %s, 'planned')"
                " on conflict do nothing",
                [(batch_id, store, _OBJECT, STAGE) for store in sorted(SQL_STORES)],
            )


def give_up(settings: Settings, *, batch_id: str) -> None:
    """Compares no more; that this was asked for stays in the ledger, with how many differed."""
    with connect(settings.database) as connection:
        connection.execute(
            "update erasure.steps set state = 'failed', error_class = 'GivenUp',"
            " detail = (detail - 'before') || '{\"given_up\": true}'::jsonb where batch_id = %s and stage = %s",
            (batch_id, STAGE),
        )


def asked(settings: Settings, *, batch_id: str) -> list[Step]:
    """The steps to compare; none for parity, or where comparing was given up."""
    found = steps.read(settings, batch_id=batch_id, stage=STAGE)
    return [step for step in found if not step.detail.get("given_up")]


def keep_before(settings: Settings, *, batch_id: str, figures: AllFigures) -> None:
    """Keeps the figures of before masking, all at once; those that are kept already stay, whatever is read later."""
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "update erasure.steps set state = 'pending', started_at = now(), attempts = 1, pending = %s, detail = %s"
            " where batch_id = %s and store = %s and stage = %s and state = 'planned'",
            [
                (_control_records(of_store), Jsonb({"before": as_json(of_store)}), batch_id, store, STAGE)
                for store, of_store in figures.items()
            ],
        )


def compare(settings: Settings, *, batch_id: str, figures: AllFigures) -> None:
    """Holds the figures of now against those of before, and records how it went.

    Raises ControlsChanged that names each report and table that differs, with a number.
    """
    before = {
        step.store: from_json(step.detail.get("before", {})) for step in asked(settings, batch_id=batch_id)
    }
    found = all_differing(before, figures)
    with connect(settings.database) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "update erasure.steps set state = %s, done = %s, finished_at = now(), error_class = %s,"
            " detail = detail || %s where batch_id = %s and store = %s and stage = %s",
            [
                (
                    "failed" if found.get(store) else "done",
                    _control_records(figures.get(store, {})),
                    ControlsChanged.__name__ if found.get(store) else None,
                    Jsonb({"differing": found.get(store, {}), "reports": _reports(of_store)}),
                    batch_id,
                    store,
                    STAGE,
                )
                for store, of_store in before.items()
            ],
        )
    if found:
        raise ControlsChanged(list(sentences(found)))


def _control_records(of_store: Mapping[str, Figures]) -> int:
    return sum(records(figures) for name, figures in of_store.items() if not is_report(name))


def _reports(of_store: Mapping[str, Figures]) -> int:
    return sum(is_report(name) for name in of_store)
