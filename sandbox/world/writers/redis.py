"""The world in Redis: sessions with their index, profile hashes and who is online.

Holds: the keys and values, written by pipelines into an emptied database.
Add here: another kind of key.
Keep out: what the job API does with sessions.
"""

import json
from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

from sandbox.world.chance import dice, happens
from sandbox.world.contributors import Contributor
from sandbox.world.generate import World
from sandbox.world.stores import WorldStores
from sandbox.world.writers.progress import Counts, Progress, blocks, steps

if TYPE_CHECKING:
    from redis.client import Pipeline

SESSION_SECONDS = 86_400
_ONLINE = "contributors:online"
_BATCH = 1_000


def write_redis(stores: WorldStores, world: World, progress: Progress) -> Counts:
    """Keys by pattern. Empties the one database it is given, not the server."""
    from redis import Redis

    client = Redis(
        host=stores.redis_host, port=stores.redis_port, password=stores.redis_password, db=stores.redis_db
    )
    counts: Counter[str] = Counter()
    with client:
        client.flushdb()
        people = steps("redis/contributors", world.contributors, len(world.contributors), progress)
        for some in blocks(people, _BATCH):
            with client.pipeline(transaction=False) as pipeline:
                for each in some:
                    counts.update(_write(pipeline, world.seed, each))
                pipeline.execute()
    counts["contributors_online"] = min(counts["contributors_online"], 1)  # one key, many members
    return dict(counts)


def _write(pipeline: "Pipeline", seed: int, each: Contributor) -> Counts:
    contributor_id = str(each.contributor_id)
    _profile(pipeline, each)
    tokens = session_tokens(seed, each)
    if not tokens:
        return {"profiles": 1}
    value = json.dumps(
        {"contributor_id": contributor_id, "email": each.email, "created_at": each.last_active.isoformat()}
    )
    for token in tokens:
        pipeline.set(f"session:{token}", value, ex=SESSION_SECONDS)
    index = f"sessions_by_contributor:{contributor_id}"
    pipeline.sadd(index, *tokens)
    pipeline.expire(index, SESSION_SECONDS)
    pipeline.sadd(_ONLINE, contributor_id)
    return {"profiles": 1, "sessions": len(tokens), "sessions_by_contributor": 1, "contributors_online": 1}


def session_tokens(seed: int, each: Contributor) -> list[str]:
    """None for about half of the people, else up to three. Guessable, as nothing real hangs on them."""
    die = dice(seed, "sessions", each.place)
    sessions = die.randint(1, 3) if happens(die, percent=50) else 0
    return [
        blake2b(f"{seed}/{each.contributor_id}/{number}".encode(), digest_size=16).hexdigest()
        for number in range(sessions)
    ]


def _profile(pipeline: "Pipeline", each: Contributor) -> None:
    key = f"profile:{each.contributor_id}"
    pipeline.hset(key, "email", each.email)
    pipeline.hset(key, "full_name", each.person.full_name)
    pipeline.hset(key, "country", each.person.country)
    if each.phone is not None:
        pipeline.hset(key, "phone", each.phone)
