"""What a call of the job API can come to, and the sentence for each.

Add here: another way in which a platform may answer that users must be able to tell from the others.
Keep out: sending (`client.py`), and what several answers prove together (`lockout.py`, `trials.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

# Only these say that somebody is kept out; anything else may be an outage, a proxy or a wrong path.
DENIALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.GONE})
_NO_SUCH_CALL = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


class Outcome(StrEnum):
    """What a call came to, after its retries."""

    OK = "ok"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the platform answered; the token and the rest of the body are not shown.

    units: the ids of what `fetch` brought. routed: the number that `route` brought. detail: what more is known of an
    answer that is none of those hoped for.
    """

    outcome: Outcome
    call: str = field(default="", compare=False)
    status: int | None = None
    body: Any = field(default_factory=dict, repr=False)
    token: str = field(default="", repr=False, compare=False)
    units: tuple[str, ...] = field(default=(), repr=False, compare=False)
    routed: int | None = field(default=None, compare=False)
    detail: str = field(default="", compare=False)

    @property
    def ok(self) -> bool:
        return self.outcome is Outcome.OK

    @property
    def denied(self) -> bool:
        return self.outcome is Outcome.DENIED

    @property
    def title(self) -> str:
        """Outcome and status, such as `server_error 503`."""
        return self.outcome.value if self.status is None else f"{self.outcome.value} {self.status}"

    @property
    def sentence(self) -> str:
        """What happened to the call and what to do about it, such as `fetch was denied (403)`."""
        code = "" if self.status is None else f" ({self.status})"
        return f"{self.call} {_SAID[self.outcome](self)}".replace("CODE", code)


@dataclass(frozen=True, kw_only=True)
class ControlTrial:
    """How a control fared in login and fetch, and whether its session could not be ended."""

    answer: Answer
    left_behind: bool = False


def outcome_of(status: int) -> Outcome:
    """Of an HTTP status, before anybody has looked at the body."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Outcome.OK
    if status in DENIALS:
        return Outcome.DENIED
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Outcome.RATE_LIMITED
    return Outcome.SERVER_ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Outcome.UNEXPECTED


def _unreachable(answer: Answer) -> str:
    return f"reached nobody: {answer.detail or 'nobody answers there'}; check the host of the job URL"


def _rate_limited(answer: Answer) -> str:
    when = f", which asks to come back {answer.detail}" if answer.detail else ""
    return f"is rate limitedCODE{when}; try again later, or lower [api] concurrency"


def _server_error(answer: Answer) -> str:
    return "failed within the platformCODE; try again later, or see the platform's own log"


def _unexpected(answer: Answer) -> str:
    status, key = answer.status or 0, f"[api] {answer.call}_call"
    if status in _NO_SUCH_CALL:
        return (
            f"is not there under this path, or the job is unknownCODE; check {key} and the job in the job URL"
        )
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return (
            "is redirectedCODE, which is not followed, since secret and token would go along; name the address it "
            "leads to in the job URL"
        )
    if status < HTTPStatus.MULTIPLE_CHOICES:
        what = answer.detail or "no answer of its shape"
        return f"was answeredCODE by what is not the job's API: {what}; check {key}"
    return f"was not understoodCODE; check {key} and [api] {answer.call}_body"


_SAID: Mapping[Outcome, Any] = {
    Outcome.OK: lambda answer: "succeededCODE",
    Outcome.DENIED: lambda answer: "was deniedCODE",
    Outcome.UNREACHABLE: _unreachable,
    Outcome.RATE_LIMITED: _rate_limited,
    Outcome.SERVER_ERROR: _server_error,
    Outcome.UNEXPECTED: _unexpected,
}
