"""The older scripts' way into `contributor-deletion`: another interpreter, flags in another order, no secret in sight.

It is run by whatever `python3` is, without any package: the standard library alone, and syntax of Python 3.7.
Add here: a flag of an older script that the command calls otherwise.
Keep out: what a command does.
"""

from __future__ import annotations

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Flags that stand before the command's name there, and anywhere in the older scripts; True: with a value.
_GLOBAL = {"--config": True, "--output": True, "--integration": False, "--debug": False}
_BAD_INPUT = 2


def arguments(command: str, given: list[str]) -> tuple[list[str], dict[str, str]]:
    """The command's arguments for those of an older script, and the variables that hold what no argument may."""
    before: list[str] = []
    after: list[str] = []
    variables: dict[str, str] = {}
    rest = list(given)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if name in _GLOBAL:
            before.append(name)
            if _GLOBAL[name]:
                before.append(value if equals else rest.pop(0) if rest else "")
        elif name == "--job-url":
            value = value if equals else rest.pop(0) if rest else ""
            if value:
                # Its secret would stand in the process list for as long as the command runs.
                variables["CONTRIBUTOR_DELETION_JOB_URL"] = value
            else:
                after += [name, value]
        else:
            after.append(name + equals + value)
    return [*before, command, *after], variables


def run(command: str) -> None:
    """Goes on as `contributor-deletion COMMAND` with the project's interpreter; does not return."""
    python = os.path.join(_ROOT, ".venv", "bin", "python")
    if not os.access(python, os.X_OK):
        print(f"❌ {python} is missing; run `make setup` in {_ROOT} first.", file=sys.stderr)
        sys.exit(_BAD_INPUT)
    listed, variables = arguments(command, sys.argv[1:])
    environment = dict(os.environ, **variables)
    sys.stdout.flush()
    os.execve(python, [python, "-m", "dagster_defs.cli.main", *listed], environment)
