"""Whose a row is, and what a value of it becomes: the semantics that all formats share.

Holds: `Subjects`, `Verdict`.
Add here: another way in which a row can say whose it is.
Keep out: how a format writes an id or a value, and the rules themselves (`erasure/rules.py`).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from erasure.rules import ASCII_BLANKS, MASK, Person, Rule, apply, is_mask, normalise_email
from erasure.targets import TargetSet

_UUID_LENGTH = 36
_WHOLE = ".0"


@dataclass(frozen=True, kw_only=True, repr=False)
class Verdict:
    """Of one row: its person where masking is for it (else None), and whether it names a target and somebody else."""

    person: Person | None
    conflict: bool = False


_NOBODY = Verdict(person=None)
_CONFLICT = Verdict(person=None, conflict=True)


class Subjects:
    """The targets of a batch as rows name them. Its repr shows no one.

    ids: as they are; folded: those with the form of a uuid, in lower case; emails: normalised.
    """

    def __init__(self, targets: TargetSet) -> None:
        self.ids = targets.contributor_ids
        self.folded = {one.lower(): one for one in self.ids if len(one) == _UUID_LENGTH}
        self.emails = targets.emails
        self._targets = targets
        self._persons: dict[str, Person] = {}

    def __repr__(self) -> str:
        return f"Subjects(contributors={len(self.ids)})"

    def known_id(self, written: str) -> str | None:
        """The target that an id names, however it was written: with blanks around it, a uuid in capital letters, or a
        number as a float, which is what tables with a gap in the column make of it.
        """
        text = written.strip(ASCII_BLANKS)
        if text in self.ids:
            return text
        if len(text) == _UUID_LENGTH:
            return self.folded.get(text.lower())
        if text.endswith(_WHOLE) and text[: -len(_WHOLE)] in self.ids:
            return text[: -len(_WHOLE)]
        return None

    def named_by(self, email: str) -> str | None:
        """The target that an email names."""
        return self.emails.get(normalise_email(email))

    def may_concern(self, contributor_id: str | None, emails: Iterable[str]) -> bool:
        """Whether `verdict` could say anything but nobody: what most rows are asked, so it is quick."""
        if contributor_id is not None and (contributor_id in self.ids or self.known_id(contributor_id)):
            return True
        for email in emails:
            # The same form, sooner: to lower letters of ASCII alone takes a table, where there may be others.
            form = email.strip(ASCII_BLANKS).lower() if email.isascii() else normalise_email(email)
            if form in self.emails or email.startswith(MASK):
                return True
        return False

    def verdict(self, contributor_id: str | None, emails: Iterable[str], *, by_mask: bool = True) -> Verdict:
        """The id decides, the email only where there is none (None or empty); a masked email is the closed form.

        by_mask: whether a masked email is reason enough, which it is not for rows that go as a whole.
        """
        written = (contributor_id or "").strip(ASCII_BLANKS)
        known = self.known_id(written) if written else None
        if known is not None:
            return Verdict(person=self._person(known))
        named, worn = None, False
        for email in emails:
            named = named or self.named_by(email)
            worn = worn or is_mask(email)
        if named is not None and not written:
            return Verdict(person=self._person(named))
        if worn and by_mask:
            return Verdict(person=self._person(written), conflict=named is not None)
        return _CONFLICT if named is not None else _NOBODY

    def _person(self, contributor_id: str) -> Person:
        # Of somebody masked before nothing is known but the id; to keep these would be to keep everybody.
        if contributor_id not in self.ids:
            return Person(contributor_id=contributor_id)
        if contributor_id not in self._persons:
            person = self._targets.persons.get(contributor_id, contributor_id)
            self._persons[contributor_id] = Person(
                contributor_id=contributor_id,
                needles=self._targets.needles_of.get(person, ()),
                salt=self._targets.salts.get(contributor_id, ""),
            )
        return self._persons[contributor_id]


def masked_text(rule: Rule, value: str, person: Person) -> str | None:
    """A value after its rule. Where nobody knows whose it was (a masked email and no id), `unique` leaves what is
    masked and writes the mask alone, as in SQL.
    """
    if rule is Rule.UNIQUE and not person.contributor_id:
        return value if is_mask(value) else MASK
    return apply(rule, value, person)
