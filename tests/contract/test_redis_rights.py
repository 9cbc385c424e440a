"""What the user of [redis] may not do is told while planning: by the survey, and by the count of what it has found.

Each case is a user of a real server; whatever is asked, nothing has changed afterwards.
Add here: another command that masking begins to use.
Keep out: passwords (`test_redis_store.py`), and files that may not be rewritten (`test_redis_servers.py`).
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from erasure.counts import Count
from erasure.errors import StoreRefused
from erasure.inventory import Subject
from erasure.stores.base import Survey, no_progress
from erasure.stores.redis.store import RedisStore
from tests.contract.redis_servers_support import Server
from tests.contract.redis_support import everything, fields, log_in, profile, store_with, targets
from tests.inventory_fixtures import kepler_inventory

# What docs/redis.md says that a user needs, for objects of every type and the purge.
ENOUGH = (
    "~* -@all +ping +info +select +multi +scan +type +pttl +mget +get +hgetall +hscan +hlen +sscan +scard +smembers"
    " +zscan +zcard +lrange +llen +xrange +xlen +unlink +script|load +evalsha +set +hget +hset +hdel +sismember"
    " +sadd +srem +zscore +zadd +zrem +lindex +lset +lrem +xdel +bgrewriteaof +bgsave"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), "appendonly yes", "appendfsync no") as server:
        yield server


@pytest.fixture
def admin(server: Server) -> Iterator[Any]:
    client = server.client()
    client.flushall()
    profile(client, "u1", "u10")
    client.sadd("contributors:online", "u1", "u10")
    log_in(client, "u1", "t1")
    log_in(client, "u10", "t10")
    yield client
    client.close()


def user(server: Server, rights: str) -> redis.Redis:
    server.client().execute_command("ACL", "SETUSER", "eraser", "reset", "on", ">made-up", *rights.split())
    return server.client(username="eraser", password="made-up")


def test_a_user_with_what_the_docs_name_does_all_of_it(server: Server, admin: Any) -> None:
    store = RedisStore(user(server, ENOUGH), kepler_inventory().of("redis"))
    assert store.health().engine == "Redis"
    assert store.survey() == Survey()
    assert store.count_sessions(targets("u1")).records == 1
    assert store.end_sessions(targets("u1"), no_progress).records == 1
    assert store.mask(targets("u1"), no_progress) == {
        "profiles": Count(records=1),
        "online": Count(records=1),
    }
    store.purge(targets("u1"), no_progress)
    assert store.purge_state == "purged"
    assert set(admin.keys("*")) == {
        b"profile:u10",
        b"contributors:online",
        b"session:t10",
        b"sessions_by_contributor:u10",
    }


@pytest.mark.parametrize(
    ("rights", "told"),
    [
        (
            "~* +@all -unlink",
            r"redis/profiles: .* may not UNLINK keys such as profile:\{contributor_id\}; let it: docs/",
        ),
        ("~* +@all -scan", r"redis/profiles: .* may not SCAN keys"),
        (
            "~session:* ~sessions_by_contributor:* ~contributors:online +@all",
            r"redis/profiles: .* may not UNLINK keys",
        ),
        (
            "~profile:* ~session:* ~contributors:online +@all",
            r"redis/sessions: .* may not TYPE, SMEMBERS, UNLINK keys",
        ),
        ("~* +@all -evalsha", r"redis/online: .* may not EVALSHA keys such as contributors:online"),
        ("~* +@all -script", r"redis/online: .* may not SCRIPT LOAD keys"),
        ("~* +@read +@connection +@transaction +info", r"redis/profiles: .* may not UNLINK keys"),
    ],
)
def test_a_missing_right_is_a_problem_of_the_survey_and_nothing_changes(
    server: Server, admin: Any, rights: str, told: str
) -> None:
    before = everything(admin)
    store = RedisStore(user(server, rights), kepler_inventory().of("redis"))
    problems = store.survey().problems
    assert any(re.search(told, problem) for problem in problems), problems
    for ask in (lambda: store.count(targets("u1")), lambda: store.count_sessions(targets("u1"))):
        try:
            ask()
        except StoreRefused as refusal:
            assert "docs/redis.md" in str(refusal)
            break
    else:
        pytest.fail("the count has told nothing")
    assert everything(admin) == before


@pytest.mark.parametrize(
    ("rights", "told"),
    [
        ("~* +@all -multi", "may not MULTI, so what else it may not shows only while masking"),
        ("~* +@all -bgsave", "may not BGSAVE, so files keep old values"),
        ("~* +@all -bgsave -bgrewriteaof", "may not BGREWRITEAOF and BGSAVE, so files keep old values"),
    ],
)
def test_what_is_no_obstacle_is_a_notice(server: Server, admin: Any, rights: str, told: str) -> None:
    before = everything(admin)
    store = RedisStore(user(server, rights), kepler_inventory().of("redis"))
    survey = store.survey()
    assert survey.problems == ()
    assert any(told in notice for notice in survey.notices), survey.notices
    assert store.count(targets("u1"))["profiles"] == Count(records=1)
    assert everything(admin) == before


# What a type of key needs where its fields change; others stay as they are.
TYPES = {"string": "-set", "hash": "-hset"}


@pytest.mark.parametrize("kind", list(TYPES))
def test_a_right_that_one_type_needs_is_a_notice_and_refused_once_there_is_such_a_key(
    server: Server, admin: Any, kind: str
) -> None:
    admin.set("cart:string", json.dumps({"who": "u1", "ip": "192.0.2.77"}))
    admin.hset("cart:hash", mapping={"who": "u1", "ip": "192.0.2.77"})
    before = everything(admin)
    declared = {"subject": Subject(contributor_id="who"), "fields": fields(who="keep", ip="truncate_ip")}
    store = store_with(user(server, f"~* +@all {TYPES[kind]}"), "cart:*", **declared)

    survey = store.survey()
    assert survey.problems == ()
    assert any(f"as those of type {kind} need" in notice for notice in survey.notices)
    with pytest.raises(
        StoreRefused, match=rf"may not {TYPES[kind][1:].upper()} keys such as cart:\*; let it"
    ):
        store.count(targets("u1"))
    assert everything(admin) == before

    admin.delete(f"cart:{kind}")
    assert store.count(targets("u1"))["extra"] == Count(records=1)
    assert store.mask(targets("u1"), no_progress)["extra"] == Count(records=1)


@pytest.mark.parametrize(
    ("kind", "without"),
    [("set", "-sadd"), ("zset", "-zadd"), ("hash", "-hset"), ("list", "-lset"), ("set", "-srem")],
)
def test_members_that_the_user_may_not_change_are_refused_by_the_count(
    server: Server, admin: Any, kind: str, without: str
) -> None:
    {
        "set": lambda: admin.sadd("seen", "u1"),
        "zset": lambda: admin.zadd("seen", {"u1": 1}),
        "hash": lambda: admin.hset("seen", "u1", "x"),
        "list": lambda: admin.rpush("seen", "u1"),
    }[kind]()
    before = everything(admin)
    declared: dict[str, Any] = {"members": "contributor_id", "fields": fields(whole="unique")}
    refusing = store_with(user(server, f"~* +@all {without}"), "seen", **declared)
    with pytest.raises(StoreRefused, match=rf"may not {without[1:].upper()} keys such as seen"):
        refusing.count(targets("u1"))
    assert everything(admin) == before
    assert (
        store_with(user(server, "~* +@all"), "seen", **declared)
        .mask(targets("u1"), no_progress)["extra"]
        .records
    )
    assert everything(admin) != before
