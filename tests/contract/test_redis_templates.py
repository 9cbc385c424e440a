"""Key templates held against a real Redis: its patterns and ours agree on every key, whatever stands in it.

Add here: another sign that means something to Redis and nothing to our templates.
Keep out: what a store does with the keys (`test_redis_store.py`).
"""

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from erasure.counts import Count
from tests.contract.redis_support import store_with, targets

on_one_database = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
# Signs of Redis' own patterns are part of a name in ours; only `*` stands for something.
signs = st.text("ab?[]\\^-!:é\n", max_size=4)


@on_one_database
@given(before=signs, after=signs, rest=st.binary(max_size=4), other=st.binary(max_size=6))
@example(before="[a", after="]", rest=b"", other=b"a")
@example(before="\\", after="?", rest=b"\xff\n", other=b"\\?")
@example(before="^", after="", rest=b":", other=b"")
def test_the_keys_of_a_pattern_are_those_that_are_spelled_like_it(
    redis_db: Any, before: str, after: str, rest: bytes, other: bytes
) -> None:
    redis_db.flushdb()
    start, end = f"{before}x".encode(), f":{after}".encode()
    mine = start + b"u1" + end + rest
    for key in (mine, start + b"u10" + end + rest, b"y" + mine, start + other, other or b"-"):
        redis_db.set(key, "1")
    store = store_with(redis_db, f"{before}x{{contributor_id}}:{after}*")

    keys = redis_db.keys("*")
    found = [key for key in keys if key.startswith(start + b"u1" + end)]
    assert mine in found
    assert store.count(targets("u1")) == {"extra": Count(records=len(found))}
    others = [key for key in keys if key.startswith((start + b"u2" + end, start + b"u" + end))]
    assert store.count(targets("u2", "u")) == {"extra": Count(records=len(others))}
