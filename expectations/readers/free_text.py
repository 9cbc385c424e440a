"""Free text: whether a person can still be found in what that person wrote.

Holds: `TextJudge`.
Add here: how a text is matched with the person it belongs to.
Keep out: SQL, and what a needle is (`erasure.rules.scrub_pattern`).
"""

import re
from collections import defaultdict

from erasure.rules import normalise_email, scrub_pattern
from expectations.readers.base import VerifiedBatch

_WORD = re.compile(r"\w+")
# Letters that a search without regard to case takes for others although they fold differently.
_ALSO = str.maketrans({"\u0131": "i", "\u0307": None})


class TextJudge:
    """Looks for the needles of one person, or of the whole batch where nobody knows whose a text was."""

    def __init__(self, batch: VerifiedBatch) -> None:
        self._batch = batch
        self._patterns: dict[str, re.Pattern[str] | None] = {}
        self._by_first_word: dict[str, list[str]] | None = None

    def is_masked(self, text: str, contributor_id: str | None, email: str | None) -> bool | None:
        """Whether none of the subject's needles stands in a text of the subject's; None for somebody else's.

        A record without an id whose email has been masked could be anybody's: any needle of the batch speaks
        against it. Somebody else's is that of a contributor of an earlier batch: no needles are known for it.
        """
        if contributor_id is None:
            person = self._batch.emails.get(normalise_email(email)) if email is not None else None
            return self._is_free_of(text, person) if person is not None else self._is_free_of_all(text)
        # Ids that are no uuids are compared exactly, and are known as they are written.
        person = self._batch.persons.get(contributor_id) or self._batch.persons.get(contributor_id.lower())
        return None if person is None else self._is_free_of(text, person)

    def _is_free_of(self, text: str, person: str) -> bool:
        if person not in self._patterns:
            self._patterns[person] = scrub_pattern(self._batch.needles.get(person, ()))
        pattern = self._patterns[person]
        return pattern is None or pattern.search(text) is None

    def _is_free_of_all(self, text: str) -> bool:
        # One pattern of all needles would try each at every letter; by its first word, few are left to try.
        if self._by_first_word is None:
            self._by_first_word = defaultdict(list)
            for needle in {needle for needles in self._batch.needles.values() for needle in needles}:
                self._by_first_word[_first_word(needle)].append(needle)
        words = {_folded(word) for word in _WORD.findall(text)} | {""}
        pattern = scrub_pattern(needle for word in words for needle in self._by_first_word.get(word, ()))
        return pattern is None or pattern.search(text) is None


def _first_word(needle: str) -> str:
    match = _WORD.search(needle)
    return _folded(match[0]) if match else ""


def _folded(word: str) -> str:
    return word.casefold().translate(_ALSO)
