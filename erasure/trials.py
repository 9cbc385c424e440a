"""The job's API tried as contributors: before a deletion they can work, after it only a denial will do.

Holds: `sample`, `try_people` and the verdicts.
Add here: another thing that somebody who may work can do.
Keep out: HTTP (`job_api/`), whose access has ended (`ledger/ended.py`), and the proof within a deletion (`lockout.py`).
"""

import random
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from erasure.job_api.answers import Answer, ControlTrial, Outcome
from erasure.job_api.client import JobApi


class Verdict(StrEnum):
    """What became of one person; the first two are as they should be."""

    WORKS = "works"
    LOCKED_OUT = "locked_out"
    STILL_WORKS = "still_works"
    DENIED = "denied"
    UNREACHABLE = "unreachable"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    UNEXPECTED = "unexpected"


AS_EXPECTED = frozenset({Verdict.WORKS, Verdict.LOCKED_OUT})
_OF_OUTCOME = {
    Outcome.UNREACHABLE: Verdict.UNREACHABLE,
    Outcome.RATE_LIMITED: Verdict.RATE_LIMITED,
    Outcome.SERVER_ERROR: Verdict.SERVER_ERROR,
    Outcome.UNEXPECTED: Verdict.UNEXPECTED,
}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One person tried: whether they should be locked out, and the answer that decided."""

    contributor_id: str = field(repr=False)
    ended: bool
    verdict: Verdict
    decided_by: Answer
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Trials:
    """A sample tried, and last the control. Nobody is named: how many, and why."""

    people: tuple[Trial, ...]
    control: ControlTrial

    @property
    def counts(self) -> dict[str, int]:
        return dict(sorted(Counter(trial.verdict.value for trial in self.people).items()))

    @property
    def conclusive(self) -> bool:
        """Whether the control could work: without it a denial says nothing, and nor does its absence."""
        return self.control.answer.ok

    @property
    def ok(self) -> bool:
        return self.conclusive and all(trial.verdict in AS_EXPECTED for trial in self.people)

    @property
    def state(self) -> str:
        """`works`, `kicked_out`, `as_expected` where both are in the sample, `failed` or `inconclusive`."""
        if not self.conclusive:
            return "inconclusive"
        if not self.ok:
            return "failed"
        found = {trial.verdict for trial in self.people}
        if found == {Verdict.WORKS}:
            return "works"
        return "kicked_out" if found == {Verdict.LOCKED_OUT} else "as_expected"

    @property
    def tokens(self) -> Mapping[str, str]:
        """Contributor -> token of a session that was seen to work."""
        return {t.contributor_id: t.token for t in self.people if t.token and t.verdict is Verdict.WORKS}

    def sentences(self) -> Iterator[str]:
        """One for each thing that is not as it should be."""
        all_denied = all(t.decided_by.denied for t in self.people)
        if self.control.answer.denied and all_denied:
            yield (
                "Everybody is denied, the control contributor too, so nothing is proven: the secret is wrong or no "
                "longer valid; check the job URL."
            )
            return
        if not self.conclusive:
            yield (
                f"The control contributor, who may work, cannot, so nothing is proven: "
                f"{self.control.answer.sentence}."
            )
        found = Counter(
            (trial.verdict, trial.decided_by.sentence)
            for trial in self.people
            if trial.verdict not in AS_EXPECTED
        )
        for (verdict, sentence), number in sorted(found.items()):
            yield f"{number} of {len(self.people)} contributors: {_WHY.get(verdict, '')}{sentence}."


_WHY = {
    Verdict.STILL_WORKS: "access has ended, and still ",
    Verdict.DENIED: "access has not ended by a deletion, and yet ",
}


def sample(contributor_ids: Collection[str], size: int) -> list[str]:
    """The same people each time, in whichever order they are listed: before a deletion and after it."""
    among = sorted(contributor_ids)
    return random.Random("\n".join(among)).sample(among, min(size, len(among)))


def try_people(
    api: JobApi,
    contributor_ids: Sequence[str],
    *,
    ended: Collection[str],
    control_id: str,
    label: str | None,
    concurrency: int,
    tokens: Mapping[str, str] | None = None,
    keep_sessions: bool = False,
) -> Trials:
    """Tries each as somebody who may work, then the control.

    label: what to commit; None tries fetch alone. tokens: of sessions from before, which must be denied to those whose
    access has ended. keep_sessions: leaves the new sessions of those who work open, for another trial.
    """

    def one(contributor_id: str) -> Trial:
        former = (tokens or {}).get(contributor_id, "")
        return _try(
            api,
            contributor_id,
            ended=contributor_id in ended,
            label=label,
            former=former,
            keep_session=keep_sessions,
        )

    with ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="trial") as threads:
        people = tuple(threads.map(one, contributor_ids))
    # Last, so that a secret that has stopped working cannot pass for a lockout. It commits nothing: nobody has asked
    # for a judgment in a bystander's name.
    return Trials(people=people, control=api.try_control(control_id))


def _try(
    api: JobApi, contributor_id: str, *, ended: bool, label: str | None, former: str, keep_session: bool
) -> Trial:
    token, decided_by = "", None
    if ended and former:
        answers = _former_session(api, former, label)
        decided_by = next((answer for answer in answers if not answer.denied), None)
    if decided_by is None:
        decided_by, token = _work(api, contributor_id, label)
    verdict = _verdict(decided_by, ended=ended)
    if token and not (keep_session and verdict is Verdict.WORKS):
        api.logout(token)
        token = ""
    return Trial(
        contributor_id=contributor_id, ended=ended, verdict=verdict, decided_by=decided_by, token=token
    )


def _former_session(api: JobApi, token: str, label: str | None) -> Iterator[Answer]:
    yield api.fetch(token)
    if label is not None:
        # No unit is known to somebody who fetches none; whoever is denied is denied before that is looked at.
        yield api.commit(token, "00000000-0000-0000-0000-000000000000", label)


def _work(api: JobApi, contributor_id: str, label: str | None) -> tuple[Answer, str]:
    """Login, fetch and commit, as far as it goes: the last answer, and the token."""
    login = api.login(contributor_id)
    if not login.ok:
        return login, ""
    fetch = api.fetch(login.token)
    if not fetch.ok or label is None:
        return fetch, login.token
    if not fetch.units:
        detail = "there is no unit to commit a judgment for"
        return Answer(
            outcome=Outcome.UNEXPECTED, call="commit", status=fetch.status, detail=detail
        ), login.token
    return api.commit(login.token, fetch.units[0], label), login.token


def _verdict(answer: Answer, *, ended: bool) -> Verdict:
    if answer.ok:
        return Verdict.STILL_WORKS if ended else Verdict.WORKS
    if answer.denied:
        return Verdict.LOCKED_OUT if ended else Verdict.DENIED
    return _OF_OUTCOME[answer.outcome]
