"""The engines of a sandbox, in the order in which they are shown.

Holds: the list.
Add here: a new engine; its port gets a field in `SandboxConfig`.
Keep out: everything else.
"""

from __future__ import annotations

from sandbox.engines.base import Engine
from sandbox.engines.clickhouse import ClickHouse
from sandbox.engines.job_api import JobApi
from sandbox.engines.postgres import Postgres
from sandbox.engines.redis import Redis
from sandbox.engines.s3 import S3
from sandbox.engines.search import Search

ENGINES: tuple[type[Engine], ...] = (Postgres, Redis, ClickHouse, Search, S3, JobApi)
