"""What nobody can erase, a closed index and held files: told with the plan, refused until accepted, never called done.

The tests share a world and are one story, told by its fixture.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import httpx
import pytest

from tests.flow_fixtures import Answer, Flow, Person
from tests.integration.outcome import require_erased, require_unchanged, theirs, world
from tests.integration.outcome_exports import key_of
from tests.integration.raw_look import Place, Snapshot, look

pytestmark = pytest.mark.costly

CLOSED = "project-00000000-0000-4000-8000-00000000c105"
HELD_EXPORT, FREE_EXPORT = "exports/7/answers-1.csv.gz", "exports/7/answers-2.csv.gz"
LEFT = (
    ("elasticsearch/units", "a closed index"),
    ("s3/answer_exports", f"under a legal hold: {HELD_EXPORT}"),
    ("s3/contributor_files", "under a legal hold"),
)
SENTENCES = [f"{place}: 1 cannot be erased ({why})" for place, why in LEFT]


@dataclass(frozen=True, kw_only=True)
class Story:
    """One deletion, planned, refused, accepted and verified; at its end the index is open, and nothing held."""

    person: Person
    bystander: Person
    before: Snapshot
    refused_at: Snapshot
    after: Snapshot
    plan: Answer
    refused: Answer
    accepted: Answer
    verified: Answer
    opened: Answer


@pytest.fixture(scope="module")
def story(flow: Flow) -> Story:
    person, bystander = flow.plain()[:2]
    csv = flow.csv([person])
    files = Files.of(flow, person, bystander)
    config = flow.variant({("s3", "bucket_name"): files.bucket})
    url = flow.setting("elasticsearch", "url")
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as search:
        unit = {"latest": {"workerId": person.contributor_id, "workerEmail": person.email}}
        search.put(f"/{CLOSED}/_doc/1", json=unit, params={"refresh": "true"}).raise_for_status()
        before = look(config)
        search.post(f"/{CLOSED}/_close").raise_for_status()
        plan = flow.command("delete", "--csv", csv, "--dry-run", config=config)
        chosen = ("delete", "--csv", csv, "--execute", "--plan", plan.result["fingerprint"])
        refused = flow.command(*chosen, config=config)
        refused_at = look_at_all(config, search)
        accepted = flow.command(*chosen, "--accept-not-erasable", config=config)
        batch = str(accepted.result["batch_id"])
        verified = flow.command("verify", batch, config=config)
        open_again(search)
        after = look(config)
        files.hold("OFF")
        opened = flow.command("verify", batch, config=config)
    return Story(
        person=person,
        bystander=bystander,
        before=before,
        refused_at=refused_at,
        after=after,
        plan=plan,
        refused=refused,
        accepted=accepted,
        verified=verified,
        opened=opened,
    )


@dataclass(frozen=True, kw_only=True)
class Files:
    """A bucket with locks, in it two files of each person and two exports; one of either kind is under a hold."""

    client: Any
    bucket: str
    held: dict[str, str]  # key -> version

    @classmethod
    def of(cls, flow: Flow, *people: Person) -> Files:
        client: Any = boto3.session.Session().client(
            "s3",
            endpoint_url=flow.setting("s3", "endpoint_url"),
            region_name=flow.setting("s3", "region"),
            aws_access_key_id=flow.setting("s3", "aws_access_key_id"),
            aws_secret_access_key=flow.setting("s3", "aws_secret_access_key"),
        )
        bucket = f"held-{uuid4().hex}"
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        rows = [f"u-{each.contributor_id},{each.contributor_id},{each.email},,,yes,1.50" for each in people]
        header = "unit_id,worker_id,worker_email,ip,comment,answer,seconds"
        table = gzip.compress("".join(f"{line}\r\n" for line in (header, *rows)).encode(), mtime=0)
        bodies = {HELD_EXPORT: table, FREE_EXPORT: table}
        for each in people:
            for name in ("contract.txt", "profile.json"):
                bodies[f"contributors/{each.contributor_id}/{name}"] = each.email.encode()
        versions = {
            key: client.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"]
            for key, body in bodies.items()
        }
        held = {key: one for key, one in versions.items() if key == HELD_EXPORT or "contract" in key}
        files = cls(client=client, bucket=bucket, held=held)
        files.hold("ON")
        return files

    def hold(self, status: str) -> None:
        for key, version in self.held.items():
            self.client.put_object_legal_hold(
                Bucket=self.bucket, Key=key, VersionId=version, LegalHold={"Status": status}
            )


def open_again(search: httpx.Client) -> None:
    search.post(f"/{CLOSED}/_open").raise_for_status()
    search.get(f"/_cluster/health/{CLOSED}", params={"wait_for_status": "yellow"}).raise_for_status()


def look_at_all(config: Path, search: httpx.Client) -> Snapshot:
    """What stands in all stores; the closed index is open meanwhile."""
    open_again(search)
    found = look(config)
    search.post(f"/{CLOSED}/_close").raise_for_status()
    return found


def is_left(place: Place, person: Person) -> bool:
    """Whether nobody could erase it."""
    held = (HELD_EXPORT, f"contributors/{person.contributor_id}/contract.txt")
    return place.object == CLOSED or (place.store == "s3" and key_of(place) in held)


def what_is_left(snapshot: Snapshot, person: Person) -> dict[Place, str]:
    return {place: text for place, text in snapshot.records.items() if is_left(place, person)}


def the_rest(snapshot: Snapshot, person: Person) -> Snapshot:
    return world(
        Snapshot(
            records={place: text for place, text in snapshot.records.items() if not is_left(place, person)}
        )
    )


def test_the_plan_tells_of_it_and_executing_it_is_refused_until_it_is_accepted(story: Story) -> None:
    assert story.plan.code == 0, story.plan.said
    assert sorted(story.plan.result["not_erasable"]) == SENTENCES
    assert story.refused.code == 3, story.refused.said
    assert set(SENTENCES) <= set(story.refused.result["problems"])
    assert "--accept-not-erasable" in story.refused.said
    require_unchanged(story.before, story.refused_at)


def test_once_accepted_the_rest_is_erased_and_the_batch_ends_with_exceptions(story: Story) -> None:
    assert story.accepted.code == 1, story.accepted.said
    assert story.accepted.result["state"] == "closed_with_exceptions"
    assert sorted(story.accepted.result["problems"]) == [
        f"{place}: 1 not erased ({why})" for place, why in LEFT
    ]
    # The ledger keeps the needles until the undo window ends.
    before, after = the_rest(story.before, story.person), the_rest(story.after, story.person)
    assert theirs(before, [story.person])
    require_erased(before, after, [story.person])
    keys = {key_of(place) for place in after.of("s3")}
    assert keys == {FREE_EXPORT, *_keys_of(story.bystander)}


def test_what_could_not_be_erased_is_there_as_it_was_and_verification_says_so(story: Story) -> None:
    left = what_is_left(story.after, story.person)
    assert left == what_is_left(story.before, story.person)
    assert len(left) == len(LEFT) and all(story.person.email in text for text in left.values())
    assert story.verified.code == 1, story.verified.said
    counts = story.verified.result["counts"]
    assert [counts[store]["survivors"] for store in ("elasticsearch", "s3")] == [0, 0]
    assert [counts[store]["not_erasable"] for store in ("elasticsearch", "s3")] == [1, 2]


def test_once_the_index_is_open_and_nothing_is_held_the_survivors_are_found(story: Story) -> None:
    assert story.opened.code == 1, story.opened.said
    counts = story.opened.result["counts"]
    assert [counts[store]["survivors"] for store in ("elasticsearch", "s3")] == [1, 2]
    assert [counts[store]["not_erasable"] for store in ("elasticsearch", "s3")] == [0, 0]


def test_nothing_said_of_it_names_anybody(story: Story) -> None:
    said = "".join(answer.said for answer in (story.plan, story.refused, story.accepted, story.verified))
    for person in (story.person, story.bystander):
        assert not [value for value in (person.contributor_id, *person.values) if value in said]


def _keys_of(person: Person) -> set[str]:
    return {f"contributors/{person.contributor_id}/{name}" for name in ("contract.txt", "profile.json")}
