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
from erasure.inventory import Field, Inventory, InventoryObject, Subject
from erasure.rules import MASK, Rule
from erasure.settings import Settings
from erasure.stores.base import no_progress
from erasure.stores.redis import scripts
from erasure.stores.redis.store import RedisStore
from erasure.targets import Needle, TargetSet
from expectations.readers.base import VerifiedBatch
from expectations.readers.redis import read_redis
from sandbox.config import SandboxConfig
from tests.contract.expectations_world import _settings
from tests.contract.redis_support import OWN_DB, client_for, fields, store_with
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


def team(*emails: str) -> str:
    """A list of Ann by id, Bob by id, Ann by email, Bob who has noted Ann's email in a text, and nobody."""
    owners = (f'"id": "{ANN}"', f'"id": "{BOB}"', '"id": null', f'"id":\t"{BOB}"', '"id": null')
    people = [
        f'{{{owner}, "at": {{"email": "{email}"}}, "score": 1.50}}'
        for owner, email in zip(owners, emails, strict=False)
    ]
    return f"[{',  '.join(people)}]"


def fill_shared(client: Any) -> None:
    client.set("team:1", team(ANNS_EMAIL, BOBS_EMAIL, " ANN@example.com", BOBS_EMAIL, ""), ex=5_000)
    client.set("team:2", team("", BOBS_EMAIL).replace(ANN, BOB))
    client.set("team:3", "[]")


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
    "a string that lists many people": (
        fill_shared,
        "team:*",
        {
            "fields": tuple(
                Field(name=name, rule=rule, owner="[].id", email="[].at.email", reason="made up")
                for name, rule in {"[].at.email": Rule.CONSTANT, "[].score": Rule.KEEP}.items()
            )
        },
        1,
        lambda c: (
            c.get("team:1").decode() == team(MASK, BOBS_EMAIL, MASK, BOBS_EMAIL, "")
            and c.get("team:2").decode() == team("", BOBS_EMAIL).replace(ANN, BOB)
            and c.ttl("team:1") > 4_900
        ),
    ),
    "keys with an email": (
        fill_keys_by_email,
        "mail:{email}:*",
        {},
        1,
        lambda c: c.keys("*") == [f"mail:{BOBS_EMAIL}:x".encode()],
    ),
}


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


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (
            f'[{{"at": {{"email": "{ANNS_EMAIL}"}}}}, {{"id": true, "at": {{"email": null}}}}]',
            "do not say whose",
        ),
        (f'[{{"at": {{"email": ["{ANNS_EMAIL}"]}}}}]', "do not say whose"),
        (ANNS_EMAIL, "do not say whose"),
        (f'["{ANNS_EMAIL}"]', "1 keys within values"),
        (f'[{{"id": null, "at": "{ANNS_EMAIL}"}}]', "1 keys within values"),
        (f'[{{"id": "{BOB}", "street": "Main Street"}}]', "1 keys within values"),
        (f'{{"people": [{{"id": "{ANN}", "at": {{"email": "{ANNS_EMAIL}"}}}}]}}', "1 keys within values"),
    ],
)
def test_a_list_of_people_of_another_form_is_refused_and_not_missed(
    redis_db: Any, value: str, says: str
) -> None:
    redis_db.set("team:1", value)
    redis_db.set("team:2", team(ANNS_EMAIL, BOBS_EMAIL))
    store = store_with(redis_db, "team:*", **SCENES["a string that lists many people"][2])
    for ask in (store.count, lambda some: store.mask(some, no_progress)):
        with pytest.raises(StoreRefused, match=says) as caught:
            ask(TARGETS)
        assert ANNS_EMAIL not in str(caught.value)
    assert redis_db.get("team:1").decode() == value
    redis_db.delete("team:1")
    assert store.count(TARGETS)["extra"] == Count(records=1, elements=1, total_elements=2)


def test_an_element_of_somebody_elses_id_with_a_targets_email_is_a_conflict(redis_db: Any) -> None:
    redis_db.set("team:1", team("", ANNS_EMAIL))
    store = store_with(redis_db, "team:*", **SCENES["a string that lists many people"][2])
    assert store.count(TARGETS)["extra"].conflicts == 1


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
