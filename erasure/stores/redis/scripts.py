"""Scripts that change a key only where it still holds what was seen, by its SHA-1; each is of one key and atomic.

What somebody else has written meanwhile stays, and is found by the next look. TTLs are kept.
Holds: `SCRIPTS`, by the type of the key, and `run`.
Add here: the script of another type.
Keep out: what is to change (`content.py`). SLOWLOG and MONITOR show arguments, so old values are given as SHA-1 alone.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

_IS = "if redis.call('type', KEYS[1])['ok'] ~= '{}' then return 0 end\n"
# ARGV: sha1, what to do (d: delete, s: set), new value.
_STRING = """
local now = redis.call('get', KEYS[1])
if redis.sha1hex(now) ~= ARGV[1] then return 0 end
if ARGV[2] == 'd' then return redis.call('unlink', KEYS[1]) end
redis.call('set', KEYS[1], ARGV[3], 'keepttl')
return 1
"""
# ARGV, five each: field, sha1 of its value, what (d, s, k: the whole key goes), new name, new value.
_HASH = """
local done = 0
for i = 1, #ARGV, 5 do
  local now = redis.call('hget', KEYS[1], ARGV[i])
  if now and redis.sha1hex(now) == ARGV[i + 1] then
    if ARGV[i + 2] == 'k' then return redis.call('unlink', KEYS[1]) end
    if ARGV[i + 2] == 's' then redis.call('hset', KEYS[1], ARGV[i + 3], ARGV[i + 4]) end
    if ARGV[i + 2] == 'd' or ARGV[i + 3] ~= ARGV[i] then redis.call('hdel', KEYS[1], ARGV[i]) end
    done = done + 1
  end
end
return done
"""
# ARGV, three each: member, what, new member. The new one comes first: a set that is empty for a moment loses its TTL.
_SET = """
local done = 0
for i = 1, #ARGV, 3 do
  if redis.call('sismember', KEYS[1], ARGV[i]) == 1 then
    if ARGV[i + 1] == 's' then redis.call('sadd', KEYS[1], ARGV[i + 2]) end
    redis.call('srem', KEYS[1], ARGV[i])
    done = done + 1
  end
end
return done
"""
# The score is kept; where two members become one, the higher.
_ZSET = """
local done = 0
for i = 1, #ARGV, 3 do
  local score = redis.call('zscore', KEYS[1], ARGV[i])
  if score then
    if ARGV[i + 1] == 's' then
      local other = redis.call('zscore', KEYS[1], ARGV[i + 2])
      if not other or tonumber(other) < tonumber(score) then redis.call('zadd', KEYS[1], score, ARGV[i + 2]) end
    end
    redis.call('zrem', KEYS[1], ARGV[i])
    done = done + 1
  end
end
return done
"""
# ARGV: a random text in place of what goes; then four each: position, sha1, what, new element.
_LIST = """
local done, gone = 0, 0
for i = 2, #ARGV, 4 do
  local now = redis.call('lindex', KEYS[1], ARGV[i])
  if now and redis.sha1hex(now) == ARGV[i + 1] then
    if ARGV[i + 2] == 'd' then gone = gone + 1 end
    redis.call('lset', KEYS[1], ARGV[i], ARGV[i + 2] == 'd' and ARGV[1] or ARGV[i + 3])
    done = done + 1
  end
end
if gone > 0 then redis.call('lrem', KEYS[1], 0, ARGV[1]) end
return done
"""
SCRIPTS = {
    kind: _IS.format(kind) + body
    for kind, body in {
        "string": _STRING,
        "hash": _HASH,
        "set": _SET,
        "zset": _ZSET,
        "list": _LIST,
        "stream": "return redis.call('xdel', KEYS[1], unpack(ARGV))",
    }.items()
}


def sha1(value: bytes) -> str:
    """As `redis.sha1hex` has it."""
    return hashlib.sha1(value, usedforsecurity=False).hexdigest()


def run(client: Any, calls: Sequence[tuple[str, bytes, Sequence[bytes | str]]]) -> list[int]:
    """(type, key, arguments) of each call; how many values each has changed."""
    for kind in {kind for kind, _, _ in calls}:
        client.script_load(SCRIPTS[kind])
    pipe = client.pipeline(transaction=False)
    for kind, key, arguments in calls:
        pipe.evalsha(sha1(SCRIPTS[kind].encode()), 1, key, *arguments)
    return [int(answer) for answer in pipe.execute()]
