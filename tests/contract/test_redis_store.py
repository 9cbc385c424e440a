"""The Redis store on a real Redis: what is a target's goes, sessions in no index too; controls keep all.

Holds: the contract of `RedisStore`, in a database of its own that each test finds empty.
Add here: a kind of key that the store learns, and a way in which Redis can refuse.
Keep out: the proof that access has ended (`test_job_api_client.py`).
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from erasure.counts import Count
from erasure.errors import BadInput, Incomplete, StoreRefused, StoreUnavailable
from erasure.inventory import InventoryObject, Subject
from erasure.rules import Rule
from erasure.stores.base import no_progress
from erasure.stores.redis import RedisStore
from erasure.targets import Needle, TargetSet
from sandbox.config import SandboxConfig
from sandbox.supervisor import Sandbox
from tests.inventory_fixtures import kepler_inventory

OWN_DB = 61
DAY = 86_400
NOTHING = Count(records=0)


def targets(*contributor_ids: str, emails: dict[str, str] | None = None) -> TargetSet:
    needles = tuple(
        Needle(contributor_id=contributor_id, kind="email", value=email)
        for email, contributor_id in (emails or {}).items()
    )
    return TargetSet(batch_id="b-test", contributor_ids=frozenset(contributor_ids), needles=needles)


def client_for(config: SandboxConfig, **changes: Any) -> redis.Redis:
    options: dict[str, Any] = {
        "host": config.host,
        "port": config.redis_port,
        "db": OWN_DB,
        "password": config.redis_password,
        "socket_timeout": 30,
        # By default the client tries a wrong password for four seconds.
        "retry": Retry(NoBackoff(), 0),
    }
    return redis.Redis(**(options | changes))


@pytest.fixture
def config(sandbox: Sandbox) -> SandboxConfig:
    return sandbox.config


@pytest.fixture
def client(config: SandboxConfig) -> Iterator[Any]:
    client = client_for(config)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


@pytest.fixture
def store(client: Any) -> RedisStore:
    return RedisStore(client, kepler_inventory().of("redis"))


def store_with(client: Any, location: str, **declared: Any) -> RedisStore:
    item = InventoryObject(
        store="redis",
        name="extra",
        source="kepler_redis",
        schema="kepler_redis",
        location=location,
        rule=Rule.DELETE,
        **({"subject": Subject()} | declared),
    )
    return RedisStore(client, [item])


def log_in(client: Any, contributor_id: str, token: str, *, indexed: bool = True) -> None:
    owner = {"contributor_id": contributor_id, "email": f"{contributor_id}@example.com"}
    client.set(f"session:{token}", json.dumps(owner), ex=DAY)
    if indexed:
        client.sadd(f"sessions_by_contributor:{contributor_id}", token)
        client.expire(f"sessions_by_contributor:{contributor_id}", DAY)


def profile(client: Any, *contributor_ids: str) -> None:
    for contributor_id in contributor_ids:
        client.hset(f"profile:{contributor_id}", mapping={"email": f"{contributor_id}@example.com"})


def everything(client: Any) -> dict[bytes, bytes]:
    """Every key of the database with its content as Redis serialises it, asked for without our code."""
    return {key: client.dump(key) for key in client.keys("*")}


def test_profiles_and_online_members_of_targets_go_and_those_of_controls_stay(
    client: Any, store: RedisStore
) -> None:
    profile(client, "u10", "u2")
    client.sadd("contributors:online", "u10", "u2")
    before = everything(client)
    profile(client, "u1", "u3")
    client.sadd("contributors:online", "u1")

    planned = store.count(targets("u1", "u3", "nobody"))
    done = store.mask(targets("u1", "u3", "nobody"), no_progress)

    assert planned == {"profiles": Count(records=2), "online": Count(records=1, total=3)}
    assert done == {"profiles": Count(records=2), "online": Count(records=1)}
    assert set(everything(client)) == set(before)
    assert client.smembers("contributors:online") == {b"u10", b"u2"}
    assert client.hgetall("profile:u10") == {b"email": b"u10@example.com"}
    assert store.purge(targets("u1", "u3"), no_progress) == {"profiles": NOTHING, "online": NOTHING}


def test_masking_a_second_time_changes_nothing(client: Any, store: RedisStore) -> None:
    profile(client, "u1", "u2")
    client.sadd("contributors:online", "u1", "u2")
    store.mask(targets("u1"), no_progress)
    before = everything(client)

    assert store.mask(targets("u1"), no_progress) == {"profiles": NOTHING, "online": NOTHING}
    assert everything(client) == before
    assert set(before) == {b"profile:u2", b"contributors:online"}


def test_keys_that_expire_by_themselves_are_counted_as_such(client: Any, store: RedisStore) -> None:
    profile(client, "u1", "u2", "u3")
    client.expire("profile:u1", DAY)
    client.sadd("contributors:online", "u1", "u3")
    client.expire("contributors:online", DAY)

    counts = store.count(targets("u1", "u2"))

    assert counts["profiles"] == Count(records=2, expiring=1)
    assert counts["online"] == Count(records=1, expiring=1, total=2)


def test_sessions_end_with_their_index_and_those_of_controls_keep_their_time(
    client: Any, store: RedisStore
) -> None:
    log_in(client, "u1", "t1")
    log_in(client, "u1", "t2")
    log_in(client, "u10", "t10")
    client.expire("session:t10", 5_000)

    counted = store.count_sessions(targets("u1"))
    ended = store.end_sessions(targets("u1"), no_progress)

    assert counted == ended == Count(records=2, elements=1, expiring=2)
    assert set(client.keys("*")) == {b"session:t10", b"sessions_by_contributor:u10"}
    assert 4_900 < client.ttl("session:t10") <= 5_000
    assert store.count_sessions(targets("u1")) == NOTHING
    assert store.end_sessions(targets("u1"), no_progress) == NOTHING
    assert store.count_sessions(targets("u10")) == Count(records=1, elements=1, expiring=1)


def test_a_session_that_is_in_no_index_is_found(client: Any, store: RedisStore) -> None:
    log_in(client, "u1", "stray", indexed=False)
    log_in(client, "u2", "other", indexed=False)

    assert store.end_sessions(targets("u1"), no_progress) == Count(records=1, expiring=1)
    assert client.keys("*") == [b"session:other"]


def test_an_index_that_leads_nowhere_goes_and_what_it_lists_of_others_stays(
    client: Any, store: RedisStore
) -> None:
    client.sadd("sessions_by_contributor:u1", "expired-long-ago", "t2")
    log_in(client, "u2", "t2")

    assert store.end_sessions(targets("u1"), no_progress) == Count(records=0, elements=1)
    assert set(client.keys("*")) == {b"session:t2", b"sessions_by_contributor:u2"}


def test_counting_and_masking_leave_sessions_to_revoking(client: Any, store: RedisStore) -> None:
    log_in(client, "u2", "t2")
    profile(client, "u1")

    assert set(store.count(targets("u1"))) == {"profiles", "online"}
    assert store.mask(targets("u1"), no_progress)["profiles"] == Count(records=1)
    assert set(client.keys("*")) == {b"session:t2", b"sessions_by_contributor:u2"}


def test_a_session_of_a_target_that_appears_later_is_incomplete(client: Any, store: RedisStore) -> None:
    store.end_sessions(targets("u1"), no_progress)
    store.mask(targets("u1"), no_progress)
    store.purge(targets("u1"), no_progress)
    log_in(client, "u1", "late", indexed=False)

    for step in (store.mask, store.purge):
        with pytest.raises(Incomplete, match="redis/sessions: 1 keys") as caught:
            step(targets("u1"), no_progress)
        assert "late" not in str(caught.value)
    assert client.keys("*") == [b"session:late"]


def test_something_cached_again_after_masking_is_found_by_purging(client: Any, store: RedisStore) -> None:
    store.mask(targets("u1"), no_progress)
    profile(client, "u1")

    with pytest.raises(Incomplete, match="redis/profiles: 1 keys"):
        store.purge(targets("u1"), no_progress)


@pytest.mark.parametrize(
    "value", ["not json", "[]", "{}", '{"contributor_id": null}', '{"contributor_id": {}}', b"\xff"]
)
def test_a_session_whose_owner_cannot_be_read_is_refused_and_nothing_ends(
    client: Any, store: RedisStore, value: str | bytes
) -> None:
    log_in(client, "u1", "t1")
    client.set("session:strange", value)
    before = everything(client)

    for ask in (store.count_sessions, lambda some: store.end_sessions(some, no_progress)):
        with pytest.raises(StoreRefused, match=r"1 keys of session:\* .* redis\.yml") as caught:
            ask(targets("u1"))
        assert "strange" not in str(caught.value)
    assert everything(client) == before


def test_a_session_key_that_is_no_string_is_refused_as_well(client: Any, store: RedisStore) -> None:
    client.hset("session:hash", mapping={"contributor_id": "u1"})
    with pytest.raises(StoreRefused, match=r"1 keys of session:\*"):
        store.count_sessions(targets("u1"))


def test_an_index_of_another_kind_is_refused(client: Any, store: RedisStore) -> None:
    client.set("sessions_by_contributor:u1", "t1")
    with pytest.raises(StoreRefused, match=r"index .* is not a set"):
        store.count_sessions(targets("u1"))


def test_an_email_says_whose_a_session_is_only_where_it_has_no_id(client: Any) -> None:
    client.set("session:a", json.dumps({"email": " Ann@Example.COM "}))
    client.set("session:b", json.dumps({"contributor_id": "u2", "email": "ann@example.com"}))
    client.set("session:c", json.dumps({"contributor_id": None, "email": "bob@example.com"}))
    subject = Subject(contributor_id="contributor_id", email="email")
    store = store_with(client, "session:*", subject=subject, ends_access=True)

    ended = store.end_sessions(targets("u1", emails={"ann@example.com": "u1"}), no_progress)

    assert ended == Count(records=1)
    assert set(client.keys("*")) == {b"session:b", b"session:c"}


def test_thousands_are_found_among_thousands(client: Any, store: RedisStore) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(5_000):
        log_in(pipe, f"u{number}", f"t{number}", indexed=number % 2 == 0)
        profile(pipe, f"u{number}")
        pipe.sadd("contributors:online", f"u{number}")
    pipe.execute()
    some = targets(*(f"u{number}" for number in range(2_500)))
    told: list[tuple[str, int, int]] = []

    ended = store.end_sessions(some, no_progress)
    planned = store.count(some)
    done = store.mask(some, lambda *what: told.append(what))

    assert ended == Count(records=2_500, elements=1_250, expiring=2_500)
    assert {name: count.records for name, count in planned.items()} == {"profiles": 2_500, "online": 2_500}
    assert {name: count.records for name, count in done.items()} == {"profiles": 2_500, "online": 2_500}
    assert ("profiles", 2_500, 2_500) in told
    assert client.dbsize() == 2_500 + 1_250 + 2_500 + 1
    assert client.scard("contributors:online") == 2_500


@pytest.mark.parametrize("kind", ["set", "zset", "hash"])
def test_members_go_from_sets_sorted_sets_and_hashes(client: Any, kind: str) -> None:
    add = {
        "set": lambda member: client.sadd("seen", member),
        "zset": lambda member: client.zadd("seen", {member: 0}),
        "hash": lambda member: client.hset("seen", member, "made up"),
    }[kind]
    for member in ("u1", "u10", "u2"):
        add(member)
    store = store_with(client, "seen", members="contributor_id")

    assert store.count(targets("u1", "u3")) == {"extra": Count(records=1, total=3)}
    assert store.mask(targets("u1", "u3"), no_progress) == {"extra": Count(records=1)}
    assert store.count(targets("u1")) == {"extra": Count(records=0, total=2)}
    assert store.count(targets("u10", "u2")) == {"extra": Count(records=2, total=2)}


def test_members_of_a_list_are_refused(client: Any) -> None:
    client.rpush("seen", "u1")
    with pytest.raises(StoreRefused, match=r"is a list.*redis\.yml"):
        store_with(client, "seen", members="contributor_id").count(targets("u1"))


def test_several_keys_of_a_contributor_are_taken_by_exact_id(client: Any) -> None:
    for key in ("draft:u1:a", "draft:u1:b:c", "draft:u10:a", "draft:u2:u1:", "xdraft:u1:a", "draft:u1"):
        client.set(key, "made up")
    store = store_with(client, "draft:{contributor_id}:*")

    assert store.mask(targets("u1"), no_progress) == {"extra": Count(records=2)}
    assert set(client.keys("*")) == {b"draft:u10:a", b"draft:u2:u1:", b"xdraft:u1:a", b"draft:u1"}


def test_foreign_keys_that_are_not_utf8_disturb_nobody(client: Any, store: RedisStore) -> None:
    client.set(b"session:\xff\xfe", json.dumps({"contributor_id": "u2"}))
    client.set(b"\xff", b"\xff")
    log_in(client, "u1", "t1", indexed=False)

    assert store.end_sessions(targets("u1"), no_progress) == Count(records=1, expiring=1)
    assert set(client.keys("*")) == {b"session:\xff\xfe", b"\xff"}


@pytest.mark.parametrize(
    ("location", "declared"),
    [
        ("profile:{contributor_id}*", {}),
        ("seen", {"members": "email"}),
        ("seen:{contributor_id}", {"members": "contributor_id"}),
        ("session:", {"subject": Subject(contributor_id="id"), "index": "by:{contributor_id}"}),
        ("session:*", {"subject": Subject(contributor_id="id"), "index": "by"}),
    ],
)
def test_an_object_that_cannot_be_told_apart_is_refused_at_once(
    client: Any, location: str, declared: dict[str, Any]
) -> None:
    with pytest.raises(BadInput, match=r"redis\.yml"):
        store_with(client, location, **declared)


def test_a_client_that_decodes_is_refused_at_once(config: SandboxConfig) -> None:
    with pytest.raises(ValueError, match="decode_responses"):
        RedisStore(client_for(config, decode_responses=True), [])


def test_health_names_the_engine_and_its_version(client: Any, store: RedisStore) -> None:
    assert store.health().engine == "Redis"
    assert store.health().version == client.info("server")["redis_version"]


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
    config: SandboxConfig, changes: dict[str, Any], keys: str
) -> None:
    store = RedisStore(client_for(config, **changes), kepler_inventory().of("redis"))

    for step in (
        store.health,
        lambda: store.count(targets("u1")),
        lambda: store.count_sessions(targets("u1")),
    ):
        with pytest.raises(StoreUnavailable, match=rf"\[redis\] {keys}$") as caught:
            step()
        assert "not-the-password" not in str(caught.value)
        assert caught.value.__cause__ is None
