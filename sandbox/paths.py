"""Where a sandbox lives on disk.

Holds: the default root, and the names of the files below a root.
Add here: a path that more than one module of the sandbox needs.
Keep out: an engine's own data layout (its module in `engines/`), anything that creates or reads files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PACKAGE_DIRECTORY = Path(__file__).resolve().parent
REPOSITORY_ROOT = PACKAGE_DIRECTORY.parent


@dataclass(frozen=True, kw_only=True)
class SandboxPaths:
    """The files of one sandbox; `root` is absolute."""

    root: Path

    @classmethod
    def at(cls, root: Path | None) -> SandboxPaths:
        """The paths below `root`, by default `var/sandbox` of the repository."""
        chosen = root if root is not None else REPOSITORY_ROOT / "var" / "sandbox"
        return cls(root=chosen.expanduser().resolve())

    @property
    def config(self) -> Path:
        return self.root / "config.ini"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        return self.root / ".lock"

    def log(self, engine: str) -> Path:
        return self.root / "logs" / f"{engine}.log"

    def engine(self, engine: str) -> Path:
        return self.root / engine


def cache_directory() -> Path:
    """Where downloads are kept between sandboxes and checkouts (the XDG convention)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "contributor-deletion"
