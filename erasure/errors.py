"""The errors of the domain and the exit code each one leads to.

Add here: an error that a person at the command line or in the UI is meant to read.
Keep out: values of a person, secrets, and texts of drivers (PostgreSQL's DETAIL holds whole rows); pass an
error of a driver through `safe_reason` first.
"""

import difflib
from collections.abc import Sequence
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command returns to its shell."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    REFUSED = 3


class ErasureError(Exception):
    """Something the user has to know; the message names the offender, what was expected, and the remedy."""

    exit_code = ExitCode.FAILED


class BadInput(ErasureError):
    """A file, flag, setting or inventory is wrong; `problems` has one sentence for each offender."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n".join([summary, *problems]))
        self.summary = summary
        self.problems = tuple(problems)


class Refused(ErasureError):
    """A guard holds the batch back: a cap, a conflict, a drifted plan, a lease of somebody else."""

    exit_code = ExitCode.REFUSED

    def __init__(self, summary: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n".join([summary, *problems]))
        self.summary = summary
        self.problems = tuple(problems)


class StoreError(ErasureError):
    """A store could not do its part; subclasses say in which way."""

    def __init__(self, *, store: str, what: str, remedy: str, object_name: str | None = None) -> None:
        place = f"{store}/{object_name}" if object_name else store
        super().__init__(f"{place}: {what}; {remedy}")
        self.store = store
        self.object_name = object_name
        self.remedy = remedy


class StoreUnavailable(StoreError):
    """The engine did not answer, or let nobody in."""


class StoreRefused(StoreError):
    """The engine answered and would not do what was asked."""


class Incomplete(StoreError):
    """Something is left unmasked, or was counted otherwise than it was changed."""


class LeaseLost(ErasureError):
    """Another run executes now; the step that raises this has changed nothing more."""


class Inconclusive(ErasureError):
    """It could not be proven that access has ended; nothing has been masked."""


class ControlsChanged(ErasureError):
    """A report, or a record of nobody in the target set, is not what it was before masking; nothing has been purged."""

    def __init__(self, problems: Sequence[str]) -> None:
        summary = (
            "What masking must not change has changed, and nothing was purged. See who else wrote; `resume` compares "
            "again, and with --controls parity no more."
        )
        super().__init__("\n".join([summary, *problems]))
        self.problems = tuple(problems)


def nearest(name: str, known: Sequence[str]) -> str:
    """For a sentence about an unknown name: the known one that it resembles, or all that are known."""
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"


def safe_reason(error: BaseException) -> str:
    """Names an error of a driver without its text: the class, and an SQLSTATE or HTTP status where it has one."""
    for attribute in ("sqlstate", "pgcode", "status_code", "code"):
        code = getattr(error, attribute, None)
        if isinstance(code, str | int) and str(code).isalnum():
            return f"{type(error).__name__} {code}"
    return type(error).__name__
