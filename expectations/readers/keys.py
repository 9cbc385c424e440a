"""Key templates of the inventory as patterns: `profile:{contributor_id}`, `draft:{email}:*`, `session:*`.

Holds: `KeyPattern`.
Add here: another placeholder of a template.
Keep out: clients, and what lies under a key.
"""

import re
from collections.abc import Mapping

PLACEHOLDER = "{contributor_id}"
EMAIL = "{email}"
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
# What ids look like in a world; of a text, everything up to where the template goes on.
_OWNERS: Mapping[str, str] = {"uuid": _UUID, "integer": r"-?[0-9]+"}


class KeyPattern:
    """A template that keys are held against. An id counts as a whole, never as part of a longer one."""

    def __init__(self, template: str, *, is_folder: bool = False, id_form: str = "uuid") -> None:
        self.is_by_email = EMAIL in template
        before, found, after = template.partition(EMAIL if self.is_by_email else PLACEHOLDER)
        anything = f"[^{re.escape(after[0])}]+" if after else ".+"
        self._any_case = id_form == "uuid"
        owner = anything if self.is_by_email else _OWNERS.get(id_form, anything)
        middle = f"(?P<owner>{owner})" if found else ""
        self._pattern = re.compile(
            _escaped(before) + middle + _escaped(after) + (".*" if is_folder else ""), re.DOTALL
        )
        self.fixed_part = before.partition("*")[0]

    def fits(self, key: str) -> bool:
        """Whether a key is of this template."""
        return self._pattern.fullmatch(key) is not None

    def owner(self, key: str) -> str | None:
        """The id in a key (a uuid in lower case), or the email as it stands there; None where it names nobody."""
        match = self._pattern.fullmatch(key)
        if not match or "owner" not in match.groupdict():
            return None
        is_uuid = self._any_case and not self.is_by_email
        return match["owner"].lower() if is_uuid else match["owner"]


def ids_in(text: str) -> set[str]:
    """Everything in a text that has the form of a uuid, in lower case."""
    return {found.lower() for found in re.findall(_UUID, text)}


def words_in(text: str) -> set[str]:
    """Everything in a text that could be an id of another form: what stands between signs that JSON sets."""
    return set(re.findall(r"""[^\s"'{}\[\],:;\\]+""", text))


def _escaped(part: str) -> str:
    return re.escape(part).replace(r"\*", ".*")
