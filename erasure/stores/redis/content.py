"""What lies under keys, by type: whole values, and members one by one with their place in the key.

Holds: `contents`, `members_of`, `Member`, and what a script is told of a member that changes.
Add here: another type of Redis.
Keep out: whose anything is (`places.py`), and the scripts themselves (`scripts.py`).
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from erasure.stores.redis.scripts import sha1
from erasure.stores.redis.values import Fields

_PAGE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """`place`: member, field, position or entry id. `name`: what can be an id or email. `value`: what can hold one."""

    place: bytes
    name: bytes | None
    value: bytes | Fields | None


def contents(client: Any, keys: Sequence[bytes], *, together: bool) -> Iterator[tuple[bytes, str, Any]]:
    """Key, type, and value of strings (bytes) and hashes (a mapping); None for other types.

    `together`: the keys may be asked for in one command, which a cluster refuses.
    """
    if together:
        values = client.mget(keys)
    else:
        pipe = client.pipeline(transaction=False)
        for key in keys:
            pipe.get(key)
        values = [None if isinstance(v, Exception) else v for v in _answers(pipe)]
    rest = []
    for key, value in zip(keys, values, strict=True):
        if value is None:
            rest.append(key)
        else:
            yield key, "string", value
    # Nothing is what is said of a key that has just gone, and of one that is no string.
    kinds = types(client, rest)
    hashes = [key for key in rest if kinds[key] == "hash"]
    pipe = client.pipeline(transaction=False)
    for key in hashes:
        pipe.hgetall(key)
    for key, fields in zip(hashes, pipe.execute(), strict=True):
        yield key, "hash", fields
    for key in rest:
        if kinds[key] not in ("none", "string", "hash"):
            yield key, kinds[key], None


def _answers(pipe: Any) -> list[Any]:
    from redis.exceptions import MovedError, ResponseError

    answers = pipe.execute(raise_on_error=False)
    for answer in answers:
        other_type = isinstance(answer, ResponseError) and "WRONGTYPE" in str(answer)
        if isinstance(answer, Exception) and (isinstance(answer, MovedError) or not other_type):
            raise answer
    return list(answers)


def types(client: Any, keys: Sequence[bytes]) -> dict[bytes, str]:
    """The type of each key, `none` where it is gone."""
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.type(key)
    return {key: kind.decode() for key, kind in zip(keys, pipe.execute(), strict=True)}


def members_of(client: Any, key: bytes, kind: str) -> Iterator[Member]:
    """Every member; one that a scan shows twice comes twice."""
    match kind:
        case "set":
            for each in client.sscan_iter(key, count=_PAGE):
                yield Member(place=each, name=each, value=each)
        case "zset":
            for each, _ in client.zscan_iter(key, count=_PAGE):
                yield Member(place=each, name=each, value=each)
        case "hash":
            for name, value in client.hscan_iter(key, count=_PAGE):
                yield Member(place=name, name=name, value=value)
        case "list":
            at = 0
            while page := client.lrange(key, at, at + _PAGE - 1):
                for position, each in enumerate(page, at):
                    yield Member(place=b"%d" % position, name=each, value=each)
                at += _PAGE
        case "stream":
            after = "-"
            while page := client.xrange(key, min=after, count=_PAGE):
                for entry, fields in page:
                    yield Member(place=entry, name=None, value=fields or {})
                after = f"({page[-1][0].decode()}"


def size_of(client: Any, key: bytes, kind: str) -> int:
    """How many members a key has."""
    command = {"set": "scard", "zset": "zcard", "hash": "hlen", "list": "llen", "stream": "xlen"}[kind]
    return int(getattr(client, command)(key))


def change(
    kind: str, member: Member, *, name: bytes | None = None, value: bytes | None = None
) -> list[bytes | str]:
    """What the type's script is told of a member: it goes, or takes another name or value."""
    what = "d" if name is None and value is None else "s"
    new = name if name is not None else value if value is not None else b""
    match kind:
        case "stream":
            return [member.place]
        case "list":
            return [member.place, sha1(_raw(member)), what, new]
        case "hash":
            return [
                member.place,
                sha1(_raw(member)),
                what,
                member.place if name is None else name,
                _raw(member) if value is None else value,
            ]
        case _:
            return [member.place, what, new]


def begin(kind: str) -> list[bytes | str]:
    """What the script is told before its members."""
    return [f"gone-{secrets.token_hex(16)}"] if kind == "list" else []


def _raw(member: Member) -> bytes:
    return member.value if isinstance(member.value, bytes) else b""
