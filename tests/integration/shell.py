"""A checkout with a home of its own, in which lines are run as users have them in their runbooks.

Holds: `Shell`, and the checkout without anything of this one but `.venv`.
Add here: what a user's shell has besides.
Keep out: the lines (`test_older_commands.py`).
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from erasure.settings import CONFIG_VARIABLE, ENVIRONMENT, PROJECT_ROOT, VAR_VARIABLE
from tests.flow_fixtures import DAGSTER_VARIABLE, Flow


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a line ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True, kw_only=True)
class Shell:
    """bash in the root of a checkout."""

    root: Path
    home: Path

    def run(self, line: str, *, shell: str = "bash", **variables: str) -> Said:
        """The line as it is written; the home has both configuration files."""
        hidden = {CONFIG_VARIABLE, VAR_VARIABLE, DAGSTER_VARIABLE, "DAGSTER_HOME", *ENVIRONMENT}
        inherited = {name: value for name, value in os.environ.items() if name not in hidden}
        ended = subprocess.run(
            [shell, "-c", line],
            cwd=self.root,
            env={**inherited, "HOME": str(self.home), "NO_PROXY": "127.0.0.1", **variables},
            capture_output=True,
            text=True,
            timeout=550,
            check=False,
        )
        return Said(code=ended.returncode, out=ended.stdout, err=ended.stderr)

    def logs(self, command: str) -> list[Path]:
        return sorted((self.root / "var" / "logs").glob(f"{command}_*.log"))


def make_shell(flow: Flow) -> Shell:
    """What is committed, and what is not yet, beside the environment that `make setup` has made."""
    root, home = flow.root / "checkout", flow.root / "home"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT_ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = PROJECT_ROOT / name
        if source.is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(source.read_bytes())
    (root / ".venv").symlink_to(PROJECT_ROOT / ".venv")
    home.mkdir()
    for name in ("config.ini", "config_integration.ini"):
        (home / name).write_bytes(flow.config.read_bytes())
    return Shell(root=root, home=home)
