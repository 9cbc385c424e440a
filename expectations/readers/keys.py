"""Key templates of the inventory as patterns: `profile:{contributor_id}`, `session:*`.

Holds: `KeyPattern`.
Add here: another placeholder of a template.
Keep out: clients, and what lies under a key.
"""

import re

PLACEHOLDER = "{contributor_id}"
EMAIL = "{email}"
_UUID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_OWNER = f"(?P<owner>{_UUID})"


class KeyPattern:
    """A template that keys are held against. An id counts as a whole, never as part of a longer one."""

    def __init__(self, template: str, *, is_folder: bool = False) -> None:
        escaped = re.escape(template).replace(re.escape(PLACEHOLDER), _OWNER).replace(r"\*", ".*")
        self._pattern = re.compile(escaped + (".*" if is_folder else ""), re.DOTALL)
        self.fixed_part = template.partition(PLACEHOLDER)[0].partition("*")[0]

    def fits(self, key: str) -> bool:
        """Whether a key is of this template."""
        return self._pattern.fullmatch(key) is not None

    def owner(self, key: str) -> str | None:
        """The id in a key, in lower case; None where the key is of another template or names nobody."""
        match = self._pattern.fullmatch(key)
        return match["owner"].lower() if match and "owner" in match.groupdict() else None


def ids_in(text: str) -> set[str]:
    """Everything in a text that has the form of an id, in lower case."""
    return {found.lower() for found in re.findall(_UUID, text)}
