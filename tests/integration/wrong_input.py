"""Tables of input that is wrong: each case is one run of the command, with what it must say and its exit code.

Holds: `Case`, and `Trial`, which runs a table between two raw looks and answers for all five stores and all logs.
Add here: another promise that holds for whatever a user hands in.
Keep out: cases (each subject has its module), and the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.flow_fixtures import Answer, Flow
from tests.integration.outcome import changed, world
from tests.integration.raw_look import Snapshot, look


@dataclass(frozen=True, kw_only=True)
class Case:
    """One run: its arguments behind the global ones, and what must come of it."""

    name: str
    arguments: Sequence[str | Path]
    says: Sequence[str] = ()
    code: int = 2
    config: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, flow: Flow) -> Answer:
        return flow.command(*self.arguments, config=self.config, **self.environment)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A whole table that has been run, with what stood in the five stores before and afterwards."""

    flow: Flow
    cases: Sequence[Case]
    answers: Mapping[str, Answer]
    before: Snapshot = field(repr=False)
    after: Snapshot = field(repr=False)

    def require_told(self, case: Case) -> None:
        """The exit code, the sentences, and nothing that only a developer could read."""
        answer = self.answers[case.name]
        assert answer.code == case.code, answer.said
        told = "\n".join(answer.result["problems"]) if answer.code else answer.said
        for sentence in case.says:
            assert sentence in told
        assert "Unexpected" not in answer.said
        assert "Traceback" not in answer.said

    def require_nothing_changed(self) -> None:
        """One look for all cases is enough as long as it finds nothing; else each is run again, and looked behind."""
        if not changed(world(self.before), world(self.after)):
            return
        culprits, before = [], self.after
        for case in self.cases:
            case.run(self.flow)
            after = look(self.flow.config)
            if changed(world(before), world(after)):
                culprits.append(case.name)
            before = after
        raise AssertionError(f"stores were changed by {culprits or 'a case that does so only once'}")

    def require_nobody_named(self, secrets: Iterable[str] = ()) -> None:
        """No value of a person and no secret: not in what was said, the log files, the ledger or Dagster's storage."""
        values = [value for person in self.flow.people.values() for value in person.values]
        wanted = [value.lower().encode() for value in (*values, *secrets)]
        said = {case.name: self.answers[case.name].said.lower().encode() for case in self.cases}
        written = {
            str(file): file.read_bytes().lower() for file in self.flow.var.rglob("*") if file.is_file()
        }
        assert any("logs" in name for name in written)
        named = {name for name, text in (said | written).items() for value in wanted if value in text}
        assert named == set()


def tried(flow: Flow, cases: Sequence[Case]) -> Trial:
    """Runs the table in its order."""
    assert len({case.name for case in cases}) == len(cases)
    before = look(flow.config)
    answers = {case.name: case.run(flow) for case in cases}
    return Trial(flow=flow, cases=cases, answers=answers, before=before, after=look(flow.config))
