"""The Redis store on a real Redis: what is a target's goes, controls keep all.

Holds: profiles, members, keys of other shapes, what cannot be told apart, health. Each test finds its database empty.
Add here: a kind of key that the store learns, and a way in which Redis can refuse.
Keep out: sessions (`test_redis_sessions.py`).
"""

import json
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import BadInput, Incomplete, StoreRefused, StoreUnavailable
from erasure.inventory import Subject
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from sandbox.config import SandboxConfig
from tests.contract.redis_support import (
    DAY,
    NOTHING,
    client_for,
    everything,
    log_in,
    profile,
    store_with,
    targets,
)
from tests.inventory_fixtures import kepler_inventory


def test_profiles_and_online_members_of_targets_go_and_those_of_controls_stay(
    redis_db: Any, redis_store: RedisStore
) -> None:
    profile(redis_db, "u10", "u2")
    redis_db.sadd("contributors:online", "u10", "u2")
    before = everything(redis_db)
    profile(redis_db, "u1", "u3")
    redis_db.sadd("contributors:online", "u1")

    planned = redis_store.count(targets("u1", "u3", "nobody"))
    done = redis_store.mask(targets("u1", "u3", "nobody"), no_progress)

    assert planned == {"profiles": Count(records=2), "online": Count(records=1, total=3)}
    assert done == {"profiles": Count(records=2), "online": Count(records=1)}
    assert set(everything(redis_db)) == set(before)
    assert redis_db.smembers("contributors:online") == {b"u10", b"u2"}
    assert redis_db.hgetall("profile:u10") == {b"email": b"u10@example.com"}
    assert redis_store.purge(targets("u1", "u3"), no_progress) == {"profiles": NOTHING, "online": NOTHING}


def test_masking_a_second_time_changes_nothing(redis_db: Any, redis_store: RedisStore) -> None:
    profile(redis_db, "u1", "u2")
    redis_db.sadd("contributors:online", "u1", "u2")
    redis_store.mask(targets("u1"), no_progress)
    before = everything(redis_db)

    assert redis_store.mask(targets("u1"), no_progress) == {"profiles": NOTHING, "online": NOTHING}
    assert everything(redis_db) == before
    assert set(before) == {b"profile:u2", b"contributors:online"}


def test_keys_that_expire_by_themselves_are_counted_as_such(redis_db: Any, redis_store: RedisStore) -> None:
    profile(redis_db, "u1", "u2", "u3")
    redis_db.expire("profile:u1", DAY)
    redis_db.sadd("contributors:online", "u1", "u3")
    redis_db.expire("contributors:online", DAY)

    counts = redis_store.count(targets("u1", "u2"))

    assert counts["profiles"] == Count(records=2, expiring=1)
    assert counts["online"] == Count(records=1, expiring=1, total=2)


def test_something_cached_again_after_masking_is_found_by_purging(
    redis_db: Any, redis_store: RedisStore
) -> None:
    redis_store.mask(targets("u1"), no_progress)
    profile(redis_db, "u1")

    with pytest.raises(Incomplete, match="redis/profiles: 1 keys"):
        redis_store.purge(targets("u1"), no_progress)


def test_thousands_are_found_among_thousands(redis_db: Any, redis_store: RedisStore) -> None:
    pipe = redis_db.pipeline(transaction=False)
    for number in range(5_000):
        log_in(pipe, f"u{number}", f"t{number}", indexed=number % 2 == 0)
        profile(pipe, f"u{number}")
        pipe.sadd("contributors:online", f"u{number}")
    pipe.execute()
    some = targets(*(f"u{number}" for number in range(2_500)))
    told: list[tuple[str, int, int]] = []

    ended = redis_store.end_sessions(some, no_progress)
    planned = redis_store.count(some)
    done = redis_store.mask(some, lambda *what: told.append(what))

    assert ended == Count(records=2_500, elements=1_250, expiring=2_500)
    assert {name: count.records for name, count in planned.items()} == {"profiles": 2_500, "online": 2_500}
    assert {name: count.records for name, count in done.items()} == {"profiles": 2_500, "online": 2_500}
    assert ("profiles", 2_500, 2_500) in told
    assert redis_db.dbsize() == 2_500 + 1_250 + 2_500 + 1
    assert redis_db.scard("contributors:online") == 2_500


