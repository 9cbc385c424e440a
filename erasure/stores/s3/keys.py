"""Whose a key is by its name: `contributors/{contributor_id}/`, `avatars/{email}.png`.

Holds: `KeyTemplate`, `is_target`.
Add here: another placeholder of a key.
Keep out: requests, and keys that name nobody (`looks.py`).
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from erasure.errors import BadInput, StoreRefused
from erasure.rules import normalise_email
from erasure.targets import TargetSet

PLACEHOLDER = "{contributor_id}"
EMAIL = "{email}"
_UUID_LENGTH = 36


class KeyTemplate:
    """Whose a key is: all below `a/{contributor_id}/`, or exactly `a/{contributor_id}.png`. The same by {email}."""

    def __init__(self, location: str) -> None:
        named = [name for name in (PLACEHOLDER, EMAIL) if name in location]
        if len(named) != 1 or location.count(named[0]) != 1:
            raise BadInput(
                f"s3: a key names {PLACEHOLDER} or {EMAIL} once; mend it in the inventory file s3.yml."
            )
        (placeholder,) = named
        self.by_email = placeholder == EMAIL
        self.fixed, _, self._suffix = location.partition(placeholder)
        # An id ends where the template goes on, so that `u1` never takes the keys of `u10`. Of an email all is taken
        # that can be: it may hold what the template goes on with, as `.png` begins with a dot.
        stop = "/" if self.by_email else re.escape(self._suffix[:1])
        owner = f"[^{stop}]+" if stop else ".+"
        below = ".*" if self._suffix.endswith("/") else ""
        self._pattern = re.compile(
            f"{re.escape(self.fixed)}(?P<owner>{owner}){re.escape(self._suffix)}{below}", re.DOTALL
        )

    def owner(self, key: str) -> str | None:
        """What stands in the key for the contributor, as it stands there."""
        match = self._pattern.fullmatch(key)
        return match["owner"] if match else None

    def is_of(self, key: str, targets: TargetSet) -> bool:
        """Whether a key is a target's; an email counts raw or quoted as in a URL, and compared as emails are."""
        owner = self.owner(key)
        if owner is None or not self.by_email:
            return owner is not None and is_target(owner, targets)
        return any(form in targets.emails for form in _emails(owner))

    def prefixes(self, contributor_id: str) -> tuple[str, ...]:
        """Where the keys of one contributor begin, more than one where an id can be written otherwise; StoreRefused
        where it cannot stand in a key of the template.
        """
        forms = [contributor_id]
        if len(contributor_id) == _UUID_LENGTH and contributor_id.upper() != contributor_id:
            forms.append(contributor_id.upper())
        return tuple(self._prefix(form) for form in forms)

    def _prefix(self, contributor_id: str) -> str:
        prefix = f"{self.fixed}{contributor_id}{self._suffix}"
        if self.owner(prefix) != contributor_id:
            raise StoreRefused(
                store="s3",
                what="a contributor id cannot stand in a key",
                remedy=f"ids must fit {PLACEHOLDER} in the key templates of the inventory file s3.yml",
            )
        return prefix


def is_target(named: str, targets: TargetSet) -> bool:
    """Whether an id is a target's; a uuid is the same in capital letters."""
    ids = targets.contributor_ids
    return named in ids or (len(named) == _UUID_LENGTH and named.lower() in ids)


def _emails(owner: str) -> Iterator[str]:
    yield normalise_email(owner)
    yield normalise_email(unquote(owner))
