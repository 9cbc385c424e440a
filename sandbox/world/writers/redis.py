"""The world in Redis: sessions with their index, profile hashes and who is online.

Holds: the keys and values, written by pipelines into an emptied database.
Add here: another kind of key.
Keep out: what the job API does with sessions.
"""

import json
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from sandbox.world.chance import Die
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World
from sandbox.world.neighbours import NOTE, neighbours
from sandbox.world.stores import WorldStores
from sandbox.world.writers.progress import Counts, Progress, blocks

if TYPE_CHECKING:
    from redis.client import Pipeline

SESSION_SECONDS = 86_400
_ONLINE = "contributors:online"
_PEOPLE_AT_ONCE = 1_000


def write_redis(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Keys by pattern. Empties the one database it is given, not the server."""
    from redis import Redis

    client = Redis(
        host=stores.redis_host, port=stores.redis_port, password=stores.redis_password, db=stores.redis_db
    )
    counts: Counter[str] = Counter()
    done = 0
    with client:
        client.flushdb()
        for some in blocks(world.contributors, _PEOPLE_AT_ONCE):
            with client.pipeline(transaction=False) as pipeline:
                for each in some:
                    _write(pipeline, each, session_tokens(world.seed, each), counts)
                pipeline.execute()
            done += len(some)
            progress("redis/contributors", done, len(world.contributors))
        counts["contributors_online"] = int(client.exists(_ONLINE))  # one key, many members
    return dict(counts)


def _write(pipeline: "Pipeline", each: Contributor, tokens: list[str], counts: Counter[str]) -> None:
    contributor_id = each.contributor_id
    pipeline.hset(f"profile:{contributor_id}", mapping=_profile(each))
    counts["profiles"] += 1
    for name in neighbours(each):
        pipeline.hset(f"profile:{name}", "note", NOTE)
        pipeline.sadd(f"sessions_by_contributor:{name}", NOTE)
        counts["neighbours"] += 2
    if not tokens:
        return
    value = json.dumps(
        {"contributor_id": contributor_id, "email": each.email, "created_at": each.last_active.isoformat()}
    )
    for token in tokens:
        pipeline.set(f"session:{token}", value, ex=SESSION_SECONDS)
        counts["sessions"] += 1
    index = f"sessions_by_contributor:{contributor_id}"
    pipeline.sadd(index, *tokens)
    pipeline.expire(index, SESSION_SECONDS)
    counts["sessions_by_contributor"] += 1
    pipeline.sadd(_ONLINE, contributor_id)


def session_tokens(seed: int, each: Contributor) -> list[str]:
    """None for about half of the people, else up to three. Guessable, as nothing real hangs on them."""
    die = Die(seed, "sessions", each.place)
    sessions = die.between(1, 3) if die.happens(percent=50) else 0
    return [
        blake2b(f"{seed}/{each.contributor_id}/{number}".encode(), digest_size=16).hexdigest()
        for number in range(sessions)
    ]


def _profile(each: Contributor) -> dict[Any, Any]:
    profile = {"email": each.email, "full_name": each.person.full_name, "country": each.person.country}
    return profile if each.phone is None else {**profile, "phone": each.phone}