@pytest.mark.parametrize("kind", ["set", "zset", "hash"])
def test_members_go_from_sets_sorted_sets_and_hashes(redis_db: Any, kind: str) -> None:
    add = {
        "set": lambda member: redis_db.sadd("seen", member),
        "zset": lambda member: redis_db.zadd("seen", {member: 0}),
        "hash": lambda member: redis_db.hset("seen", member, "made up"),
    }[kind]
    for member in ("u1", "u10", "u2"):
        add(member)
    store = store_with(redis_db, "seen", members="contributor_id")

    assert store.count(targets("u1", "u3")) == {"extra": Count(records=1, total=3)}
    assert store.mask(targets("u1", "u3"), no_progress) == {"extra": Count(records=1)}
    assert store.count(targets("u1")) == {"extra": Count(records=0, total=2)}
    assert store.count(targets("u10", "u2")) == {"extra": Count(records=2, total=2)}


def test_a_string_where_members_are_expected_is_refused(redis_db: Any) -> None:
    redis_db.set("seen", "u1")
    with pytest.raises(StoreRefused, match=r"1 keys of seen do not say whose.*redis\.yml"):
        store_with(redis_db, "seen", members="contributor_id").count(targets("u1"))


def test_several_keys_of_a_contributor_are_taken_by_exact_id(redis_db: Any) -> None:
    for key in ("draft:u1:a", "draft:u1:b:c", "draft:u10:a", "draft:u2:u1:", "xdraft:u1:a", "draft:u1"):
        redis_db.set(key, "made up")
    store = store_with(redis_db, "draft:{contributor_id}:*")

    assert store.mask(targets("u1"), no_progress) == {"extra": Count(records=2)}
    assert set(redis_db.keys("*")) == {b"draft:u10:a", b"draft:u2:u1:", b"xdraft:u1:a", b"draft:u1"}


def test_foreign_keys_that_are_not_utf8_disturb_nobody(redis_db: Any, redis_store: RedisStore) -> None:
    redis_db.set(b"session:\xff\xfe", json.dumps({"contributor_id": "u2"}))
    redis_db.set(b"\xff", b"\xff")
    log_in(redis_db, "u1", "t1", indexed=False)

    assert redis_store.end_sessions(targets("u1"), no_progress) == Count(records=1, expiring=1)
    assert set(redis_db.keys("*")) == {b"session:\xff\xfe", b"\xff"}


@pytest.mark.parametrize(
    ("location", "declared"),
    [
        ("profile:{contributor_id}*", {}),
        ("seen", {"members": "name"}),
        ("seen:{contributor_id}", {"members": "contributor_id"}),
        ("session:", {"subject": Subject(contributor_id="id"), "index": "by:{contributor_id}"}),
        ("session:*", {"subject": Subject(contributor_id="id"), "index": "by"}),
    ],
)
def test_an_object_that_cannot_be_told_apart_is_refused_at_once(
    redis_db: Any, location: str, declared: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=r"redis\.yml"):
        store_with(redis_db, location, **declared)


def test_a_client_that_decodes_is_refused_at_once(redis_config: SandboxConfig) -> None:
    with pytest.raises(ValueError, match="decode_responses"):
        RedisStore(client_for(redis_config, decode_responses=True), [])


def test_health_names_the_engine_and_its_version(redis_db: Any, redis_store: RedisStore) -> None:
    assert redis_store.health().engine == "Redis"
    assert redis_store.health().version == redis_db.info("server")["redis_version"]


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"password": "not-the-password"}, "password"),
        ({"password": None}, "password"),
        ({"db": 9_999}, "db"),
        ({"port": 1}, "host and port"),
        ({"host": "nobody.invalid"}, "host and port"),
    ],
)
def test_who_cannot_get_in_learns_which_key_to_change(
    redis_config: SandboxConfig, changes: dict[str, Any], keys: str
) -> None:
    store = RedisStore(client_for(redis_config, **changes), kepler_inventory().of("redis"))

    for step in (
        store.health,
        lambda: store.count(targets("u1")),
        lambda: store.count_sessions(targets("u1")),
    ):
        with pytest.raises(StoreUnavailable, match=rf"\[redis\] {keys}$") as caught:
            step()
        assert "not-the-password" not in str(caught.value)
        assert caught.value.__cause__ is None
