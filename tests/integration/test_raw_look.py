"""What is in the engines after a deletion, by a look that uses none of the product.

One world and one deletion, with no undo window, serve all tests; whoever changes something puts it back.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from erasure.settings import PROJECT_ROOT
from tests.flow_fixtures import Flow, Person
from tests.integration import outcome, raw_look
from tests.integration.outcome_exports import MASK, is_export, key_of
from tests.integration.put_back import (
    JOINED,
    REQUESTED,
    Deletion,
    put_back_in_an_export,
    put_back_in_clickhouse,
    put_back_in_elasticsearch,
    put_back_in_postgres,
    put_back_in_redis,
    put_back_in_s3,
)
from tests.integration.raw_look import MARKER, STORES, Place, Snapshot, look

OPTIONS = ("--undo-days", "0", "--controls", "full")


@pytest.fixture(scope="module")
def deletion(flow: Flow) -> Deletion:
    requested = [*flow.edge(*REQUESTED), *flow.plain()[:1], *flow.plain(inactive=False)[:1]]
    before = look(flow.config)
    answer = flow.command("delete", "--csv", flow.csv(requested), "--execute", *OPTIONS)
    return Deletion(
        answer=answer,
        people=(*requested, *flow.edge(JOINED)),
        before=before,
        after=look(flow.config),
    )


def test_the_look_imports_nothing_of_the_product() -> None:
    tree = ast.parse(Path(raw_look.__file__).read_text(encoding="utf-8"))
    modules = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or "."]
        )
    }
    assert modules.isdisjoint({"erasure", "expectations", "dagster_defs", "sandbox", "tests", "."})


def test_the_deletion_ended_well(deletion: Deletion) -> None:
    assert deletion.answer.code == 0, deletion.answer.said
    assert deletion.answer.result["state"] == "erased"


def test_the_reports_and_every_control_record_of_the_sql_stores_are_as_before(
    flow: Flow, deletion: Deletion
) -> None:
    (line,) = (line for line in deletion.answer.err.splitlines() if "--controls full covers" in line)
    found = re.fullmatch(r"✅ As before: (\d+) reports and (\d+) control records of PostgreSQL and .*", line)
    assert found is not None, line
    reports = list((PROJECT_ROOT / "dbt_project/models/kepler/reporting").rglob("report__*.sql"))
    assert int(found.group(1)) == len(reports) > 0
    theirs = outcome.theirs(deletion.before, deletion.people)
    # What is waived is nobody's to change, also where it names a target by id.
    others = [
        place
        for place in world_places(deletion.before)
        if place.object.startswith(("public.", "kepler."))
        and (place not in theirs or place.object == "public.legal_holds")
    ]
    assert int(found.group(2)) == len(others)
    details = flow.sql("select detail::text from erasure.steps where stage = 'controls'")
    assert len(details) == 2
    assert all('"before"' not in row["detail"] for row in details)


@pytest.mark.parametrize("store", STORES)
def test_before_it_the_look_finds_the_people_in_every_store(deletion: Deletion, store: str) -> None:
    for person in deletion.people:
        if store == "s3" and not _has_files(deletion.before, person):
            continue
        places = deletion.before.naming(person.values)
        assert any(place.store == store for place in places), f"{store} never named {person.contributor_id}"


def test_the_scene_holds_what_is_hard_to_find(deletion: Deletion) -> None:
    """Else the other tests would prove less than they seem to."""
    aliased = deletion.people[REQUESTED.index("aliased")]
    before = deletion.before
    named = before.naming(aliased.emails)
    without_id = [p for p in named if aliased.contributor_id not in before.records[p] + p.key]
    assert {"public.judgments", "public.support_messages"} <= {place.object for place in without_id}
    assert any(
        aliased.email.upper() in before.records[place] for place in named if place.store == "clickhouse"
    )
    assert len({p.key.partition("@")[0] for p in before.of("s3")}) < len(before.of("s3"))
    assert MARKER in before.of("s3").values()
    # Exports: rows without an id, versions that named people whom the current one does not, files without them.
    exports = {place: text for place, text in before.of("s3").items() if is_export(place)}
    mine = outcome.theirs(before, deletion.people)
    assert any(f",, {aliased.email.upper()}," in text for text in exports.values())
    assert {place in mine for place in exports} == {True, False}
    assert any(
        place in mine and other not in mine
        for place in exports
        for other in exports
        if key_of(place) == key_of(other) and MARKER not in (exports[place], exports[other])
    )
    for store in ("s3", "redis"):
        # Names that begin with an id and go on: nobody's, and so among what must stay as it is.
        beyond = {p for p in before.of(store) if f"{aliased.contributor_id}0" in p.key}
        assert beyond and beyond.isdisjoint(outcome.theirs(before, deletion.people))


def test_after_it_no_value_of_the_people_is_anywhere(deletion: Deletion) -> None:
    assert deletion.after.naming(deletion.values) == []
    assert deletion.after.records.keys() & deletion.before.records.keys()


def test_the_name_of_a_namesake_stays_with_the_namesake_alone(flow: Flow, deletion: Deletion) -> None:
    gone, stays = deletion.people[REQUESTED.index("namesake")], flow.edge("active_namesake")[0]
    assert gone.full_name == stays.full_name
    of_both = set(deletion.before.naming([gone.full_name]))
    of_one = set(deletion.before.naming([stays.contributor_id, *stays.emails])) & of_both
    assert of_one < of_both
    assert set(deletion.after.naming([gone.full_name])) == of_one


def test_everybody_elses_records_are_the_same_byte_for_byte(deletion: Deletion) -> None:
    outcome.require_others_untouched(deletion.before, deletion.after, deletion.people)
    untouched = world_places(deletion.before) - outcome.theirs(deletion.before, deletion.people)
    for store in STORES:
        assert any(place.store == store for place in untouched), (
            f"{store} has nobody else's record to compare"
        )


def test_shared_records_differ_in_the_targets_part_alone(deletion: Deletion) -> None:
    outcome.require_masked_records(deletion.before, deletion.after, deletion.people)
    shared = [
        json.loads(text)
        for place, text in deletion.after.of("elasticsearch", "project-").items()
        if deletion.before.records[place] != text
    ]
    assert shared
    assert any(e["workerEmail"] != MASK for document in shared for e in document["judgments"])
    assert any(document["latest"]["workerEmail"] == MASK for document in shared)


def test_what_stays_of_the_people_in_postgres_is_in_its_masked_form(flow: Flow, deletion: Deletion) -> None:
    for person in deletion.people:
        (row,) = flow.sql("select * from contributors where contributor_id = %s", person.contributor_id)
        assert row["email"] == f"{MASK}-{person.contributor_id}"
        assert (row["full_name"], row["address"], row["status"]) == (MASK, None, "erased")
    assert flow.sql("select 1 from judgments where contributor_id is null and contributor_email = %s", MASK)


def test_the_ledger_keeps_no_value_of_anybody(deletion: Deletion) -> None:
    ledger = Snapshot(records=deletion.after.of("postgres", f"{outcome.LEDGER}."))
    assert ledger.naming([deletion.batch_id])
    assert ledger.naming(["@"]) == []
    assert ledger.of("postgres", f"{outcome.LEDGER}.targets") == {}


def test_verify_finds_nothing_afterwards(flow: Flow, deletion: Deletion) -> None:
    answer = flow.command("verify", deletion.batch_id)
    assert answer.code == 0, answer.said
    assert {found["survivors"] for found in answer.result["counts"].values()} == {0}


@pytest.mark.parametrize(
    "put_back",
    [
        put_back_in_postgres,
        put_back_in_clickhouse,
        put_back_in_elasticsearch,
        put_back_in_s3,
        put_back_in_an_export,
        put_back_in_redis,
    ],
)
def test_without_the_masking_of_one_record_both_the_look_and_verify_fail(
    flow: Flow, deletion: Deletion, put_back: Callable[[Flow, Deletion], Iterator[str]]
) -> None:
    with contextmanager(put_back)(flow, deletion) as place:
        seen = look(flow.config)
        store, _, table = place.partition("/")
        assert {found.store for found in seen.naming(deletion.values)} == {store}
        with pytest.raises(AssertionError):
            outcome.require_erased(deletion.before, seen, deletion.people)
        answer = flow.command("verify", deletion.batch_id)
        assert answer.code == 1
        counts, problems = answer.result["counts"], answer.result["problems"]
        assert {name for name in counts if counts[name]["survivors"]} == {store}
        assert problems and all(table in problem for problem in problems), problems
        assert deletion.people[0].email not in answer.said
    outcome.require_unchanged(deletion.after, look(flow.config))


def world_places(snapshot: Snapshot) -> set[Place]:
    return set(outcome.world(snapshot).records)


def _has_files(before: Snapshot, person: Person) -> bool:
    return any(person.contributor_id in place.key for place in before.of("s3"))
