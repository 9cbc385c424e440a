"""The one place that invokes dbt: in this process, from a preloaded manifest, one call at a time.

Add here: another way of calling dbt (compile, run), or what is read from its results.
Keep out: what is done with the results, and SQL. dbt's own logs are switched off: an error of PostgreSQL carries whole
rows in its DETAIL, and dbt would write them down.
"""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster_defs.inventory_files import problems_of_files
from dagster_defs.reporting import problems_of_reports
from erasure import mask_models
from erasure.controls import is_report
from erasure.errors import BadInput, ErasureError, LeaseLost, StoreRefused
from erasure.inventory import Inventory
from erasure.inventory_reading import read_inventory
from erasure.ledger.freezing import TargetQueries
from erasure.settings import DEFAULT_WORLD, PROJECT_ROOT, Settings, config_path, load_settings
from erasure.stores.sql import MaskExpressions

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
CACHE_DIR = PROJECT_ROOT / "var" / "dbt"
TARGETS = ("postgres", "clickhouse")
# What `models/targets/` reads of a world.
STAGING = ("stg_contributors", "stg_identities", "stg_needles", "stg_activity", "stg_holds")
_LEASE_LOST = "ER001"
_LONGEST_TOLD = 400
# Parallel calls of dbtRunner in one process are unsupported.
_ONE_CALL = threading.Lock()


class DbtFailed(ErasureError):
    """dbt itself failed; the message names the model and the kind of error, never its text."""


def project_hash() -> str:
    """Changes with any file of the dbt project; names the cached manifests."""
    digest = hashlib.sha256()
    for file in sorted(PROJECT_DIR.rglob("*")):
        inside = file.relative_to(PROJECT_DIR)
        if (
            file.is_file()
            and inside.parts[0] not in {"target", "logs", "dbt_packages"}
            and file.suffix in {".sql", ".yml", ".yaml"}
        ):
            digest.update(f"{inside}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _folder(target: str, world: str) -> Path:
    return CACHE_DIR / project_hash() / world / target


@cache
def _manifest(target: str, world: str, version: str) -> "Manifest":
    """The parsed project with one world; parsed once for each state of its files, then read from the cache."""
    from dbt.contracts.graph.manifest import Manifest

    packed = CACHE_DIR / version / world / target / "manifest.msgpack"
    if packed.exists():
        return Manifest.from_msgpack(packed.read_bytes())
    outcome = _invoke(["parse"], target=target, world=world, folder=packed.parent, manifest=None)
    if outcome.result is None:
        raise BadInput(f"dbt cannot read the project: {_told(outcome.exception)}; nothing was changed.")
    manifest: Manifest = outcome.result
    packed.parent.mkdir(parents=True, exist_ok=True)
    _replace(
        packed.with_name("manifest.json"),
        json.dumps(manifest.writable_manifest().to_dict(omit_none=False)).encode(),
    )
    # Last, since its presence says that both are there.
    _replace(packed, manifest.to_msgpack())
    return manifest


def _replace(path: Path, content: bytes) -> None:
    # Another process may parse at the same time: whoever comes last replaces a whole file by an equal one.
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.write_bytes(content)
    part.replace(path)


def _told(error: BaseException | None) -> str:
    """What dbt says of a project that it cannot parse: of its files alone, since it has reached no database yet."""
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}…"


def prepare() -> None:
    """Parses the project for both targets unless that has been done for its present state."""
    for target in TARGETS:
        _manifest(target, DEFAULT_WORLD, project_hash())


def configured_world() -> str:
    """The world of the configuration that this process would read; the default where there is none, or a wrong one.

    For what is built before anybody asks for settings, and must load without them.
    """
    try:
        path = config_path(config=None, integration=False, environ=os.environ)
        return load_settings(path, environ=os.environ).erasure.world
    except ErasureError:
        return DEFAULT_WORLD


