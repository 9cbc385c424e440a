"""`delete` from the dry run to the end: what it changes, what it refuses, what it says and what it leaves behind.

The tests share a world, each with people of its own in it; one of them is about the deletion that really happens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from erasure.settings import PROJECT_ROOT
from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome import (
    differing_counts,
    nonzero,
    require_erased,
    require_unchanged,
)
from tests.integration.raw_look import Snapshot, look
from tests.sandbox_fixtures import eventually

KEYS = {"command", "state", "batch_id", "fingerprint", "run_id", "counts", "problems"}
# What users of the older scripts have always read, with the store and objects whose sum it is.
LINES = {
    "PostgreSQL records deleted": "postgres",
    "Elasticsearch documents masked": "elasticsearch",
    "ClickHouse records masked": "clickhouse",
    "S3 files deleted": "s3",
}


@dataclass(frozen=True, kw_only=True)
class Story:
    """One deletion as users do it: dry run, review, execution by a process; and the looks in between."""

    csv: Path
    people: tuple[Person, ...]
    plan: Answer
    answer: Answer
    before: Snapshot
    planned: Snapshot
    after: Snapshot
    process_arguments: frozenset[str]

    @property
    def batch_id(self) -> str:
        return str(self.answer.result["batch_id"])


@pytest.fixture(scope="module")
def story(flow: Flow) -> Story:
    requested = [*flow.edge("twin", "namesake"), *flow.plain()[:1], *flow.plain(inactive=False)[:1]]
    csv = flow.csv(requested)
    before = look(flow.config)
    plan = flow.command("delete", "--csv", csv, "--dry-run")
    assert plan.code == 0, plan.said
    planned = look(flow.config)
    chosen = ("--plan", plan.result["fingerprint"], "--undo-days", "0")
    answer, arguments = _watched(flow, "delete", "--csv", csv, "--execute", *chosen)
    return Story(
        csv=csv,
        people=(*requested, *flow.edge("twin_merged")),
        plan=plan,
        answer=answer,
        before=before,
        planned=planned,
        after=look(flow.config),
        process_arguments=arguments,
    )


def _watched(flow: Flow, *arguments: str | Path) -> tuple[Answer, frozenset[str]]:
    """Runs the command as a process and collects the arguments of it and of all its descendants."""
    seen: set[str] = set()

    def ended() -> bool:
        try:
            for process in (family := psutil.Process(command.pid), *family.children(recursive=True)):
                seen.update(process.cmdline())
        except psutil.Error:
            return command.poll() is not None
        return command.poll() is not None

    with (flow.root / "out").open("w+") as out, (flow.root / "err").open("w+") as err:
        command = flow.process(*arguments, out=out, err=err)
        try:
            eventually(ended, within=240)
        finally:
            command.kill()
            command.wait()
        out.seek(0)
        err.seek(0)
        return Answer(code=command.returncode, out=out.read(), err=err.read()), frozenset(seen)


def test_a_dry_run_changes_nothing_anywhere(story: Story) -> None:
    assert story.plan.result["state"] == "planned"
    assert story.plan.result["counts"]
    require_unchanged(story.before, story.planned)


def test_each_member_is_traced_to_why_it_is_in(story: Story) -> None:
    # The second account of the twin was asked for by nobody.
    assert story.plan.result["members"] == {"requested": 4, "same person as one requested": 1}
    assert "      1 same person as one requested" in story.plan.err.splitlines()
    assert story.plan.result["contributors"] == len(story.people)


def test_execute_takes_the_plan_that_was_reviewed(flow: Flow, story: Story) -> None:
    assert story.answer.code == 0, story.answer.said
    planned, executed = story.plan.result, story.answer.result
    assert (executed["batch_id"], executed["fingerprint"]) == (planned["batch_id"], planned["fingerprint"])
    assert executed["run_id"] != planned["run_id"]
    (batch,) = flow.sql("select reviewed, state from erasure.batches where batch_id = %s", story.batch_id)
    assert batch == {"reviewed": True, "state": "erased"}


def test_the_execution_erases_the_people_and_touches_nobody_else(story: Story) -> None:
    require_erased(story.before, story.after, story.people)


def test_the_counts_told_are_those_of_the_differences(story: Story) -> None:
    differences = differing_counts(story.before, story.after)
    assert nonzero(story.answer.result["counts"]) == nonzero(differences)
    assert nonzero(story.plan.result["counts"]) == nonzero(differences)
    assert all(nonzero(differences).values())


def test_the_json_object_has_the_promised_keys(story: Story) -> None:
    for answer in (story.plan, story.answer):
        assert answer.result.keys() >= KEYS
        assert answer.result["command"] == "delete"
        assert answer.result["problems"] == []


def test_the_summary_lines_are_the_ones_that_users_know(story: Story) -> None:
    counts = story.answer.result["counts"]
    said = story.answer.err.splitlines()
    rewritten = {"answer_exports", "unit_feeds", "worker_tables"}
    for text, store in LINES.items():
        number = sum(n for name, n in counts[store].items() if name not in {"sessions", *rewritten})
        assert f"✅ {text}: {number}" in said
    assert rewritten < counts["s3"].keys()
    assert f"✅ S3 files with rows masked: {sum(counts['s3'][name] for name in rewritten)}" in said
    assert f"✅ Redis sessions cleared: {counts['redis']['sessions']}" in said
    assert "✅ Contributors successfully kicked out (fetch API failed as expected)" in said


def test_one_launch_is_one_run(flow: Flow, story: Story) -> None:
    told = {story.plan.result["run_id"]: "plan_deletion", story.answer.result["run_id"]: "execute_deletion"}
    assert flow.runs(story.batch_id) == told


def test_without_an_undo_window_no_needle_is_kept(flow: Flow, story: Story) -> None:
    kept = flow.sql("select count(*) from erasure.targets where batch_id = %s", story.batch_id)
    assert kept == [{"count": 0}]
    erased = flow.sql("select distinct contributor_id::text from erasure.erased")
    assert {row["contributor_id"] for row in erased} == {person.contributor_id for person in story.people}


def test_no_file_that_the_run_has_written_names_anybody_or_holds_a_secret(flow: Flow, story: Story) -> None:
    values = [value.lower().encode() for value in _never_told(flow, story)]
    written = [path for path in flow.var.rglob("*") if path.is_file()]
    cached = [path for path in (PROJECT_ROOT / "var" / "dbt").rglob("*") if path.is_file()]
    content = {path: path.read_bytes().lower() for path in written + cached}
    offenders = {str(path) for path, text in content.items() for value in values if value in text}
    assert offenders == set()
    kinds = {
        path.relative_to(flow.var).parts[0]
        for path, text in content.items()
        if path in written and (story.batch_id.lower().encode() in text or story.batch_id in str(path))
    }
    assert {"dagster", "logs", "reports"} <= kinds


def test_no_process_argument_names_anybody_or_holds_a_secret(flow: Flow, story: Story) -> None:
    arguments = "\n".join(story.process_arguments).lower()
    assert str(story.csv).lower() in arguments
    assert [value for value in _never_told(flow, story) if value.lower() in arguments] == []


def test_nothing_said_names_anybody_or_holds_a_secret(flow: Flow, story: Story) -> None:
    said = (story.plan.said + story.answer.said).lower()
    assert [value for value in _never_told(flow, story) if value.lower() in said] == []


def test_a_csv_of_people_already_erased_is_nothing_to_do(flow: Flow, story: Story) -> None:
    before = look(flow.config)
    answer = flow.command("delete", "--csv", story.csv, "--execute")
    assert answer.code == 0, answer.said
    assert "nothing to do" in answer.err.lower()
    assert answer.result["contributors"] == 0
    require_unchanged(before, look(flow.config))


def test_fetch_says_how_many_are_left_out_and_why(flow: Flow, story: Story) -> None:
    in_work = "b20260101T000000Z-0000aa"
    flow.sql("insert into erasure.batches (batch_id, state, world) values (%s, 'failed', 'kepler')", in_work)
    flow.sql(
        "insert into erasure.targets (batch_id, contributor_id, kind, value) values (%s, %s, 'contributor', '')",
        in_work,
        flow.plain()[3].contributor_id,
    )
    everybody, limited = flow.command("fetch"), flow.command("fetch", "--max-contributors", "1")
    flow.sql("delete from erasure.targets where batch_id = %s", in_work)
    flow.sql("delete from erasure.batches where batch_id = %s", in_work)

    erased_ones = [person for person in story.people if person.inactive]
    excluded = {
        "already erased": len(erased_ones),
        "in another open batch": 1,
        "legal hold": 1,
        "open dispute": 1,
        "pending payment": 1,
    }
    for answer in (everybody, limited):
        assert answer.code == 0, answer.said
        assert answer.result["excluded"] == excluded
        for reason, number in excluded.items():
            assert f"   excluded: {number} ({reason})" in answer.err.splitlines()
    assert "(no activity for 365 days)" in everybody.err
    assert everybody.result["contributors"] == len(flow.edge("aliased")) + len(flow.plain()[1:3])
    assert limited.result["contributors"] == 1


def test_a_fingerprint_of_no_plan_in_force_is_refused(flow: Flow) -> None:
    csv = flow.csv(flow.plain()[1:2])
    before = look(flow.config)
    plan = flow.command("delete", "--csv", csv)
    assert plan.code == 0, plan.said
    answer = flow.command("delete", "--csv", csv, "--execute", "--plan", "0123456789abcdef")
    assert answer.code == 3
    assert "0123456789abcdef" in answer.result["problems"][0]
    require_unchanged(before, look(flow.config))
    assert flow.command("cancel", plan.result["batch_id"]).code == 0


def test_a_record_that_has_come_since_the_plan_refuses_it(flow: Flow) -> None:
    person = flow.plain()[2]
    new_judgment = (
        "insert into judgments select max(judgment_id) + 1, min(unit_id::text)::uuid, min(job_id::text)::uuid, %s,"
        " %s, 'Yes', null, now() from judgments"
    )
    with _planned(flow, person) as (csv, _):
        flow.sql(new_judgment, person.contributor_id, person.email)
        before = look(flow.config)
        answer = flow.command("delete", "--csv", csv, "--execute")
        after = look(flow.config)
        flow.sql("delete from judgments where judgment_id = (select max(judgment_id) from judgments)")
    assert answer.code == 3, answer.said
    assert any(
        re.match(r"postgres/judgments: planned \d+, now \d+", line) for line in answer.result["problems"]
    )
    require_unchanged(before, after)


def test_a_hold_that_has_been_placed_since_the_plan_refuses_it(flow: Flow) -> None:
    person = flow.plain()[2]
    with _planned(flow, person) as (csv, _):
        flow.sql(
            "insert into legal_holds (contributor_id, reason, placed_at) values (%s, 'Litigation', now())",
            person.contributor_id,
        )
        before = look(flow.config)
        answer = flow.command("delete", "--csv", csv, "--execute")
        after = look(flow.config)
        flow.sql("delete from legal_holds where contributor_id = %s", person.contributor_id)
    assert answer.code == 3, answer.said
    assert any("differ from the frozen target set" in line for line in answer.result["problems"])
    assert person.email not in answer.said
    require_unchanged(before, after)


def test_people_held_back_are_left_out_with_their_reason(flow: Flow) -> None:
    held = flow.edge("on_hold", "payment_pending", "dispute_open")
    before = look(flow.config)
    answer = flow.command("delete", "--csv", flow.csv([*held, *flow.plain()[1:2]]), "--dry-run")
    assert answer.code == 0, answer.said
    assert answer.result["contributors"] == 1
    batch_id = answer.result["batch_id"]
    excluded = flow.sql(
        "select reason from erasure.targets where batch_id = %s and kind = 'excluded' order by reason",
        batch_id,
    )
    assert [row["reason"] for row in excluded] == ["legal hold", "open dispute", "pending payment"]
    assert answer.result["excluded"] == {row["reason"]: 1 for row in excluded}
    require_unchanged(before, look(flow.config))
    assert flow.command("cancel", batch_id).code == 0


def test_a_csv_of_people_held_back_alone_is_refused_with_the_reasons(flow: Flow) -> None:
    held = flow.edge("on_hold", "payment_pending")
    before = look(flow.config)
    answer = flow.command("delete", "--csv", flow.csv(held), "--execute")
    assert answer.code == 3, answer.said
    assert answer.result["excluded"] == {"legal hold": 1, "pending payment": 1}
    assert "nothing to do" not in answer.said.lower()
    require_unchanged(before, look(flow.config))


def test_a_dry_run_and_an_execution_exclude_each_other(flow: Flow) -> None:
    csv = flow.csv(flow.plain()[1:2])
    before = look(flow.config)
    answer = flow.command("delete", "--csv", csv, "--dry-run", "--execute")
    assert answer.code == 2
    assert "--dry-run and --execute" in answer.result["problems"][0]
    require_unchanged(before, look(flow.config))


def test_too_large_a_share_of_all_contributors_is_refused_unless_a_reason_is_given(flow: Flow) -> None:
    csv = flow.csv(flow.plain(inactive=False)[1:18])
    before = look(flow.config)
    refused = flow.command("delete", "--csv", csv, "--execute")
    assert refused.code == 3, refused.said
    assert any("max_share_of_contributors" in line for line in refused.result["problems"])
    allowed = flow.command("delete", "--csv", csv, "--dry-run", "--exceed-caps", "closing the pilot")
    assert allowed.code == 0, allowed.said
    batch_id = allowed.result["batch_id"]
    kept = flow.sql("select cap_reason, state from erasure.batches where batch_id = %s", batch_id)
    assert kept == [{"cap_reason": "closing the pilot", "state": "planned"}]
    require_unchanged(before, look(flow.config))
    assert flow.command("cancel", batch_id).code == 0


@contextmanager
def _planned(flow: Flow, person: Person) -> Iterator[tuple[Path, dict[str, Any]]]:
    csv = flow.csv([person])
    plan = flow.command("delete", "--csv", csv, "--dry-run")
    assert plan.code == 0, plan.said
    yield csv, plan.result
    assert flow.command("cancel", plan.result["batch_id"]).code == 0


def _never_told(flow: Flow, story: Story) -> list[str]:
    """What no log, report, argument or message may hold: values of the people, and every secret."""
    secrets = [
        flow.setting(section, key)
        for section, key in (
            ("database", "password"),
            ("clickhouse", "password"),
            ("redis", "password"),
            ("s3", "aws_access_key_id"),
            ("s3", "aws_secret_access_key"),
            ("erasure", "hash_key"),
        )
    ]
    job_secret = flow.setting("api", "job_url").rpartition("secret=")[2]
    assert len(job_secret) > 8
    values = [value for person in story.people for value in person.values]
    # Non-ASCII names stand escaped in JSON.
    escaped = [json.dumps(value)[1:-1] for value in values if not value.isascii()]
    return [*values, *escaped, *secrets, job_secret]
