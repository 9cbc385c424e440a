"""Fixtures that several modules of contract tests use.

Add here: a fixture of a support module.
Keep out: fixtures themselves; they stand beside what they make, in `*_world.py` and `*_support.py`.
"""

from tests.contract.clickhouse_events import events_lease, events_world
from tests.contract.clickhouse_gateway_support import gateway, own_gateway, people
from tests.contract.clickhouse_shapes import shapes
from tests.contract.postgres_survey_support import survey_ground
from tests.contract.redis_support import redis_config, redis_db, redis_store
from tests.contract.s3_support import credentials_are_checked, s3_client, s3_config
from tests.contract.search_support import ground, server
from tests.contract.sql_world import _sql_database, sql_world
from tests.contract.world_support import world_stores

__all__ = [
    "_sql_database",
    "credentials_are_checked",
    "events_lease",
    "events_world",
    "gateway",
    "ground",
    "own_gateway",
    "people",
    "redis_config",
    "redis_db",
    "redis_store",
    "s3_client",
    "s3_config",
    "server",
    "shapes",
    "sql_world",
    "survey_ground",
    "world_stores",
]