def manifest_json(target: str, world: str) -> Mapping[str, Any]:
    """The manifest as dagster-dbt and the inventory read it."""
    path = _folder(target, world) / "manifest.json"
    if not path.exists():
        # This process may remember what somebody has removed from the disk.
        _manifest.cache_clear()
        _manifest(target, world, project_hash())
    content: Mapping[str, Any] = json.loads(path.read_bytes())
    return content


@cache
def _inventory(world: str, version: str) -> Inventory:
    problems = problems_of_files(PROJECT_DIR, world)
    if problems:
        raise BadInput("The inventory is wrong; nothing was changed.", problems)
    return read_inventory(manifest_json("postgres", world)["sources"], world=world)


def inventory_of(world: str) -> Inventory:
    """The inventory of a world, validated."""
    return _inventory(world, project_hash())


def _missing_staging(world: str) -> list[str]:
    """The staging models that a world lacks of those that the target set is computed from."""
    folder = PROJECT_DIR / "models" / world / "staging"
    return [name for name in STAGING if not (folder / f"{name}.sql").exists()]


def inventory_with_models(world: str) -> Inventory:
    """The same, once its mask models are what it declares, and no report reads what they change.

    Raises BadInput that names each file that is wrong.
    """
    inventory = inventory_of(world)
    missing = _missing_staging(world)
    if missing:
        raise BadInput(
            "The world does not say who its contributors are; write the missing models as those of kepler. "
            "Nothing was changed.",
            [f"models/{world}/staging/{name}.sql: is missing" for name in missing],
        )
    found = mask_models.differences(inventory, PROJECT_DIR / "models" / world / "masked")
    if found:
        raise BadInput(
            "The mask models are not those of the inventory; run `contributor-deletion inventory sync`. "
            "Nothing was changed.",
            [f"{path.relative_to(PROJECT_DIR)}: {what}" for path, what in found.items()],
        )
    problems = problems_of_reports({target: manifest_json(target, world) for target in TARGETS}, inventory)
    if problems:
        raise BadInput("A report would change by masking; nothing was changed.", problems)
    return inventory


def _invoke(
    arguments: list[str], *, target: str, world: str, folder: Path, manifest: "Manifest | None"
) -> Any:
    from dbt.cli.main import dbtRunner

    quiet = ["--log-level", "none", "--log-level-file", "none", "--no-write-json", "--no-partial-parse"]
    places = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", target]
    with _ONE_CALL:
        _forget_repeated_flags()
        os.environ["DBT_WORLD"] = world
        os.environ["DBT_TARGET_SET"] = "none" if _missing_staging(world) else "targets"
        return dbtRunner(manifest=manifest).invoke(
            [*quiet, *arguments, *places, "--target-path", str(folder), "--log-path", str(folder)]
        )


def _forget_repeated_flags() -> None:
    """dbt adds each adapter's flags to one list at every call, and every entry costs 20 ms in each later call."""
    from dbt.adapters.base import impl

    flags = impl.DEFAULT_BASE_BEHAVIOR_FLAGS
    flags[:] = {flag["name"]: flag for flag in flags}.values()


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
        if not any((PROJECT_DIR / folder).glob("*.sql")):
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
        os.environ.update(_environment(self._settings))
        # Nothing here asks which relations exist, so dbt need not list them.
        arguments = [command, "--no-populate-cache", "--select", select, "--vars", json.dumps(variables)]
        world = self._settings.erasure.world
        manifest = _fresh(_manifest(target, world, project_hash()))
        if target == "postgres":
            _point_at(manifest, self._settings.database.database)
        outcome = _invoke(
            arguments, target=target, world=world, folder=_folder(target, world), manifest=manifest
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


def _fresh(manifest: "Manifest") -> "Manifest":
    """The parsed project with nodes that were never compiled.

    dbt leaves its work in the nodes: compiled a second time, an ephemeral model would lack the CTEs that it refers to.
    """
    return replace(manifest, nodes=deepcopy(manifest.nodes))


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


def _environment(settings: Settings) -> dict[str, str]:
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
