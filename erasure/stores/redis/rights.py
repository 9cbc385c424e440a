"""What the server would not let the user of [redis] do, asked beforehand.

Commands are sent into a transaction that is never executed: a server holds each against the user's rights, of commands
and of keys, when it takes it in, and runs none. That needs no right to see rights, which a user like ours has not.
Holds: `surveyed`, before anything is counted, and `require`, of what a count has found.
Add here: a command that a script or a pass begins to use.
Keep out: reading, which a count does itself, and so tells of what it may not.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from erasure.inventory import InventoryObject
from erasure.inventory_checks.redis_keys import is_shared
from erasure.rules import Rule
from erasure.stores.base import Survey
from erasure.stores.redis.failures import refused, told
from erasure.stores.redis.passes import Seen, Sight
from erasure.stores.redis.places import Place
from erasure.stores.redis.servers import Servers

_KEY = object()
_NO_SCRIPT = "0" * 40
# Shapes that would change nothing, or next to nothing, even where a proxy executed them.
_ARGUMENTS: Mapping[str, Sequence[Any]] = {
    "BGREWRITEAOF": (),
    "BGSAVE": (),
    "EVALSHA": (_NO_SCRIPT, 1, _KEY),
    "GET": (_KEY,),
    "HDEL": (_KEY, ""),
    "HGET": (_KEY, ""),
    "HSET": (_KEY, "", "", ""),
    "LINDEX": (_KEY, 0),
    "LREM": (_KEY, 0, ""),
    "LSET": (_KEY, 0, ""),
    "SADD": (_KEY, ""),
    "SCAN": (0,),
    "SCRIPT LOAD": ("return 0",),
    "SET": (_KEY, "", "XX"),
    "SISMEMBER": (_KEY, ""),
    "SMEMBERS": (_KEY,),
    "SREM": (_KEY, ""),
    "TYPE": (_KEY,),
    "UNLINK": (_KEY,),
    "XDEL": (_KEY, "0-1"),
    "ZADD": (_KEY, "XX", 0, ""),
    "ZREM": (_KEY, ""),
    "ZSCORE": (_KEY, ""),
}
_SCRIPTED = ("SCRIPT LOAD", "EVALSHA", "TYPE")
# Type -> what its script calls where a value or member goes, and where it is changed.
_VALUES = {
    "string": (("GET", "UNLINK"), ("GET", "SET")),
    "hash": (("HGET", "UNLINK"), ("HGET", "HSET", "HDEL")),
}
_MEMBERS = {
    "set": (("SISMEMBER", "SREM"), ("SISMEMBER", "SREM", "SADD")),
    "zset": (("ZSCORE", "ZREM"), ("ZSCORE", "ZREM", "ZADD")),
    "hash": (("HGET", "HDEL"), ("HGET", "HSET", "HDEL")),
    "list": (("LINDEX", "LSET", "LREM"), ("LINDEX", "LSET")),
    "stream": (("XDEL",), ()),
}
_REMEDY = "let it: docs/redis.md says what it needs"
_UNKNOWN = "redis: the user of [redis] may not MULTI, so what else it may not shows only while masking"
_UNWRITTEN = (
    "redis: the user of [redis] may not {}, so files keep old values until the server writes them anew"
)


def surveyed(servers: Servers, places: Sequence[Place], *, rewrite: bool) -> Survey:
    """What the user lacks for these objects, by keys that are made up; whatever type theirs are of."""
    lacks: list[Survey] = []
    for place in places:
        for client in servers.of(place.item.db)[0]:
            with told(place.item.name):
                lacks.append(_lacks(client, place))
    for client in servers.of(None)[0] if rewrite else ():
        with told():
            lacked = missing(client, _rewriting(client))
        if lacked:
            lacks.append(Survey(notices=(_UNWRITTEN.format(" and ".join(lacked)),)))
    # Servers of a cluster say the same of the same user.
    return Survey(
        problems=tuple(dict.fromkeys(each for part in lacks for each in part.problems)),
        notices=tuple(dict.fromkeys(each for part in lacks for each in part.notices)),
    )


def require(sight: Sight) -> None:
    """Raises StoreRefused where the user may not change what a look has found, by the very keys."""
    for place, parts in sight.items():
        for part in parts:
            with told(place.item.name):
                lacked = missing(part.client, _of_found(place, part))
            if lacked:
                raise refused(
                    place.item.name,
                    f"the user of [redis] may not {', '.join(lacked)} keys such as {place.item.location}",
                    _REMEDY,
                )


def missing(client: Any, commands: Sequence[tuple[str, bytes]]) -> list[str] | None:
    """Which commands, each with its key, the server would refuse; None where it cannot be asked."""
    from redis.exceptions import ResponseError

    wanted = list(dict.fromkeys(commands))
    if not wanted:
        return []
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command("MULTI", check_health=False)
        try:
            connection.read_response()
        except ResponseError:
            return None
        # Only on the connection on which the transaction has begun: elsewhere they would be executed.
        packed = connection.pack_commands([_spelled(name, key) for name, key in wanted])
        connection.send_packed_command(packed, check_health=False)
        answers = [_is_taken(connection) for _ in wanted]
        return list(
            dict.fromkeys(name for (name, _), is_taken in zip(wanted, answers, strict=True) if not is_taken)
        )
    finally:
        # Which ends the transaction, whatever has become of it.
        connection.disconnect()
        client.connection_pool.release(connection)


def _is_taken(connection: Any) -> bool:
    from redis.exceptions import NoPermissionError, ResponseError

    try:
        connection.read_response()
    except NoPermissionError:
        return False
    except ResponseError as error:
        # Services rename commands, or take them away. Other answers (MOVED, OOM) come after that of rights.
        return "NOPERM" not in str(error) and "unknown command" not in str(error)
    return True


def _lacks(client: Any, place: Place) -> Survey:
    where = f"redis/{place.item.name}: the user of [redis] may not"
    key = place.template.made_up(secrets.token_hex(16)).encode()
    index = [] if place.index is None else [place.index.made_up(secrets.token_hex(16)).encode()]
    kinds = _by_kind(place.item)
    always = [("SCAN", key), *((name, each) for each in index for name in ("TYPE", "SMEMBERS", "UNLINK"))]
    always += [(name, key) for name in (_SCRIPTED if kinds else ("UNLINK",))]
    lacked = missing(client, always)
    by_kind = {kind: missing(client, [(name, key) for name in names]) for kind, names in kinds.items()}
    if lacked is None or None in by_kind.values():
        return Survey(notices=(_UNKNOWN,))
    some = {kind: names for kind, names in by_kind.items() if names}
    if lacked:
        return Survey(
            problems=(f"{where} {', '.join(lacked)} keys such as {place.item.location}; {_REMEDY}",)
        )
    told_of = tuple(
        f"{where} {', '.join(names)} keys such as {place.item.location}, as those of type {kind} need; {_REMEDY}"
        for kind, names in some.items()
    )
    return Survey(problems=told_of) if len(some) == len(kinds) else Survey(notices=told_of)


def _of_found(place: Place, part: Seen) -> list[tuple[str, bytes]]:
    found, kinds = part.found, _by_kind(place.item)
    commands = [("UNLINK", key) for key in (*list(found.names)[:1], *list(found.index)[:1])]
    first: dict[str, bytes] = {}
    for hits in found.hits.values():
        for hit in hits[:1]:
            first.setdefault(hit.call[0], hit.key)
    return commands + [
        (name, key) for kind, key in first.items() for name in (*_SCRIPTED, *kinds.get(kind, ()))
    ]


def _by_kind(item: InventoryObject) -> dict[str, tuple[str, ...]]:
    """Type -> the commands for it; empty where keys go by their name, whatever type they are of."""
    goes = item.rule is Rule.DELETE
    if item.members is None and goes and "{" in item.location:
        return {}
    if is_shared(item):
        return {"string": _VALUES["string"][1]}
    kinds = _VALUES if item.members is None else _MEMBERS
    return {kind: names[0 if goes else 1] for kind, names in kinds.items() if names[0 if goes else 1]}


def _rewriting(client: Any) -> list[tuple[str, bytes]]:
    names = ["BGREWRITEAOF"] if client.info("persistence").get("aof_enabled") else []
    return [(name, b"") for name in (*names, "BGSAVE")]


def _spelled(name: str, key: bytes) -> list[Any]:
    return [*name.split(), *(key if each is _KEY else each for each in _ARGUMENTS[name])]
