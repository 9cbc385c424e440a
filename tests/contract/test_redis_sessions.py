"""Sessions in a real Redis: a target's end, with their index and without one; those of controls keep their time.

Holds: counting and ending sessions, and what is refused because nobody can say whose it is.
Add here: a form of session that the store learns.
Keep out: other keys (`test_redis_store.py`), and the proof that access has ended (`test_job_api_client.py`).
"""

import json
from typing import Any

import pytest

from erasure.counts import Count
from erasure.errors import Incomplete, StoreRefused
from erasure.inventory import Subject
from erasure.stores.base import no_progress
from erasure.stores.redis.store import RedisStore
from tests.contract.redis_support import NOTHING, everything, log_in, profile, store_with, targets


def test_sessions_end_with_their_index_and_those_of_controls_keep_their_time(
    redis_db: Any, redis_store: RedisStore
) -> None:
    log_in(redis_db, "u1", "t1")
    log_in(redis_db, "u1", "t2")
    log_in(redis_db, "u10", "t10")
    redis_db.expire("session:t10", 5_000)

    counted = redis_store.count_sessions(targets("u1"))
    ended = redis_store.end_sessions(targets("u1"), no_progress)

    assert counted == ended == Count(records=2, elements=1, expiring=2)
    assert set(redis_db.keys("*")) == {b"session:t10", b"sessions_by_contributor:u10"}
    assert 4_900 < redis_db.ttl("session:t10") <= 5_000
    assert redis_store.count_sessions(targets("u1")) == NOTHING
    assert redis_store.end_sessions(targets("u1"), no_progress) == NOTHING
    assert redis_store.count_sessions(targets("u10")) == Count(records=1, elements=1, expiring=1)


def test_a_session_that_is_in_no_index_is_found(redis_db: Any, redis_store: RedisStore) -> None:
    log_in(redis_db, "u1", "stray", indexed=False)
    log_in(redis_db, "u2", "other", indexed=False)

    assert redis_store.end_sessions(targets("u1"), no_progress) == Count(records=1, expiring=1)
    assert redis_db.keys("*") == [b"session:other"]


def test_an_index_that_leads_nowhere_goes_and_what_it_lists_of_others_stays(
    redis_db: Any, redis_store: RedisStore
) -> None:
    redis_db.sadd("sessions_by_contributor:u1", "expired-long-ago", "t2")
    log_in(redis_db, "u2", "t2")

    assert redis_store.end_sessions(targets("u1"), no_progress) == Count(records=0, elements=1)
    assert set(redis_db.keys("*")) == {b"session:t2", b"sessions_by_contributor:u2"}


def test_counting_and_masking_leave_sessions_to_revoking(redis_db: Any, redis_store: RedisStore) -> None:
    log_in(redis_db, "u2", "t2")
    profile(redis_db, "u1")

    assert set(redis_store.count(targets("u1"))) == {"profiles", "online"}
    assert redis_store.mask(targets("u1"), no_progress)["profiles"] == Count(records=1)
    assert set(redis_db.keys("*")) == {b"session:t2", b"sessions_by_contributor:u2"}


def test_a_session_of_a_target_that_appears_later_is_incomplete(
    redis_db: Any, redis_store: RedisStore
) -> None:
    redis_store.end_sessions(targets("u1"), no_progress)
    redis_store.mask(targets("u1"), no_progress)
    redis_store.purge(targets("u1"), no_progress)
    log_in(redis_db, "u1", "late", indexed=False)

    for step in (redis_store.mask, redis_store.purge):
        with pytest.raises(Incomplete, match="redis/sessions: 1 keys") as caught:
            step(targets("u1"), no_progress)
        assert "late" not in str(caught.value)
    assert redis_db.keys("*") == [b"session:late"]


@pytest.mark.parametrize(
    "value", ["not json", "[]", "{}", '{"contributor_id": null}', '{"contributor_id": {}}', b"\xff"]
)
def test_a_session_whose_owner_cannot_be_read_is_refused_and_nothing_ends(
    redis_db: Any, redis_store: RedisStore, value: str | bytes
) -> None:
    log_in(redis_db, "u1", "t1")
    redis_db.set("session:strange", value)
    before = everything(redis_db)

    for ask in (redis_store.count_sessions, lambda some: redis_store.end_sessions(some, no_progress)):
        with pytest.raises(StoreRefused, match=r"1 keys of session:\* .* redis\.yml") as caught:
            ask(targets("u1"))
        assert "strange" not in str(caught.value)
    assert everything(redis_db) == before


def test_a_session_is_a_string_or_a_hash_and_anything_else_is_refused(
    redis_db: Any, redis_store: RedisStore
) -> None:
    redis_db.hset("session:hash", mapping={"contributor_id": "u1"})
    redis_db.hset("session:other", mapping={"contributor_id": "u2"})
    assert redis_store.end_sessions(targets("u1"), no_progress) == Count(records=1)
    assert redis_db.keys("*") == [b"session:other"]

    redis_db.sadd("session:set", "u1")
    with pytest.raises(StoreRefused, match=r"1 keys of session:\*"):
        redis_store.count_sessions(targets("u1"))


def test_an_index_of_another_kind_is_refused(redis_db: Any, redis_store: RedisStore) -> None:
    redis_db.set("sessions_by_contributor:u1", "t1")
    with pytest.raises(StoreRefused, match=r"index .* is not a set"):
        redis_store.count_sessions(targets("u1"))


def test_an_email_says_whose_a_session_is_only_where_it_has_no_id(redis_db: Any) -> None:
    redis_db.set("session:a", json.dumps({"email": " Ann@Example.COM "}))
    redis_db.set("session:b", json.dumps({"contributor_id": "u2", "email": "ann@example.com"}))
    redis_db.set("session:c", json.dumps({"contributor_id": None, "email": "bob@example.com"}))
    subject = Subject(contributor_id="contributor_id", email="email")
    store = store_with(redis_db, "session:*", subject=subject, ends_access=True)

    ended = store.end_sessions(targets("u1", emails={"ann@example.com": "u1"}), no_progress)

    assert ended == Count(records=1)
    assert set(redis_db.keys("*")) == {b"session:b", b"session:c"}
