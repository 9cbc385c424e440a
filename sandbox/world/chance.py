"""Repeatable chance: the same seed and the same question always draw the same answer.

Holds: the few functions that everything made up in the world draws from.
Add here: another way to turn (seed, names) into numbers or ids.
Keep out: what is drawn (people, dates, texts).
"""

from hashlib import blake2b
from random import Random
from uuid import UUID, uuid5

_NAMESPACE = UUID("6f1d5b5e-6a3c-5d0f-9a64-0c7b1d0e4a11")
_WORD = (1 << 64) - 1


def dice(seed: int, *names: object) -> Random:
    """A generator of its own for each question; Random hashes a text the same way everywhere."""
    return Random("/".join([str(seed), *map(str, names)]))


def happens(die: Random, *, percent: int) -> bool:
    """Whether something that happens so often does so now."""
    return die.random() * 100 < percent


def number(seed: int, name: str, limit: int) -> int:
    """A number below the limit, by hash; unlike hash() it does not change between processes."""
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % limit


def scatter(seed: int, index: int) -> int:
    """64 well mixed bits of an index: cheap enough to be drawn once for every judgment."""
    bits = (seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15) & _WORD
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _WORD
    return bits ^ (bits >> 31)


def identifier(seed: int, kind: str, key: object) -> UUID:
    """The uuid of something, by its kind and key."""
    return uuid5(_NAMESPACE, f"{seed}/{kind}/{key}")
