"""Which of many rows may be a target's, told by their ids and emails as JSON writes them.

Never fewer than `Subjects` finds; what becomes of them is decided of each by itself.
Holds: `Suspects`, `suspects_of`.
Add here: another way to tell sooner that rows are nobody's.
Keep out: how ids and emails are found in rows (`flat.py`, `shapes.py`), and verdicts (`subjects.py`).
"""

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain, compress, count
from operator import methodcaller
from weakref import WeakKeyDictionary

import numpy as np

from erasure.rules import MASK
from erasure.stores.s3.rows.subjects import Subjects
from erasure.stores.s3.rows.uniform import Filter, Table, has_blanks_around, starts_with

_MASKED = f'"{MASK}'.encode()
_LETTERS = 26


class Suspects:
    """The ids and emails of targets, and masks."""

    def __init__(self, subjects: Subjects) -> None:
        self._ids = frozenset(_written_ids(subjects))
        self._emails = frozenset(f'"{email}"'.lower().encode() for email in subjects.emails)

    def among(self, owners: list[bytes], emails: list[bytes]) -> list[int] | None:
        """The numbers of rows that may be a target's; None where they must be looked at more closely."""
        # Who wears a mask is a suspect too.
        told = b"".join(emails)
        masked = told.count(_MASKED)
        told = b"".join([told.replace(_MASKED, b'"') if masked else told, *owners])
        if not told.isascii() or b" " in told or b"\x7f" in told:
            return None
        concerned: list[Iterable[bool]] = []
        if masked:
            concerned.append(map(methodcaller("startswith", _MASKED), emails))
        if _has_capitals(told):
            owners, emails = list(map(bytes.lower, owners)), list(map(bytes.lower, emails))
        if not self._ids.isdisjoint(owners):
            concerned.append(map(self._ids.__contains__, owners))
        if not self._emails.isdisjoint(emails):
            concerned.append(map(self._emails.__contains__, emails))
        return sorted(set(chain.from_iterable(compress(count(), each) for each in concerned)))

    def in_table(self, table: Table, owner: int | None, email: int | None) -> list[int] | None:
        """The same of ids and emails by their quotes; they are plain ASCII. Of these some are found to be nobody's."""
        may_be = np.zeros(len(table.quotes), np.bool_)
        for opened, known in ((owner, self._id_filter), (email, self._email_filter)):
            if opened is None:
                continue
            if has_blanks_around(table, opened):
                return None
            may_be |= known.may_have(table, opened)
        if email is not None:
            may_be |= starts_with(table, email, MASK.encode())
        found: list[int] = np.flatnonzero(may_be).tolist()
        return found

    @cached_property
    def _id_filter(self) -> Filter:
        return Filter([text.strip(b'"') for text in self._ids])

    @cached_property
    def _email_filter(self) -> Filter:
        return Filter([text.strip(b'"') for text in self._emails])

    def among_few(self, owners: list[bytes], emails: list[bytes]) -> list[int]:
        """The same of ids and emails that are plain ASCII without blanks, which is quicker where there are few."""
        ids, known = self._ids, self._emails
        return [
            number
            for number, (owner, email) in enumerate(zip(owners, emails, strict=True))
            if owner.lower() in ids or email.lower() in known or email.startswith(_MASKED)
        ]


_BUILT: WeakKeyDictionary[Subjects, Suspects] = WeakKeyDictionary()


def suspects_of(subjects: Subjects) -> Suspects:
    """Built once for all objects of a batch: of ten thousand targets it takes longer than many a small object."""
    found = _BUILT.get(subjects)
    if found is None:
        found = _BUILT[subjects] = Suspects(subjects)
    return found


def _written_ids(subjects: Subjects) -> Iterator[bytes]:
    """Every way in which a token can name a target, in lower letters."""
    for one in subjects.ids:
        text = json.dumps(one.lower(), ensure_ascii=False).encode()
        yield text
        yield text[:-1] + b'.0"'
        if one.isascii() and one.isdigit():
            yield one.encode()


def _has_capitals(text: bytes) -> bool:
    # What is less than A becomes more than Z.
    return bool(np.any(np.frombuffer(text, np.uint8) - np.uint8(ord("A")) < _LETTERS))
