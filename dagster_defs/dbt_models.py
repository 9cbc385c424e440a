"""The project's models with the connections of one configuration: compiled into what is counted, and run as masks.

Holds: `DbtProject`, which the SQL stores are given.
Add here: another model that somebody needs compiled or run, or what is read from its results.
Keep out: calling dbt itself (`dbt_runner.py`), what is done with the results, and SQL.
"""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dagster_defs import dbt_runner
from erasure.controls import is_report
from erasure.errors import ErasureError, LeaseLost, StoreRefused
from erasure.ledger.freezing import TargetQueries
from erasure.settings import Settings
from erasure.stores.sql import MaskExpressions

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_LEASE_LOST = "ER001"


class DbtFailed(ErasureError):
    """dbt itself failed; the message names the model and the kind of error, never its text."""


class DbtProject:
    """dbt with the connections of one configuration: compiles what is counted, and runs the masks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._compiled: dict[tuple[str, str], Mapping[str, str]] = {}

    def target_queries(self, batch_id: str) -> TargetQueries:
        """The queries that compute the target set of a batch."""
        compiled = self._compile("postgres", "path:models/targets", {"batch_id": batch_id})
        return TargetQueries(
            requested_contributors=compiled["requested_contributors"],
            deletion_targets=compiled["deletion_targets"],
            shared_emails=compiled["shared_emails"],
        )

    def inactive_contributors(self, days_inactive: int) -> str:
        """The query of everybody who has been inactive for so many days."""
        variables = {"batch_id": "", "days_inactive": days_inactive}
        return self._compile("postgres", "inactive_contributors", variables)["inactive_contributors"]

    def masked_rows(self, store: str, batch_id: str) -> Mapping[str, str]:
        """Object -> the select of the rows that its mask will change; compiled once a batch and process."""
        key = (store, batch_id)
        if key not in self._compiled:
            found = self._compile(store, self._masks(store), {"batch_id": batch_id})
            self._compiled[key] = {_object_of(model): sql for model, sql in found.items()}
        return self._compiled[key]

    def reports(self, store: str) -> Mapping[str, str]:
        """Report -> its select, for a SQL store; a world may have none."""
        folder = f"models/{self._settings.erasure.world}/reporting/{store}"
        if not any((dbt_runner.PROJECT_DIR / folder).glob("*.sql")):
            return {}
        found = self._compile(store, f"path:{folder}", {})
        return {model: sql for model, sql in found.items() if is_report(model)}

    def expressions(self, store: str, batch_id: str) -> Mapping[str, MaskExpressions]:
        """Object -> the pieces of its mask, rendered by the same macros."""
        variables = {"batch_id": batch_id, "form": "expressions"}
        found = self._compile(store, self._masks(store), variables)
        return {_object_of(model): MaskExpressions(**json.loads(text)) for model, text in found.items()}

    def mask(
        self, store: str, batch_id: str, fence: int, storage: Mapping[str, str] | None = None
    ) -> Mapping[str, int]:
        """Runs the mask models of a store, or of the objects in `storage`; object -> rows changed.

        Raises LeaseLost or StoreRefused.
        """
        select = self._masks(store)
        if storage is not None:
            source = f"{self._settings.erasure.world}_{store}"
            select = " ".join(f"mask__{source}__{name}" for name in sorted(storage))
        variables = {"batch_id": batch_id, "fence": fence, "storage": dict(storage or {}), **self._limits()}
        result = self._call("run", store, select, variables)
        failed = [
            (item.node.name, str(item.message or "")) for item in result if str(item.status) != "success"
        ]
        for model, message in failed:
            if _LEASE_LOST in message or "is no longer held by this run" in message:
                raise LeaseLost(f"Batch {batch_id}: another run has taken over; this step has stopped.")
            what, remedy = _refusal(message)
            raise StoreRefused(
                store=store,
                object_name=_object_of(model),
                what=what or f"its mask failed ({_kind_of(message)})",
                remedy=remedy
                or f"see the model {model} and the rules of its table in the inventory; then resume",
            )
        return {
            _object_of(item.node.name): int(item.adapter_response.get("rows_affected", 0)) for item in result
        }

    def _limits(self) -> Mapping[str, int]:
        database = self._settings.database
        return {
            "chunk_rows": self._settings.erasure.chunk_rows,
            "lock_timeout_seconds": database.lock_timeout_seconds,
            "statement_timeout_seconds": database.statement_timeout_seconds,
        }

    def _masks(self, store: str) -> str:
        return f"path:models/{self._settings.erasure.world}/masked/{store}"

    def _compile(self, target: str, select: str, variables: Mapping[str, Any]) -> dict[str, str]:
        result = self._call("compile", target, select, variables)
        for item in result:
            if str(item.status) != "success":
                raise DbtFailed(
                    f"dbt could not compile {item.node.name} ({_kind_of(str(item.message or ''))})."
                )
        return {item.node.name: str(item.node.compiled_code) for item in result}

    def _call(self, command: str, target: str, select: str, variables: Mapping[str, Any]) -> list[Any]:
        os.environ.update(environment_of(self._settings))
        # Nothing here asks which relations exist, so dbt need not list them.
        arguments = [command, "--no-populate-cache", "--select", select, "--vars", json.dumps(variables)]
        world = self._settings.erasure.world
        manifest = dbt_runner.fresh_manifest(target, world)
        if target == "postgres":
            _point_at(manifest, self._settings.database.database)
        outcome = dbt_runner.invoke(
            arguments,
            target=target,
            world=world,
            folder=dbt_runner.folder_of(target, world),
            manifest=manifest,
        )
        if outcome.exception is not None:
            raise DbtFailed(
                f"dbt {command} failed for {target} ({_kind_of(str(outcome.exception))})."
            ) from None
        results = list(getattr(outcome.result, "results", []))
        if not results:
            raise DbtFailed(
                f"dbt {command} found no model under {select}; run `contributor-deletion inventory sync`."
            )
        return results


def _point_at(manifest: "Manifest", database: str) -> None:
    """Names the database in a parsed project: it was parsed before anybody knew which one."""
    for node in [*manifest.nodes.values(), *manifest.sources.values()]:
        node.database = database


def _object_of(model: str) -> str:
    return model.rpartition("__")[2]


# A part of what PostgreSQL says of a mask that it refused -> what is told of it, and what to do.
_REFUSALS = {
    "untouched columns of": (
        "columns that masking must not touch were changed in its rows, so nothing was kept",
        "see its triggers; a column that a trigger sets is declared `volatile: true` in the inventory; then resume",
    ),
    "due to lock timeout": (
        "somebody held a lock on it for longer than [database] lock_timeout_seconds",
        "see pg_locks, or raise lock_timeout_seconds; then resume",
    ),
    "due to statement timeout": (
        "its mask took longer than [database] statement_timeout_seconds",
        "raise it, or set [erasure] chunk_rows; then resume",
    ),
}


def _refusal(message: str) -> tuple[str, str]:
    return next((said for part, said in _REFUSALS.items() if part in message), ("", ""))


def _kind_of(message: str) -> str:
    """The kind of an error as dbt names it, such as `Database Error`: the rest may hold values of a person."""
    first = message.strip().splitlines()[0] if message.strip() else "no message"
    kind = first.partition(" in ")[0].partition(":")[0].strip()
    return kind if kind.replace(" ", "").isalpha() else "error"


def environment_of(settings: Settings) -> dict[str, str]:
    """The variables in which the profile of dbt finds its connections."""
    return {
        "DBT_POSTGRES_HOST": settings.database.host,
        "DBT_POSTGRES_PORT": str(settings.database.port),
        "DBT_POSTGRES_DATABASE": settings.database.database,
        "DBT_POSTGRES_USER": settings.database.username,
        "DBT_ENV_SECRET_POSTGRES_PASSWORD": settings.database.password.get_secret_value(),
        "DBT_POSTGRES_CONNECT_SECONDS": str(settings.database.connect_seconds),
        "DBT_CLICKHOUSE_HOST": settings.clickhouse.host,
        "DBT_CLICKHOUSE_PORT": str(settings.clickhouse.port),
        "DBT_CLICKHOUSE_USER": settings.clickhouse.username,
        "DBT_CLICKHOUSE_CLUSTER": settings.clickhouse.cluster,
        "DBT_ENV_SECRET_CLICKHOUSE_PASSWORD": settings.clickhouse.password.get_secret_value(),
        "DBT_CLICKHOUSE_CONNECT_SECONDS": str(settings.clickhouse.connect_seconds),
    }
