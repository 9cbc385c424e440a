"""Masking in place on a real Redis: the owner's fields and members change, everything else stays byte by byte.

Each case says what there is and what must be left; store and judge look at it with queries of their own and agree.
Holds: forms of keys, values and members, TTLs, writers that come in between, several databases.
Add here: another form in which Redis holds personal data.
Keep out: what goes as a whole (`test_redis_store.py`), sessions, clusters.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.stores.base import no_progress
from erasure.stores.redis import scripts
from erasure.stores.redis.store import RedisStore
from sandbox.config import SandboxConfig
from tests.contract.redis_masking_support import ANN, ANNS_EMAIL, BOB, BOBS_EMAIL, TARGETS, survivors
from tests.contract.redis_support import OWN_DB, client_for, fields, store_with

BY_BOTH = Subject(contributor_id="who.id", email="who.email")
UNIQUE = f"{MASK}-{ANN}"


def of_email(email: str, contributor_id: str | None = None) -> str:
    who = f'{{"id":{json.dumps(contributor_id)}, "email": "{email}"}}'
    return f'{{ "who": {who},\t"score": 1.50, "é": 12345678901234567890}}'


def fill_string(client: Any) -> None:
    client.set("cart:1", of_email(" ANN@Example.com"), ex=5_000)
    client.set("cart:2", of_email(BOBS_EMAIL))
    client.set("cart:3", of_email(ANNS_EMAIL, ANN.upper()))


def fill_hash(client: Any) -> None:
    for owner, email in ((ANN.upper(), ANNS_EMAIL), (BOB, BOBS_EMAIL)):
        client.hset(
            f"person:{owner}", mapping={"email": email, "phone": "5", "more": json.dumps({"ip": "192.0.2.7"})}
        )
    client.expire(f"person:{ANN.upper()}", 5_000)


def fill_set(client: Any) -> None:
    client.sadd("invited", ANNS_EMAIL.upper(), BOBS_EMAIL)


def fill_zset(client: Any) -> None:
    client.zadd("ranking", {ANN: 2.5, ANN.upper(): 1.5, BOB: 3})


def fill_list(client: Any) -> None:
    client.rpush("feed", of_email(BOBS_EMAIL), of_email(ANNS_EMAIL), of_email(BOBS_EMAIL, BOB))
    client.expire("feed", 5_000)


def fill_texts(client: Any) -> None:
    client.rpush(f"notes:{ANN}", f"I am {ANNS_EMAIL}.", "hello")
    client.rpush(f"notes:{BOB}", f"I met {ANNS_EMAIL}.")


def fill_hash_members(client: Any) -> None:
    client.hset(
        "by-email", mapping={"Ann@example.com": '{"ip": "192.0.2.7"}', BOBS_EMAIL: '{"ip": "192.0.2.8"}'}
    )


def fill_stream(client: Any) -> None:
    client.xadd("log", {"who": ANN, "ip": "192.0.2.7"}, id="1-1")
    client.xadd("log", {"who": BOB, "ip": "192.0.2.8"}, id="1-2")


def fill_plain(client: Any) -> None:
    client.set("token:1", ANN.upper())
    client.set("token:2", BOB)


def fill_keys_by_email(client: Any) -> None:
    client.set(f"mail:{ANNS_EMAIL.upper()}:x", "1")
    client.set(f"mail:{BOBS_EMAIL}:x", "1")


SCENES: dict[str, tuple[Callable[[Any], None], str, dict[str, Any], int, Callable[[Any], bool]]] = {
    "a string with JSON": (
        fill_string,
        "cart:*",
        {"subject": BY_BOTH, "fields": fields(who__id="keep", who__email="constant", score="keep", é="keep")},
        2,
        lambda c: (
            c.get("cart:1").decode() == of_email(MASK)
            and c.get("cart:3").decode() == of_email(MASK, ANN.upper())
            and c.get("cart:2").decode() == of_email(BOBS_EMAIL)
            and 4_900 < c.ttl("cart:1") <= 5_000
        ),
    ),
    "a hash": (
        fill_hash,
        "person:{contributor_id}",
        {"fields": fields(email="unique", phone="clear", more__ip="truncate_ip")},
        1,
        lambda c: (
            c.hgetall(f"person:{ANN.upper()}") == {b"email": UNIQUE.encode(), b"more": b'{"ip": "192.0.2.0"}'}
            and c.hget(f"person:{BOB}", "phone") == b"5"
            and 4_900 < c.ttl(f"person:{ANN.upper()}") <= 5_000
        ),
    ),
    "a set": (
        fill_set,
        "invited",
        {"members": "email", "fields": fields(whole="constant")},
        1,
        lambda c: c.smembers("invited") == {MASK.encode(), BOBS_EMAIL.encode()},
    ),
    "a sorted set, where scores stay": (
        fill_zset,
        "ranking",
        {"members": "contributor_id", "fields": fields(whole="unique")},
        2,
        lambda c: (
            dict(c.zrange("ranking", 0, -1, withscores=True)) == {UNIQUE.encode(): 2.5, BOB.encode(): 3.0}
        ),
    ),
    "a list, where positions stay": (
        fill_list,
        "feed",
        {
            "members": "value",
            "subject": BY_BOTH,
            "fields": fields(who__id="keep", who__email="constant", score="keep", é="keep"),
        },
        1,
        lambda c: (
            [each.decode() for each in c.lrange("feed", 0, -1)]
            == [of_email(BOBS_EMAIL), of_email(MASK), of_email(BOBS_EMAIL, BOB)]
            and c.ttl("feed") > 4_900
        ),
    ),
    "a list that goes in part": (
        fill_list,
        "feed",
        {"members": "value", "subject": BY_BOTH},
        1,
        lambda c: (
            [each.decode() for each in c.lrange("feed", 0, -1)]
            == [of_email(BOBS_EMAIL), of_email(BOBS_EMAIL, BOB)]
        ),
    ),
    "texts of one person": (
        fill_texts,
        "notes:{contributor_id}",
        {"members": "value", "fields": fields(whole="scrub_text")},
        1,
        lambda c: (
            c.lrange(f"notes:{ANN}", 0, -1) == [f"I am {MASK}.".encode(), b"hello"]
            and c.lrange(f"notes:{BOB}", 0, -1) == [f"I met {ANNS_EMAIL}.".encode()]
        ),
    ),
    "names and values of a hash": (
        fill_hash_members,
        "by-email",
        {"members": "email", "fields": fields(whole="constant", ip="truncate_ip")},
        1,
        lambda c: (
            c.hgetall("by-email")
            == {MASK.encode(): b'{"ip": "192.0.2.0"}', BOBS_EMAIL.encode(): b'{"ip": "192.0.2.8"}'}
        ),
    ),
    "entries of a stream": (
        fill_stream,
        "log",
        {"members": "value", "subject": Subject(contributor_id="who")},
        1,
        lambda c: [entry for entry, _ in c.xrange("log")] == [b"1-2"],
    ),
    "a string that is an id": (
        fill_plain,
        "token:*",
        {"subject": Subject(contributor_id="$")},
        1,
        lambda c: c.keys("*") == [b"token:2"],
    ),
    "keys with an email": (
        fill_keys_by_email,
        "mail:{email}:*",
        {},
        1,
        lambda c: c.keys("*") == [f"mail:{BOBS_EMAIL}:x".encode()],
    ),
}


@pytest.mark.parametrize("scene", list(SCENES))
def test_only_what_is_the_targets_changes_and_the_judge_agrees(
    redis_db: Any, redis_config: SandboxConfig, scene: str
) -> None:
    fill, location, declared, records, is_as_it_should = SCENES[scene]
    fill(redis_db)
    store = store_with(redis_db, location, **declared)

    assert not is_as_it_should(redis_db)
    assert survivors(redis_config, store) > 0
    assert store.count(TARGETS)["extra"].records == records
    assert store.mask(TARGETS, no_progress)["extra"].records == records
    assert is_as_it_should(redis_db)
    assert survivors(redis_config, store) == 0
    assert store.count(TARGETS)["extra"].records == store.mask(TARGETS, no_progress)["extra"].records == 0
    assert is_as_it_should(redis_db)


def test_what_somebody_writes_in_between_is_kept_and_masked_by_the_next_look(
    redis_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_string(redis_db)
    run, interfered = scripts.run, []

    def interfering(client: Any, calls: Any) -> list[int]:
        if not interfered:
            interfered.append(True)
            redis_db.set("cart:1", of_email(ANNS_EMAIL).replace("1.50", "7"), keepttl=True)
        return run(client, calls)

    monkeypatch.setattr("erasure.stores.redis.passes.run", interfering)
    store = store_with(redis_db, "cart:*", **SCENES["a string with JSON"][2])
    assert store.mask(TARGETS, no_progress)["extra"] == Count(records=2)
    assert redis_db.get("cart:1").decode() == of_email(MASK).replace("1.50", "7")


def test_a_writer_without_end_is_incomplete(redis_db: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill_string(redis_db)
    run, written = scripts.run, []

    def after_which_more_comes(client: Any, calls: Any) -> list[int]:
        done = run(client, calls)
        written.append(redis_db.set(f"cart:new{len(written)}", of_email(ANNS_EMAIL)))
        return done

    monkeypatch.setattr("erasure.stores.redis.passes.run", after_which_more_comes)
    with pytest.raises(Incomplete, match="redis/extra: 1 keys"):
        store_with(redis_db, "cart:*", **SCENES["a string with JSON"][2]).mask(TARGETS, no_progress)
    assert len(written) > 1


def test_a_key_within_a_targets_value_that_nobody_has_ruled_is_refused(redis_db: Any) -> None:
    redis_db.set("cart:1", json.dumps({"who": {"id": ANN, "email": ANNS_EMAIL, "street": "Main Street"}}))
    store = store_with(redis_db, "cart:*", subject=BY_BOTH, fields=fields(who__email="constant"))
    with pytest.raises(
        StoreRefused, match=r"1 keys within values of targets are not in the inventory"
    ) as caught:
        store.count(TARGETS)
    assert "street" not in str(caught.value)
    redis_db.set("cart:1", json.dumps({"who": {"id": BOB, "email": BOBS_EMAIL, "street": "Main Street"}}))
    assert store.count(TARGETS)["extra"] == Count(records=0)


def test_fields_of_stream_entries_are_refused_since_nobody_can_change_them(redis_db: Any) -> None:
    fill_stream(redis_db)
    subject = Subject(contributor_id="who")
    store = store_with(
        redis_db, "log", members="value", subject=subject, fields=fields(who="keep", ip="truncate_ip")
    )
    with pytest.raises(StoreRefused, match=r"1 entries are of a stream.*rule: delete"):
        store.count(TARGETS)


def test_somebody_elses_record_with_a_targets_email_is_a_conflict(redis_db: Any) -> None:
    redis_db.set("cart:1", of_email(ANNS_EMAIL, BOB))
    store = store_with(redis_db, "cart:*", subject=BY_BOTH)
    assert store.count(TARGETS)["extra"] == Count(records=0, conflicts=1)


def test_objects_of_several_databases_are_masked_each_in_its_own(
    redis_db: Any, redis_config: SandboxConfig
) -> None:
    other = client_for(redis_config, db=OWN_DB + 1)
    item = InventoryObject(
        store="redis",
        name="extra",
        source="kepler_redis",
        schema="kepler_redis",
        location="invited",
        subject=Subject(),
        members="email",
        rule=Rule.DELETE,
        db=OWN_DB + 1,
    )
    try:
        other.flushdb()
        fill_set(redis_db)
        fill_set(other)
        here = replace(item, name="here", db=None)
        only_there = RedisStore(redis_db, [item], rewrite=False)
        assert survivors(redis_config, only_there) == 1
        assert only_there.mask(TARGETS, no_progress) == {"extra": Count(records=1)}
        assert survivors(redis_config, only_there) == 0
        assert other.smembers("invited") == {BOBS_EMAIL.encode()}
        assert redis_db.scard("invited") == 2
        both = RedisStore(redis_db, [item, here], rewrite=False)
        assert both.mask(TARGETS, no_progress) == {"extra": Count(records=0), "here": Count(records=1)}
    finally:
        other.flushdb()
        other.close()
