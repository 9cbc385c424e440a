"""Which keys a glob means: `exports/**/*.csv.gz`.

Holds: `Glob`.
Add here: another sign of globs.
Keep out: requests, and keys that name a contributor (`keys.py`).
"""

import re
from dataclasses import dataclass
from functools import cached_property

_SIGNS = re.compile(r"\*\*/|\*\*|\*|\?")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, kw_only=True)
class Glob:
    """`*` and `?` stay within a folder, `**` goes through any number of them, none included; all else is exact."""

    text: str

    @property
    def fixed(self) -> str:
        """What every key begins with, so that a listing can."""
        return _SIGNS.split(self.text, maxsplit=1)[0]

    def fits(self, key: str) -> bool:
        """Whether a key is meant."""
        return self._pattern.fullmatch(key) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        at, parts = 0, []
        for sign in _SIGNS.finditer(self.text):
            parts += [re.escape(self.text[at : sign.start()]), _MEANING[sign.group()]]
            at = sign.end()
        return re.compile("".join([*parts, re.escape(self.text[at:])]), re.DOTALL)
