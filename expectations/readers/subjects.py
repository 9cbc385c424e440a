"""Whose a value of a document is, and whether it survives: the closed form for documents.

Holds: `DocumentJudge`.
Add here: another way in which the inventory says whose a field is.
Keep out: paths (`documents.py`), clients (`search.py`).
"""

import re
from collections.abc import Sequence
from typing import Any

from erasure.inventory import Field, InventoryObject
from erasure.rules import Rule, is_mask, normalise_email
from expectations.readers.base import Tally, VerifiedBatch
from expectations.readers.documents import Document, text
from expectations.readers.free_text import TextJudge

_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9:.,]+(?:Z|[+-][0-9]{2}:?[0-9]{2})?")


class DocumentJudge:
    """Knows an index pattern and the people of a batch."""

    def __init__(self, item: InventoryObject, batch: VerifiedBatch) -> None:
        self._item = item
        self._batch = batch
        self._texts = TextJudge(batch)

    def survives(self, source: Any) -> bool:
        """Whether a document that ought to be gone as a whole is there, and a target's."""
        document, subject = Document(source), self._item.subject
        owners = document.beside("", (), subject.contributor_id) if subject.contributor_id else []
        if owners:
            return any(self._is_target(one) for one in owners)
        emails = document.beside("", (), subject.email) if subject.email else []
        return bool(emails) and all(self._names(one) for one in emails)

    def add(self, tallies: dict[Field, Tally], source: Any) -> bool:
        """Counts the values of a document; tells whether one of them is a target's."""
        document, mine = Document(source), False
        for field, tally in tallies.items():
            for lists, value in document.values(field.name):
                owners, emails = self._said(document, field, lists, value)
                owner = next((one for one in owners if self._is_target(one)), None)
                if owner is None and not self._by_email(owners, emails):
                    continue
                mine = True
                self._judge(tally, field, value, owner or next(iter(owners), None), emails)
        return mine

    def _said(
        self, document: Document, field: Field, lists: tuple[tuple[int, int], ...], value: Any
    ) -> tuple[list[Any], list[Any]]:
        whose = self._item.whose(field)
        owners = document.beside(field.name, lists, whose.owner) if whose.owner else []
        if whose.email is not None and whose.email != field.name:
            return owners, document.beside(field.name, lists, whose.email)
        if self._is_email(value) or whose.email is not None:
            return owners, [value]
        # A value that is masked or a target's, alone in a ruled field of the same object, speaks for its neighbours.
        parent = field.name.rpartition(".")[0]
        for other in self._item.ruled_fields:
            if other is field or self._item.whose(other) != whose or other.name.rpartition(".")[0] != parent:
                continue
            beside = document.beside(field.name, lists, other.name)
            if beside and all(self._is_email(one) for one in beside):
                return owners, beside
        return owners, [value]

    def _judge(self, tally: Tally, field: Field, value: Any, owner: Any, emails: Sequence[Any]) -> None:
        found, contributor_id = text(value), text(owner)
        if field.rule is Rule.SCRUB_TEXT:
            email = next((text(one) for one in emails), None)
            masked = None if found is None else self._texts.is_masked(found, contributor_id, email)
            tally.masked += masked is True
            tally.survivors += masked is False
        elif field.rule is Rule.UNIQUE and contributor_id is None and found is not None and is_mask(found):
            tally.masked += 1
        elif field.rule is Rule.COARSEN_DATE and found is not None and (moment := _MOMENT.fullmatch(found)):
            # The first moment of a year, in the form that the document had.
            tally.add(field.rule, moment[1] if not re.search("[1-9]", found[10:]) else found, contributor_id)
        else:
            tally.add(field.rule, found, self._as_known(contributor_id))

    def _as_known(self, contributor_id: str | None) -> str | None:
        if contributor_id is None or contributor_id in self._batch.persons:
            return contributor_id
        return contributor_id.lower() if contributor_id.lower() in self._batch.persons else contributor_id

    def _is_target(self, owner: Any) -> bool:
        return self._batch.holds(text(owner), None)

    def _by_email(self, owners: Sequence[Any], emails: Sequence[Any]) -> bool:
        """By emails that are masks already, whoever the owner is; by those of targets where there is none."""
        if not emails:
            return False
        if all(isinstance(one, str) and is_mask(one) for one in emails):
            return True
        return not owners and all(self._is_email(one) for one in emails)

    def _is_email(self, value: Any) -> bool:
        return isinstance(value, str) and (is_mask(value) or self._names(value))

    def _names(self, value: Any) -> bool:
        return isinstance(value, str) and normalise_email(value) in self._batch.emails
