"""The proof that contributors are locked out: what they could do before access was revoked, they cannot now.

Holds: `capture`, called before revoking, and `prove_lockout`, called after it.
Add here: another thing that somebody without access must not be able to do.
Keep out: HTTP (`job_api/`), and how access is revoked.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from erasure.job_api.answers import Answer, Outcome
from erasure.job_api.client import JobApi


@dataclass(frozen=True, kw_only=True)
class CapturedAccess:
    """Sessions opened before revoking, in memory only.

    tokens: of those who could work. others: of sessions in which nobody could.
    without_access: how many of the sample could not work even then, and so prove nothing by being denied.
    unanswered: how many of the sample the platform neither let in nor denied, so that it is not known.
    """

    contributor_ids: tuple[str, ...] = field(repr=False)
    control_id: str = field(repr=False)
    tokens: tuple[str, ...] = field(default=(), repr=False)
    others: tuple[str, ...] = field(default=(), repr=False)
    without_access: int = 0
    unanswered: int = 0

    @property
    def opened(self) -> tuple[str, ...]:
        """All sessions that are ours and no one's work."""
        return (*self.tokens, *self.others)


class ProofState(StrEnum):
    """`inconclusive` stops the batch before anything is masked."""

    PROVEN = "proven"
    INCONCLUSIVE = "inconclusive"
    NOT_CONFIGURED = "not_configured"


@dataclass(frozen=True, kw_only=True)
class LockoutProof:
    """Whether the sample is locked out, in numbers; nobody is named."""

    state: ProofState
    tokens_tried: int = 0
    tokens_denied: int = 0
    logins_tried: int = 0
    logins_denied: int = 0
    control_succeeded: bool = False
    reason: str


NOT_CONFIGURED = LockoutProof(
    state=ProofState.NOT_CONFIGURED,
    reason="no job URL is configured ([api] job_url or --job-url); status and sessions were looked at alone",
)


def capture(api: JobApi, contributor_ids: Sequence[str], control_id: str) -> CapturedAccess:
    """Opens sessions of a sample before revoking, which ends them; each is seen to work first."""
    tokens: list[str] = []
    others: list[str] = []
    unanswered = 0
    for contributor_id in contributor_ids:
        login = api.login(contributor_id)
        last = api.fetch(login.token) if login.ok else login
        if login.ok:
            (tokens if last.ok else others).append(login.token)
        unanswered += not (last.ok or last.denied)
    return CapturedAccess(
        contributor_ids=tuple(contributor_ids),
        control_id=control_id,
        tokens=tuple(tokens),
        others=tuple(others),
        unanswered=unanswered,
        without_access=len(contributor_ids) - len(tokens),
    )


def prove_lockout(api: JobApi, captured: CapturedAccess) -> LockoutProof:
    """Tries it after revoking: the tokens, then logins, and last the control with the same secret.

    Without tokens, as after a crash, logins and the control are all there is, and the reason says so.
    """
    tokens = [api.fetch(token) for token in captured.tokens]
    logins = [_denied_login(api, contributor_id) for contributor_id in captured.contributor_ids]
    # Last, so that a secret that has stopped working cannot pass for a lockout.
    control = api.try_control(captured.control_id)
    doubts = [*_doubts("captured tokens", tokens), *_doubts("logins", logins)]
    if not logins:
        doubts.append("there was nobody to try")
    if captured.unanswered:
        # Denials alone would do after a crash; here the platform was asked, and no answer is no denial.
        doubts.append(
            f"{captured.unanswered} of the sample were neither let in nor denied before access was revoked"
        )
    if not control.answer.ok:
        doubts.append(
            f"the control contributor came to {control.answer.title}, so denials say nothing "
            f"({control.answer.sentence})"
        )
    seen = doubts or [_what_was_seen(captured)]
    if control.left_behind:
        seen.append("the control's session could not be ended and expires by itself")
    return LockoutProof(
        state=ProofState.INCONCLUSIVE if doubts else ProofState.PROVEN,
        tokens_tried=len(tokens),
        tokens_denied=_denied(tokens),
        logins_tried=len(logins),
        logins_denied=_denied(logins),
        control_succeeded=control.answer.ok,
        reason="; ".join(seen),
    )


def _denied_login(api: JobApi, contributor_id: str) -> Answer:
    login = api.login(contributor_id)
    if login.ok:
        # Access had not ended after all, and no later step would end this session.
        api.logout(login.token)
    return login


def _denied(answers: Sequence[Answer]) -> int:
    return sum(answer.outcome is Outcome.DENIED for answer in answers)


def _doubts(what: str, answers: Sequence[Answer]) -> Iterator[str]:
    others = Counter(answer.title for answer in answers if answer.outcome is not Outcome.DENIED)
    for name, number in sorted(others.items()):
        yield f"{number} of {len(answers)} {what} came to {name}, which is no denial"


def _what_was_seen(captured: CapturedAccess) -> str:
    logins = f"{len(captured.contributor_ids)} logins denied and the control contributor succeeded"
    if not captured.tokens:
        return f"{logins}; no token from before was there to be tried"
    seen = f"{len(captured.tokens)} captured tokens and {logins}"
    if captured.without_access:
        seen += f"; {captured.without_access} of the sample could not work before either"
    return seen
