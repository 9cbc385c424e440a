"""The one place that invokes dbt: in this process, from a preloaded manifest, one call at a time.

Holds: `invoke`, and the parsed project, cached by the state of its files.
Add here: what every call of dbt needs.
Keep out: what is called with which connections (`dbt_models.py`), what a world is (`worlds.py`), and SQL. dbt's own
logs are switched off: an error of PostgreSQL carries whole rows in its DETAIL, and dbt would write them down.
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

from erasure.errors import BadInput
from erasure.settings import DEFAULT_WORLD, PROJECT_ROOT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
CACHE_DIR = PROJECT_ROOT / "var" / "dbt"
TARGETS = ("postgres", "clickhouse")
# What `models/targets/` reads of a world.
STAGING = ("stg_contributors", "stg_identities", "stg_needles", "stg_activity", "stg_holds")
_LONGEST_TOLD = 400
# Parallel calls of dbtRunner in one process are unsupported.
_ONE_CALL = threading.Lock()


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


def folder_of(target: str, world: str) -> Path:
    """Where the parsed project with a world is kept, and whatever dbt writes."""
    return CACHE_DIR / project_hash() / world / target


def invoke(
    arguments: list[str], *, target: str, world: str, folder: Path, manifest: "Manifest | None"
) -> Any:
    """One call of dbt, and its result; no log, and nothing written but into the folder."""
    from dbt.cli.main import dbtRunner

    quiet = ["--log-level", "none", "--log-level-file", "none", "--no-write-json", "--no-partial-parse"]
    places = ["--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target", target]
    with _ONE_CALL:
        _forget_repeated_flags()
        os.environ["DBT_WORLD"] = world
        os.environ["DBT_TARGET_SET"] = "none" if missing_staging(world) else "targets"
        return dbtRunner(manifest=manifest).invoke(
            [*quiet, *arguments, *places, "--target-path", str(folder), "--log-path", str(folder)]
        )


def _forget_repeated_flags() -> None:
    """dbt adds each adapter's flags to one list at every call, and every entry costs 20 ms in each later call."""
    from dbt.adapters.base import impl

    flags = impl.DEFAULT_BASE_BEHAVIOR_FLAGS
    flags[:] = {flag["name"]: flag for flag in flags}.values()


def fresh_manifest(target: str, world: str) -> "Manifest":
    """The parsed project with nodes that were never compiled.

    dbt leaves its work in the nodes: compiled a second time, an ephemeral model would lack the CTEs that it refers to.
    """
    manifest = _manifest(target, world, project_hash())
    return replace(manifest, nodes=deepcopy(manifest.nodes))


def manifest_json(target: str, world: str) -> Mapping[str, Any]:
    """The manifest as dagster-dbt and the inventory read it."""
    path = folder_of(target, world) / "manifest.json"
    if not path.exists():
        # This process may remember what somebody has removed from the disk.
        _manifest.cache_clear()
        _manifest(target, world, project_hash())
    content: Mapping[str, Any] = json.loads(path.read_bytes())
    return content


def prepare() -> None:
    """Parses the project for both targets unless that has been done for its present state."""
    for target in TARGETS:
        _manifest(target, DEFAULT_WORLD, project_hash())


def missing_staging(world: str) -> list[str]:
    """The staging models that a world lacks of those that the target set is computed from."""
    folder = PROJECT_DIR / "models" / world / "staging"
    return [name for name in STAGING if not (folder / f"{name}.sql").exists()]


@cache
def _manifest(target: str, world: str, version: str) -> "Manifest":
    """The parsed project with one world; parsed once for each state of its files, then read from the cache."""
    from dbt.contracts.graph.manifest import Manifest

    packed = CACHE_DIR / version / world / target / "manifest.msgpack"
    if packed.exists():
        return Manifest.from_msgpack(packed.read_bytes())
    outcome = invoke(["parse"], target=target, world=world, folder=packed.parent, manifest=None)
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
