"""Repeatable chance: the same seed and the same question always draw the same answer.

Holds: the few classes and functions that everything made up in the world draws from.
Add here: another way to turn (seed, names) into numbers, orders or ids.
Keep out: what is drawn (people, dates, texts), and arrays (judgments.py does the same for many at once).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b, sha1
from math import gcd
from typing import TypeVar
from uuid import UUID

_NAMESPACE = UUID("6f1d5b5e-6a3c-5d0f-9a64-0c7b1d0e4a11").bytes
_WORD = (1 << 64) - 1
_LOW = 1 << 128  # with less in the pool, what is drawn would no longer be even

Item = TypeVar("Item")


class Die:
    """Draws of its own for each question, from a hash; making one costs a tenth of a `random.Random`."""

    __slots__ = ("_name", "_page", "_pool")

    def __init__(self, seed: int, *names: object) -> None:
        self._name = "/".join([str(seed), *map(str, names)]).encode()
        self._page = 0
        self._pool = 0

    def below(self, limit: int) -> int:
        """Any of 0 to limit - 1; the limit is at most 2 ** 64."""
        if self._pool < _LOW:
            salt = self._page.to_bytes(8, "big")
            self._pool = int.from_bytes(blake2b(self._name, salt=salt).digest(), "big")
            self._page += 1
        self._pool, drawn = divmod(self._pool, limit)
        return drawn

    def between(self, least: int, most: int) -> int:
        return least + self.below(most - least + 1)

    def choice(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def happens(self, *, percent: int) -> bool:
        """Whether something that happens so often does so now."""
        return self.below(100) < percent


@dataclass(frozen=True, kw_only=True)
class Permutation:
    """All numbers below `size` in another order, by arithmetic: a list of them would grow with the world."""

    size: int
    start: int
    step: int
    inverse: int

    @classmethod
    def drawn(cls, die: Die, size: int) -> "Permutation":
        step = 1 + die.below(size)
        while gcd(step, size) != 1:  # else it would leave some out
            step = 1 + die.below(size)
        return cls(size=size, start=die.below(size), step=step, inverse=pow(step, -1, size))

    def at(self, rank: int) -> int:
        """Which number comes at this rank."""
        return (self.start + self.step * rank) % self.size

    def rank(self, number: int) -> int:
        """At which rank this number comes."""
        return (number - self.start) * self.inverse % self.size


def hashed(seed: int, name: str, limit: int) -> int:
    """A number below the limit, by hash; unlike hash() it does not change between processes."""
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % limit


def scatter(seed: int, index: int) -> int:
    """64 well mixed bits of an index: cheap enough to be drawn once for every judgment."""
    bits = (seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15) & _WORD
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _WORD
    return bits ^ (bits >> 31)


def identifier(seed: int, kind: str, key: object) -> str:
    """The id of something, by its kind and key: a uuid of version 5, written out without an object for it."""
    digits = sha1(_NAMESPACE + f"{seed}/{kind}/{key}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-5{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
