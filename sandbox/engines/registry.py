"""The engines of a sandbox, in the order in which they are shown, and who may play which role.

Holds: the roles with their kinds, and the choice among the kinds of a role.
Add here: a new engine (its port gets a field in `SandboxConfig`), or another kind of one.
Keep out: everything about a single engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.engines.base import Engine
from sandbox.engines.clickhouse import ClickHouse
from sandbox.engines.job_api import JobApi
from sandbox.engines.moto import Moto
from sandbox.engines.postgres import Postgres
from sandbox.engines.redis import Redis
from sandbox.engines.search import Elasticsearch, OpenSearch
from sandbox.engines.versitygw import VersityGw

# Role -> its kinds; the first one that this machine can run is taken where nobody chooses.
ROLES: Mapping[str, tuple[type[Engine], ...]] = {
    kinds[0].name: kinds
    for kinds in (
        (Postgres,),
        (Redis,),
        (ClickHouse,),
        (OpenSearch, Elasticsearch),
        (VersityGw, Moto),
        (JobApi,),
    )
}

# The first kind that can be had here.
AUTO = "auto"
# Environment variable -> role, for whoever starts a sandbox without flags.
VARIABLES: Mapping[str, str] = {"SEARCH": "search", "S3": "s3"}


class UnknownKind(ValueError):
    """A kind that no engine of the role has; the message names those it has."""


def engine_class(role: str, kind: str) -> type[Engine]:
    """The engine of this kind; raises UnknownKind."""
    for candidate in ROLES[role]:
        if candidate.kind == kind:
            return candidate
    known = ", ".join(candidate.kind for candidate in ROLES[role])
    raise UnknownKind(f"{role} cannot be {kind!r}; choose one of {AUTO}, {known}")


def wishes(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Role -> the kind that the environment asks for."""
    return {role: environ.get(variable) or None for variable, role in VARIABLES.items()}


def choose(role: str, wanted: str | None, *, former: str | None, root: Path) -> tuple[str, str]:
    """The kind for a role, and a sentence where there is something to say about it; raises UnknownKind.

    Without a wish the former one stays: its data are in no other.
    """
    if wanted != AUTO and (wanted or former):
        return engine_class(role, wanted or former or "").kind, ""
    passed_over = []
    for candidate in ROLES[role]:
        reason = candidate.available(root)
        if reason is None:
            break
        passed_over.append(f"{candidate.kind} cannot be had here ({reason})")
    # Where nobody can be had, the last one's own start says what is missing.
    only = len(ROLES[role]) == 1
    return candidate.kind, "" if only else "; ".join([*passed_over, f"{role}: {candidate.kind}"])
