"""Key templates: which keys fit, and whose they are by their name.

Holds: `KeyTemplate`, and `Wanted`, the target set as keys and values of Redis name it.
Add here: another placeholder.
Keep out: clients, and what lies under a key (`values.py`).
"""

import re
from collections.abc import Iterator

from erasure.inventory_checks.redis_keys import PLACEHOLDERS, placeholder_in
from erasure.rules import Person, normalise_email
from erasure.targets import TargetSet


class Wanted:
    """The targets by id (uuids in any case) and by email (normalised)."""

    def __init__(self, targets: TargetSet, id_form: str) -> None:
        self._targets = targets
        self._any_case = id_form == "uuid"
        self.ids = {self._plain(each): each for each in targets.contributor_ids}
        self._raw_ids = {key.encode(): each for key, each in self.ids.items()}
        lengths = {len(key) for key in self._raw_ids}
        # Where all ids are equally long, as uuids are, one is cut out of a key without looking for its end.
        self._length = lengths.pop() if len(lengths) == 1 else None
        emails = "".join(targets.emails).encode("utf-8", "surrogateescape")
        self._signs = {PLACEHOLDERS[0]: set(b"".join(self._raw_ids)), PLACEHOLDERS[1]: set(emails)}

    def by_id(self, text: str) -> str | None:
        """The target of that id; None where it is nobody of the batch."""
        return self.ids.get(self._plain(text))

    def by_email(self, text: str) -> str | None:
        """The target of that email."""
        return self._targets.emails.get(normalise_email(text))

    def in_keys(self, keys: list[bytes], begins: int, end: bytes) -> list[bytes]:
        """Those of the keys in which a target's id stands from `begins` up to `end`, or to the end of the key.

        Asked of every key there is: nothing is called or made for a key but what finds its id.
        """
        ids, any_case, length = self._raw_ids, self._any_case, self._length
        if length is not None:
            stop = begins + length
            if any_case:
                near = [key for key in keys if key[begins:stop].lower() in ids]
            else:
                near = [key for key in keys if key[begins:stop] in ids]
            return [key for key in near if key[stop : stop + 1] == end]
        if not end:
            return [key for key in keys if (key[begins:].lower() if any_case else key[begins:]) in ids]
        return [
            key
            for key in keys
            if (stop := key.find(end, begins)) >= 0
            and (key[begins:stop].lower() if any_case else key[begins:stop]) in ids
        ]

    def have_sign(self, placeholder: str, sign: bytes) -> bool:
        """Whether ids, or emails, of targets have that byte in them."""
        return bool(sign) and sign[0] in self._signs[placeholder]

    def spellings(self) -> Iterator[str]:
        """Ids as they are most likely written, for asking by name; a pass over all keys finds the others."""
        for each in sorted(self._targets.contributor_ids):
            yield each
            if self._any_case and each.upper() != each:
                yield each.upper()

    def person(self, contributor_id: str) -> Person:
        """What rules need to know."""
        person = self._targets.persons.get(contributor_id, contributor_id)
        return Person(
            contributor_id=contributor_id,
            needles=self._targets.needles_of.get(person, ()),
            salt=self._targets.salts.get(contributor_id, ""),
        )

    def _plain(self, text: str) -> str:
        return text.lower() if self._any_case else text


class KeyTemplate:
    """A template such as `draft:{contributor_id}:*`; only `*` and the placeholder stand for something."""

    def __init__(self, template: str) -> None:
        self.placeholder = placeholder_in(template)
        before, _, after = template.partition(self.placeholder) if self.placeholder else (template, "", "")
        # An owner ends where the template goes on, so that `u1` never takes the keys of `u10`.
        end = after.encode()[:1]
        owner = b"[^" + re.escape(end) + b"]+" if end else b".+"
        middle = b"(?P<owner>" + owner + b")" if self.placeholder else b""
        self._pattern = re.compile(_regex(before) + middle + _regex(after), re.DOTALL)
        self._prefix = before.partition("*")[0].encode()
        # Where the owner begins, if that is the same in every key: most keys are then passed over without the pattern.
        self._begins = len(self._prefix) if "*" not in before else None
        self._end = end
        # Behind an owner comes nothing, or the sign that ends it and then anything: the pattern would say no more.
        self._is_told_by_owner = after == "" or (after[1:] == "*" and end == after[:1].encode())
        self._is_prefix = template.find("*") == len(template) - 1 and not self.placeholder
        self.glob = _glob(template)
        self._template = template

    def fitting(self, keys: list[bytes]) -> list[bytes]:
        """Those of the keys that are of this template."""
        prefix, fits = self._prefix, self._pattern.fullmatch
        if self._is_prefix:
            return [key for key in keys if key.startswith(prefix)]
        return [key for key in keys if key.startswith(prefix) and fits(key)]

    def owner(self, key: bytes) -> bytes | None:
        """What stands in the placeholder; None where the key does not fit."""
        match = self._pattern.fullmatch(key)
        return match["owner"] if match and self.placeholder else None

    def owned(self, keys: list[bytes], wanted: Wanted) -> Iterator[tuple[bytes, str]]:
        """The targets' keys by their name, each with its owner."""
        for key in self.names(keys, wanted):
            who = self._who(self.owner(key) or b"", wanted)
            if who is not None:
                yield key, who

    def names(self, keys: list[bytes], wanted: Wanted) -> list[bytes]:
        """The targets' keys by their name."""
        prefix = self._prefix
        if self.placeholder == PLACEHOLDERS[0] and self._begins is not None:
            near = [key for key in wanted.in_keys(keys, self._begins, self._end) if key.startswith(prefix)]
            return near if self._is_told_by_owner else [key for key in near if self._pattern.fullmatch(key)]
        near = [key for key in keys if key.startswith(prefix)]
        owners = ((key, self.owner(key)) for key in near)
        return [key for key, raw in owners if raw is not None and self._who(raw, wanted) is not None]

    def tells_apart(self, wanted: Wanted) -> bool:
        """Whether it is clear where the targets' ids or emails end in a key: none has the sign that ends them."""
        return not self.placeholder or not wanted.have_sign(self.placeholder, self._end)

    def named(self, wanted: Wanted) -> list[bytes]:
        """The keys that the targets' ids make, where the template has no other freedom."""
        return [self.glob_free(each).encode() for each in wanted.spellings()]

    def glob_free(self, contributor_id: str) -> str:
        """The key of one contributor."""
        return self._template.replace(PLACEHOLDERS[0], contributor_id)

    def made_up(self, token: str) -> str:
        """A key of this template that is nobody's, where the token is none's."""
        email = self._template.replace(PLACEHOLDERS[1], f"{token}@example.com")
        return email.replace(PLACEHOLDERS[0], token).replace("*", token)

    def _who(self, raw: bytes, wanted: Wanted) -> str | None:
        text = raw.decode("utf-8", "surrogateescape")
        return wanted.by_id(text) if self.placeholder == PLACEHOLDERS[0] else wanted.by_email(text)


def _regex(template: str) -> bytes:
    return b".*".join(re.escape(part.encode()) for part in template.split("*"))


def _glob(template: str) -> str:
    """As Redis writes it, which knows more signs."""
    for each in PLACEHOLDERS:
        template = template.replace(each, "*")
    return re.sub(r"([\[\]?\\^])", r"\\\1", template)
