"""Rows whose values are all of one kind, told apart by the places of their quotes, without an object for each row.

Every such row has as many quotes as the others, so that these form a table: a row a line, and a column for each value
that begins or ends with one.
Holds: `Uniform`, `Table`, `table_of`, `Filter`, `starts_with`, `has_blanks_around`, and `line_starts` for
rows by lines.
Add here: nothing of JSON but quotes.
Keep out: whose a row is (`suspects.py`), and how the pattern of a row is made (`shapes.py`).
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

_Places = np.ndarray[Any, np.dtype[np.int64]]
_Prints = np.ndarray[Any, np.dtype[np.uint64]]
_QUOTE = ord('"')
_WINDOW = 8
# What is kept of a window by how long the text is, and what makes all letters of ASCII small ones.
_KEPT = np.array([(1 << 8 * length) - 1 for length in range(_WINDOW + 1)], np.uint64)
_SMALL = np.uint64(0x2020202020202020)
_FACTORS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64
)
_BITS_OF_ONE = 64
_BITS_AT_LEAST = 13


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """A pattern of rows that follow each other, with the quotes and the control characters that each of them has.

    It sees no control character or backslash in a text. begin: bytes of a row before its first quote.
    owner, email, taken: which quote opens the value; None where a row has no such.
    """

    pattern: re.Pattern[bytes]
    quotes: int
    controls: int
    begin: int
    owner: int | None
    email: int | None
    taken: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """From where to where rows are, their bytes, and the places of their quotes in these."""

    signs: np.ndarray[Any, np.dtype[np.uint8]]
    begin: int
    end: int
    quotes: _Places

    def values(self, opened: int) -> tuple[_Places, _Places]:
        """Where the texts begin and end that this quote opens."""
        return self.quotes[:, opened] + 1, self.quotes[:, opened + 1]


def table_of(uniform: Uniform, data: bytes, at: int, end: int) -> Table | None:
    """All rows that follow each other from a place; None where there are none, or what they hold must be looked at."""
    match = uniform.pattern.match(data, at, end)
    if match is None or match.end() == at:
        return None
    size = match.end() - at + _WINDOW
    # A window may reach beyond the last text.
    held, start = (data, at) if at + size <= len(data) else (data[at : match.end()] + bytes(_WINDOW), 0)
    signs = np.frombuffer(held, np.uint8, size, start)
    passed = signs[:-_WINDOW]
    quotes = np.flatnonzero(passed == _QUOTE)
    rows = len(quotes) // uniform.quotes
    if int(np.count_nonzero(passed < ord(" "))) != rows * uniform.controls:
        return None
    return Table(signs=signs, begin=at, end=match.end(), quotes=quotes.reshape(rows, uniform.quotes))


class Filter:
    """Tells of texts whether they may be some that are known, whatever their letters' case: never no where it is yes.

    A text's print is made of its beginning, its middle, its end and its length.
    """

    def __init__(self, texts: Collection[bytes]) -> None:
        bits = max(_BITS_AT_LEAST, (_BITS_OF_ONE * len(texts)).bit_length())
        self._shift = np.uint64(64 - bits)
        known = np.zeros(1 << bits, np.bool_)
        if texts:
            joined = np.frombuffer(b"".join([*texts, bytes(_WINDOW)]), np.uint8)
            ends = np.cumsum([len(text) for text in texts])
            starts = np.concatenate(([0], ends[:-1]))
            known[_prints(joined, starts, ends) >> self._shift] = True
        self._known = np.packbits(known, bitorder="little")

    def may_have(self, table: Table, opened: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Of each row, whether the value that this quote opens may be one."""
        places = _prints(table.signs, *table.values(opened)) >> self._shift
        held = self._known[places >> np.uint64(3)] >> (places & np.uint64(7)).astype(np.uint8)
        return np.asarray((held & 1) == 1)


def starts_with(table: Table, opened: int, begin: bytes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Of each row, whether a value may begin so: its first bytes do."""
    starts, _ = table.values(opened)
    wanted = np.frombuffer(begin[:_WINDOW], "<u8")[0]
    return np.asarray(_windows(table.signs, starts) == wanted)


def has_blanks_around(table: Table, opened: int) -> bool:
    """Whether a value begins or ends with a blank."""
    starts, ends = table.values(opened)
    return bool(np.any(table.signs[starts] == ord(" ")) or np.any(table.signs[ends - 1] == ord(" ")))


def _prints(signs: np.ndarray[Any, np.dtype[np.uint8]], starts: _Places, ends: _Places) -> _Prints:
    lengths = ends - starts
    first = (_windows(signs, starts) | _SMALL) & _KEPT[np.minimum(lengths, _WINDOW)]
    middle = _windows(signs, starts + (lengths >> 1) - _WINDOW // 2) | _SMALL
    last = _windows(signs, ends - _WINDOW) | _SMALL
    # Shorter ones lie in the first window as a whole; the others would see what stands around them.
    longer = (middle * _FACTORS[1] ^ last * _FACTORS[2]) * (lengths >= _WINDOW)
    mixed = (first * _FACTORS[0] ^ longer) + lengths.astype(np.uint64) * _FACTORS[3]
    return np.asarray((mixed ^ (mixed >> np.uint64(29))) * _FACTORS[0])


def _windows(signs: np.ndarray[Any, np.dtype[np.uint8]], starts: _Places) -> _Prints:
    """Eight bytes from each place, whatever stands there; before the first there is none."""
    every: _Prints = np.ndarray((len(signs) - _WINDOW + 1,), "<u8", signs.data, strides=(1,))
    return np.asarray(every[np.maximum(starts, 0)])


def line_starts(data: bytes, at: int, end: int, numbers: list[int], lines: int) -> Iterator[int]:
    """Where rows begin, by their numbers, of rows that follow each other and have so many lines each."""
    if not numbers:
        return iter(())
    ends = np.flatnonzero(np.frombuffer(data, np.uint8, end - at, at) == ord("\n"))
    begins = np.concatenate(([at], ends[lines - 1 :: lines] + (at + 1)))
    return iter(begins[numbers].tolist())
