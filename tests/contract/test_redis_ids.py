"""Ids in Redis as they are compared: uuids in any case, others exactly, and none where a key does not tell its end.

Add here: another form of ids.
Keep out: what is done with the keys that are found (`test_redis_store.py`, `test_redis_masking.py`).
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import StoreRefused
from erasure.inventory import Inventory, InventoryObject, Subject
from erasure.rules import Rule
from erasure.settings import Settings
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from erasure.targets import TargetSet
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.config import SandboxConfig
from tests.contract.expectations_world import _settings
from tests.contract.redis_masking_support import ANN, ANNS_EMAIL, TARGETS
from tests.contract.redis_support import OWN_DB, fields, store_with
from tests.inventory_fixtures import kepler_inventory


def test_ids_that_are_no_uuids_are_compared_exactly_by_store_and_judge(
    redis_db: Any, redis_config: SandboxConfig
) -> None:
    for each in ("Ann.1", "ann.1"):
        redis_db.set(f"draft:{each}", "x")
        redis_db.sadd("online", each)
        redis_db.set(f"cart:{each}", json.dumps({"who": each, "ip": "192.0.2.77"}))
    whole: dict[str, Any] = {"rule": Rule.DELETE, "subject": Subject()}
    ruled = {"subject": Subject(contributor_id="who"), "fields": fields(who="keep", ip="truncate_ip")}
    about: dict[str, Any] = {"store": "redis", "source": "kepler_redis", "schema": "kepler_redis"}
    items = [
        InventoryObject(name="drafts", location="draft:{contributor_id}", **about, **whole),
        InventoryObject(name="online", location="online", members="contributor_id", **about, **whole),
        InventoryObject(name="carts", location="cart:*", **about, **ruled),
    ]
    contributors = replace(kepler_inventory().contributors, id_form="text")
    inventory = Inventory(world="kepler", objects=(contributors, *items))
    settings: Settings = _settings(redis_config, "none", "none")
    settings = settings.model_copy(update={"redis": settings.redis.model_copy(update={"db": OWN_DB})})
    batch = VerifiedBatch(batch_id="b1", persons={"Ann.1": "Ann.1"}, needles={"Ann.1": (ANNS_EMAIL,)})
    target = TargetSet(batch_id="b1", contributor_ids=frozenset({"Ann.1"}))
    store = RedisStore(redis_db, items, id_form="text", rewrite=False)

    def left() -> dict[str, int]:
        return {reading.object: reading.survivors for reading in read_redis(settings, inventory, batch)}

    assert left() == {"drafts": 1, "online": 1, "carts": 1}
    done = store.mask(target, no_progress)
    assert done == {name: Count(records=1) for name in ("drafts", "online", "carts")}
    assert left() == {"drafts": 0, "online": 0, "carts": 0}
    assert redis_db.smembers("online") == {b"ann.1"}
    assert redis_db.exists("draft:ann.1") == 1
    assert json.loads(redis_db.get("cart:ann.1"))["ip"] == "192.0.2.77"


@pytest.mark.parametrize("location", ["draft:{contributor_id}-*", "mail:{email}.json"])
def test_a_key_in_which_an_id_or_email_has_no_end_is_refused_and_not_missed(
    redis_db: Any, location: str
) -> None:
    redis_db.set(location.replace("{contributor_id}", ANN).replace("{email}", ANNS_EMAIL), "x")
    store = store_with(redis_db, location)
    for ask in (store.count, lambda some: store.mask(some, no_progress)):
        with pytest.raises(StoreRefused, match=r"hold the sign behind .* redis\.yml") as caught:
            ask(TARGETS)
        assert ANN not in str(caught.value) and ANNS_EMAIL not in str(caught.value)
    assert redis_db.dbsize() == 1
