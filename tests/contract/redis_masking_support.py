"""Ann, who is erased, and Bob, who stays, for tests that mask Redis in place; and the judge's view of what is left.

Holds: both, the target set and the batch, and `survivors`.
Add here: what several of these test modules need.
Keep out: keys and assertions.
"""

from typing import Any

from erasure.inventory import Inventory
from erasure.settings import Settings
from erasure.stores.redis.store import RedisStore
from erasure.targets import Needle, TargetSet
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.config import SandboxConfig
from tests.contract.expectations_world import _settings
from tests.contract.redis_support import OWN_DB
from tests.inventory_fixtures import kepler_inventory

ANN = "c0000000-0000-4000-8000-00000000000a"
BOB = "c0000000-0000-4000-8000-00000000000b"
ANNS_EMAIL, BOBS_EMAIL = "ann@example.com", "bob@example.org"
TARGETS = TargetSet(
    batch_id="b20260101T000000Z-abcdef",
    contributor_ids=frozenset({ANN}),
    needles=(Needle(contributor_id=ANN, kind="email", value=ANNS_EMAIL),),
)
BATCH = VerifiedBatch(
    batch_id=TARGETS.batch_id, persons={ANN: ANN}, emails={ANNS_EMAIL: ANN}, needles={ANN: (ANNS_EMAIL,)}
)


def survivors(config: SandboxConfig, store: RedisStore, **changes: Any) -> int:
    """What the judge finds, by its own client and queries."""
    (place,) = store._others
    contributors = kepler_inventory().contributors
    inventory = Inventory(world="kepler", objects=(contributors, place.item))
    settings: Settings = _settings(config, "none", "none")
    redis = settings.redis.model_copy(update={"db": OWN_DB} | changes)
    readings = read_redis(settings.model_copy(update={"redis": redis}), inventory, BATCH)
    assert readings
    return sum(reading.survivors for reading in readings)
